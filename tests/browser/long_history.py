"""A history as it is after more than a year: 1,000 reports, and hourly roll-ups before them."""

import math
import time
from pathlib import Path

import msgspec
import sqlalchemy as sa

from drift.records import DetectorScore, Report, Severity
from proxy.stores import tables as t
from proxy.stores.history import open_history

MONITOR = "watched for a year"
REPORTS, HOURS = 1_000, 9_200
REPORT_SECONDS = 10.0
HOUR = 3600
LINE = 0.01


def ratio_at(i: int) -> float:
    """Calm with a daily rhythm, and two incidents."""
    incident = 3.0 if 4_000 < i < 4_060 or 8_500 < i < 8_530 else 0.0
    return 0.25 + 0.15 * math.sin(i / 24 * 2 * math.pi) + 0.05 * math.sin(i * 12.9898) + incident


def fill(data_dir: Path) -> int:
    """Write it into a data folder; returns how many points there are."""
    history = open_history(data_dir)
    now = time.time()
    first_report = now - REPORTS * REPORT_SECONDS
    first_hour = int(first_report // HOUR - HOURS) * HOUR
    began = float(first_hour)
    with history.engine.begin() as db:
        db.execute(
            sa.insert(t.monitors).values(
                name=MONITOR,
                created_at=began,
                last_scored_at=now,
                model="m",
                response_model="m",
                received=100_000,
                observed=99_500,
                baseline_id="b",
                baseline_at=began,
                counts='{"scored":100000}',
            )
        )
        db.execute(
            sa.insert(t.baselines).values(
                id="b", monitor=MONITOR, created_at=began, size=500, encoder="e", note="", calibration=None
            )
        )
        marks = [(began, "baseline", "Baseline of 500 answers."), (began + 4_000 * HOUR, "digest", "New weights of m.")]
        db.execute(
            sa.insert(t.annotations), [{"monitor": MONITOR, "at": at, "kind": k, "text": text} for at, k, text in marks]
        )
        db.execute(sa.insert(t.rollups), [_hour(first_hour + i * HOUR, ratio_at(i)) for i in range(HOURS)])
        reports = [_report(first_report + i * REPORT_SECONDS, ratio_at(HOURS)) for i in range(REPORTS)]
        rows = [{"monitor": MONITOR, "at": r.at, "severity": r.severity, "body": _json(r)} for r in reports]
        db.execute(sa.insert(t.reports), rows)
    history.close()
    return REPORTS + HOURS


def _hour(hour: int, ratio: float) -> dict[str, object]:
    return {
        "monitor": MONITOR,
        "hour": hour,
        "reports": 360,
        "mmd2_sum": 360 * ratio * LINE,
        "mmd2_max": ratio * LINE,
        "centroid_sum": 360 * 0.05,
        "health_min": 100 / (1 + ratio**2),
        "severity_max": 0 if ratio < 1 else 2,
    }


def _report(at: float, ratio: float) -> Report:
    mmd = DetectorScore(name="mmd_50", window=50, samples=50, statistic=ratio * LINE, threshold=LINE, ratio=ratio)
    return Report(
        monitor=MONITOR,
        at=at,
        baseline_id="b",
        encoder="e",
        baseline_samples=500,
        observed=99_500,
        window_samples=200,
        detectors=(mmd,),
        mmd2=ratio * LINE,
        centroid_distance=0.05,
        centroid_mmd2=0.0,
        threshold=LINE,
        detector="mmd_50",
        ratio=ratio,
        health_index=100 / (1 + ratio**2),
        severity=Severity.LOW,
        provisional=False,
        run_length=None,
        calibration_progress=1.0,
        missing=0,
        missing_from="",
        message="No drift: nothing to do.",
    )


def _json(report: Report) -> str:
    return msgspec.json.encode(report).decode()
