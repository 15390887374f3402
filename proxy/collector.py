"""The metrics that live in the history: the worker's, and each monitor's drift. Read at each scrape.

A quantity that has no value yet has no sample: neither 0 nor NaN stands for "not known".
"""

import time
from collections.abc import Callable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from drift.evidence import Evidence
from drift.records import Report
from proxy.findings import current_evidence
from proxy.stores.counters import Labels, read_counters
from proxy.stores.history import BaselineRow, History, MonitorRow, WorkerState
from proxy.stores.log import Log
from proxy.tap import Tap
from proxy.views import is_current

EMBEDDING_SECONDS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0)


COUNTERS = {
    "notifications": ("Notifications, by what became of them.", ["channel", "result"]),
    "ingested_exchanges": ("Exchanges collected from logs, by what became of them.", ["source", "result"]),
    "canary_requests": ("Requests of canaries, by what became of them.", ["canary", "result"]),
}
"""What other processes count, with the labels of each."""


class HistoryCollector(Collector):
    """Reads the history and the log when it is scraped.

    `status` tells what is up: upstream, worker, vector_store and embedder.
    """

    def __init__(self, history: History, log: Log, tap: Tap, status: Callable[[], dict[str, bool]]):
        self._history = history
        self._log = log
        self._tap = tap
        self._status = status

    def describe(self) -> list[Metric]:
        # Without it the registry would scrape once at registration.
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._up()
        yield from self._queue()
        yield from _counted(read_counters(self._history.engine))
        state = self._history.state()
        if state:
            yield from _worker(state)
        monitors = self._history.monitors()
        yield _scored(monitors)
        baselines = {row.id: row for row in self._history.baselines()}
        reports = {row.name: self._history.latest(row.name) for row in monitors}
        yield from _drift(monitors, reports, baselines)
        yield from _found([(row.name, current_evidence(self._history, row)) for row in monitors])

    def _up(self) -> Iterator[Metric]:
        status = self._status()
        for name, what in (
            ("upstream_up", "Whether the model server answered last."),
            ("worker_up", "Whether the worker process runs."),
            ("vector_store_up", "Whether the worker has its vector store open."),
            ("embedder_ready", "Whether the worker has loaded its embedding model."),
        ):
            up = status[name.rpartition("_")[0]]
            yield GaugeMetricFamily(f"driftium_{name}", what, value=float(up))

    def _queue(self) -> Iterator[Metric]:
        tap = CounterMetricFamily("driftium_tap_exchanges", "Exchanges that passed the tap.", labels=["result"])
        for result, count in self._tap.totals.items():
            tap.add_metric([result], count)
        yield tap
        expired = self._log.totals().get("expired", 0)
        yield CounterMetricFamily("driftium_log_expired", "Exchanges deleted from the log unread.", value=expired)
        waiting, first = self._log.waiting(self._history.cursor())
        yield GaugeMetricFamily(
            "driftium_log_lag_exchanges", "Logged exchanges the worker has not read.", value=waiting
        )
        lag = max(0.0, time.time() - first) if first else 0.0
        yield GaugeMetricFamily("driftium_log_lag_seconds", "Age of the oldest of them.", value=lag)


def _counted(counters: dict[str, dict[Labels, int]]) -> Iterator[Metric]:
    for name, (text, labels) in COUNTERS.items():
        family = CounterMetricFamily(f"driftium_{name}", text, labels=labels)
        for values, number in counters.get(name, {}).items():
            family.add_metric([value for _, value in values], number)
        yield family


def _worker(state: WorkerState) -> Iterator[Metric]:
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
    for model, (given, made) in state.tokens.items():
        tokens.add_metric([model, "input"], given)
        tokens.add_metric([model, "output"], made)
    yield tokens


def _scored(monitors: list[MonitorRow]) -> Metric:
    scored = CounterMetricFamily(
        "driftium_scored", "Exchanges read from the log, by what became of them.", labels=["monitor", "result"]
    )
    for monitor in monitors:
        for result, count in monitor.counts.items():
            scored.add_metric([monitor.name, result], count)
    return scored


def _drift(
    monitors: list[MonitorRow], reports: dict[str, Report | None], baselines: dict[str, BaselineRow]
) -> Iterator[Metric]:
    per_monitor = {
        name: GaugeMetricFamily(f"driftium_{name}", text, labels=["monitor"])
        for name, text in (
            ("drift_mmd_squared", "Unbiased squared MMD of the window against the baseline."),
            ("drift_centroid_distance", "Raw cosine distance of the two means; not zero without drift."),
            ("drift_detected", "1 while the severity is above LOW."),
            ("drift_severity", "0 LOW, 1 MEDIUM, 2 HIGH, 3 CRITICAL."),
            ("alignment_ratio", "Mean cosine of prompt and answer, as a share of the baseline's."),
            ("health_index", "100 no drift, 50 at the alarm line, 0 far beyond."),
            ("window_samples", "Samples in the largest window."),
            ("baseline_samples", "Samples in the active baseline."),
            ("baseline_timestamp_seconds", "When the active baseline was made."),
            ("last_scored_timestamp_seconds", "When the last exchange was scored."),
        )
    }
    per_detector = {
        "threshold": GaugeMetricFamily("driftium_drift_threshold", "Alarm threshold.", labels=["monitor", "detector"]),
        "ratio": GaugeMetricFamily(
            "driftium_drift_ratio", "Statistic over threshold: 1 is the alarm line.", labels=["monitor", "detector"]
        ),
    }
    info = InfoMetricFamily("driftium_baseline", "The active baseline.", labels=["monitor"])
    for monitor in monitors:
        label = [monitor.name]

        def put(name: str, value: float | None, label: list[str] = label) -> None:
            if value is not None:
                per_monitor[name].add_metric(label, value)

        put("last_scored_timestamp_seconds", monitor.last_scored_at)
        baseline = baselines.get(monitor.baseline_id or "")
        if baseline is None:
            continue
        put("baseline_samples", baseline.size)
        put("baseline_timestamp_seconds", baseline.created_at)
        info.add_metric(label, {"baseline": baseline.id, "encoder": baseline.encoder})
        report = reports[monitor.name]
        if report is None or not is_current(report, monitor):
            continue
        put("drift_mmd_squared", report.mmd2)
        put("drift_centroid_distance", report.centroid_distance)
        put("alignment_ratio", report.alignment_ratio)
        put("health_index", report.health_index)
        put("window_samples", report.window_samples)
        if report.severity:
            put("drift_severity", report.severity.rank)
            put("drift_detected", float(report.severity.rank > 0))
        for detector in report.detectors:
            for name, family in per_detector.items():
                value = getattr(detector, name)
                if value is not None:
                    family.add_metric([monitor.name, detector.name], value)
    yield from per_monitor.values()
    yield from per_detector.values()
    yield info


def _found(evidence: list[tuple[str, Evidence | None]]) -> Iterator[Metric]:
    """What the evidence of each monitor says."""
    p_values = GaugeMetricFamily(
        "driftium_drift_p_value",
        "Unadjusted p of prompts, responses, and responses given prompts (conditional), when last tested.",
        labels=["monitor", "test"],
    )
    effects = GaugeMetricFamily(
        "driftium_feature_drift_effect",
        "How much a behaviour of the answers differs: KS distance or Cramer's V, 0 to 1.",
        labels=["monitor", "feature"],
    )
    for name, found in evidence:
        if found is None:
            continue
        for test in found.attribution.tests if found.attribution else ():
            p_values.add_metric([name, test.name], test.p_value)
        for column in found.features:
            if column.effect is not None:
                effects.add_metric([name, column.name], column.effect)
    yield p_values
    yield effects
