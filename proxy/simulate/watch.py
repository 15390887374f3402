"""Looks at the proxies while they are under load: what they logged, dropped and scored, and what gives way when."""

import contextlib
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from proxy.simulate.load import MONITORS, Seen

LOOK_SECONDS = 2.0
LATE_MS = 20.0
"""A load generator that is later than this says more about itself than about the proxies."""
SLOW_MS = 100.0
"""Added to an answer by a proxy that has more to do than it can."""
IN_A_ROW = 3
"""So many seconds make a trouble: one may be the machine's mood."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one proxy tells. Counts are since it began to count."""

    logged: int = 0
    dropped: int = 0
    pending: int = 0
    scored: dict[str, int] = {}
    """Of the simulation's monitors, by result."""
    shared: bool = False
    """Whether its history is one database's, which others tell of too."""
    last_scored: float = 0.0
    embedding_seconds: float = 0.0
    embedded: int = 0
    lag_seconds: float = 0.0
    lag_exchanges: int = 0
    share: float = 1.0
    worker: str = ""
    problem: str = ""
    """What is wrong with the worker, in its own words."""


class Trouble(msgspec.Struct, frozen=True):
    """Something that gave way, and when it was seen first, seconds after the load began."""

    seconds: float
    what: str
    message: str


def look(client: httpx.Client, url: str) -> Figures:
    """Raises httpx.HTTPError."""
    metrics = client.get(url + "/metrics").raise_for_status().text
    health = client.get(url + "/api/health").raise_for_status().json()
    found: Counter[str] = Counter()
    scored: Counter[str] = Counter()
    shared, last = False, 0.0
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            ours = sample.labels.get("monitor", "").startswith(MONITORS)
            if sample.name == "driftium_scored_total" and ours:
                scored[sample.labels["result"]] += int(sample.value)
            elif sample.name == "driftium_last_scored_timestamp_seconds" and ours:
                last = max(last, sample.value)
            elif sample.name == "driftium_shared_since_timestamp_seconds":
                shared = True
            elif sample.name.startswith(("driftium_embedding_duration_seconds_", "driftium_log_lag_")):
                found[sample.name] += sample.value if "le" not in sample.labels else 0  # type: ignore[assignment]
    tap, worker = health["tap"], health["worker"]
    return Figures(
        logged=tap["logged"],
        dropped=tap["dropped"],
        pending=tap["pending"],
        scored=dict(scored),
        shared=shared,
        last_scored=last,
        embedding_seconds=found["driftium_embedding_duration_seconds_sum"],
        embedded=int(found["driftium_embedding_duration_seconds_count"]),
        lag_seconds=found["driftium_log_lag_seconds"],
        lag_exchanges=tap["lag_exchanges"],
        share=worker.get("share", 1.0),
        worker=worker["status"],
        problem=worker.get("message", "") if worker["status"] not in ("ready", "off") else "",
    )


class Watch:
    """Looks every two seconds, from a thread, until it is closed."""

    def __init__(self, urls: list[str], token: str, max_lag_seconds: float):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(timeout=10, trust_env=False, headers=headers)
        self._urls = urls
        self._max_lag = max_lag_seconds
        self._pool = ThreadPoolExecutor(len(urls))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._row: Counter[str] = Counter()
        self._known: set[str] = set()
        self.troubles: list[Trouble] = []
        self.before = self.look()
        self.largest_lag = 0.0

    def start(self) -> None:
        self._began = time.monotonic()
        self._thread.start()

    def look(self) -> list[Figures | None]:
        """All proxies now; None for one that does not answer."""

        def one(url: str) -> Figures | None:
            with contextlib.suppress(httpx.HTTPError, KeyError, ValueError):
                return look(self._client, url)
            return None

        return list(self._pool.map(one, self._urls))

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self._judge(self.look())

    def _judge(self, now: list[Figures | None]) -> None:
        for url, before, figures in zip(self._urls, self.before, now, strict=True):
            if figures is None:
                self._tell("proxy", f"{url} did not tell how it is")
                continue
            dropped = figures.dropped - (before.dropped if before else 0)
            if dropped > 0:
                self._tell("log", f"{url} dropped exchanges: the log took them more slowly than they came")
            self.largest_lag = max(self.largest_lag, figures.lag_seconds)
            if figures.share < 1:
                self._tell("sampling", "the workers no longer score every answer but a uniform sample of them")
            # The plan is made for what waits then: twice the lag is still in it.
            if figures.lag_seconds > 2 * self._max_lag:
                self._tell("lag", f"the log is more than twice worker.max_lag_seconds ({self._max_lag:g} s) behind")

    def heard(self, seen: Seen) -> None:
        """What the load generator tells of the last second."""
        late, slow = seen.late.p99 or 0.0, seen.whole.p50 or 0.0
        if self._often("generator", late > LATE_MS):
            self._tell(
                "generator",
                f"the load generator itself came {late:.0f} ms late: this machine is busy, and the latencies say so",
            )
        if self._often("latency", slow > SLOW_MS):
            self._tell("latency", f"half of the answers came more than {slow:.0f} ms later than the upstream gave them")
        self.heard_failed(seen)

    def heard_failed(self, seen: Seen) -> None:
        for what, count in seen.failed.items():
            self._tell("failed", f"requests failed: {what} ({count} in that second or before)")

    def _often(self, what: str, is_so: bool) -> bool:
        self._row[what] = self._row[what] + 1 if is_so else 0
        return self._row[what] >= IN_A_ROW

    def _tell(self, what: str, message: str) -> None:
        if what not in self._known:
            self._known.add(what)
            self.troubles.append(Trouble(round(time.monotonic() - self._began, 1), what, message))

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown()
        self._client.close()
