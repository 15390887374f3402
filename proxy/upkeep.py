"""What a worker does beside scoring: calibrations in slices, and monitors that nobody uses any more."""

import time

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from drift.semantic.calibration import Calibration
from proxy.asked import Scores
from proxy.erasing import Erasing
from proxy.population import Population
from proxy.populations import Populations
from proxy.stores.history import History
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.vectors import VectorStoreError

log = structlog.get_logger()

CALIBRATION_SHARE = 0.25
"""Of the time that a batch took: under steady load a calibration must end too."""


class Upkeep:
    """Of the monitors that the worker has."""

    def __init__(
        self, history: History, ledger: Ledger, populations: Populations, scorer: Scores, erasing: Erasing, days: float
    ):
        """Monitors whose last answer is more than so many days ago are erased; none with 0."""
        self._history = history
        self._ledger = ledger
        self._populations = populations
        self._scorer = scorer
        self._erasing = erasing
        self._days = days

    def calibrate(self, batch_seconds: float) -> None:
        """At least one slice of the calibration whose turn it is, and further ones as a batch of that length allows."""
        deadline = time.monotonic() + CALIBRATION_SHARE * batch_seconds
        while self._populations.calibrating:
            if finished := self._populations.calibrate_some():
                self._keep(*finished)
            if time.monotonic() >= deadline:
                return

    def _keep(self, population: Population, calibration: Calibration) -> None:
        assert population.baseline
        baseline = population.baseline.id
        changes = Changes(calibrations={baseline: msgspec.json.encode(calibration).decode()})
        changes.events.append(("baseline", {"monitor": population.name, "id": baseline, "calibrated": True}))
        if population.row.observed:
            self._scorer.report(population, changes)
        self._ledger.commit(changes)

    def expire(self) -> None:
        """Erase monitors whose last answer is too long ago."""
        now = time.time()
        for population in list(self._populations) if self._days else ():
            row = population.row
            seen = max(row.last_scored_at or 0.0, row.created_at, row.baseline_at or 0.0)
            if now - seen > self._days * 86_400:
                log.info("a monitor has expired", monitor=row.name, days=self._days)
                try:
                    self._erasing.monitor(row.name)
                except (VectorStoreError, SQLAlchemyError) as error:
                    log.warning("a monitor is not erased yet; this is tried again", monitor=row.name, error=str(error))
                    # Commands are tried until they are done.
                    self._history.ask("erase", {"monitor": row.name, "head": 0})
                self._ledger.commit(Changes(events=[("erased", {"monitor": row.name})]))
