"""One batch of the log: parsed, embedded, observed and committed in one transaction."""

import structlog

from drift.errors import EmbedderUnavailable
from drift.records import Report
from proxy.batch import read_batch
from proxy.embedding import TextEncoder
from proxy.measuring import Measuring, samples_of
from proxy.observing import Observing
from proxy.pace import Pace, drawn
from proxy.population import Population
from proxy.populations import Populations
from proxy.reporting import Reporting
from proxy.settings import Settings
from proxy.stores.canaries import PREFIX
from proxy.stores.history import History
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import Entry, Log
from proxy.stores.state import Models, WorkerState
from proxy.stores.vectors import Vectors
from proxy.worker_state import Doing

log = structlog.get_logger()


class Scorer:
    """Reads the log after its cursor: one machine's worker.

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
        embedder: TextEncoder,
        populations: Populations,
    ):
        self._settings = settings
        self._ledger = ledger
        self._log = exchange_log
        self._populations = populations
        self._measuring = Measuring(embedder)
        self._reporting = Reporting(populations, ledger, settings.drift.report_seconds)
        self._observing = Observing(settings, vectors, self._reporting, embedder.encoder)
        self._pace = Pace(settings.worker)
        self.cursor = history.cursor()
        """The log's sequence number up to which everything is committed."""
        if exchange_log.last_given() < self.cursor:
            log.warning("the exchange log is a new one; it is read from its beginning")
            self.cursor = 0
            ledger.commit(Changes(cursor=0))
        if not settings.privacy.store_text:
            # The last worker may have been killed between a commit and the erasure that follows it.
            exchange_log.erase_up_to(self.cursor)
        self._doing = Doing(self._measuring, self._observing, self._pace, populations, vectors)
        before = history.state()
        self.models = Models(dict(before.digests), dict(before.details)) if before else Models()
        """What stands behind Ollama's model names."""
        if before:
            self._observing.tokens = dict(before.tokens)
            self._measuring.go_on(before)

    def state(self, stage: str) -> WorkerState:
        """What the worker does from now on."""
        return self._doing.state(stage, self.models)

    def learn(self, models: Models, changes: Changes) -> None:
        """What stands behind Ollama's model names from now on; to be committed with the changes."""
        self.models = models
        changes.state = self.state("ready")

    def score_batch(self) -> bool:
        """Score the next entries of the log. False when there are none."""
        self._pace.plan(self.cursor, lambda: self._log.waiting(self.cursor)[0], self._log.head)
        entries = self._log.after(self.cursor, self._pace.limit(self.cursor))
        if not entries:
            self._pace.nothing_came()
            return False
        batch = read_batch(self._log, entries, self._drawn, failures=self._settings.worker.batch)
        answers = batch.answers
        if answers and not self._measuring.away:
            # Said beforehand: this is what can take long.
            self._ledger.commit(Changes(state=self.state("embedding")))
        try:
            samples = samples_of(answers, self._measuring.embed(answers), self.models)
        except EmbedderUnavailable:
            # They are read again: nothing of this batch is committed.
            self._pace.nothing_came()
            return False
        changes = Changes(cursor=entries[-1].seq)
        rings = self._observing.observe(batch, samples, self._monitor_of, changes)
        self._observing.put(rings)
        changes.state = self.state("ready")
        self._ledger.commit(changes)
        self.cursor = entries[-1].seq
        if not self._settings.privacy.store_text:
            self._log.erase([e.seq for e in entries])
        self._pace.ended(len(samples))
        return True

    def report(self, population: Population, changes: Changes, *, look: bool = False) -> Report:
        """Make a report of now; to be committed with the changes."""
        return self._reporting.report(population, changes, look=look)

    def report_late(self) -> None:
        """Reports that were not due when their samples came."""
        self._reporting.report_late()

    def _drawn(self, entry: Entry) -> bool:
        return in_sample(entry, self._pace.share)

    def _monitor_of(self, entry: Entry, answered: bool) -> Population:
        return self._populations.of(entry, answered=answered)


def in_sample(entry: Entry, share: float) -> bool:
    """Whether an entry is in a sample of that share. A canary asks little, and each of its answers counts."""
    return drawn(entry.id, share) or (entry.monitor or "").startswith(PREFIX)
