"""Counters of processes that nobody scrapes. They lie in the history and reach /metrics through the collector."""

import msgspec
import sqlalchemy as sa

from proxy.stores import tables as t
from proxy.stores.database import add_to, reading

Labels = tuple[tuple[str, str], ...]
"""(name, value) in the order of the metric's labels."""


def count(engine: sa.Engine, name: str, labels: dict[str, str], by: int = 1) -> None:
    """Add to a counter; `name` is the metric's without prefix and without _total."""
    with engine.begin() as db:
        add(db, name, labels, by)


def add(db: sa.Connection, name: str, labels: dict[str, str], by: int = 1) -> None:
    """The same in a transaction that somebody else has begun."""
    key = msgspec.json.encode(list(labels.items())).decode()
    add_to(db, t.counters, {"name": name, "labels": key, "value": by}, "value")


def read_counters(engine: sa.Engine) -> dict[str, dict[Labels, int]]:
    """{name: {labels: value}}"""
    counters: dict[str, dict[Labels, int]] = {}
    with reading(engine) as db:
        for name, labels, value in db.execute(sa.select(t.counters).order_by(t.counters.c.name, t.counters.c.labels)):
            counters.setdefault(name, {})[msgspec.json.decode(labels, type=Labels)] = value
    return counters
