"""How many of the waiting exchanges are scored. Drift does not need every answer, but the sample must be uniform."""

import hashlib


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
