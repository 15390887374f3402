"""From an older database file's shape to today's. Forward only, in order, under the file's write lock.

A file's version is its `PRAGMA user_version`: how many of its schema's steps it has taken.
Files from before versions have 0, and any of the shapes of that time. To change a table,
change it in tables.py and append a step here that does the same to a file that has rows.
A new table needs no step.

Files that were made before versions do not shrink: the room of what is deleted in them is
used again but not given back to the disk. To change that, SQLite writes a file anew, and
nobody else could write for as long.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

# Commands that print their answer open files too: what they have not set up must not write on standard output.
log = logging.getLogger("driftium")

Step = Callable[[sqlite3.Connection], None]


class SchemaTooNew(sa.exc.SQLAlchemyError):
    """The file was written by a later version; the message says what to do."""


class Schema(NamedTuple):
    """The tables of a database file, and the steps that led to them."""

    tables: sa.MetaData
    steps: tuple[Step, ...]

    @property
    def version(self) -> int:
        return len(self.steps)


def bring_up(db: sqlite3.Connection, schema: Schema, path: Path) -> None:
    """Make the file what today's code expects; an empty one gets today's tables.

    Safe where several processes open it at once: one takes the steps, the others wait.
    Raises SchemaTooNew, and sqlite3.Error where the file cannot be read or written; then
    it is as it was before.
    """
    before = version_of(db)
    if before > schema.version:
        raise SchemaTooNew(
            f"{path} was written by a later Driftium (schema {before}; this one knows {schema.version}): "
            "install that version again, restore a backup of this one, or choose another --data-dir."
        )
    if before == schema.version and not _missing(db, schema):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been here while this one waited for the lock.
        before, empty = version_of(db), not _names(db)
        for step in () if empty else schema.steps[before:]:
            step(db)
        for statement in _missing(db, schema):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {max(before, schema.version)}")
        db.execute("COMMIT")
    except BaseException:
        # A full disk ends the transaction by itself.
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise
    if not empty and before < schema.version:
        log.info("%s was brought up to date: schema %d instead of %d", path, schema.version, before)


def version_of(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _names(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")}


def _missing(db: sqlite3.Connection, schema: Schema) -> list[str]:
    """Statements that create what is not there."""
    known, dialect = _names(db), sqlite.dialect()
    parts: list[CreateTable | CreateIndex] = []
    for table in schema.tables.sorted_tables:
        parts += [CreateTable(table)] if table.name not in known else []
        # In the order of their names: SQLAlchemy keeps a table's indexes in a set.
        parts += [CreateIndex(i) for i in sorted(table.indexes, key=lambda i: str(i.name)) if i.name not in known]
    return [str(part.compile(dialect=dialect)) for part in parts]


def _column(db: sqlite3.Connection, table: str, column: str, kind: str) -> None:
    """Add a column, unless the file's shape has it already."""
    known = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    if known and column not in known:
        db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


def _since_when_a_baseline_is_active(db: sqlite3.Connection) -> None:
    _column(db, "monitors", "baseline_at", "FLOAT")


def _first(_: sqlite3.Connection) -> None:
    """The log has had one shape from the first: with this step its versions begin."""


HISTORY: tuple[Step, ...] = (_since_when_a_baseline_is_active,)
LOG: tuple[Step, ...] = (_first,)
