"""From an older shape of the tables to today's. Forward only, in order, in one transaction that keeps others out.

The version is how many of a schema's steps were taken: a SQLite file has it as its `PRAGMA user_version`,
PostgreSQL in the table `schema_versions`. Files from before versions have 0, and any of the shapes of that time.
To change a table, change it in tables.py and append a step here that does the same to a database that has rows, in
SQL that both engines understand. A new table needs no step.

Files that were made before versions do not shrink: the room of what is deleted in them is
used again but not given back to the disk. To change that, SQLite writes a file anew, and
nobody else could write for as long.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

# Commands that print their answer open files too: what they have not set up must not write on standard output.
log = logging.getLogger("driftium")

Step = Callable[[Any], None]
"""Takes the engine's own connection: that of sqlite3, or of psycopg."""


class SchemaTooNew(sa.exc.SQLAlchemyError):
    """The file was written by a later version; the message says what to do."""


class Schema(NamedTuple):
    """The tables of a part of the data, and the steps that led to them."""

    tables: sa.MetaData
    steps: tuple[Step, ...]
    name: str = ""
    """What the part is called where several lie in one database."""

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
    _refuse_later(before, schema, str(path), "choose another --data-dir")
    if before == schema.version and not _missing(_names(db), schema, sqlite.dialect()):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been here while this one waited for the lock.
        before, empty = version_of(db), not _names(db)
        for step in () if empty else schema.steps[before:]:
            step(db)
        for statement in _missing(_names(db), schema, sqlite.dialect()):
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


def bring_up_shared(db: Any, schema: Schema, where: str) -> None:
    """The same in a PostgreSQL database, which `where` names for people; the tables go to the first of its search path.

    Raises SchemaTooNew, and psycopg.Error; then all is as it was before.
    """
    with db.transaction():
        # Whoever else comes at the same time waits, and finds it done.
        db.execute("SELECT pg_advisory_xact_lock(hashtextextended('driftium: schema', 0))")
        own = db.execute("SHOW search_path").fetchone()[0]
        # Not IF NOT EXISTS: that demands the right to make one even where an administrator has made it.
        if db.execute("SELECT to_regnamespace(%s)", [own]).fetchone()[0] is None:
            db.execute(f"CREATE SCHEMA {own}")
        db.execute("CREATE TABLE IF NOT EXISTS schema_versions (name text PRIMARY KEY, version integer NOT NULL)")
        found = db.execute("SELECT version FROM schema_versions WHERE name = %s", [schema.name]).fetchone()
        before = schema.version if found is None else found[0]
        _refuse_later(before, schema, where, "set another database.schema")
        for step in schema.steps[before:]:
            step(db)
        known = db.execute("SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace")
        for statement in _missing({name for (name,) in known}, schema, postgresql.dialect()):  # type: ignore[no-untyped-call]
            db.execute(statement)
        put = "INSERT INTO schema_versions VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET version = excluded.version"
        db.execute(put, [schema.name, schema.version])
    if before < schema.version:
        log.info("%s was brought up to date: schema %d instead of %d", where, schema.version, before)


def _refuse_later(before: int, schema: Schema, where: str, instead: str) -> None:
    if before > schema.version:
        raise SchemaTooNew(
            f"{where} was written by a later Driftium (schema {before}; this one knows {schema.version}): "
            f"install that version again, restore a backup of this one, or {instead}."
        )


def version_of(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _names(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")}


def _missing(known: set[str], schema: Schema, dialect: sa.Dialect) -> list[str]:
    """Statements that create what is not there."""
    parts: list[CreateTable | CreateIndex] = []
    for table in schema.tables.sorted_tables:
        parts += [CreateTable(table)] if table.name not in known else []
        # In the order of their names: SQLAlchemy keeps a table's indexes in a set.
        parts += [CreateIndex(i) for i in sorted(table.indexes, key=lambda i: str(i.name)) if i.name not in known]
    return [str(part.compile(dialect=dialect)) for part in parts]


def _column(db: Any, table: str, column: str, kind: str) -> None:
    """Add a column, unless the table has it already."""
    try:
        known = [row[0] for row in db.execute(f"SELECT * FROM {table} WHERE 1 = 0").description]
    except sqlite3.OperationalError:
        return  # There is no such table: it is made as it is today.
    if column not in known:
        db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


def _since_when_a_baseline_is_active(db: Any) -> None:
    _column(db, "monitors", "baseline_at", "FLOAT")


def _first(_: Any) -> None:
    """It has had one shape from the first: with this step its versions begin."""


HISTORY: tuple[Step, ...] = (_since_when_a_baseline_is_active,)
LOG: tuple[Step, ...] = (_first,)
SHARED: tuple[Step, ...] = (_first,)
