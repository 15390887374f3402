"""A backup is whole or none at all, restores what was there, and refuses what is not as it should be."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from drift.samples import Sample
from proxy.alone import alone
from proxy.keeping import backup as backing_up
from proxy.keeping.backup import backup
from proxy.keeping.restore import restore
from proxy.settings import Data, Qdrant, Settings
from proxy.stores import history
from proxy.stores.history import open_history
from proxy.stores.ledger import Ledger
from proxy.stores.log import open_log
from proxy.stores.vectors import BASELINE, WINDOW, Vectors
from tests.first_schema import FIRST_BASELINE, first_data, first_vectors
from tests.qdrant_server import QdrantServer

Edit = Callable[[Path], None]


def settings(folder: Path) -> Settings:
    return Settings(data=Data(dir=str(folder)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "data"
    first_data(folder)
    first_vectors(folder)
    (folder / "references").mkdir()
    (folder / "references" / "prices.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def archive(data: Path) -> Path:
    target = data.parent / "kept.tar.gz"
    assert backup(settings(data), target) == 0
    return target


def test_what_is_restored_is_what_was_there(data: Path, archive: Path, tmp_path: Path):
    assert restore(settings(tmp_path / "new"), archive) == 0
    for read in (
        lambda h, _: h.monitors(),
        lambda h, _: h.baselines(),
        lambda h, _: h.reports("replay", limit=100),
        lambda h, _: h.samples("replay", limit=100),
        lambda h, _: h.baseline_samples(FIRST_BASELINE, limit=100),
        lambda h, log: (h.cursor(), log.head(), log.totals(), log.captures([31, 32, 33])),
    ):
        found = []
        for folder in (data, tmp_path / "new"):
            with closing(open_history(folder)) as stored, closing(open_log(folder)) as log:
                found.append(read(stored, log))
        assert found[0] == found[1]
    assert (tmp_path / "new" / "references" / "prices.json").read_text() == "{}"
    kept = []
    for folder in (data, tmp_path / "new"):
        with closing(Vectors(Settings().qdrant, folder)) as vectors:
            points = vectors.get(BASELINE, FIRST_BASELINE, range(24)) + vectors.get(WINDOW, "replay", range(33))
            kept.append([(p.exchange_id, p.at, p.prompt.tobytes(), p.response.tobytes()) for p in points])
    assert kept[0] == kept[1]


def test_a_backup_is_its_owners_alone_and_nothing_is_left_beside_it(data: Path, archive: Path):
    assert os.stat(archive).st_mode & 0o077 == 0
    assert not list(data.glob(".backup-*"))
    assert sorted(path.name for path in data.parent.iterdir()) == ["data", "kept.tar.gz"]


def test_a_folder_will_do(data: Path, tmp_path: Path):
    assert backup(settings(data), tmp_path / "copy") == 0
    assert os.stat(tmp_path / "copy").st_mode & 0o077 == 0
    assert restore(settings(tmp_path / "new"), tmp_path / "copy") == 0
    assert (tmp_path / "copy" / "manifest.json").exists()
    with closing(open_history(tmp_path / "new")) as stored:
        assert len(stored.monitors()) == 1


@pytest.mark.parametrize(
    ("target", "why"), [("kept.tar.gz", "is there already"), ("data/x.tar.gz", "")], ids=["there", "inside"]
)
def test_nothing_is_written_over(data: Path, archive: Path, target: str, why: str, capsys: pytest.CaptureFixture[str]):
    before = archive.read_bytes()
    code = backup(settings(data), data.parent / target)
    assert (code == 1) == bool(why)
    assert why in capsys.readouterr().err
    assert archive.read_bytes() == before
    (data / "x.tar.gz").unlink(missing_ok=True)


def test_only_what_a_killed_backup_left_is_removed(data: Path, tmp_path: Path):
    """What people call "backup-..." in the data folder is theirs."""
    ours, theirs, file = (data / name for name in (f".backup-staging-{'a' * 32}", "backup-monday", "backup-note"))
    ours.mkdir()
    theirs.mkdir()
    file.touch()
    assert backup(settings(data), data / "backup-tuesday") == 0
    assert [path.exists() for path in (ours, theirs, file)] == [False, True, True]
    assert restore(settings(tmp_path / "new"), data / "backup-tuesday") == 0


@pytest.mark.parametrize("name", ["vectors", "references"])
def test_a_backup_does_not_go_where_driftium_keeps_its_own(data: Path, name: str, capsys: pytest.CaptureFixture[str]):
    assert backup(settings(data), data / name / "kept.tar.gz") == 1
    assert "name a place outside it" in capsys.readouterr().err
    assert not (data / name / "kept.tar.gz").exists()


def test_a_backup_that_waited_in_vain_leaves_no_command(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(backing_up, "WAIT_SECONDS", 0.0)
    with alone(data, "worker"):
        assert backup(settings(data), tmp_path / "kept.tar.gz") == 1
    assert "the worker did not answer" in capsys.readouterr().err
    with closing(open_history(data)) as stored:
        assert Ledger(stored, Settings().history, ring=1).commands() == []
    assert not list(data.glob(".backup-*"))


def test_vectors_on_a_server_are_written_over_only_when_that_is_asked_for(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with QdrantServer() as server:
        there = msgspec.structs.replace(settings(tmp_path / "new"), qdrant=Qdrant(url=server.url))
        with closing(Vectors(there.qdrant, tmp_path, 384)) as vectors:
            one = np.ones(384, np.float32)
            vectors.put(WINDOW, "m", [(0, Sample(exchange_id="x", at=1.0, response=one, prompt=one))], {"monitor": "m"})
        server.asked.clear()
        assert restore(there, archive) == 1
        assert "write over them with --replace-vectors" in capsys.readouterr().err
        assert {asked.method for asked in server.asked} == {"GET", "POST"}
        assert [path for path in (tmp_path / "new").rglob("*") if path.suffix != ".lock"] == []
        assert restore(there, archive, replace_vectors=True) == 0
        assert all(server.collections[name].points for name in (WINDOW, BASELINE))
        assert not server.refused


def test_what_is_in_a_folder_is_never_touched(data: Path, archive: Path, capsys: pytest.CaptureFixture[str]):
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file() and path.suffix != ".lock"}
    assert restore(settings(data), archive) == 1
    assert "is not empty" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_folder_that_a_worker_has_is_refused(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with alone(tmp_path / "new", "worker"):
        assert restore(settings(tmp_path / "new"), archive) == 1
    assert "Another worker works on" in capsys.readouterr().err


def change(name: str, content: bytes) -> Edit:
    return lambda folder: (folder / name).write_bytes(content) and None


def later(folder: Path) -> None:
    path = folder / "manifest.json"
    told = json.loads(path.read_text())
    told["schemas"][history.FILE] += 1
    path.write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (change("drift_history.db", b"x"), "drift_history.db is not as it was written"),
        (change("more.txt", b"x"), "more.txt is none of its files"),
        (change("manifest.json", b"{"), "manifest.json cannot be read"),
        (lambda folder: (folder / "exchanges.db").unlink(), "exchanges.db is missing"),
        (lambda folder: (folder / "manifest.json").unlink(), "is no backup of Driftium"),
        (later, "which is later"),
    ],
)
def test_a_backup_that_is_not_whole_restores_nothing(
    archive: Path, tmp_path: Path, edit: Edit, why: str, capsys: pytest.CaptureFixture[str]
):
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "edited", filter="data")
    edit(tmp_path / "edited")
    assert restore(settings(tmp_path / "new"), tmp_path / "edited") == 1
    assert why in capsys.readouterr().err
    assert [path for path in (tmp_path / "new").rglob("*") if path.suffix != ".lock"] == []


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/driftium-outside.txt", "link"])
def test_an_archive_writes_nowhere_else(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]):
    hostile = tmp_path / "hostile.tar.gz"
    with tarfile.open(hostile, "w:gz") as packed:
        member = tarfile.TarInfo(name)
        if name == "link":
            member.type, member.linkname = tarfile.SYMTYPE, "../../outside.txt"
            packed.addfile(member)
        else:
            member.size = 4
            packed.addfile(member, io.BytesIO(b"data"))
    assert restore(settings(tmp_path / "new"), hostile) == 1
    assert "cannot be" in capsys.readouterr().err
    assert not (tmp_path / "outside.txt").exists()
    assert not Path("/tmp/driftium-outside.txt").exists()


def test_half_an_archive_is_told(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    half = tmp_path / "half.tar.gz"
    half.write_bytes(archive.read_bytes()[:3_000])
    assert restore(settings(tmp_path / "new"), half) == 1
    assert "cannot be unpacked" in capsys.readouterr().err
