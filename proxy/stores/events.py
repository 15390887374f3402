"""Writing what /events tells. Its readers ask for what came after the last number that they saw."""

import time
from collections.abc import Iterable

import sqlalchemy as sa

from proxy.stores import tables as t

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('driftium: events', 0))"


def write(db: sa.Connection, events: Iterable[tuple[str, str]]) -> int:
    """Insert (kind, body) as events, best at the end of a transaction; returns the last one's number, 0 of none."""
    rows = [{"at": time.time(), "kind": kind, "body": body} for kind, body in events]
    if not rows:
        return 0
    if db.dialect.name == "postgresql":
        # Numbers are given before they are committed: without it a later one could be seen first, and the earlier
        # one never. SQLite has one writer at a time.
        db.exec_driver_sql(_LOCK)
    last = 0
    for row in rows:
        told = db.execute(sa.insert(t.events).values(row)).inserted_primary_key
        assert told
        last = int(told[0])
    return last
