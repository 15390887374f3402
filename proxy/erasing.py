"""The worker's part of an erasure: the vectors, what it holds in memory, and what it wrote while it was asked."""

from collections.abc import Callable

import msgspec
import sqlalchemy as sa

from proxy.populations import Populations, Unusable
from proxy.stores import tables as t
from proxy.stores.database import give_back, reading
from proxy.stores.erasure import erase_exchange, erase_monitor
from proxy.stores.history import BaselineRow, History
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import Log
from proxy.stores.vectors import BASELINE, Vectors


class Erasing:
    """Erases between two batches, when nothing of it is on its way anywhere. Each step may be repeated.

    An exchange in a baseline is taken out of it: the baseline has a sample less, keeps its
    name and is calibrated anew. That is the one way in which a baseline ever changes. Of
    a single sample nothing can be said, so a baseline with fewer than two goes too.
    """

    def __init__(
        self,
        history: History,
        ledger: Ledger,
        exchange_log: Log,
        vectors: Vectors,
        populations: Populations,
        scored_up_to: Callable[[], int],
    ):
        """`scored_up_to` tells up to which sequence number nothing in the log waits any more."""
        self._history = history
        self._ledger = ledger
        self._log = exchange_log
        self._vectors = vectors
        self._populations = populations
        self._scored_up_to = scored_up_to

    def monitor(self, name: str, up_to: int | None = None) -> None:
        """Erase a monitor, with its log entries up to a sequence number: else up to what the worker has read.

        Traffic under its name that came later begins a new one, though it was logged before a worker could erase.
        """
        self._populations.forget(name)
        self._vectors.erase("monitor", name)
        erase_monitor(self._history.engine, name)
        last = self._scored_up_to() if up_to is None else up_to
        self._log.erase_monitor(name, [row.name for row in self._history.monitors()], last)
        self._overwrite()

    def exchange(self, exchange_id: str, since: dict[str, float]) -> None:
        """Erase an exchange, from baselines too. `since` is when monitors saw it, as far as is known."""
        held = [p for p in self._populations if self._holds(p.name, exchange_id)]
        for baseline_id in self._baselines_with(exchange_id):
            if row := self._history.baseline(baseline_id):
                self._take_out(row, exchange_id)
        self._vectors.erase("exchange_id", exchange_id)
        erase_exchange(self._history.engine, exchange_id, since)
        self._log.erase_exchange(exchange_id)
        self._overwrite()
        for population in held:
            if population.row.baseline_id is None:
                continue
            try:
                # From what is kept, so that nothing in memory is of what was erased.
                self._populations.watch(population, population.row.baseline_id)
            except Unusable as error:
                self._populations.problems[population.name] = str(error)

    def _holds(self, monitor: str, exchange_id: str) -> bool:
        population = self._populations.get(monitor)
        assert population
        in_baseline = population.baseline is not None and exchange_id in population.baseline.exchange_ids
        # The history's row may be gone by now: the window is asked.
        return in_baseline or exchange_id in population.texts

    def _baselines_with(self, exchange_id: str) -> list[str]:
        c = t.baseline_samples.c
        with reading(self._history.engine) as db:
            return list(db.execute(sa.select(c.baseline_id).where(c.exchange_id == exchange_id).distinct()).scalars())

    def _take_out(self, row: BaselineRow, exchange_id: str) -> None:
        """The baseline without that sample, the vectors first: done again after a crash it comes to the same."""
        samples = {s.exchange_id: s for s in self._vectors.kept(BASELINE, row.id, range(row.size))}
        samples.pop(exchange_id, None)
        left = [s for s in self._history.baseline_samples(row.id, limit=row.size)[::-1] if s.exchange_id != exchange_id]
        population = self._populations.get(row.monitor)
        changes = Changes(
            annotations=[(row.monitor, "baseline", f"One answer was erased from the baseline; {len(left)} are left.")],
            events=[("baseline", {"monitor": row.monitor, "id": row.id, "size": len(left)})],
        )
        if len(left) < 2:
            self._vectors.erase("baseline", row.id)
            if population and population.row.baseline_id == row.id:
                population.row = msgspec.structs.replace(population.row, baseline_id=None, baseline_at=None, observed=0)
                self._populations.unwatch(population)
                changes.monitors = [population.written()]
            changes.events = [("baseline", {"monitor": row.monitor, "id": None, "size": 0})]
            changes.erased_baselines = [row.id]
        else:
            if len(samples) == len(left):
                order = list(enumerate(samples[one.exchange_id] for one in left))
                self._vectors.put(BASELINE, row.id, order, {"monitor": row.monitor, "baseline": row.id})
            self._vectors.delete(BASELINE, row.id, range(len(left), row.size))
            changes.smaller_baselines = {row.id: left}
        self._ledger.commit(changes)

    def _overwrite(self) -> None:
        for engine in (self._history.engine, self._log.engine):
            give_back(engine)
