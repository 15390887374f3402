"""Copies of databases and vectors while they are in use, as they were at one moment."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from proxy.keeping.vector_files import FOLDER, write_vectors
from proxy.stores import history
from proxy.stores.vectors import Vectors

WAIT_SECONDS = 600.0
"""How long a backup waits for the worker, which may be loading its model, or look at a large window."""

_STAGING = ".backup-staging-"


def staging(data_dir: Path, name: str) -> Path:
    """Where a backup is put together; its name is a UUID's 32 hexadecimal digits."""
    return data_dir / f"{_STAGING}{name}"


def remove_left(data_dir: Path) -> None:
    """Remove what backups that were killed have left; nothing else is called so."""
    for path in data_dir.iterdir():
        if re.fullmatch(re.escape(_STAGING) + "[0-9a-f]{32}", path.name):
            shutil.rmtree(path)


def copy_database(source: Path, target: Path) -> None:
    """SQLite's own online copy: readers and writers go on, and what is copied is of one moment."""
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=10)) as db, closing(sqlite3.connect(target)) as copy:
        db.backup(copy)
        # One file, whatever its mode was: the write-ahead log is no part of a backup.
        copy.execute("PRAGMA journal_mode = DELETE")


def copy_worker_part(data_dir: Path, name: str, vectors: Vectors) -> int:
    """What only the worker writes, history and vectors, as they belong together; returns how many points there are.

    Called by the worker between two batches, or by whoever holds its lock. Whoever wants the backup has made the
    folder, and takes it away when it waits no longer: then nothing is copied.
    """
    folder = staging(data_dir, name)
    copy = folder / history.FILE
    copy_database(data_dir / history.FILE, copy)
    with closing(sqlite3.connect(copy)) as db:
        # The restored worker must not make this backup again.
        db.execute("DELETE FROM commands WHERE kind = 'backup'")
        db.commit()
    return write_vectors(vectors, folder / FOLDER)
