"""Which worker answers a command: the owner of its monitor, and the leader where it is of none."""

from typing import Any

import sqlalchemy as sa

from proxy.shared.ownership import Ownership
from proxy.stores import tables as t
from proxy.stores.canaries import PREFIX
from proxy.stores.database import reading
from proxy.stores.history import History
from proxy.stores.log import Log
from proxy.stores.queue import Queue
from proxy.stores.samples import find_sample
from proxy.stores.shared_tables import queue as waiting

OF_THE_BUSIEST = ("score", "baseline")
"""Commands that mean the busiest monitor where they name none."""


class Routing:
    """Decides for one worker what it is to answer now."""

    def __init__(self, history: History, exchange_log: Log, queue: Queue, ownership: Ownership):
        self._history = history
        self._log = exchange_log
        self._queue = queue
        self._ownership = ownership

    def due(self, kind: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """What to answer, with its monitor named; None where another worker does, or it is too early.

        What had passed when it was asked must be scored first, or be gone from the log unread.
        """
        if kind == "erase" and "exchange_id" in asked and self._on_its_way(asked["exchange_id"]):
            # It is erased once it has arrived: nobody can tell yet whose it is.
            return None
        monitor = self._monitor(kind, asked)
        if monitor is None:
            mine = self._ownership.leads
        else:
            mine = monitor in self._ownership.epochs
            self._ownership.asked_for.add(monitor)
        if not mine or not self._queue.reached(asked["head"], monitor):
            return None
        return asked | {"monitor": monitor} if kind in OF_THE_BUSIEST else asked

    def scored_up_to(self) -> int:
        """The log's sequence number up to which nothing waits."""
        with reading(self._history.engine) as db:
            first = db.execute(sa.select(sa.func.min(waiting.c.seq))).scalar()
        return self._log.last_given() if first is None else int(first) - 1

    def _monitor(self, kind: str, asked: dict[str, Any]) -> str | None:
        if kind in OF_THE_BUSIEST:
            return asked["monitor"] or self._busiest()
        if kind == "place":
            return self._holder(asked["exchange_id"])
        if kind == "canary":
            return PREFIX + str(asked["canary"])
        if kind in ("activate", "deactivate"):
            row = self._history.baseline(asked["id"])
            return row.monitor if row else None
        if kind == "erase":
            if "exchange_id" not in asked:
                return str(asked["monitor"])
            return next(iter(asked["since"]), None) or self._holder(asked["exchange_id"])
        return None

    def _busiest(self) -> str | None:
        return next((row.name for row in self._history.monitors() if not row.name.startswith(PREFIX)), None)

    def _holder(self, exchange_id: str) -> str | None:
        """The monitor that has the exchange among its last, or in its baseline."""
        if found := find_sample(self._history.engine, exchange_id):
            return found[0]
        b, s = t.baselines.c, t.baseline_samples.c
        query = sa.select(b.monitor).join(t.baseline_samples, s.baseline_id == b.id).where(s.exchange_id == exchange_id)
        with reading(self._history.engine) as db:
            return db.execute(query.limit(1)).scalar()

    def _on_its_way(self, exchange_id: str) -> bool:
        with reading(self._history.engine) as db:
            return db.execute(sa.select(waiting.c.seq).where(waiting.c.id == exchange_id)).first() is not None
