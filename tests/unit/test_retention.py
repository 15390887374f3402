"""What is no longer kept leaves the disk too."""

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from proxy.stores import log as logs
from proxy.stores.log import open_log
from proxy.stores.sqlite import give_back
from tests.unit.test_stores import TOTALS, entry

SIZE = 100_000


def size_on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.name.startswith(logs.FILE))


def test_a_log_that_is_pruned_gives_its_room_back(tmp_path: Path):
    with closing(open_log(tmp_path)) as log:
        for part in range(10):
            log.append([entry(f"{part}-{i}", at=float(part), size=SIZE) for i in range(10)], TOTALS)
        give_back(log.engine)
        full = size_on_disk(tmp_path)
        assert full > 90 * SIZE
        assert log.prune(before=9.0, max_bytes=2**30, cursor=100) == 90
        give_back(log.engine, pages=100_000)
        assert size_on_disk(tmp_path) < full / 5
        assert [one.id for one in log.after(0, 100)] == [f"9-{i}" for i in range(10)]


def test_a_log_at_its_bound_does_not_grow(tmp_path: Path):
    """What the worker does each minute, while ten times as much passes as is kept."""
    with closing(open_log(tmp_path)) as log:
        sizes = []
        for part in range(50):
            log.append([entry(f"{part}-{i}", at=float(part), size=SIZE) for i in range(5)], TOTALS)
            log.prune(before=0.0, max_bytes=25 * SIZE, cursor=1_000)
            give_back(log.engine)
            sizes.append(size_on_disk(tmp_path))
        assert max(sizes[10:]) < 40 * SIZE


def test_what_is_deleted_cannot_be_read_in_the_file(tmp_path: Path):
    with closing(open_log(tmp_path)) as log:
        log.append([entry("a", at=1.0), entry("b", at=2.0)], TOTALS)
        with closing(sqlite3.connect(tmp_path / logs.FILE)) as db:
            db.execute("UPDATE exchanges SET capture = ? WHERE id = 'a'", [b"zebraquartz" * 1_000])
            db.commit()
        give_back(log.engine)
        assert any(b"zebraquartz" in path.read_bytes() for path in tmp_path.iterdir())
        log.prune(before=2.0, max_bytes=2**30, cursor=2)
        give_back(log.engine)
        assert not any(b"zebraquartz" in path.read_bytes() for path in tmp_path.iterdir())


def test_a_log_of_which_all_was_deleted_is_no_new_one(tmp_path: Path):
    with closing(open_log(tmp_path)) as log:
        assert log.last_given() == 0
        log.append([entry("a"), entry("b")], TOTALS)
        assert log.erase_monitor("m", ["m"], 2) or log.prune(before=1e12, max_bytes=1, cursor=2)
        assert (log.head(), log.last_given()) == (0, 2)


def test_nobody_waits_to_write_while_a_reader_keeps_the_write_ahead_log_from_being_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path, written = tmp_path / logs.FILE, []

    def write(_: float) -> None:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db:
            db.execute("UPDATE tap_totals SET value = value + 1")
            written.append(True)

    monkeypatch.setattr("proxy.stores.sqlite.time", SimpleNamespace(sleep=write))
    with closing(open_log(tmp_path)) as log, closing(sqlite3.connect(path, isolation_level=None)) as reader:
        log.append([entry("a")], TOTALS)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM exchanges").fetchall()
        log.append([entry("b")], TOTALS)
        give_back(log.engine)
        assert written
        reader.execute("COMMIT")
        give_back(log.engine)
        assert (tmp_path / f"{logs.FILE}-wal").stat().st_size == 0
        with log.engine.connect() as db:
            assert db.exec_driver_sql("PRAGMA busy_timeout").scalar()


def test_a_file_that_can_give_no_room_back_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("proxy.stores.sqlite.WAIT_SECONDS", 0)
    (tmp_path / logs.FILE).write_bytes(b"no database at all " * 1_000)
    with closing(open_log(tmp_path)) as log:
        give_back(log.engine)
    assert "not a database" in caplog.text
    folder = tmp_path / "other"
    with closing(open_log(folder)) as log:
        log.append([entry("a")], TOTALS)
        with closing(sqlite3.connect(folder / logs.FILE, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            give_back(log.engine)
        assert "database is locked" in caplog.text
        log.append([entry("b")], TOTALS)
