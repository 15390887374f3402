"""`driftium doctor --mend`: what is damaged is moved aside, so that Driftium makes it anew. Nothing is deleted."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from rich.console import Console

from proxy.client import Failed, fail
from proxy.keeping.shared import refuse_shared
from proxy.settings import Settings
from proxy.stores import history, log

LOST = {
    history.FILE: "monitors, baselines and scores begin anew; what the log still holds is scored again",
    log.FILE: "exchanges that were not scored yet are lost",
    "vectors": "baselines need to be set anew",
}


def mend(settings: Settings) -> int:
    """Move each damaged part of the data folder aside and say what that means; returns the exit code."""
    console, folder, found = Console(highlight=False), settings.data_dir, 0
    try:
        refuse_shared(settings)
        for path, reason in _damaged(folder):
            aside = _move_aside(path)
            found += 1
            console.print(f"{path} is damaged ({reason}): it is {aside.name} now.", soft_wrap=True, markup=False)
            console.print(f"  A new one is made; {LOST[path.name]}.", soft_wrap=True, markup=False)
    except Failed as error:
        return fail(error)
    except OSError as error:
        return fail(Failed(f"{folder}: {error.strerror or error}"))
    if found:
        console.print("  If there is a backup: driftium restore BACKUP --data-dir NEW_FOLDER\n", markup=False)
    else:
        console.print(f"Nothing in {folder} is damaged.\n", soft_wrap=True, markup=False)
    return 0


def _damaged(folder: Path) -> Iterator[tuple[Path, str]]:
    for name in (history.FILE, log.FILE):
        if (folder / name).is_file() and (reason := damage_of(folder / name)):
            yield folder / name, reason
    if reason := _unreadable(folder / "vectors" / "meta.json"):
        yield folder / "vectors", reason
        return
    for path in sorted((folder / "vectors").glob("collection/*/storage.sqlite")):
        if reason := damage_of(path):
            yield folder / "vectors", reason
            return


def _unreadable(path: Path) -> str:
    """Why a JSON file cannot be read, "" where it can or there is none."""
    try:
        json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return ""
    except ValueError as error:
        return str(error)
    return ""


def damage_of(path: Path, *, seconds: float | None = None) -> str:
    """Why SQLite takes a file for damaged, "" where it does not, or has not found anything within so many seconds."""
    until = time.monotonic() + seconds if seconds else None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
            if until:
                db.set_progress_handler(lambda: time.monotonic() > until, 10_000)
            said = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError:
        # It could not be opened, or not be read through in time: nothing is known against it.
        return ""
    except sqlite3.DatabaseError as error:
        said = str(error)
    return "" if said == "ok" else said.splitlines()[0]


def _move_aside(path: Path) -> Path:
    """With what belongs to it. Those who have it open notice that it is another."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    path.rename(aside)
    for end in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    return aside
