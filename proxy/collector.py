"""The metrics that live in the history: the worker's, and each monitor's drift. Read at each scrape.

A quantity that has no value yet has no sample: neither 0 nor NaN stands for "not known".
"""

import time
from collections.abc import Callable, Iterator

import msgspec
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from proxy.ingest.checkpoints import read_statuses
from proxy.metrics import OTHER
from proxy.monitor_metrics import monitor_metrics
from proxy.settings import Settings
from proxy.stores.canaries import latest_rounds
from proxy.stores.counters import read_counters
from proxy.stores.history import History
from proxy.stores.log import Log
from proxy.stores.state import WorkerState
from proxy.tap import Tap

EMBEDDING_SECONDS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0)


class Counted(msgspec.Struct, frozen=True):
    """A counter of another process: what it counts, its labels, and the results that it begins with at 0."""

    text: str
    labels: tuple[str, str]
    results: tuple[str, ...]


COUNTERS = {
    "notifications": Counted(
        "Notifications, by what became of them.",
        ("channel", "result"),
        ("sent", "failed", "retried", "expired", "suppressed"),
    ),
    "ingested_exchanges": Counted(
        "Exchanges collected from logs, by what became of them.",
        ("source", "result"),
        ("logged", "failed", "no_content", "malformed", "too_large"),
    ),
    "canary_requests": Counted(
        "Requests of canaries, by what became of them.", ("canary", "result"), ("answered", "failed", "skipped")
    ),
}


class HistoryCollector(Collector):
    """Reads the history and the log when it is scraped.

    `status` tells what is up: upstream, worker, vector_store, embedder, and the scheduler where there is one.
    """

    def __init__(self, history: History, log: Log, tap: Tap, status: Callable[[], dict[str, bool]], settings: Settings):
        self._history = history
        self._log = log
        self._tap = tap
        self._status = status
        self._max_series = settings.metrics.max_series
        self._shared_since = time.time() if settings.database.url else None
        self._named = {
            "notifications": [one.name for one in settings.notify],
            "ingested_exchanges": [one.name for one in settings.ingest],
            "canary_requests": [one.name for one in settings.canary],
        }

    def describe(self) -> list[Metric]:
        # Without it the registry would scrape once at registration.
        return []

    def collect(self) -> Iterator[Metric]:
        readable = True
        for part in (
            self._shared,
            self._tapped,
            self._up,
            self._queue,
            self._counted,
            self._worker,
            self._monitors,
            self._canaries,
            self._sources,
        ):
            try:
                # Read whole before any of it is told. What cannot be read has no sample; the rest is told all the same.
                yield from list(part())
            except (SQLAlchemyError, msgspec.MsgspecError):
                readable = False
        yield GaugeMetricFamily(
            "driftium_stores_up", "Whether the exchange log and the history can be read.", value=float(readable)
        )

    def _up(self) -> Iterator[Metric]:
        status = self._status()
        for name, what in (
            ("upstream_up", "Whether the model server answered last."),
            ("worker_up", "Whether the worker process runs."),
            ("vector_store_up", "Whether the worker has its vector store open."),
            ("embedder_ready", "Whether the worker has loaded its embedding model."),
            ("scheduler_up", "Whether the scheduler process runs; no sample where nothing is scheduled."),
        ):
            up = status.get(name.rpartition("_")[0])
            if up is not None:
                yield GaugeMetricFamily(f"driftium_{name}", what, value=float(up))

    def _shared(self) -> Iterator[Metric]:
        if self._shared_since is not None:
            yield GaugeMetricFamily(
                "driftium_shared_since_timestamp_seconds",
                "Since when this proxy shares a database, and tells of its history what all of them tell.",
                value=self._shared_since,
            )

    def _tapped(self) -> Iterator[Metric]:
        tap = CounterMetricFamily("driftium_tap_exchanges", "Exchanges that passed the tap.", labels=["result"])
        for result, count in self._tap.totals.items():
            tap.add_metric([result], count)
        yield tap

    def _queue(self) -> Iterator[Metric]:
        expired = self._log.totals().get("expired", 0)
        yield CounterMetricFamily("driftium_log_expired", "Exchanges deleted from the log unread.", value=expired)
        waiting, first = self._log.waiting(self._history.cursor())
        yield GaugeMetricFamily(
            "driftium_log_lag_exchanges", "Logged exchanges the worker has not read.", value=waiting
        )
        lag = max(0.0, time.time() - first) if first else 0.0
        yield GaugeMetricFamily("driftium_log_lag_seconds", "Age of the oldest of them.", value=lag)

    def _counted(self) -> Iterator[Metric]:
        counted = read_counters(self._history.engine)
        for name, counter in COUNTERS.items():
            found = {tuple(value for _, value in labels): number for labels, number in counted.get(name, {}).items()}
            start = {(one, result): 0 for one in self._named[name] for result in counter.results}
            family = CounterMetricFamily(f"driftium_{name}", counter.text, labels=counter.labels)
            for values, number in (start | found).items():
                family.add_metric(values, number)
            yield family

    def _worker(self) -> Iterator[Metric]:
        state = self._history.state()
        if state:
            yield from _worker(state, self._max_series)

    def _monitors(self) -> Iterator[Metric]:
        yield from monitor_metrics(self._history, self._max_series)

    def _canaries(self) -> Iterator[Metric]:
        p_value = GaugeMetricFamily(
            "driftium_canary_p_value", "Of the paired test of the last round that was compared.", labels=["canary"]
        )
        changed = GaugeMetricFamily(
            "driftium_canary_changed", "1 while the model counts as changed, else 0.", labels=["canary"]
        )
        last = GaugeMetricFamily(
            "driftium_canary_last_round_timestamp_seconds", "When that round began.", labels=["canary"]
        )
        for one in latest_rounds(self._history.engine):
            # The rounds of a canary that is no longer set up stay in the history.
            if one.canary in self._named["canary_requests"]:
                if one.p_value is not None:
                    p_value.add_metric([one.canary], one.p_value)
                changed.add_metric([one.canary], float(one.changed))
                last.add_metric([one.canary], one.at)
        yield from (p_value, changed, last)

    def _sources(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            "driftium_ingest_source_up", "Whether a source could be read when it was last tried.", labels=["source"]
        )
        for source, (_, status) in read_statuses(self._history.engine).items():
            if source in self._named["ingested_exchanges"]:
                up.add_metric([source], float(status.state != "failed"))
        yield up


def _worker(state: WorkerState, max_series: int) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "driftium_scored_share", "Share of the waiting exchanges that the worker scores.", value=state.share
    )
    if state.embedding_counts:
        edges = [*map(str, EMBEDDING_SECONDS), "+Inf"]
        embedding = HistogramMetricFamily(
            "driftium_embedding_duration_seconds", "Embedding one answer and its prompt.", labels=["encoder"]
        )
        buckets = list(zip(edges, map(float, state.embedding_counts), strict=True))
        embedding.add_metric([state.encoder], buckets, sum_value=state.embedding_seconds)
        yield embedding
    tokens = CounterMetricFamily("driftium_tokens", "Tokens, as the upstream counts them.", labels=["model", "type"])
    counted: dict[str, list[int]] = {}
    for number, (model, (given, made)) in enumerate(state.tokens.items()):
        total = counted.setdefault(model if number < max_series else OTHER, [0, 0])
        total[0] += given
        total[1] += made
    for model, (given, made) in counted.items():
        tokens.add_metric([model, "input"], given)
        tokens.add_metric([model, "output"], made)
    yield tokens
