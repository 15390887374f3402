"""A data folder of any earlier version is opened, brought up to date and read; one of a later version is left alone."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from proxy.capture import decode
from proxy.stores import history, log
from proxy.stores.history import open_history
from proxy.stores.log import open_log
from proxy.stores.migrations import Schema, SchemaTooNew, bring_up
from tests.first_schema import first_data

OPEN = """
import sys, pathlib, proxy.stores.history
proxy.stores.history.open_history(pathlib.Path(sys.argv[1])).monitors()
"""


def shape(path: Path) -> dict[str, list[str]]:
    """{table or index: its columns, in the order of their names}"""
    with closing(sqlite3.connect(path)) as db:
        found = {}
        for kind, name in db.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"):
            rows = db.execute(f"PRAGMA {'table_info' if kind == 'table' else 'index_info'}({name})").fetchall()
            found[name] = sorted(f"{row[1]} {row[2]} {row[3:]}" if kind == "table" else str(row[2]) for row in rows)
    return found


def pragma(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_folder_of_the_first_version_is_read_whole(tmp_path: Path):
    first_data(tmp_path)
    with closing(open_history(tmp_path)) as old, closing(open_log(tmp_path)) as exchanges:
        (row,) = old.monitors()
        assert (row.name, row.received, row.observed, row.baseline_at) == ("replay", 33, 9, None)
        (baseline,) = old.baselines()
        assert (baseline.id, baseline.size, baseline.note) == (row.baseline_id, 24, "the first")
        assert len(old.baseline_samples(baseline.id, limit=100)) == 24
        assert [one.text.prompt for one in old.samples("replay", limit=2)] == ["question 9", "question 7"]
        reports = [report for _, report in old.reports("replay", limit=10)]
        assert [report.observed for report in reports] == [9, 8, 5]
        assert reports[0].severity == "LOW"
        assert old.annotations("replay", 0, 1e12)[0]["text"] == "Baseline of 24 answers. the first"
        assert old.cursor() == exchanges.head() == 33
        state = old.state()
        assert state
        assert state.tokens == {"replay": (330, 231)}
        assert old.evidence("replay") is None
        entries = exchanges.after(0, 10)
        captures = exchanges.captures([entry.seq for entry in entries])
        assert [decode(captures[entry.seq]).endpoint for entry in entries] == ["chat/completions"] * 3
        assert exchanges.totals() == {"logged": 33, "dropped": 0, "skipped": 0}


@pytest.mark.parametrize("file", [history.FILE, log.FILE])
def test_an_old_file_becomes_what_a_new_one_is(tmp_path: Path, file: str):
    first_data(tmp_path / "old")
    for folder in (tmp_path / "old", tmp_path / "new"):
        with closing(open_history(folder)) as opened, closing(open_log(folder)) as exchanges:
            opened.monitors(), exchanges.head()
    assert shape(tmp_path / "old" / file) == shape(tmp_path / "new" / file)
    schema = {history.FILE: history.SCHEMA, log.FILE: log.SCHEMA}[file]
    assert [pragma(tmp_path / age / file, "user_version") for age in ("old", "new")] == [schema.version] * 2
    # Nobody could write while an old file were written anew: only a new one gives room back.
    assert [pragma(tmp_path / age / file, "auto_vacuum") for age in ("old", "new")] == [0, 2]


def test_several_processes_may_open_an_old_folder_at_once(tmp_path: Path):
    first_data(tmp_path)
    command = [sys.executable, "-c", OPEN, str(tmp_path)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0] * 4, said
    with closing(open_history(tmp_path)) as opened:
        assert len(opened.monitors()) == 1


def test_a_folder_of_a_later_version_is_refused_with_what_to_do_and_left_as_it_is(tmp_path: Path):
    with closing(open_history(tmp_path)) as opened:
        opened.tell("x", {})
    path = tmp_path / history.FILE
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {history.SCHEMA.version + 1}")
    with (
        closing(open_history(tmp_path)) as opened,
        pytest.raises(SchemaTooNew, match="install that version again") as told,
    ):
        opened.monitors()
    assert "\n" not in str(told.value)
    assert pragma(path, "user_version") == history.SCHEMA.version + 1


def test_a_step_that_fails_leaves_the_file_as_it_was_and_is_taken_later(tmp_path: Path):
    first_data(tmp_path)
    path = tmp_path / history.FILE

    def breaks(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE monitors ADD COLUMN half TEXT")
        raise sqlite3.OperationalError("database or disk is full")

    before = shape(path)
    schema = Schema(history.SCHEMA.tables, (*history.SCHEMA.steps, breaks))
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as db,
        pytest.raises(sqlite3.OperationalError, match="full"),
    ):
        bring_up(db, schema, path)
    assert shape(path) == before
    with closing(open_history(tmp_path)) as opened:
        assert len(opened.monitors()) == 1
