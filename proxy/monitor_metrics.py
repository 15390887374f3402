"""Each monitor's drift as metrics, read from the history.

A quantity that has no value yet has no sample: neither 0 nor NaN stands for "not known".
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from drift.evidence import Evidence
from drift.records import Report
from proxy.findings import current_evidence
from proxy.metrics import OTHER
from proxy.stores.history import BaselineRow, History, MonitorRow
from proxy.stores.mutes import read_mutes
from proxy.views import is_current

GAUGES = {
    "drift_mmd_squared": "Unbiased squared MMD of the window against the baseline.",
    "drift_centroid_distance": "Raw cosine distance of the two means; not zero without drift.",
    "drift_detected": "1 while the severity is above LOW.",
    "drift_severity": "0 LOW, 1 MEDIUM, 2 HIGH, 3 CRITICAL.",
    "alignment_ratio": "Mean cosine of prompt and answer, as a share of the baseline's.",
    "health_index": "100 no drift, 50 at the alarm line, 0 far beyond.",
    "window_samples": "Samples in the largest window.",
    "baseline_samples": "Samples in the active baseline.",
    "baseline_timestamp_seconds": "When the active baseline was made.",
    "last_scored_timestamp_seconds": "When the last exchange was scored.",
    "muted": "1 while nobody is to be told of the monitor's drift.",
}


def monitor_metrics(history: History, max_series: int) -> Iterator[Metric]:
    """The metrics of all monitors, under at most `max_series` names and "other"."""
    groups = labelled(history.monitors(), max_series)
    yield _scored(groups)
    reports = {row.name: _current(history, row) for rows in groups.values() for row in rows}
    shown = {label: max(rows, key=lambda row: _badness(reports[row.name])) for label, rows in groups.items()}
    baselines = {row.id: row for row in history.baselines()}
    yield from _drift(shown, reports, baselines, read_mutes(history.engine, time.time()))
    yield from _found({label: current_evidence(history, row) for label, row in shown.items()})


def labelled(monitors: Sequence[MonitorRow], limit: int) -> dict[str, list[MonitorRow]]:
    """{label: monitors}: the first `limit` that came go by their names, later ones are "other" together.

    One that is deleted leaves its place to the next.
    """
    groups: dict[str, list[MonitorRow]] = {}
    for row in sorted(monitors, key=lambda row: (row.created_at, row.name)):
        full = len(groups) - (OTHER in groups) >= limit
        groups.setdefault(OTHER if full else row.name, []).append(row)
    return groups


def _current(history: History, row: MonitorRow) -> Report | None:
    report = history.latest(row.name)
    return report if report and is_current(report, row) else None


def _badness(report: Report | None) -> tuple[int, float]:
    """Of several monitors under one name the gauges are those of the one that stands worst."""
    if report is None or report.severity is None:
        return -1, 0.0
    return report.severity.rank, -(report.health_index or 0.0)


def _scored(groups: Mapping[str, Sequence[MonitorRow]]) -> Metric:
    scored = CounterMetricFamily(
        "driftium_scored", "Exchanges read from the log, by what became of them.", labels=["monitor", "result"]
    )
    for label, rows in groups.items():
        # From 0 on: the rate of a counter that begins at its first value does not show that value.
        counts = Counter({"scored": 0})
        for row in rows:
            counts.update(row.counts)
        for result, count in counts.items():
            scored.add_metric([label, result], count)
    return scored


def _drift(
    shown: Mapping[str, MonitorRow],
    reports: Mapping[str, Report | None],
    baselines: Mapping[str, BaselineRow],
    muted: Mapping[str, object],
) -> Iterator[Metric]:
    gauges = {name: GaugeMetricFamily(f"driftium_{name}", text, labels=["monitor"]) for name, text in GAUGES.items()}
    per_detector = {
        "threshold": GaugeMetricFamily("driftium_drift_threshold", "Alarm threshold.", labels=["monitor", "detector"]),
        "ratio": GaugeMetricFamily(
            "driftium_drift_ratio", "Statistic over threshold: 1 is the alarm line.", labels=["monitor", "detector"]
        ),
    }
    info = InfoMetricFamily("driftium_baseline", "The active baseline.", labels=["monitor"])
    for label, monitor in shown.items():
        baseline, report = baselines.get(monitor.baseline_id or ""), reports[monitor.name]
        values: dict[str, float | None] = {
            "last_scored_timestamp_seconds": monitor.last_scored_at,
            "muted": float(monitor.name in muted),
        }
        if baseline:
            values |= {"baseline_samples": baseline.size, "baseline_timestamp_seconds": baseline.created_at}
            info.add_metric([label], {"baseline": baseline.id, "encoder": baseline.encoder})
        if baseline and report:
            values |= {
                "drift_mmd_squared": report.mmd2,
                "drift_centroid_distance": report.centroid_distance,
                "alignment_ratio": report.alignment_ratio,
                "health_index": report.health_index,
                "window_samples": report.window_samples,
            }
            if report.severity:
                rank = report.severity.rank
                values |= {"drift_severity": rank, "drift_detected": float(rank > 0)}
            for detector in report.detectors:
                for name, family in per_detector.items():
                    if (value := getattr(detector, name)) is not None:
                        family.add_metric([label, detector.name], value)
        for name, number in values.items():
            if number is not None:
                gauges[name].add_metric([label], number)
    yield from gauges.values()
    yield from per_detector.values()
    yield info


def _found(evidence: Mapping[str, Evidence | None]) -> Iterator[Metric]:
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
    for label, found in evidence.items():
        if found is None:
            continue
        for test in found.attribution.tests if found.attribution else ():
            p_values.add_metric([label, test.name], test.p_value)
        for column in found.features:
            if column.effect is not None:
                effects.add_metric([label, column.name], column.effect)
    yield p_values
    yield effects
