"""Reports of the monitors, and the evidence behind them."""

import time

import structlog

from drift.records import Report
from proxy.moments import iso
from proxy.population import Population
from proxy.populations import Populations
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.vectors import VectorStoreError

log = structlog.get_logger()


class Reporting:
    """Makes reports when they are due, and explains those that want it."""

    def __init__(self, populations: Populations, ledger: Ledger, report_seconds: float):
        self._populations = populations
        self._ledger = ledger
        self._seconds = report_seconds

    def report(self, population: Population, changes: Changes, *, look: bool = False) -> Report:
        """Make a report of now, and look for evidence where it is wanted; to be committed with the changes."""
        report = population.report(time.time())
        population.reported = time.monotonic()
        changes.reports.append(report)
        if look or self._wanted(population, report):
            self._explain(population, report, changes, asked=look)
        told = {
            "monitor": report.monitor,
            "timestamp": iso(report.at),
            "severity": report.severity,
            "health_index": report.health_index,
            "ratio": report.ratio,
            "mmd_score": report.mmd2,
            "centroid_score": report.centroid_distance,
            "message": report.message,
        }
        changes.events.append(("score", told))
        return report

    def report_due(self, population: Population, changes: Changes) -> None:
        """The same where the last one is long enough ago."""
        late = time.monotonic() - population.reported >= self._seconds
        if late and population.monitor is not None and population.unreported:
            self.report(population, changes)

    def report_late(self) -> None:
        """Reports of monitors whose last samples came too soon after the report before."""
        changes = Changes()
        for population in self._populations:
            self.report_due(population, changes)
        if changes.reports:
            self._ledger.commit(changes)

    def _wanted(self, population: Population, report: Report) -> bool:
        """Evidence is looked for at each change of the severity, and when enough samples have come since."""
        seen = population.evidence
        if seen is not None and seen.severity != report.severity:
            return True
        if not population.explained_at:
            return report.window_samples > 1
        return report.observed - population.explained_at >= self._populations.policy.explain_every

    def _explain(self, population: Population, report: Report, changes: Changes, *, asked: bool) -> None:
        """What moved, since when, and whose doing it is: a second or so."""
        try:
            evidence = population.explain(report, self._populations.recent(population), asked=asked)
        except VectorStoreError:
            # What cannot be read now cannot be written either: the batch is scored again, and explained then.
            raise
        except Exception:
            # Scores must not wait for an explanation: raised further it would end each worker at this batch.
            log.exception("no evidence could be made", monitor=population.name)
            population.explained_at = report.observed
            return
        changes.evidence.append(evidence)
        changes.witnesses[population.name] = population.pairs(evidence)
        verdict = evidence.attribution.verdict if evidence.attribution else None
        changes.events.append(("evidence", {"monitor": report.monitor, "id": evidence.id, "verdict": verdict}))
