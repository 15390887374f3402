"""What a simulation found, as one struct: the JSON that is printed, and what the table is made of."""

from collections.abc import Sequence
from typing import Any

import msgspec

from proxy.simulate.load import Quantiles, Seen
from proxy.simulate.plan import Asked
from proxy.simulate.stored import Stored
from proxy.simulate.usage import Usage
from proxy.simulate.watch import Figures, Trouble


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """Latency in milliseconds through a proxy, directly, and the difference of the two; None where there is none."""

    p50: float | None
    p99: float | None
    through_p50: float | None
    through_p99: float | None
    direct_p50: float | None
    direct_p99: float | None
    answers: int


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes of a kind used while the load lasted."""

    processes: int
    cpu_seconds: float
    cores: float
    """CPU seconds a second."""
    memory_bytes: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    asked: Asked
    seconds: float
    interrupted: bool
    sent: int
    answered: int
    failed: dict[str, int]
    whole: Added
    """Of answers that are no streams."""
    first: Added
    """Until the first byte of a stream."""
    generator_late_p99: float | None
    """Milliseconds."""
    logged: int
    dropped: int
    scored: dict[str, int]
    """{result: answers}, as far as the workers came"""
    share: float
    lag_seconds: float
    largest_lag_seconds: float
    waiting: int
    embedding_seconds_per_answer: float | None
    processes: dict[str, Kind]
    stored: Stored | None
    """What came to lie in log and history."""
    troubles: list[Trouble]
    """What gave way, the first first."""
    notes: list[str]

    @property
    def rate(self) -> float:
        """Answers that were sent for a second, without the time in which the last ones came."""
        seconds = min(self.seconds, self.asked.seconds)
        return self.sent / seconds if seconds else 0.0


def added(through: Quantiles, direct: Quantiles) -> Added:
    return Added(
        p50=_less(through.p50, direct.p50),
        p99=_less(through.p99, direct.p99),
        through_p50=through.p50,
        through_p99=through.p99,
        direct_p50=direct.p50,
        direct_p99=direct.p99,
        answers=through.n,
    )


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else round(a - b, 3)


def used(before: dict[str, Usage], after: dict[str, Usage], seconds: float) -> dict[str, Kind]:
    """{kind: what its processes used between the two}"""
    return {
        kind: Kind(
            processes=now.processes,
            cpu_seconds=round(now.cpu_seconds - before[kind].cpu_seconds, 2),
            cores=round((now.cpu_seconds - before[kind].cpu_seconds) / max(seconds, 1e-9), 3),
            memory_bytes=now.memory_bytes,
        )
        for kind, now in after.items()
        if kind in before
    }


def more(before: Stored | None, after: Stored | None) -> Stored | None:
    """What came to lie between the two."""
    if before is None or after is None:
        return None
    then, now = (msgspec.structs.asdict(one) for one in (before, after))
    return Stored(**{name: _minus(now[name], then[name]) for name in now})


def _minus(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a - b


def together(before: Sequence[Figures | None], after: Sequence[Figures | None]) -> dict[str, Any]:
    """The fields of a Result that the proxies tell: sums of their own counts, and of each history once."""
    logged = dropped = 0
    histories: dict[str | int, tuple[Figures, Figures]] = {}
    for i, (first, now) in enumerate(zip(before, after, strict=True)):
        if now is None:
            continue
        then = first or Figures()
        logged += now.logged - then.logged
        dropped += now.dropped - then.dropped
        # Of proxies that share a history the one that looked last tells of it: it may go on between two looks.
        key = "shared" if now.shared else i
        if key not in histories or now.last_scored >= histories[key][1].last_scored:
            histories[key] = (then, now)
    scored: dict[str, int] = {}
    seconds, embedded, lag, waiting, share = 0.0, 0, 0.0, 0, 1.0
    for then, now in histories.values():
        for result, count in now.scored.items():
            scored[result] = scored.get(result, 0) + count - then.scored.get(result, 0)
        seconds += now.embedding_seconds - then.embedding_seconds
        embedded += now.embedded - then.embedded
        lag, waiting, share = max(lag, now.lag_seconds), waiting + now.lag_exchanges, min(share, now.share)
    return {
        "logged": logged,
        "dropped": dropped,
        "scored": scored,
        "share": share,
        "lag_seconds": round(lag, 2),
        "waiting": waiting,
        "embedding_seconds_per_answer": seconds / embedded if embedded else None,
    }


def first_seen(seen: Seen | None) -> Seen:
    """What the load told last; all noughts where it told nothing."""
    none = Quantiles(0)
    return seen or Seen(
        seconds=0.0, sent=0, answered=0, failed={}, whole=none, first=none, direct_whole=none,
        direct_first=none, direct_failed=0, late=none,
    )  # fmt: skip
