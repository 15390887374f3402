"""Database engines, and the one statement that SQL dialects spell differently."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite


def open_sqlite(path: Path) -> sa.Engine:
    """A SQLite file in WAL mode: one process writes while others read, and a killed process loses nothing committed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(f"sqlite:///{path}")

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        # Transactions are begun below: a writer takes its lock at once, and waits for it instead of failing midway.
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def reading(engine: sa.Engine) -> sa.Connection:
    """A connection that takes no write lock. Use it in a with statement."""
    return engine.connect().execution_options(reads=True)


def upsert(table: sa.Table, values: dict[str, Any] | list[dict[str, Any]], keys: Iterable[str]) -> sa.Insert:
    """INSERT that replaces every given column where a row with these keys is there already."""
    statement = sqlite.insert(table).values(values)
    names = values[0] if isinstance(values, list) else values
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=changed)
