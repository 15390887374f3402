"""The exchange log of several machines, in PostgreSQL: many append at once, and what is old goes by whole partitions.

An entry and its place in the queue are written in one statement, so that neither is ever
without the other. The log itself is not changed by being read.
"""

import time
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from proxy.stores.database import INSERTS, reading
from proxy.stores.log import Entry, Log, columns, exchanges, is_of, row_of, tap_totals, totals_in
from proxy.stores.migrations import LOG, Schema
from proxy.stores.partitions import Partitions
from proxy.stores.queue import Queue
from proxy.stores.shared_tables import queue

_schema = sa.MetaData()

sa.Table(
    "exchanges",
    _schema,
    sa.Column("seq", sa.BigInteger, sa.Identity(), nullable=False),
    *columns(),
    # A partitioned table is unique only together with what parts it. An entry written twice has the same time.
    sa.PrimaryKeyConstraint("seq", "at"),
    sa.UniqueConstraint("id", "at"),
    postgresql_partition_by="RANGE (at)",
)
totals_in(_schema)

SCHEMA = Schema(_schema, LOG, "log")

_NAMES = ("id", "at", "monitor", "model", "outcome", "size", "capture")

_APPEND = """
WITH entry AS (
    INSERT INTO exchanges (id, at, monitor, model, outcome, size, capture)
    SELECT * FROM unnest(
        %s::text[], %s::float8[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bytea[]
    )
    ON CONFLICT (id, at) DO NOTHING
    RETURNING seq, id, at, monitor, model, outcome, size
)
INSERT INTO queue (seq, id, at, monitor, model, outcome, size) SELECT * FROM entry
"""

ERASED_AT_ONCE = 2_000

TELL_TOGETHER = ("expired",)
"""Totals of the log itself; the others are of the proxy that counts them."""


class SharedLog(Log):
    """Nobody reads it after a cursor: what waits is told by the queue."""

    def __init__(self, engine: sa.Engine, instance: str, partition_hours: int):
        super().__init__(engine)
        self._instance = instance
        self._partitions = Partitions(engine, partition_hours)
        self._erased = 0
        self.queue = Queue(engine)

    def append(self, entries: list[Entry], totals: dict[str, int]) -> None:
        self._partitions.hold(entry.at for entry in entries)
        own = [{"name": self._own(name), "value": value} for name, value in totals.items()]
        with self.engine.begin() as db:
            if entries:
                self._insert(db, entries)
            if own:
                statement = INSERTS["postgresql"](tap_totals).values(own)
                changed = {"value": statement.excluded.value}
                db.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))

    def collect(self, entries: list[Entry]) -> set[str]:
        c = exchanges.c.id
        self._partitions.hold(entry.at for entry in entries)
        with self.engine.begin() as db:
            # Two who collect the same at once come at different times: nothing else would tell them apart.
            db.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/collect', 0))")
            known = set(db.execute(sa.select(c).where(c.in_([entry.id for entry in entries]))).scalars())
            if new := [entry for entry in entries if entry.id not in known]:
                self._insert(db, new)
        return known

    def _insert(self, db: sa.Connection, entries: list[Entry]) -> None:
        rows = [row_of(entry) for entry in entries]
        values = [[_clean(row[name]) for row in rows] for name in _NAMES]
        try:
            db.exec_driver_sql(_APPEND, tuple(values))
        except sa.exc.SQLAlchemyError:
            # It may have been for want of a partition that was dropped; whoever writes tries again.
            self._partitions.forget()
            raise

    def _own(self, name: str) -> str:
        return name if name in TELL_TOGETHER else f"{self._instance}/{name}"

    def add_total(self, name: str, number: int) -> None:
        super().add_total(self._own(name), number)

    def totals(self) -> dict[str, int]:
        """What this proxy has counted, and what is counted for all."""
        own = {self._own(name): name for name in ("logged", "dropped", "skipped", "unredacted", *TELL_TOGETHER)}
        return {own[name]: value for name, value in super().totals().items() if name in own}

    def unread_bytes(self, cursor: int) -> int:
        with reading(self.engine) as db:
            return int(db.execute(sa.select(sa.func.coalesce(sa.func.sum(queue.c.size), 0))).scalar_one())

    def head(self) -> int:
        return self.last_given()

    def last_given(self) -> int:
        query = sa.text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM exchanges_seq_seq")
        with reading(self.engine) as db:
            return int(db.execute(query).scalar_one())

    def waiting(self, cursor: int) -> tuple[int, float | None]:
        return self.queue.waiting()

    def erase_monitor(self, name: str, others: Collection[str], up_to: int) -> bool:
        e, found = exchanges.c, False
        # One partition after the other, so that none of it takes long.
        for begins, ends in self._partitions.bounds():
            here = sa.and_(e.at >= begins, e.at < ends, e.seq <= up_to)
            with reading(self.engine) as db:
                kinds = db.execute(sa.select(e.monitor, e.model).where(here).distinct()).all()
            for monitor, model in kinds:
                if is_of(name, monitor, model, others):
                    rows = sa.and_(here, e.monitor.is_not_distinct_from(monitor), e.model == model)
                    with self.engine.begin() as db:
                        found = db.execute(sa.delete(exchanges).where(rows)).rowcount > 0 or found
        # What was deleted from the log cannot be scored.
        there = sa.exists().where(e.seq == queue.c.seq, e.at == queue.c.at)
        with self.engine.begin() as db:
            db.execute(sa.delete(queue).where(queue.c.seq <= up_to, ~there))
        return found

    def erase_scored(self, seconds: float = 1.0) -> None:
        """Erase the captures of what was scored, for so long; the next call goes on where this one ended.

        For where texts are not kept any more: what is scored from then on loses them at once.
        """
        deadline, e = time.monotonic() + seconds, exchanges.c
        while time.monotonic() < deadline:
            with self.engine.begin() as db:
                first = db.execute(sa.select(sa.func.min(queue.c.seq))).scalar()
                end = min(self._erased + ERASED_AT_ONCE, self.last_given() if first is None else first - 1)
                if end <= self._erased:
                    return
                scored = sa.and_(e.seq > self._erased, e.seq <= end, e.capture.is_not(None))
                waits = sa.exists().where(queue.c.seq == e.seq)
                db.execute(sa.update(exchanges).where(scored, ~waits).values(capture=None, size=0))
            self._erased = end

    def prune(self, *, before: float, max_bytes: int, cursor: int) -> int:
        """Drop the oldest partitions that are too old or too many; returns how many entries waited in them unread."""
        return self._partitions.drop(before=before, max_bytes=max_bytes)


def _clean(value: Any) -> Any:
    # A character that PostgreSQL's texts cannot hold, and no name needs; one would fail a whole batch for ever.
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
