"""What a worker does, put together from its parts."""

import os
import time

from proxy.measuring import Measuring
from proxy.observing import Observing
from proxy.pace import Pace
from proxy.populations import Populations
from proxy.stores.state import Models, WorkerState
from proxy.stores.vectors import Vectors


class Doing:
    """The stage that a worker is in, and since when."""

    def __init__(
        self, measuring: Measuring, observing: Observing, pace: Pace, populations: Populations, vectors: Vectors
    ):
        self._measuring = measuring
        self._observing = observing
        self._pace = pace
        self._populations = populations
        self._vectors = vectors
        self._stage, self._since = "ready", time.time()

    def state(self, stage: str, models: Models) -> WorkerState:
        """What the worker does from now on."""
        if stage != self._stage:
            self._stage, self._since = stage, time.time()
        return WorkerState(
            pid=os.getpid(),
            stage=stage,
            since=self._since,
            heartbeat_at=time.time(),
            error=" ".join(self._populations.problems.values()),
            encoder=self._measuring.encoder,
            embedder_note=self._measuring.note,
            embedder_away=self._measuring.away,
            vector_store=self._vectors.where,
            answers_per_second=self._pace.speed,
            share=self._pace.share,
            calibrating=dict(self._populations.progress),
            embedding_counts=self._measuring.buckets,
            embedding_seconds=self._measuring.seconds,
            tokens=self._observing.tokens,
            digests=models.digests,
            details=models.details,
        )
