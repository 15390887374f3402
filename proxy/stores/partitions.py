"""The log's partitions by time of arrival: made when something comes that none of them holds, dropped when old."""

import threading
import time
from collections.abc import Iterable

import sqlalchemy as sa
import structlog

from proxy.stores.database import add_to, reading
from proxy.stores.log import tap_totals
from proxy.stores.shared_tables import partitions, queue

log = structlog.get_logger()

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/partitions', 0))"
_TRY = "SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || '/prune', 0))"

_LOCKED = "55P03"
"""What PostgreSQL says when a lock was not to be had in time."""

WRONG_CLOCK_SECONDS = 3_600.0


class Partitions:
    """Those of the table `exchanges`, each of so many hours; safe where several processes make and drop them."""

    def __init__(self, engine: sa.Engine, hours: int):
        self._engine = engine
        self._seconds = hours * 3600
        self._lock = threading.Lock()
        self._known: list[tuple[float, float]] = []

    def hold(self, times: Iterable[float]) -> None:
        """See to it that there is a partition for each of these times, unix seconds, before they are written."""
        for at in times:
            if not self._has(at):
                self._make(at)

    def _has(self, at: float) -> bool:
        return any(begins <= at < ends for begins, ends in self._known)

    def _make(self, at: float) -> None:
        # In a transaction of its own, so that others wait for moments only.
        with self._lock, self._engine.begin() as db:
            db.exec_driver_sql(_LOCK)
            self._known = [(begins, ends) for begins, ends in db.execute(_BOUNDS)]
            if self._has(at):
                return
            begins = at // self._seconds * self._seconds
            ends = begins + self._seconds
            # Their length may have been another when the neighbours were made.
            begins = max([begins, *(end for _, end in self._known if end <= at)])
            ends = min([ends, *(begin for begin, _ in self._known if begin > at)])
            name = f"exchanges_{int(begins)}"
            # Made first and attached then: made as a partition it would have to wait for all that reads the log.
            db.exec_driver_sql(f"CREATE TABLE {name} (LIKE exchanges INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            db.exec_driver_sql(f"ALTER TABLE exchanges ATTACH PARTITION {name} FOR VALUES FROM ({begins}) TO ({ends})")
            db.execute(sa.insert(partitions).values(name=name, begins=begins, ends=ends))
        self._known.append((begins, ends))

    def bounds(self) -> list[tuple[float, float]]:
        """(begin, end) of each, the oldest first."""
        with reading(self._engine) as db:
            return [(begins, ends) for begins, ends in db.execute(_BOUNDS)]

    def forget(self) -> None:
        """Look anew at what there is: somebody may have dropped one, or the whole database."""
        self._known = []

    def drop(self, *, before: float, max_bytes: int) -> int:
        """Drop what ended before, and the oldest while all together are larger; the newest stays.

        For want of room nothing is dropped that is still to be read, unless what came after it fills the room alone.
        Returns how many exchanges went unread; they are counted in the totals as "expired".
        """
        dropped = 0
        try:
            for name, begins, ends in self._old(before, max_bytes):
                dropped += self._drop(name, begins, ends)
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != _LOCKED:
                raise
            # A dump reads the whole log: whoever writes must not wait behind it.
            log.info("an old partition of the exchange log is being read; it is dropped later")
        return dropped

    def _drop(self, name: str, begins: float, ends: float) -> int:
        with self._engine.begin() as db:
            db.exec_driver_sql("SET LOCAL lock_timeout = '300ms'")
            # One does it; whoever comes second comes again in a minute.
            if not db.exec_driver_sql(_TRY).scalar():
                return 0
            if not db.execute(sa.delete(partitions).where(partitions.c.name == name)).rowcount:
                return 0
            unread = db.execute(sa.delete(queue).where(queue.c.at >= begins, queue.c.at < ends)).rowcount
            if unread:
                add_to(db, tap_totals, {"name": "expired", "value": unread}, "value")
            db.exec_driver_sql(f"DROP TABLE {name}")
        self.forget()
        log.info("a partition of the exchange log was dropped", partition=name, unread=unread)
        return unread

    def _old(self, before: float, max_bytes: int) -> list[tuple[str, float, float]]:
        """(name, begin, end) of what is to go, the oldest first."""
        with reading(self._engine) as db:
            rows = db.execute(_SIZES).all()
            oldest = db.execute(sa.select(sa.func.min(queue.c.at))).scalar()
            now = float(db.execute(_NOW).scalar_one())
        if abs(now - time.time()) > WRONG_CLOCK_SECONDS:
            log.warning("this machine's clock is not the database's; nothing is dropped for its age", seconds=now)
            before = 0.0
        total = sum(size for *_, size in rows)
        gone = []
        for name, begins, ends, size in rows[:-1]:
            unread = oldest is not None and oldest < ends
            if ends > before and (total <= max_bytes or (unread and total - size <= max_bytes)):
                break
            gone.append((name, begins, ends))
            total -= size
        return gone


_BOUNDS = sa.select(partitions.c.begins, partitions.c.ends).order_by(partitions.c.begins)
# Of one that is dropped just now the size is 0.
_SIZES = sa.text("""
    SELECT name, begins, ends, coalesce(pg_total_relation_size(to_regclass(name)), 0)::bigint
    FROM log_partitions ORDER BY begins
""")
_NOW = sa.text("SELECT extract(epoch FROM clock_timestamp())")
