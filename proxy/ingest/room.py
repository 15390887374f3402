"""How much may be added to the exchange log now: what is collected waits for the embedder, live traffic does not.

The worker scores a sample where more waits than it embeds within worker.max_lag_seconds, and the log forgets the oldest
beyond log.max_bytes. So collected exchanges fill half of the one and an eighth of the other, in small transactions.
"""

import time

import msgspec

from proxy.settings import Settings
from proxy.stores.history import History
from proxy.stores.log import Log
from proxy.stores.state import WorkerState

SHARE_OF_LAG = 0.5
SHARE_OF_BYTES = 0.125
SILENT_SECONDS = 30.0
"""A worker that has not reported for so long is taken for gone."""

NO_WORKER = "No worker runs: start driftium serve, or driftium worker."
LOADING = "The worker is loading its model."
BUSY = "The worker embeds what waits."


class Room(msgspec.Struct, frozen=True):
    """How many exchanges may be added; where none, why."""

    exchanges: int
    why: str = ""

    @property
    def no_worker(self) -> bool:
        return self.why == NO_WORKER


def room(settings: Settings, history: History, exchange_log: Log) -> Room:
    """What may be added to the log now."""
    state = history.state()
    if state is None or not _works(state):
        loading = state is not None and state.stage == "loading" and _heard_of(state)
        return Room(0, LOADING if loading else NO_WORKER)
    cursor = history.cursor()
    waiting, _ = exchange_log.waiting(cursor)
    # Its speed is not known before its first batch.
    limit = settings.worker.batch
    if state.answers_per_second:
        limit = max(1, int(state.answers_per_second * settings.worker.max_lag_seconds * SHARE_OF_LAG))
    if waiting >= limit or exchange_log.unread_bytes(cursor) > settings.log.max_bytes * SHARE_OF_BYTES:
        return Room(0, BUSY)
    return Room(limit - waiting)


def _works(state: WorkerState) -> bool:
    return state.stage in ("ready", "embedding") and _heard_of(state)


def _heard_of(state: WorkerState) -> bool:
    return bool(state.processes) or time.time() - state.heartbeat_at < SILENT_SECONDS
