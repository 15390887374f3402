"""The process of one of several workers: what it opens, and how it begins anew when something went away."""

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
import sqlalchemy as sa
import structlog

from drift.errors import DriftError, EmbedderUnavailable, EncoderChanged
from proxy.embedding import TextEncoder, make_embedder
from proxy.embedding_served import ServedEncoder
from proxy.settings import Settings
from proxy.shared.session import Lost, Session
from proxy.shared.worker import SharedWorker
from proxy.stores.database import reading
from proxy.stores.faults import fault_of
from proxy.stores.migrations import SchemaTooNew
from proxy.stores.opening import Stores, open_stores
from proxy.stores.state import WorkerState
from proxy.stores.vectors import Vectors, VectorStoreError
from proxy.stores.workers import bury, read_state, write_state

log = structlog.get_logger()

PAUSE_SECONDS = (0.5, 1.0, 2.0, 5.0)
STEADY_SECONDS = 60.0
"""A worker that went on for so long begins anew at once."""


def work(settings: Settings, stop: threading.Event) -> int:
    """Work until told to stop; returns the exit code. Begins anew where the database or the vector store went away."""
    stores = open_stores(settings)
    parts = Parts(settings, stores.history.engine, stop)
    told, tries = "", 0
    try:
        while not stop.is_set():
            began = time.monotonic()
            try:
                with Session(stores.history.engine, f"{socket.gethostname()}:{os.getpid()}", _state("loading")) as one:
                    return _work(settings, stores, one, parts, stop)
            except (Lost, sa.exc.SQLAlchemyError, VectorStoreError, DriftError) as error:
                failed = isinstance(error, VectorStoreError | DriftError)
                reason = fault_of(error).message if isinstance(error, sa.exc.SQLAlchemyError) else str(error)
                if isinstance(error, EncoderChanged):
                    # Under its new identity it is another encoder.
                    parts.leave_embedder()
                elif isinstance(error, SchemaTooNew) or (isinstance(error, DriftError) and parts.embedder is None):
                    log.error("the worker cannot work", error=reason)
                    return 1
            if reason != told:
                told = reason
                log.warning("the worker begins anew, and again until it can work", error=reason)
                if failed:
                    with suppress(sa.exc.SQLAlchemyError):
                        stores.history.tell("worker", {"stage": "failed", "error": reason})
            # What its connections hold is let go.
            stores.history.engine.dispose()
            tries = 0 if time.monotonic() - began > STEADY_SECONDS else tries + 1
            stop.wait(PAUSE_SECONDS[min(tries, len(PAUSE_SECONDS) - 1)])
        return 0
    finally:
        parts.close()
        stores.close()


class Parts:
    """What takes seconds to load, and outlives a session."""

    def __init__(self, settings: Settings, engine: sa.Engine, stop: threading.Event):
        self._settings = settings
        self._engine = engine
        self._stop = stop
        self.embedder: TextEncoder | None = None
        self._vectors: Vectors | None = None

    def get(self, say: Callable[[str], None]) -> tuple[Vectors, TextEncoder] | None:
        """None when told to stop; `say` is told what is waited for. Raises DriftError and VectorStoreError."""
        self._vectors = self._vectors or Vectors(self._settings.qdrant, self._settings.data_dir)
        self.embedder = self.embedder or make_embedder(self._settings, self._engine, stop=self._stop, say=say)
        if self.embedder is None:
            return None
        self._vectors.create(self.embedder.dimension)
        return self._vectors, self.embedder

    def leave_embedder(self) -> None:
        if isinstance(self.embedder, ServedEncoder):
            self.embedder.close()
        self.embedder = None

    def close(self) -> None:
        self.leave_embedder()
        if self._vectors:
            self._vectors.close()


def _work(settings: Settings, stores: Stores, session: Session, parts: Parts, stop: threading.Event) -> int:
    def tell(state: WorkerState) -> None:
        with stores.history.engine.begin() as db:
            write_state(db, session.number, state)

    def wait_for_embedder(reason: str) -> None:
        session.check()
        tell(msgspec.structs.replace(_state("loading"), embedder_note=reason, embedder_away=True))

    bury(stores.history.engine)
    try:
        found = parts.get(wait_for_embedder)
        if found is None:
            return 0
        vectors, embedder = found
        log.info("the worker is ready", encoder=embedder.encoder, number=session.number)
        SharedWorker(settings, stores, session, vectors, embedder).run(stop)
    except (DriftError, VectorStoreError) as error:
        part = "vector_store" if isinstance(error, VectorStoreError) else ""
        part = "embedder" if isinstance(error, EmbedderUnavailable) else part
        with reading(stores.history.engine) as db:
            # With what it has counted until now.
            before = read_state(db, session.number) or _state("failed")
        tell(msgspec.structs.replace(before, stage="failed", since=time.time(), error=str(error), failed=part))
        raise
    return 0


def _state(stage: str) -> WorkerState:
    now = time.time()
    return WorkerState(pid=os.getpid(), stage=stage, since=now, heartbeat_at=now)
