"""How many of the waiting exchanges are scored. Drift does not need every answer, but the sample must be uniform."""

import hashlib
import math
import time
from collections.abc import Callable

from proxy.settings import Worker

LARGEST_READ = 5_000


def share(waiting: int, answers_per_second: float | None, max_lag_seconds: float) -> float:
    """The share of `waiting` exchanges that can be embedded within `max_lag_seconds`, in (0, 1].

    1 while the worker's speed is not known yet.
    """
    if not answers_per_second or not waiting:
        return 1.0
    return min(1.0, answers_per_second * max_lag_seconds / waiting)


def drawn(exchange_id: str, share: float) -> bool:
    """Whether an exchange is in a sample of that share. Every reader of the log draws the same one."""
    if share >= 1.0:
        return True
    digest = hashlib.blake2b(exchange_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


class Speed:
    """Answers scored per second, as an exponential average that forgets half in ten batches."""

    def __init__(self) -> None:
        self.value: float | None = None

    def add(self, answers: int, seconds: float) -> None:
        if answers < 1 or seconds <= 0:
            return
        now = answers / seconds
        self.value = now if self.value is None else self.value * 0.93 + now * 0.07


class Pace:
    """The share of a backlog that is scored, chosen once for all that waits: one that rose as the backlog shrank would
    draw most of the sample from its end.
    """

    def __init__(self, settings: Worker):
        self._settings = settings
        self._speed = Speed()
        self.planned = 0
        self._began = self._ended = 0.0
        self.share = 1.0

    @property
    def speed(self) -> float | None:
        """Answers scored per second; None before the first."""
        return self._speed.value

    def plan(
        self,
        position: int,
        waiting: Callable[[], int],
        head: Callable[[], int],
        together: Callable[[], float | None] | None = None,
    ) -> None:
        """Before a batch after this position in the log; `together` tells the speed of all workers, where several are.

        Each is asked only when there is something to plan.
        """
        self._began = time.monotonic()
        if position < self.planned:
            # Inside a backlog all the time since the last batch counts: it is worked off at that pace, calibration,
            # explanations and all, and not at the embedding's.
            self._began = self._ended or self._began
            return
        speed = together() if together else self.speed
        self.share = share(waiting(), speed, self._settings.max_lag_seconds)
        # The speed is not known before the first batch.
        self.planned = head() if self.speed else position + self._settings.batch

    def limit(self, position: int, seconds: float = math.inf) -> int:
        """How many entries to read after this position: as many as give a batch that takes no longer than so many
        seconds, and none that is not planned for.
        """
        answers = min(self._settings.batch, max(1.0, seconds * self.speed)) if self.speed else self._settings.batch
        batch = math.ceil(answers / self.share)
        return min(batch, LARGEST_READ, max(1, self.planned - position))

    def nothing_came(self) -> None:
        self._ended = 0.0

    def ended(self, answers: int) -> None:
        """After a batch in which so many answers were scored."""
        self._ended = time.monotonic()
        self._speed.add(answers, self._ended - self._began)
