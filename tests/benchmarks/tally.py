"""What a load generator has seen: times and errors, and their figures."""

import resource
import statistics
from collections import Counter
from time import monotonic_ns
from typing import Any


def figures(ns: list[int]) -> dict[str, float]:
    """Count, mean and percentiles in milliseconds."""
    if not ns:
        return {"n": 0}
    ms = sorted(value / 1e6 for value in ns)
    p50, p99 = (ms[min(len(ms) - 1, int(q * len(ms)))] for q in (0.5, 0.99))
    return {"n": len(ms), "mean": statistics.fmean(ms), "p50": p50, "p99": p99, "max": ms[-1]}


class Tally:
    """What came back since the last report, in nanoseconds."""

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self.late: list[int] = []  # the generator's own delay
        self.json: list[int] = []
        self.first: list[int] = []
        self.later: list[int] = []
        self.summed: list[int] = []  # over all events of a stream
        self.left: dict[int, int] = {}
        self.began, self.cpu = monotonic_ns(), _cpu()

    def report(self, open_connections: int) -> dict[str, Any]:
        seconds = (monotonic_ns() - self.began) / 1e9
        cpu = (_cpu() - self.cpu) / seconds
        lists = {name: figures(getattr(self, name)) for name in ("late", "json", "first", "later", "summed")}
        answered = len(self.json) + len(self.first)
        return {
            "answered": answered, "errors": dict(self.errors), "left": self.left, "seconds": seconds, "cpu": cpu,
            "connections": open_connections, **lists,
        }  # fmt: skip


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
