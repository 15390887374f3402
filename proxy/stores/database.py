"""What SQLite and PostgreSQL spell differently, in one place: whoever reads or writes need not know which it is."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from proxy.stores import sqlite as files

INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def reading(engine: sa.Engine) -> sa.Connection:
    """A connection that takes no write lock. Use it in a with statement."""
    return engine.connect().execution_options(reads=True)


def give_back(engine: sa.Engine) -> None:
    """Give the room of what was deleted back to the disk, where that has to be asked for. Never raises."""
    if engine.dialect.name == "sqlite":
        files.give_back(engine)


def upsert(
    db: sa.Connection, table: sa.Table, values: dict[str, Any] | list[dict[str, Any]], keys: Iterable[str]
) -> None:
    """Insert rows; where a row with these keys is there already, every given column of it is replaced."""
    statement = INSERTS[db.dialect.name](table).values(values)
    names = values[0] if isinstance(values, list) else values
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    db.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changed))


def add_to(db: sa.Connection, table: sa.Table, row: dict[str, Any], column: str) -> None:
    """Insert a row, or add its number in `column` to that of the row with the same other columns."""
    statement = INSERTS[db.dialect.name](table).values(row)
    more = {column: table.c[column] + row[column]}
    db.execute(statement.on_conflict_do_update(index_elements=[name for name in row if name != column], set_=more))
