"""SQLite files: how they are opened, brought up to date, and give room back."""

import contextlib
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from proxy.stores.migrations import Schema, bring_up

log = logging.getLogger("driftium")

WAIT_SECONDS = 10
"""How long a writer waits for another before it fails."""

UNUSABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
"""After these a connection is closed: the file may have been mended, or be another one, when it is opened next."""


CHECKPOINT_TRIES = 10
CHECKPOINT_PAUSE_SECONDS = 0.02
"""A write-ahead log is emptied between two readers: most read for milliseconds."""


def open_sqlite(path: Path, schema: Schema) -> sa.Engine:
    """A SQLite file in WAL mode: one process writes while others read, and a killed process loses nothing committed.

    The file is opened, made and brought up to date at the first use. Where that fails, so
    does the use, and the next one tries again. A file that was put in the place of another
    is noticed before each use.
    """
    # Errors end in logs and answers: what was to be written, prompts among it, is no part of them.
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), hide_parameters=True)

    @sa.event.listens_for(engine, "do_connect")
    def make_folder(_: Any, __: Any, ___: Any, ____: Any) -> None:
        try:
            # What people wrote lies in it: others on this machine have no business there.
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            # In the words that every user of a database expects.
            raise sqlite3.OperationalError(f"{path.parent} cannot be made: {error.strerror or error}") from error

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: Any) -> None:
        # Transactions are begun below: a writer takes its lock at once, and waits for it instead of failing midway.
        connection.isolation_level = None
        try:
            connection.execute(f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000}")
            # So that disk space can be given back; it has to be said before the first table is made.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            # What is deleted is overwritten: texts must not be found in the file afterwards.
            connection.execute("PRAGMA secure_delete = ON")
            bring_up(connection, schema, path)
            record.info["file"] = identity(path)
        except BaseException:
            connection.close()
            raise

    @sa.event.listens_for(engine, "checkout")
    def same_file(_: Any, record: Any, __: Any) -> None:
        # Moved away, as the doctor does with a damaged one, it would be written on where nobody looks.
        if record.info["file"] != identity(path):
            raise sa.exc.DisconnectionError

    @sa.event.listens_for(engine, "handle_error")
    def let_go(context: sa.engine.ExceptionContext) -> None:
        context.original_exception.add_note(str(path))
        if getattr(context.original_exception, "sqlite_errorcode", 0) & 0xFF in UNUSABLE:
            context.is_disconnect = True

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def identity(path: Path) -> tuple[int, int] | None:
    """Which file lies there; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def give_back(engine: sa.Engine, *, pages: int = 2_000) -> None:
    """Return free pages to the disk, at most so many at once, and empty the write-ahead log into the file.

    Others wait only while the pages are cut off. Until the write-ahead log is emptied, what
    was deleted can still be read in it; while somebody reads for long, the next call empties it.
    Never raises: what has just been written or deleted is so whatever becomes of the room it took.
    """
    try:
        # Not begun as others are: a checkpoint cannot be made inside a transaction.
        db = engine.raw_connection()
    except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
        log.warning("%s could not be opened to give room back: %s", engine.url.database, error)
        return
    with contextlib.closing(db):
        try:
            # As a script: one execute() frees a single page.
            db.cursor().executescript(f"PRAGMA incremental_vacuum({pages})")
            _checkpoint(db.cursor())
        except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
            log.warning("%s could give no room back; this is tried again: %s", engine.url.database, error)
            # Opened anew next time, for the file may be damaged or have been mended by then.
            db.invalidate()


def _checkpoint(cursor: Any) -> None:
    # It would hold the write lock while it waits for readers, and writers would wait with it.
    cursor.execute("PRAGMA busy_timeout = 0")
    try:
        for attempt in range(CHECKPOINT_TRIES):
            if attempt:
                time.sleep(CHECKPOINT_PAUSE_SECONDS)
            busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000}")
