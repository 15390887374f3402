"""The first stage, which any worker does of any monitor: new exchanges are read, embedded and given their monitor."""

import time
from collections.abc import Callable

import msgspec

from drift.errors import EmbedderUnavailable
from drift.records import Outcome
from drift.samples import Vector
from proxy.batch import read_batch
from proxy.measuring import Measuring
from proxy.pace import Pace
from proxy.scoring import in_sample
from proxy.settings import Settings
from proxy.shared.naming import SharedNaming
from proxy.stores.log import Entry, Log
from proxy.stores.queue import Queue, Ready

AWAY_SECONDS = 5.0

BATCH_SECONDS = 2.0
"""Between two batches a worker sees that another is gone: with a slow encoder they are smaller."""


class EmbeddingStage:
    """Claims what is new in the queue and makes it ready to be scored. A killed worker's claim is free at once."""

    def __init__(
        self,
        settings: Settings,
        exchange_log: Log,
        queue: Queue,
        naming: SharedNaming,
        measuring: Measuring,
        pace: Pace,
    ):
        self._settings = settings
        self._log = exchange_log
        self._queue = queue
        self._naming = naming
        self._measuring = measuring
        self._pace = pace
        self._position = 0
        self._again_at = 0.0

    def embed_batch(self, together: Callable[[], float | None]) -> bool:
        """Embed the oldest new exchanges. False when there are none, or nothing can be embedded just now: then any
        worker may take them. `together` tells the speed of all workers.
        """
        if time.monotonic() < self._again_at:
            return False
        try:
            return self._embed_batch(together)
        except EmbedderUnavailable:
            self._pace.nothing_came()
            # Nothing is scored before the oldest: another worker may be able to embed it.
            self._again_at = time.monotonic() + AWAY_SECONDS
            return False

    def _embed_batch(self, together: Callable[[], float | None]) -> bool:
        self._pace.plan(self._position, lambda: self._queue.waiting()[0], self._log.head, together)
        # What a killed worker had taken comes back behind the position.
        position = min(self._position, self._queue.oldest() or self._position)
        with self._queue.claim(self._pace.limit(position, BATCH_SECONDS)) as claimed:
            entries = claimed.entries
            if not entries:
                self._pace.nothing_came()
                # Others have taken what was planned for: what comes next is planned anew.
                self._position = max(self._position, self._pace.planned)
                return False
            batch = read_batch(self._log, entries, self._drawn, failures=0)
            answers = batch.answers
            vectors = self._measuring.embed(answers)
            unread = {e.id for e in entries if e.outcome == Outcome.COMPLETE and e.id not in batch.exchanges}
            names = self._naming.of(entries, vectors.keys() | unread)
            claimed.finish([self._ready(e, name, vectors.get(e.id)) for e, name in zip(entries, names, strict=True)])
        self._position = max(self._position, entries[-1].seq)
        self._pace.ended(len(answers))
        return True

    def _ready(self, entry: Entry, name: str, vectors: tuple[Vector, Vector] | None) -> Ready:
        ready = Ready(seq=entry.seq, population=name, drawn=self._drawn(entry))
        if vectors is None:
            return ready
        response, prompt = vectors
        encoder = self._measuring.encoder
        return msgspec.structs.replace(ready, response=response.tobytes(), prompt=prompt.tobytes(), encoder=encoder)

    def _drawn(self, entry: Entry) -> bool:
        return in_sample(entry, self._pace.share)
