"""Where the records of one run go: to the exchange log in small transactions, then to the counts and the checkpoint."""

import time
from collections import Counter
from collections.abc import Callable
from hashlib import blake2s
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa

from proxy.ingest.checkpoints import KEEP_ERRORS, BadLine, Checkpoints, Status
from proxy.ingest.entries import Maker
from proxy.ingest.records import Left, Record
from proxy.ingest.room import Room
from proxy.stores.log import Entry, Log

BATCH = 64
BATCH_BYTES = 2**20
LINES = 2_000
"""After so many without anything to log the checkpoint is moved all the same."""
POLL_SECONDS = 0.2
_TOLD_SECONDS = 5.0


class Stopped(Exception):
    """The run was told to end; what was taken is logged and the checkpoint stands behind it."""


class Observer(Protocol):
    """What a run tells of itself while it goes on."""

    def moved(self, status: Status, read: int) -> None:
        """Counts have changed; `read` bytes were read since the last call."""

    def waits(self, why: str) -> None:
        """Nothing can be added to the log for now."""


class Sink:
    """`wait` says how many exchanges may be added, once there is room. Without a log it counts only.

    Raises Stopped where there is none any more.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        status: Status,
        maker: Maker,
        log: Log | None,
        wait: Callable[[], int],
        observer: Observer | None = None,
        *,
        remember: bool = False,
    ):
        self.checkpoints = checkpoints
        self.status = status
        self._maker = maker
        self._log = log
        self._wait = wait
        self._observer = observer
        # Of an API that is asked for the same time again, longer than the log may keep it.
        self._remember = remember
        self._taken: list[str] = []
        self._entries: dict[str, tuple[str, Entry]] = {}
        self._counts: Counter[str] = Counter()
        self._errors: list[BadLine] = []
        self.first_errors: list[BadLine] = []
        """Of this run; the status holds the last ones."""
        self._bytes = self._read = self._lines = 0
        self._appended = False
        self._told_at = 0.0
        self.total: Counter[str] = Counter(status.last)

    def take(self, found: Record | Left, *, file: str, line: int | None, place: str) -> None:
        """One record. `place` tells it apart from all others of the source."""
        if isinstance(found, Left):
            if found.result != "pending" and not self._told(found.result, place):
                self.note(found.result, found.why, file=file, line=line)
            return
        result, entry = self._maker.entry(found, place)
        if entry is None:
            if not self._told(result, place):
                self.note(result, _WHY[result], file=file, line=line)
            return
        if entry.id in self._entries:
            self._counts["duplicate"] += 1
        else:
            self._entries[entry.id] = result, entry
            self._bytes += len(entry.capture or b"")
        if len(self._entries) >= BATCH or self._bytes >= BATCH_BYTES:
            self._append()

    def _told(self, result: str, place: str) -> bool:
        """Whether this was counted by a run before, or by this one."""
        if not self._remember:
            return False
        mark = blake2s(f"{result}\1{place}".encode("utf-8", "replace"), digest_size=16).hexdigest()
        told = mark in self._taken or bool(self.checkpoints.recent([mark]))
        self._taken.append(mark)
        return told

    def note(self, result: str, why: str, *, file: str, line: int | None) -> None:
        """Count something that gives no exchange."""
        self._counts[result] += 1
        if result != "skipped":
            self._errors.append(BadLine(file=file, line=line, result=result, why=why))
            self.first_errors += self._errors[-1:] if len(self.first_errors) < KEEP_ERRORS else []
            del self._errors[:-KEEP_ERRORS]

    def passed(self, read: int) -> bool:
        """A line of so many bytes is done; whether it is time to move the checkpoint."""
        self._read += read
        self._lines += 1
        if self._log is None and self._observer and self._lines % LINES == 0:
            self._observer.moved(self._shown(), self._took())
        return bool(self._log and (self._appended or self._lines >= LINES))

    def _append(self) -> None:
        """Write what waits to the log, as much at once as there is room for."""
        waiting = list(self._entries.values())
        if self._remember and waiting:
            self._taken += self._entries
            known = self.checkpoints.recent([entry.id for _, entry in waiting])
            self._counts["duplicate"] += len(known)
            waiting = [(result, entry) for result, entry in waiting if entry.id not in known]
        self._entries, self._bytes = {}, 0
        while waiting:
            if self._log is None:
                now, waiting, known = waiting, [], set()
            else:
                room = self._wait()
                now, waiting = waiting[:room], waiting[room:]
                known = self._log.collect([entry for _, entry in now])
            for result, entry in now:
                self._counts["duplicate" if entry.id in known else result] += 1
        self._appended = True

    def abandon(self) -> None:
        """Let go of what is not logged yet, and write down what is: the checkpoint stays, it is read again."""
        self._entries.clear()
        self._taken.clear()
        self._errors.clear()
        self._counts = Counter({name: self._counts[name] for name in ("logged", "failed")})
        self.commit()

    def commit(
        self, save: Callable[[sa.Connection], None] | None = None, *, cursor: dict[str, Any] | None = None
    ) -> None:
        """Log what waits, and only then move the checkpoint, with `save`, or that of an API to `cursor`.

        What is cut off in between is read again, unharmed.
        """
        self._append()
        if cursor is not None:
            self.status = msgspec.structs.replace(self.status, cursor=cursor)
        taken, self._taken = self._taken, []
        self._appended, self._lines = False, 0
        counts, self._counts = self._counts, Counter()
        self.total += counts
        self.status = self._shown()
        self._errors = []
        if self._log is not None:
            with self.checkpoints.engine.begin() as db:
                if save:
                    save(db)
                self.checkpoints.count(db, counts)
                self.checkpoints.write_recent(db, taken)
                self.checkpoints.write_status(self.status, db)
        if self._observer:
            self._observer.moved(self.status, self._took())

    def _took(self) -> int:
        read, self._read = self._read, 0
        return read

    def _shown(self) -> Status:
        errors = [*self.status.errors, *self._errors][-KEEP_ERRORS:]
        return msgspec.structs.replace(
            self.status, last=dict(self.total + self._counts), errors=errors, state="running"
        )

    def waits(self, room: Room) -> None:
        """Say that there is no room, every few seconds."""
        if self._observer:
            self._observer.waits(room.why)
        if time.monotonic() - self._told_at > _TOLD_SECONDS:
            self._told_at = time.monotonic()
            waiting = msgspec.structs.replace(self._shown(), state="waiting", message=room.why)
            self.checkpoints.write_status(waiting)


_WHY = {
    "no_content": "the answer is empty",
    "unredacted": "privacy.redact could not be applied in time, or what it is to be applied to could not be read",
    "too_large": "the request or the answer is larger than tap.max_bytes",
}
