"""Which monitors this worker scores. Each is owned by one worker at a time; when that one is gone, by another.

An owner holds the monitor's advisory lock, and its number stands in the table `owners`:
each of its transactions checks that, so that a former owner, who has not noticed yet,
writes nothing.
"""

from collections.abc import Collection, Iterable
from hashlib import blake2b

import sqlalchemy as sa

from proxy.shared.session import Lost, Session
from proxy.stores.database import INSERTS, reading
from proxy.stores.shared_tables import owners
from proxy.stores.tables import monitors
from proxy.stores.workers import read_workers

WAIT_FOR_FORMER_SECONDS = 1
"""A transaction that the former owner has begun is waited for: what it writes is written before anything is read."""

_LOCKED = "55P03"
"""What PostgreSQL says when that took too long."""


def owner(monitor: str, workers: Collection[int]) -> int:
    """The number of the worker whose share a monitor is: all come to the same, and when one comes or goes only what is
    its share changes hands (rendezvous hashing).
    """
    return max(workers, key=lambda number: blake2b(f"{number}/{monitor}".encode(), digest_size=8).digest())


class Ownership:
    """What this worker owns, and whether it leads: the leader does what is no monitor's."""

    def __init__(self, engine: sa.Engine, session: Session):
        self._engine = engine
        self._session = session
        self.epochs: dict[str, int] = {}
        """{monitor: how often it had changed hands when this worker took it}"""
        self.leads = False
        self.asked_for: set[str] = set()
        """Monitors that nobody knows, of which something is asked: the leader takes them for as long."""

    def share(self) -> set[str]:
        """The monitors that this worker is to own, as things stand. Raises Lost."""
        self._session.check()
        self.leads = self.leads or self._session.lock("/leader")
        with reading(self._engine) as db:
            working = [row.number for row in read_workers(db) if row.works]
            names = set(db.execute(sa.select(monitors.c.name)).scalars())
        own = {name for name in names if working and owner(name, working) == self._session.number}
        return own | (self.asked_for - names if self.leads else set())

    def take(self, monitor: str) -> bool:
        """Own a monitor from now on; False while another holds it. What is known of it is to be read after this."""
        if not self._session.lock(_name(monitor)):
            return False
        row = {"monitor": monitor, "epoch": 1, "worker": self._session.number}
        changed = {"epoch": owners.c.epoch + 1, "worker": self._session.number}
        statement = INSERTS["postgresql"](owners).values(row)
        statement = statement.on_conflict_do_update(index_elements=["monitor"], set_=changed)
        try:
            with self._engine.begin() as db:
                db.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT_FOR_FORMER_SECONDS}s'")
                self.epochs[monitor] = db.execute(statement.returning(owners.c.epoch)).scalar_one()
        except sa.exc.OperationalError as error:
            self._session.unlock(_name(monitor))
            if getattr(error.orig, "sqlstate", "") == _LOCKED:
                return False
            raise
        return True

    def give_up(self, monitor: str) -> None:
        """Let others have it. Nothing of it may be under way."""
        del self.epochs[monitor]
        self._session.unlock(_name(monitor))

    def prune(self) -> None:
        """Forget who scored monitors that are gone, and names that were only asked for."""
        gone = owners.c.monitor.not_in(sa.select(monitors.c.name)) & owners.c.monitor.not_in(list(self.epochs))
        with self._engine.begin() as db:
            db.execute(sa.delete(owners).where(gone))

    def check(self, db: sa.Connection, names: Iterable[str]) -> None:
        """Raises Lost where one of these monitors is another's by now; else it stays this worker's until the
        transaction ends.
        """
        wanted = {name: self.epochs.get(name) for name in names}
        if not wanted:
            return
        query = sa.select(owners.c.monitor, owners.c.epoch).where(
            owners.c.monitor.in_(wanted), owners.c.worker == self._session.number
        )
        held = {name: epoch for name, epoch in db.execute(query.with_for_update(read=True))}
        if held != wanted:
            raise Lost("another worker owns these monitors: " + ", ".join(sorted(wanted.keys() - held.keys())[:5]))


def _name(monitor: str) -> str:
    return f"/monitor/{monitor}"
