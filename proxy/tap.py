"""The bounded hand-over of tapes from the event loop to the durable log."""

import threading
from collections import deque
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from proxy.settings import Tap as TapSettings
from proxy.stores.faults import fault_of
from proxy.tape import Tape

log = structlog.get_logger()

Writer = Callable[[list[Tape], dict[str, int]], None]
"""Writes tapes and the tap's running totals durably, or raises."""

BATCH_TAPES = 512
BATCH_BYTES = 4 * 2**20
"""A batch is held thrice while it is written: as tapes, as rows and as the database's pages."""


class Tap:
    """A bounded queue and the thread that empties it into `write` every `flush_seconds`.

    `offer` runs on the event loop, waits for nothing and never raises. What does not fit
    is let go and counted; when the log cannot be written, the tapes wait until they no
    longer fit. `totals` are the counts so far, which the log keeps over restarts.
    """

    def __init__(self, settings: TapSettings, write: Writer, observe: Callable[[Tape], None], totals: dict[str, int]):
        self._settings = settings
        self._write = write
        self._observe = observe
        self._tapes: deque[Tape] = deque()
        # Each is written by one thread alone, so that no addition is lost.
        self._offered_bytes = self._written_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tap", daemon=True)
        self.logged, self.dropped, self.skipped = (totals.get(name, 0) for name in ("logged", "dropped", "skipped"))
        self.error = ""
        self._written = self.totals

    def start(self) -> None:
        self._thread.start()

    def offer(self, tape: Tape) -> None:
        if tape.skip:
            if tape.endpoint:
                self.skipped += 1
            self._observe(tape)
        elif (
            len(self._tapes) >= self._settings.max_exchanges
            or self._offered_bytes - self._written_bytes + tape.size > self._settings.max_pending_bytes
        ):
            self.dropped += 1
            self._observe(tape)
        else:
            self._offered_bytes += tape.size
            self._tapes.append(tape)

    @property
    def pending(self) -> int:
        return len(self._tapes)

    @property
    def totals(self) -> dict[str, int]:
        return {"logged": self.logged, "dropped": self.dropped, "skipped": self.skipped}

    def _run(self) -> None:
        while not self._stop.wait(self._settings.flush_seconds):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        while self._write_batch():
            pass

    def _write_batch(self) -> bool:
        """Write the oldest tapes; whether there were more than a batch takes."""
        batch, size = [], 0
        for i in range(min(len(self._tapes), BATCH_TAPES)):
            batch.append(self._tapes[i])
            size += batch[-1].size
            if size > BATCH_BYTES:
                break
        if not batch and self._written == self.totals:
            return False
        # Counted once, for the loop goes on counting while this is written.
        totals = self.totals | {"logged": self.logged + len(batch)}
        try:
            self._write(batch, totals)
        except Exception as error:
            # Whatever is wrong with the disk, the requests go on; the tapes stay until they no longer fit.
            said = fault_of(error).message if isinstance(error, SQLAlchemyError) else str(error)
            if not self.error:
                log.error("the exchange log cannot be written; exchanges wait in memory", error=said)
            self.error = said
            return False
        if self.error:
            log.info("the exchange log can be written again")
        self.error = ""
        for _ in batch:
            self._tapes.popleft()
        self._written_bytes += size
        self.logged += len(batch)
        self._written = totals
        return len(batch) == BATCH_TAPES or size > BATCH_BYTES

    def close(self) -> None:
        """Write what is waiting and end the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
