"""Whatever happens to the disk, requests are answered; what is wrong is said, and mended it goes on by itself."""

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.stores import history, log
from proxy.stores.history import open_history
from tests.conftest import Driftium, wait_until
from tests.first_schema import first_data, first_vectors
from tests.scripted import Upstream, replay

Damage = Callable[[Path], None]
CLI = (sys.executable, "-m", "proxy")


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(replay({f"question {i}": f"the answer to number {i} is {i * i}" for i in range(40)})) as running:
        yield running


@contextmanager
def serving(folder: Path, upstream: Upstream, *flags: str, env: dict[str, str] | None = None) -> Iterator[Driftium]:
    running = Driftium(folder, upstream.url, *flags, env=env).start()
    try:
        yield running
        assert "Traceback" not in running.stderr.read_text()
    finally:
        running.stop()


def filled(folder: Path) -> Path:
    first_data(folder)
    with closing(open_history(folder)) as stored:
        stored.last_event()
    return folder


def mend(folder: Path) -> str:
    """What the doctor says that it moved aside."""
    done = subprocess.run(
        [*CLI, "doctor", "--mend", "--data-dir", str(folder)], capture_output=True, text=True, cwd=folder, check=False
    )
    return done.stdout


def garbage(name: str) -> Damage:
    return lambda folder: (folder / name).write_bytes(b"no database at all " * 1_000) and None


def holes(name: str) -> Damage:
    def damage(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            for page in range(1, (folder / name).stat().st_size // 4096):
                file.seek(page * 4096)
                file.write(b"\xa5" * 2048)

    return damage


def half(name: str) -> Damage:
    def damage(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.truncate((folder / name).stat().st_size // 2 // 4096 * 4096)

    return damage


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (history.FILE, garbage(history.FILE)),
        (log.FILE, garbage(log.FILE)),
        (history.FILE, holes(history.FILE)),
        (history.FILE, half(history.FILE)),
    ],
    ids=["history", "log", "holes", "half"],
)
def test_a_damaged_database_stops_no_request_and_is_mended_while_it_serves(
    tmp_path: Path, upstream: Upstream, name: str, damage: Damage
):
    damage(filled(tmp_path))
    with serving(tmp_path, upstream, "--no-worker") as running:
        assert running.chat("question 1").json()["choices"][0]["message"]["content"] == "the answer to number 1 is 1"
        assert running.client.get("/live").status_code == 200
        ready = running.client.get("/ready")
        assert ready.status_code == 200
        assert "forwarded and not recorded" in ready.json()["message"]
        told = running.get("/api/health")
        assert (told["status"], told["storage"]["status"]) == ("degraded", "failing")
        assert f"{tmp_path / name} is damaged" in told["storage"]["message"]
        assert told["storage"]["mend"] == "driftium doctor --mend"
        refused = running.client.get("/drift")
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert refused.json()["mend"] == "driftium doctor --mend"
        metrics = running.client.get("/metrics")
        assert metrics.status_code == 200
        assert "driftium_stores_up 0.0" in metrics.text
        assert 'driftium_tap_exchanges_total{result="dropped"} 0.0' in metrics.text

        assert f"{tmp_path / name} is damaged" in mend(tmp_path)
        assert list(tmp_path.glob(f"{name}.damaged-*"))
        assert running.get("/api/health")["storage"] == {"status": "ok"}
        running.chat("question 2")
        wait_until(lambda: logged(tmp_path, b"question 2"), what="the next exchange is recorded")
        assert "driftium_stores_up 1.0" in running.client.get("/metrics").text


def logged(folder: Path, prompt: bytes) -> bool:
    with closing(sqlite3.connect(f"file:{folder / log.FILE}?mode=ro", uri=True)) as db:
        return any(prompt in row for (row,) in db.execute("SELECT capture FROM exchanges"))


def test_a_later_schema_and_a_folder_that_cannot_be_are_told_and_requests_answered(tmp_path: Path, upstream: Upstream):
    folder = filled(tmp_path / "later")
    with closing(sqlite3.connect(folder / history.FILE)) as db:
        db.execute("PRAGMA user_version = 99")
    with serving(folder, upstream, "--no-worker") as running:
        assert running.chat("question 1").status_code == 200
        assert "was written by a later Driftium (schema 99" in running.client.get("/drift").json()["detail"]
        assert "later Driftium" in running.get("/api/health")["storage"]["message"]
    (tmp_path / "file").touch()
    (tmp_path / "work").mkdir()
    with serving(tmp_path / "work", upstream, "--no-worker", "--data-dir", str(tmp_path / "file" / "data")) as running:
        assert running.chat("question 1").status_code == 200
        assert "cannot be made: Not a directory" in running.get("/api/health")["storage"]["message"]
        # Mended, it goes on.
        (tmp_path / "file").unlink()
        assert running.get("/api/health")["storage"] == {"status": "ok"}
        wait_until(lambda: logged(tmp_path / "file" / "data", b"question 1"), what="what had waited is recorded")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"NOT TESTED, a full and a read-only disk: no disk can be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_stops_no_request_and_what_waited_is_recorded_when_there_is_room(
    small_disk: Path, tmp_path: Path, upstream: Upstream
):
    work = tmp_path / "work"
    with serving(work, upstream, "--no-worker", "--data-dir", str(small_disk / "data")) as running:
        running.chat("question 1")
        wait_until(lambda: logged(small_disk / "data", b"question 1"))
        assert running.client.get("/drift").status_code == 200
        fill = fill_up(small_disk)
        long = "x" * 200_000
        for i in range(2, 12):
            assert running.chat(f"question {i}", user=long).status_code == 200
        told = wait_until(lambda: failing(running), what="the tap says so")
        assert "is full: make room there" in told["message"]
        assert running.client.get("/drift").status_code == 200
        assert running.client.get("/metrics").status_code == 200
        fill.unlink()
        assert (running.get("/api/health")["tap"]["dropped"], running.get("/api/health")["storage"]["status"]) == (
            0,
            "ok",
        )
        wait_until(lambda: logged(small_disk / "data", b"question 11"), what="all that waited is recorded")
        assert wait_until(lambda: running.get("/api/health")["tap"]["status"] == "ok")


def fill_up(disk: Path) -> Path:
    """A file that takes all the room there is."""
    path = disk / "fill"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return path


def failing(running: Driftium) -> Any:
    tap = running.get("/api/health")["tap"]
    return tap if tap["status"] == "failing" else None


def test_a_read_only_disk_stops_no_request_and_is_written_again_when_it_can_be(
    small_disk: Path, tmp_path: Path, upstream: Upstream
):
    data = small_disk / "data"
    with serving(tmp_path / "work", upstream, "--no-worker", "--data-dir", str(data)) as running:
        running.chat("question 1")
        wait_until(lambda: logged(data, b"question 1"))
        # Files that are open for writing keep a disk from being made read-only: a view of it can be.
        running.stop()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with serving(tmp_path / "work", upstream, "--no-worker", "--data-dir", str(data)) as running:
        assert running.chat("question 2").status_code == 200
        told = wait_until(lambda: running.get("/api/health")["status"] == "degraded" and running.get("/api/health"))
        said = told["storage"].get("message", "") + told["tap"].get("message", "")
        assert str(data) in said
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        wait_until(lambda: logged(data, b"question 2"), what="what waited is recorded")


def test_a_damaged_vector_store_is_told_and_mended_while_it_serves(tmp_path: Path, upstream: Upstream):
    first_data(tmp_path)
    first_vectors(tmp_path)
    for path in (tmp_path / "vectors").glob("collection/*/storage.sqlite"):
        path.write_bytes(b"no database at all " * 1_000)
    with serving(tmp_path, upstream) as running:
        assert running.chat("question 1").status_code == 200

        def told() -> Any:
            return running.get("/api/health")["vector_store"].get("message")

        said = wait_until(lambda: "cannot be opened" in (told() or "") and told(), what="the worker says so")
        assert "driftium doctor --mend" in said
        assert "is damaged" in mend(tmp_path)
        running.wait_until_scored(34)
        assert "The vectors of baseline" in running.get("/api/health")["worker"]["message"]
