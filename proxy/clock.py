"""Whether the machine's clock can be trusted with deleting: one that has jumped may jump back."""

import time
from collections.abc import Callable

JUMP_SECONDS = 3_600.0
"""Beyond what a time service corrects, and summer time is none of this clock's business."""
TRUSTED_AFTER_SECONDS = 86_400.0
"""A new time that has stood for so long is taken for the right one."""


def _since_boot() -> float:
    """Seconds, those in which the machine slept too where the system counts them: no jump, then."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Clock:
    """Compares the wall's clock with one that only goes forward."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = _since_boot):
        self._wall = wall
        self._steady = steady
        self._offset = wall() - steady()
        self._jumped_at: float | None = None

    def trusted(self) -> bool:
        """False for a day after the time has jumped by more than an hour, either way."""
        steady = self._steady()
        offset = self._wall() - steady
        if abs(offset - self._offset) <= JUMP_SECONDS:
            self._jumped_at = None
        elif self._jumped_at is None:
            self._jumped_at = steady
        elif steady - self._jumped_at > TRUSTED_AFTER_SECONDS:
            self._offset, self._jumped_at = offset, None
        return self._jumped_at is None
