"""One batch of the log: parsed, embedded, observed and committed in one transaction."""

import bisect
import math
import os
import time
from collections.abc import Sequence

import structlog

from drift.embedder import Embedder
from drift.records import Exchange, Outcome, Report
from drift.samples import Sample
from proxy.collector import EMBEDDING_SECONDS
from proxy.moments import iso
from proxy.names import OTHER
from proxy.pace import Speed, drawn, share
from proxy.population import Population, said, sample_of
from proxy.populations import Populations
from proxy.results import no_answer, read_exchange, told_apart, why_not
from proxy.settings import Settings
from proxy.stores.canaries import PREFIX
from proxy.stores.endings import SCORED
from proxy.stores.history import History, WorkerState
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import Log
from proxy.stores.vectors import WINDOW, Vectors

log = structlog.get_logger()

LARGEST_READ = 5_000

MAY_BE_WHOLE = (Outcome.COMPLETE, Outcome.CLIENT_CLOSED)
"""A client that closes at the last event has its whole answer; the bytes tell."""


class Scorer:
    """Reads the log after its cursor.

    Cursor, counts, samples and reports are committed together, so a worker that is killed
    at any point resumes where it committed last.
    """

    def __init__(
        self,
        settings: Settings,
        history: History,
        ledger: Ledger,
        exchange_log: Log,
        vectors: Vectors,
        embedder: Embedder,
        populations: Populations,
    ):
        self._settings = settings
        self._history = history
        self._ledger = ledger
        self._log = exchange_log
        self._vectors = vectors
        self._embedder = embedder
        self._populations = populations
        self._ring = settings.drift.recent_samples
        self.cursor = history.cursor()
        """The log's sequence number up to which everything is committed."""
        if exchange_log.last_given() < self.cursor:
            log.warning("the exchange log is a new one; it is read from its beginning")
            self.cursor = 0
            ledger.commit(Changes(cursor=0))
        if not settings.privacy.store_text:
            # The last worker may have been killed between a commit and the erasure that follows it.
            exchange_log.erase_up_to(self.cursor)
        self._speed = Speed()
        self._batch_ended_at = 0.0
        self._share = 1.0
        self._planned = 0
        self._stage, self._since = "ready", time.time()
        before = history.state()
        self._tokens = dict(before.tokens) if before else {}
        self.digests = dict(before.digests) if before else {}
        """Ollama's weights by model name."""
        self.details = dict(before.details) if before else {}
        """What else Ollama tells, by model name."""
        self._buckets, self._embedding_seconds = [0] * (len(EMBEDDING_SECONDS) + 1), 0.0
        if before and before.encoder == embedder.encoder and len(before.embedding_counts) == len(self._buckets):
            self._buckets, self._embedding_seconds = list(before.embedding_counts), before.embedding_seconds

    def state(self, stage: str) -> WorkerState:
        """What the worker does from now on."""
        if stage != self._stage:
            self._stage, self._since = stage, time.time()
        return WorkerState(
            pid=os.getpid(),
            stage=stage,
            since=self._since,
            heartbeat_at=time.time(),
            error=" ".join(self._populations.problems.values()),
            encoder=self._embedder.encoder,
            vector_store=self._vectors.where,
            answers_per_second=self._speed.value,
            share=self._share,
            calibrating=dict(self._populations.progress),
            embedding_counts=self._buckets,
            embedding_seconds=self._embedding_seconds,
            tokens=self._tokens,
            digests=self.digests,
            details=self.details,
        )

    def score_batch(self) -> bool:
        """Score the next entries of the log. False when there are none."""
        began = time.monotonic()
        if self._batch_ended_at and self.cursor < self._planned:
            # Inside a backlog all the time since the last batch counts: it is worked off at that pace, calibration,
            # explanations and all, and not at the embedding's.
            began = self._batch_ended_at
        self._plan()
        batch = math.ceil(self._settings.worker.batch / self._share)
        entries = self._log.after(self.cursor, min(batch, LARGEST_READ, max(1, self._planned - self.cursor)))
        if not entries:
            self._batch_ended_at = 0.0
            return False
        # A canary asks little, and each of its answers counts.
        wanted = [e for e in entries if drawn(e.id, self._share) or (e.monitor or "").startswith(PREFIX)]
        chosen = [e for e in wanted if e.outcome in MAY_BE_WHOLE]
        # Among many failures the first ones tell their status: captures can be large.
        failed = [e for e in entries if e.outcome == Outcome.HTTP_ERROR][: self._settings.worker.batch]
        logged = self._log.captures([e.seq for e in chosen + failed])
        read = {e.id: read_exchange(logged.get(e.seq)) for e in chosen}
        exchanges = {name: exchange for name, exchange in read.items() if exchange}
        samples = self._embed([x for x in exchanges.values() if x.outcome is Outcome.COMPLETE and not no_answer(x)])

        changes = Changes(cursor=entries[-1].seq)
        touched: dict[str, Population] = {}
        answers: dict[str, list[Exchange]] = {}
        erased = {e.id for e in chosen} - exchanges.keys()
        for entry in entries:
            exchange = exchanges.get(entry.id)
            answered = entry.id in samples or (exchange is None and entry.outcome == Outcome.COMPLETE)
            population = self._populations.of(entry, answered=answered)
            touched[population.name] = population
            if exchange is not None and entry.id in samples:
                answers.setdefault(population.name, []).append(exchange)
                population.endings.add(SCORED)
            else:
                result = why_not(entry, exchange, erased)
                population.counts[result] += 1
                population.endings.add(told_apart(result, logged.get(entry.seq)))
        rings = {
            name: self._score(touched[name], [(x, samples[x.id]) for x in exchanged], changes)
            for name, exchanged in answers.items()
        }
        for population in touched.values():
            if self._due(population):
                self.report(population, changes)
            changes.monitors.append(population.written())
            changes.endings.append((population.name, "", population.endings.runs))
        # The vectors first: their ids follow from their places, so a batch read again writes the same points.
        for name, ring in rings.items():
            self._vectors.put(WINDOW, name, ring, {"monitor": name})
        changes.state = self.state("ready")
        self._ledger.commit(changes)
        self.cursor = entries[-1].seq
        if not self._settings.privacy.store_text:
            self._log.erase([e.seq for e in entries])
        self._batch_ended_at = time.monotonic()
        self._speed.add(len(samples), self._batch_ended_at - began)
        return True

    def _plan(self) -> None:
        """Choose the share of what waits now, and hold to it until all of that is read.

        A share that rose as the backlog shrank would draw most of the sample from its end.
        """
        if self.cursor < self._planned:
            return
        waiting, _ = self._log.waiting(self.cursor)
        worker = self._settings.worker
        self._share = share(waiting, self._speed.value, worker.max_lag_seconds)
        # The speed is not known before the first batch.
        self._planned = self._log.head() if self._speed.value else self.cursor + worker.batch

    def _embed(self, exchanges: Sequence[Exchange]) -> dict[str, Sample]:
        """Samples by exchange id."""
        if not exchanges:
            return {}
        # Said beforehand: this is what can take long.
        self._ledger.commit(Changes(state=self.state("embedding")))
        began = time.perf_counter()
        vectors = self._embedder.embed([said(x) for x in exchanges] + [x.prompt for x in exchanges])
        seconds, n = time.perf_counter() - began, len(exchanges)
        self._embedding_seconds += seconds
        for i in range(bisect.bisect_left(EMBEDDING_SECONDS, seconds / n), len(self._buckets)):
            self._buckets[i] += n
        return {
            x.id: sample_of(x, response=vectors[i], prompt=vectors[n + i], digests=self.digests, details=self.details)
            for i, x in enumerate(exchanges)
        }

    def _score(
        self, population: Population, answers: Sequence[tuple[Exchange, Sample]], changes: Changes
    ) -> list[tuple[int, Sample]]:
        """Observe a monitor's samples, in their order; returns them with their places in its ring."""
        placed = []
        for (exchange, sample), (row, before, severity_changed) in zip(
            answers, population.score(answers, keep_text=self._settings.privacy.store_text), strict=True
        ):
            self._count_tokens(exchange)
            changes.samples.append((population.name, row))
            answered_by = population.row.response_model
            marked = {name for name, _, _ in changes.annotations}
            if before and answered_by != before and population.name not in marked:
                mark = f"Answers come from {answered_by} instead of {before}."
                changes.annotations.append((population.name, "model", mark))
            if severity_changed:
                self.report(population, changes)
            placed.append((row.number % self._ring, sample))
        return placed

    def _count_tokens(self, exchange: Exchange) -> None:
        model = exchange.model
        if model not in self._tokens and len(self._tokens) >= self._settings.metrics.max_series:
            model = OTHER
        given, made = self._tokens.get(model, (0, 0))
        self._tokens[model] = given + (exchange.input_tokens or 0), made + (exchange.output_tokens or 0)

    # -- reports -------------------------------------------------------------------------------

    def _due(self, population: Population) -> bool:
        late = time.monotonic() - population.reported >= self._settings.drift.report_seconds
        return late and population.monitor is not None and population.unreported

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
        except Exception:
            # Scores must not wait for an explanation: raised further it would end each worker at this batch.
            log.exception("no evidence could be made", monitor=population.name)
            population.explained_at = report.observed
            return
        changes.evidence.append(evidence)
        changes.witnesses[population.name] = population.pairs(evidence)
        verdict = evidence.attribution.verdict if evidence.attribution else None
        changes.events.append(("evidence", {"monitor": report.monitor, "id": evidence.id, "verdict": verdict}))

    def report_late(self) -> None:
        """Reports of monitors whose last samples came too soon after the report before."""
        changes = Changes()
        for population in self._populations:
            if self._due(population):
                self.report(population, changes)
        if changes.reports:
            self._ledger.commit(changes)
