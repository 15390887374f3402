"""One batch of the log: parsed, embedded, observed and committed in one transaction."""

import bisect
import math
import os
import time
from collections.abc import Sequence

import msgspec
import structlog

from drift.embedder import Embedder
from drift.records import Exchange, Outcome, Report
from drift.samples import Sample
from proxy import capture as captures
from proxy import wire
from proxy.collector import EMBEDDING_SECONDS
from proxy.config import Settings
from proxy.pace import Speed, drawn, share
from proxy.population import Population
from proxy.populations import OTHER, Populations
from proxy.stores.history import History, Text, WorkerState
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import Entry, Log
from proxy.stores.vectors import WINDOW, Vectors
from proxy.views import iso

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
        if exchange_log.head() < self.cursor:
            log.warning("the exchange log is a new one; it is read from its beginning")
            self.cursor = 0
            ledger.commit(Changes(cursor=0))
        if not settings.privacy.store_text:
            # The last worker may have been killed between a commit and the erasure that follows it.
            exchange_log.erase_up_to(self.cursor)
        """The log's sequence number up to which everything is committed."""
        self._speed = Speed()
        self._share = 1.0
        self._planned = 0
        self._stage, self._since = "ready", time.time()
        before = history.state()
        self._tokens = dict(before.tokens) if before else {}
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
        )

    def score_batch(self) -> bool:
        """Score the next entries of the log. False when there are none."""
        self._plan()
        batch = math.ceil(self._settings.worker.batch / self._share)
        entries = self._log.after(self.cursor, min(batch, LARGEST_READ, max(1, self._planned - self.cursor)))
        if not entries:
            return False
        chosen = [e for e in entries if e.outcome in MAY_BE_WHOLE and drawn(e.id, self._share)]
        logged = self._log.captures([e.seq for e in chosen])
        read = {e.id: _exchange(logged.get(e.seq)) for e in chosen}
        exchanges = {name: exchange for name, exchange in read.items() if exchange}
        samples = self._embed([x for x in exchanges.values() if x.outcome is Outcome.COMPLETE and not _no_answer(x)])

        changes = Changes(cursor=entries[-1].seq)
        touched: dict[str, Population] = {}
        rings: dict[str, list[tuple[int, Sample]]] = {}
        erased = {e.id for e in chosen} - exchanges.keys()
        for entry in entries:
            exchange = exchanges.get(entry.id)
            answered = entry.id in samples or (exchange is None and entry.outcome == Outcome.COMPLETE)
            population = self._populations.of(entry, answered=answered)
            touched[population.name] = population
            if exchange is not None and entry.id in samples:
                place = self._score(population, exchange, samples[entry.id], changes)
                rings.setdefault(population.name, []).append((place, samples[entry.id]))
            else:
                population.counts[_why_not(entry, exchange, erased)] += 1
        for population in touched.values():
            if self._due(population):
                self.report(population, changes)
            changes.monitors.append(population.written())
        # The vectors first: their ids follow from their places, so a batch read again writes the same points.
        for name, ring in rings.items():
            self._vectors.put(WINDOW, name, ring, {"monitor": name})
        changes.state = self.state("ready")
        self._ledger.commit(changes)
        self.cursor = entries[-1].seq
        if not self._settings.privacy.store_text:
            self._log.erase([e.seq for e in entries])
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
        self._speed.add(n, seconds)
        self._embedding_seconds += seconds
        for i in range(bisect.bisect_left(EMBEDDING_SECONDS, seconds / n), len(self._buckets)):
            self._buckets[i] += n
        return {
            x.id: Sample(exchange_id=x.id, at=x.at, response=vectors[i], prompt=vectors[n + i])
            for i, x in enumerate(exchanges)
        }

    def _score(self, population: Population, exchange: Exchange, sample: Sample, changes: Changes) -> int:
        """Observe one sample; returns its place in the monitor's ring."""
        population.counts["scored"] += 1
        self._count_tokens(exchange)
        keep = self._settings.privacy.store_text
        text = Text(
            prompt=exchange.prompt if keep else "",
            response=said(exchange) if keep else "",
            model=exchange.model,
            finish_reason=exchange.finish_reason,
            output_tokens=exchange.output_tokens,
            duration_seconds=exchange.duration_seconds,
            source=exchange.source,
        )
        answered_by = population.row.response_model
        row, severity_changed = population.score(exchange, sample, text)
        changes.samples.append((population.name, row))
        marked = {name for name, _, _ in changes.annotations}
        if answered_by and population.row.response_model != answered_by and population.name not in marked:
            mark = f"Answers come from {population.row.response_model} instead of {answered_by}."
            changes.annotations.append((population.name, "model", mark))
        if severity_changed:
            self.report(population, changes)
        return row.number % self._ring

    def _count_tokens(self, exchange: Exchange) -> None:
        model = exchange.model
        if model not in self._tokens and len(self._tokens) >= self._settings.metrics.max_series:
            model = OTHER
        given, made = self._tokens.get(model, (0, 0))
        self._tokens[model] = given + (exchange.input_tokens or 0), made + (exchange.output_tokens or 0)

    # -- reports -------------------------------------------------------------------------------

    def _due(self, population: Population) -> bool:
        late = time.time() - population.last_report_at >= self._settings.drift.report_seconds
        return late and population.monitor is not None and population.unreported

    def report(self, population: Population, changes: Changes) -> Report:
        """Make a report of now, to be committed with the changes."""
        report = population.report(time.time())
        assert population.baseline
        known = self._history.baseline_samples(population.baseline.id, limit=len(population.baseline.exchange_ids))
        changes.reports.append(report)
        changes.witnesses[population.name] = population.pairs({s.exchange_id: s.text for s in known})
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

    def report_late(self) -> None:
        """Reports of monitors whose last samples came too soon after the report before."""
        changes = Changes()
        for population in self._populations:
            if self._due(population):
                self.report(population, changes)
        if changes.reports:
            self._ledger.commit(changes)


def _exchange(capture: bytes | None) -> Exchange | None:
    """What was logged; None when it was erased, or when the disk has garbled it: one bad row must not stop the rest."""
    if capture is None:
        return None
    try:
        return wire.read(captures.decode(capture))
    except msgspec.DecodeError:
        return None


def said(exchange: Exchange) -> str:
    """What an answer says: its text, else the calls it makes."""
    return exchange.response or "\n".join(exchange.tool_calls)


def _no_answer(exchange: Exchange) -> bool:
    """Ollama's calls that only load or unload a model."""
    return exchange.finish_reason in ("load", "unload") and not said(exchange)


def _why_not(entry: Entry, exchange: Exchange | None, erased: set[str]) -> str:
    """Why an exchange was not scored."""
    if exchange is not None:
        return "empty" if exchange.outcome is Outcome.COMPLETE else exchange.outcome
    if entry.outcome != Outcome.COMPLETE:
        return entry.outcome
    return "erased" if entry.id in erased else "sampled_out"
