"""What each transaction of a shared worker does besides: it proves that its monitors are still the worker's own."""

import sqlalchemy as sa

from proxy.shared.models import write_models
from proxy.shared.ownership import Ownership
from proxy.shared.session import Lost, Session
from proxy.stores.ledger import Changes
from proxy.stores.queue import Queue
from proxy.stores.workers import write_state


class Fence:
    """Called by the ledger first in each transaction. Raises Lost, and Overtaken: then nothing is written."""

    def __init__(self, ownership: Ownership, session: Session, queue: Queue, *, erase: bool):
        """With `erase` what was scored goes from the log in the same transaction."""
        self._ownership = ownership
        self._session = session
        self._queue = queue
        self._erase = erase

    def __call__(self, db: sa.Connection, changes: Changes) -> None:
        self._ownership.check(db, _monitors(changes))
        self._queue.done(db, changes.done, erase=self._erase)
        if changes.models:
            write_models(db, changes.models)
        if changes.state and not write_state(db, self._session.number, changes.state):
            raise Lost("this worker was taken for dead")


def _monitors(changes: Changes) -> set[str]:
    """Those of which more is written than a mark in their history."""
    found = {row.name for row in changes.monitors}
    found |= {name for name, _ in changes.samples} | {name for name, _, _ in changes.endings}
    found |= {report.monitor for report in changes.reports} | {one.monitor for one in changes.evidence}
    return found
