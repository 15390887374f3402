"""The second stage: what is ready of the monitors that this worker owns is scored, in the log's order."""

from collections.abc import Sequence

import numpy as np

from drift.errors import EmbedderUnavailable
from drift.records import Exchange, Report
from drift.samples import Vector
from proxy.batch import read_batch
from proxy.measuring import Measuring, samples_of
from proxy.observing import Observing
from proxy.pace import Pace
from proxy.population import Population
from proxy.populations import Populations
from proxy.reporting import Reporting
from proxy.settings import Settings
from proxy.shared.models import read_models
from proxy.shared.ownership import Ownership
from proxy.stores.database import reading
from proxy.stores.history import History
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import Log
from proxy.stores.queue import Overtaken, Queue, Ready
from proxy.stores.state import Models, WorkerState
from proxy.stores.vectors import Vectors
from proxy.worker_state import Doing

SCORED_AT_ONCE = 2_000
"""Entries; those that are not in the sample take next to no time."""


class SharedScorer:
    """Does with ready entries what one machine's worker does with those of its log.

    Entries leave the queue in the transaction that writes their scores, so a worker that is
    killed at any point loses none and scores none twice.
    """

    cursor = 0

    def __init__(
        self,
        settings: Settings,
        history: History,
        ledger: Ledger,
        exchange_log: Log,
        queue: Queue,
        vectors: Vectors,
        measuring: Measuring,
        pace: Pace,
        populations: Populations,
        ownership: Ownership,
    ):
        self._failures = settings.worker.batch
        self._history = history
        self._ledger = ledger
        self._log = exchange_log
        self._queue = queue
        self._measuring = measuring
        self._pace = pace
        self._populations = populations
        self._ownership = ownership
        self._reporting = Reporting(populations, ledger, settings.drift.report_seconds)
        self._observing = Observing(settings, vectors, self._reporting, measuring.encoder)
        self._doing = Doing(measuring, self._observing, pace, populations, vectors)

    @property
    def models(self) -> Models:
        """What stands behind Ollama's model names."""
        return read_models(self._history.engine)

    def state(self, stage: str) -> WorkerState:
        """What the worker does from now on."""
        return self._doing.state(stage, Models())

    def learn(self, models: Models, changes: Changes) -> None:
        """What stands behind those names from now on; to be committed with the changes."""
        changes.models = models

    def score_ready(self) -> bool:
        """Score what is ready. False when nothing is. Raises Lost, and Overtaken where something was erased meanwhile:
        then nothing was written, and what is in memory is ahead of the history.
        """
        found = self._queue.ready(self._ownership.epochs.keys(), SCORED_AT_ONCE)
        if not found:
            return False
        ready = {one.entry.id: one.ready for one in found}
        batch = read_batch(
            self._log, [one.entry for one in found], lambda entry: ready[entry.id].drawn, failures=self._failures
        )
        answers = batch.answers
        try:
            samples = samples_of(answers, self._embedded(answers, ready), self.models)
        except EmbedderUnavailable:
            # They stay ready.
            return False
        changes, tokens = Changes(done=[one.entry.seq for one in found]), dict(self._observing.tokens)
        rings = self._observing.observe(
            batch, samples, lambda entry, _: self._populations.named(ready[entry.id].population, entry.model), changes
        )
        with reading(self._history.engine) as db:
            # The vector store cannot refuse a former owner.
            self._ownership.check(db, rings)
        self._observing.put(rings)
        changes.state = self.state("ready")
        try:
            self._ledger.commit(changes)
        except Overtaken:
            # They are counted with those of the batch that is written.
            self._observing.tokens = tokens
            raise
        return True

    def report(self, population: Population, changes: Changes, *, look: bool = False) -> Report:
        """Make a report of now; to be committed with the changes."""
        return self._reporting.report(population, changes, look=look)

    def report_late(self) -> None:
        """Reports that were not due when their samples came."""
        self._reporting.report_late()

    def _embedded(self, answers: Sequence[Exchange], ready: dict[str, Ready]) -> dict[str, tuple[Vector, Vector]]:
        """The vectors that came with them; those of a worker with another encoder are made anew."""
        encoder = self._measuring.encoder
        vectors = {}
        for one in answers:
            found = ready[one.id]
            if found.encoder == encoder and found.response is not None and found.prompt is not None:
                vectors[one.id] = np.frombuffer(found.response, np.float32), np.frombuffer(found.prompt, np.float32)
        others = [one for one in answers if ready[one.id].encoder not in (encoder, None)]
        return vectors | self._measuring.embed(others)
