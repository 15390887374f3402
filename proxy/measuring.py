"""What answers and prompts become: vectors. And how long that takes."""

import bisect
import time
from collections.abc import Mapping, Sequence

from drift.errors import EmbedderUnavailable
from drift.records import Exchange
from drift.samples import Sample, Vector
from proxy.collector import EMBEDDING_SECONDS
from proxy.embedding import TextEncoder, note_of
from proxy.population import said, sample_of
from proxy.stores.state import Models, WorkerState


class Measuring:
    """An embedder, and a histogram of the seconds that each answer with its prompt took it."""

    def __init__(self, embedder: TextEncoder):
        self._embedder = embedder
        self.away = False
        """Whether nothing could be embedded when it was last tried."""
        self.encoder = embedder.encoder
        self.buckets = [0] * (len(EMBEDDING_SECONDS) + 1)
        """Cumulative."""
        self.seconds = 0.0

    def go_on(self, before: WorkerState) -> None:
        """Count on from where the last worker stood, where it had the same encoder."""
        if before.encoder == self.encoder and len(before.embedding_counts) == len(self.buckets):
            self.buckets, self.seconds = list(before.embedding_counts), before.embedding_seconds

    @property
    def note(self) -> str:
        """What people should know of how texts are embedded now."""
        return note_of(self._embedder)

    def embed(self, exchanges: Sequence[Exchange]) -> dict[str, tuple[Vector, Vector]]:
        """Unit vectors of each answer and its prompt, by exchange id.

        Raises EmbedderUnavailable while nothing can be embedded: the exchanges wait, and are tried again.
        """
        if not exchanges:
            return {}
        began = time.perf_counter()
        try:
            vectors = self._embedder.embed([said(x) for x in exchanges] + [x.prompt for x in exchanges])
        except EmbedderUnavailable:
            self.away = True
            raise
        self.away = False
        seconds, n = time.perf_counter() - began, len(exchanges)
        self.seconds += seconds
        for i in range(bisect.bisect_left(EMBEDDING_SECONDS, seconds / n), len(self.buckets)):
            self.buckets[i] += n
        return {x.id: (vectors[i], vectors[n + i]) for i, x in enumerate(exchanges)}


def samples_of(
    exchanges: Sequence[Exchange],
    vectors: Mapping[str, tuple[Vector, Vector]],
    models: Models,
) -> dict[str, Sample]:
    """What the statistics see of the exchanges that have vectors, by id."""
    return {
        x.id: sample_of(x, response=response, prompt=prompt, digests=models.digests, details=models.details)
        for x in exchanges
        if x.id in vectors
        for response, prompt in (vectors[x.id],)
    }
