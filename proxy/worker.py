"""The worker process: log -> parse -> embed -> observe -> history and vectors. Knows the log and never HTTP."""

import os
import threading
import time

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from drift.errors import DriftError, EmbedderUnavailable
from drift.policy import Policy
from proxy.alone import Busy, alone
from proxy.children import stop_on_signals, when_parent_ends
from proxy.clock import Clock
from proxy.commands import Commands
from proxy.embedding import TextEncoder, make_embedder
from proxy.populations import Populations
from proxy.scoring import Scorer
from proxy.settings import Settings
from proxy.stores.database import give_back
from proxy.stores.faults import fault_of
from proxy.stores.history import FILE as HISTORY_FILE
from proxy.stores.history import History, open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import FILE as LOG_FILE
from proxy.stores.log import Log, open_log
from proxy.stores.sqlite import identity
from proxy.stores.state import WorkerState
from proxy.stores.vectors import Vectors, VectorStoreError
from proxy.upkeep import Upkeep
from proxy.waiting import Waiting

log = structlog.get_logger()

HEARTBEAT_SECONDS = 2.0
PRUNE_SECONDS = 60.0
FIRST_PRUNE_SECONDS = 5.0
"""Whoever waits for a worker to be ready has something to ask of it, and the history's lock may be free for that."""


class Worker:
    """The loop: commands, a batch, a slice of calibration, and what is due."""

    def __init__(
        self,
        settings: Settings,
        history: History,
        ledger: Ledger,
        exchange_log: Log,
        vectors: Vectors,
        embedder: TextEncoder,
    ):
        drift = settings.drift
        policy = Policy(
            windows=drift.windows, expected_run_length=drift.expected_run_length, max_baseline=drift.max_baseline
        )
        self._settings = settings
        self._history = history
        self._ledger = ledger
        self._log = exchange_log
        self._vectors = vectors
        self._populations = Populations(settings, policy, history, vectors, embedder.encoder)
        self._scorer = Scorer(settings, history, ledger, exchange_log, vectors, embedder, self._populations)
        self._commands = Commands(
            settings, history, ledger, exchange_log, vectors, self._populations, self._scorer, embedder.encoder
        )
        self._upkeep = Upkeep(
            history, ledger, self._populations, self._scorer, self._commands.erasing, settings.monitors.expire_days
        )
        self._told_at = 0.0
        self._pruned_at = time.monotonic() - PRUNE_SECONDS + FIRST_PRUNE_SECONDS
        self._files = _files(settings)
        self._clock = Clock()

    def run(self, stop: threading.Event) -> int:
        """Work until told to stop; returns the exit code. What was begun is finished and committed."""
        self._ledger.commit(Changes(events=[("worker", {"stage": "ready"})]))
        while not stop.is_set():
            if not self.step():
                stop.wait(self._settings.worker.poll_seconds)
            if _files(self._settings) != self._files:
                # What it has in memory belongs to what is no longer there.
                log.warning("the data folder was changed; the worker begins anew")
                return 1
        self._ledger.commit(Changes(state=self._scorer.state("stopped")))
        return 0

    def step(self) -> bool:
        """One round. False when there was nothing to do."""
        self._commands.answer_all()
        began = time.monotonic()
        busy = self._scorer.score_batch()
        self._upkeep.calibrate(time.monotonic() - began)
        self._scorer.report_late()
        now = time.monotonic()
        if now - self._told_at > HEARTBEAT_SECONDS:
            self._told_at = now
            self._ledger.commit(Changes(state=self._scorer.state("ready")))
        if now - self._pruned_at > PRUNE_SECONDS:
            self._pruned_at = now
            self._prune()
        return busy or self._populations.calibrating

    def _prune(self) -> None:
        """Forget what the settings no longer keep; what is old only while the clock says so, once it is trusted."""
        keep, now = self._settings.log, time.time()
        trusted = self._clock.trusted()
        if trusted:
            self._ledger.prune()
            self._upkeep.expire()
        before = now - keep.keep_days * 86_400 if trusted else 0.0
        self._log.prune(before=before, max_bytes=keep.max_bytes, cursor=self._scorer.cursor)
        self._vectors.overwrite_left()
        self._vectors.ping()
        for engine in (self._history.engine, self._log.engine):
            give_back(engine)


def run(settings: Settings, *, end_with_parent: bool) -> int:
    """Open everything, load the model and work; returns the exit code.

    With `end_with_parent` the end of standard input, which the parent holds, ends the work.
    """
    stop = threading.Event()
    if end_with_parent:
        when_parent_ends(stop.set)
    stop_on_signals(stop)
    os.nice(settings.worker.nice)
    try:
        if settings.database.url:
            # Any number of workers share a database; the other way needs nothing of what this one does.
            from proxy.shared.process import work

            return work(settings, stop)
        with alone(settings.data_dir, "worker"):
            return _work(settings, stop)
    except Busy as error:
        log.error(str(error))
        return 1
    except (OSError, SQLAlchemyError) as error:
        # Exchanges wait in the log until it is mended; the supervisor tries again and again.
        reason = fault_of(error).message if isinstance(error, SQLAlchemyError) else str(error)
        log.error("the worker cannot work; run driftium doctor", folder=str(settings.data_dir), error=reason)
        return 1


def _work(settings: Settings, stop: threading.Event) -> int:
    exchange_log = open_log(settings.data_dir)
    history = open_history(settings.data_dir)
    ledger = Ledger(history, settings.history, settings.drift.recent_samples)
    vectors = None

    def tell(error: str, part: str = "vector_store") -> None:
        log.error("the worker cannot work", error=error)
        event = ("worker", {"stage": "failed", "error": error})
        ledger.commit(Changes(state=_state(history, "failed", error, part), events=[event]))

    def wait_for_embedder(reason: str) -> None:
        state = msgspec.structs.replace(_state(history, "loading"), embedder_note=reason, embedder_away=True)
        ledger.commit(Changes(state=state))

    try:
        ledger.commit(Changes(state=_state(history, "loading")))
        waiting = Waiting(settings.qdrant, tell, stop)
        # Before the model, which takes seconds: a damaged store is found at once.
        vectors = opened = waiting.until_done(lambda: Vectors(settings.qdrant, settings.data_dir))
        if opened is None:
            return 0
        embedder = make_embedder(settings, history.engine, stop=stop, say=wait_for_embedder)
        if embedder is None:
            return 0

        def work() -> int:
            opened.create(embedder.dimension)
            log.info("the worker is ready", encoder=embedder.encoder)
            # From what is committed: what a worker that was stopped by the vector store had in memory is ahead of it.
            return Worker(settings, history, ledger, exchange_log, opened, embedder).run(stop)

        return waiting.until_done(work) or 0
    except (DriftError, VectorStoreError) as error:
        parts = {EmbedderUnavailable: "embedder", VectorStoreError: "vector_store"}
        tell(str(error), parts.get(type(error), ""))
        return 1
    finally:
        if vectors:
            vectors.close()
        exchange_log.close()
        history.close()


def _files(settings: Settings) -> list[tuple[int, int] | None]:
    """Which files the stores are now: the doctor may move them aside."""
    vectors = () if settings.qdrant.url else ("vectors",)
    return [identity(settings.data_dir / name) for name in (LOG_FILE, HISTORY_FILE, *vectors)]


def _state(history: History, stage: str, error: str = "", failed: str = "") -> WorkerState:
    """The last worker's counters under this process's name."""
    now = time.time()
    before = history.state() or WorkerState(pid=0, stage="", since=now, heartbeat_at=now)
    return msgspec.structs.replace(
        before,
        pid=os.getpid(),
        stage=stage,
        since=now,
        heartbeat_at=now,
        error=error,
        failed=failed,
        vector_store="",
        embedder_note="",
        embedder_away=False,
        calibrating={},
    )
