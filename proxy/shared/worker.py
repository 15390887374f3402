"""One of several workers: embeds what any of them may, scores what it owns, and leads where it is the leader."""

import threading
import time

import structlog

from drift.policy import Policy
from proxy.clock import Clock
from proxy.commands import Commands
from proxy.embedding import TextEncoder
from proxy.measuring import Measuring
from proxy.pace import Pace
from proxy.populations import Populations
from proxy.settings import Settings
from proxy.shared.embedding import EmbeddingStage
from proxy.shared.fence import Fence
from proxy.shared.naming import SharedNaming
from proxy.shared.ownership import Ownership
from proxy.shared.routing import Routing
from proxy.shared.scoring import SharedScorer
from proxy.shared.session import Session
from proxy.stores.database import reading
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.opening import Stores
from proxy.stores.queue import Overtaken
from proxy.stores.shared_log import SharedLog
from proxy.stores.vectors import Vectors
from proxy.stores.workers import bury, read_workers
from proxy.upkeep import Upkeep

log = structlog.get_logger()

HEARTBEAT_SECONDS = 2.0
SHARE_SECONDS = 1.0
SCORE_SECONDS = 1.0
TAKE_SECONDS = 1.0
"""Loading a monitor may take a second; those that are here already must not stand still meanwhile."""
PRUNE_SECONDS = 60.0
FIRST_PRUNE_SECONDS = 5.0
"""Whoever waits for a worker to be ready has something to ask of it."""


class SharedWorker:
    """The loop: who owns what, commands, what is ready, what is new, and what is due."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        session: Session,
        vectors: Vectors,
        embedder: TextEncoder,
    ):
        history, exchange_log = stores
        assert isinstance(exchange_log, SharedLog)
        drift, queue = settings.drift, exchange_log.queue
        policy = Policy(
            windows=drift.windows, expected_run_length=drift.expected_run_length, max_baseline=drift.max_baseline
        )
        measuring, self._pace = Measuring(embedder), Pace(settings.worker)
        self._settings = settings
        self._history = history
        self._log = exchange_log
        self._queue = queue
        self._session = session
        self._vectors = vectors
        self._ownership = Ownership(history.engine, session)
        fence = Fence(self._ownership, session, queue, erase=not settings.privacy.store_text)
        self._ledger = Ledger(history, settings.history, drift.recent_samples, fence)
        self._populations = Populations(settings, policy, history, vectors, embedder.encoder, ())
        self._naming = SharedNaming(history.engine, settings)
        self._stage = EmbeddingStage(settings, exchange_log, queue, self._naming, measuring, self._pace)
        self._scorer = SharedScorer(
            settings,
            history,
            self._ledger,
            exchange_log,
            queue,
            vectors,
            measuring,
            self._pace,
            self._populations,
            self._ownership,
        )
        self._commands = Commands(
            settings,
            history,
            self._ledger,
            exchange_log,
            vectors,
            self._populations,
            self._scorer,
            embedder.encoder,
            Routing(history, exchange_log, queue, self._ownership),
        )
        self._upkeep = Upkeep(
            history,
            self._ledger,
            self._populations,
            self._scorer,
            self._commands.erasing,
            settings.monitors.expire_days,
        )
        self._clock = Clock()
        self._told_at = self._shared_at = self._others_at = 0.0
        self._others: list[float | None] = []
        self._pruned_at = time.monotonic() - PRUNE_SECONDS + FIRST_PRUNE_SECONDS

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop. What was begun is finished and committed. Raises Lost, SQLAlchemyError and
        VectorStoreError: then what is in memory is worth nothing.
        """
        self._ledger.commit(Changes(state=self._scorer.state("ready"), events=[("worker", {"stage": "ready"})]))
        while not stop.is_set():
            if not self.step():
                stop.wait(self._settings.worker.poll_seconds)
        self._ledger.commit(Changes(state=self._scorer.state("stopped")))

    def step(self) -> bool:
        """One round. False when there was nothing to do."""
        began = time.monotonic()
        if began - self._shared_at > SHARE_SECONDS:
            self._shared_at = began
            self._share_out()
        self._ownership.asked_for.clear()
        self._commands.answer_all()
        began = time.monotonic()
        busy = False
        # More may be ready than one batch takes, where only a sample is scored: what is not drawn comes fast.
        while self._score():
            busy = True
            if time.monotonic() - began > SCORE_SECONDS:
                break
        busy = self._stage.embed_batch(self._together) or busy
        self._upkeep.calibrate(time.monotonic() - began)
        self._scorer.report_late()
        now = time.monotonic()
        if now - self._told_at > HEARTBEAT_SECONDS:
            self._told_at = now
            self._ledger.commit(Changes(state=self._scorer.state("ready")))
            if self._ownership.leads:
                self._naming.keep(self._queue.populations())
        if now - self._pruned_at > PRUNE_SECONDS:
            self._pruned_at = now
            self._prune()
        return busy or self._populations.calibrating

    def _share_out(self) -> None:
        """Give up what is another's share, and take what is this worker's and free."""
        share = self._ownership.share()
        if self._ownership.leads:
            bury(self._history.engine)
        for name in self._ownership.epochs.keys() - share:
            self._populations.forget(name)
            self._ownership.give_up(name)
        began, taken = time.monotonic(), 0
        for name in sorted(share - self._ownership.epochs.keys()):
            if self._ownership.take(name):
                self._take_up({name})
                taken += 1
            if time.monotonic() - began > TAKE_SECONDS:
                self._shared_at = 0.0
                break
        if taken:
            log.info("monitors were taken", monitors=taken, owned=len(self._ownership.epochs))

    def _take_up(self, names: set[str]) -> None:
        for row in self._history.monitors():
            if row.name in names:
                self._populations.take(row)

    def _score(self) -> bool:
        try:
            return self._scorer.score_ready()
        except Overtaken as error:
            # Nothing of it is written, and what is in memory has seen it.
            log.info("exchanges went while they were scored; their monitors begin anew", reason=str(error))
            names = {population.name for population in self._populations}
            for name in names:
                self._populations.forget(name)
            self._take_up(names)
            return True

    def _together(self) -> float | None:
        """Answers per second of all workers; None while none has a speed."""
        if time.monotonic() - self._others_at > SHARE_SECONDS:
            self._others_at = time.monotonic()
            with reading(self._history.engine) as db:
                rows = [row for row in read_workers(db) if row.works and row.number != self._session.number]
            self._others = [row.state.answers_per_second for row in rows]
        speeds = [speed for speed in (self._pace.speed, *self._others) if speed]
        return sum(speeds) if speeds else None

    def _prune(self) -> None:
        """Forget what the settings no longer keep; what is old only while the clock says so, once it is trusted."""
        self._vectors.ping()
        trusted = self._clock.trusted()
        if trusted:
            self._upkeep.expire()
        if not self._ownership.leads:
            return
        self._ownership.prune()
        if trusted:
            self._ledger.prune()
        keep = self._settings.log
        before = time.time() - keep.keep_days * 86_400 if trusted else 0.0
        self._log.prune(before=before, max_bytes=keep.max_bytes, cursor=0)
        if not self._settings.privacy.store_text:
            self._log.erase_scored()
