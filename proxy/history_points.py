"""A monitor's history as points: its reports, and hourly roll-ups where those are no longer kept."""

import math
import time
from typing import Any

import msgspec

from drift.records import Report, Severity
from proxy.moments import iso
from proxy.stores.history import History
from proxy.stores.rollups import oldest_report, read_hours

HOUR_SECONDS = 3_600


class HistoryPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One report, or the hourly roll-up of reports that are no longer kept (`reports` says of how many)."""

    timestamp: str | None
    mmd_score: float | None
    centroid_score: float | None
    severity: Severity | None
    health_index: float | None
    ratio: float | None = None
    threshold: float | None = None
    """The alarm line on mmd_score; None in a roll-up, as are the four fields that follow."""
    alignment: float | None = None
    """Mean cosine of each prompt and its response, in the largest window."""
    detector: str | None = None
    """Which one the ratio is of."""
    baseline_id: str | None = None
    baseline_samples: int | None = None
    reports: int = 1


def history_points(
    history: History, monitor: str, *, limit: int, start: float | None, end: float | None, cursor: int | None
) -> tuple[list[HistoryPoint], int | None]:
    """Reports, newest first, then, where a start is asked for, the hours before them; and the next page's cursor.

    The hour of the oldest report is told too where not all of its reports are kept: what it held beyond them.

    A cursor above 0 is the id of a report, one below 0 an hour: what was told last.
    """
    points: list[HistoryPoint] = []
    if cursor is None or cursor > 0:
        found = history.reports(monitor, limit=limit, start=start, end=end, cursor=cursor)
        points = [_of_report(report) for _, report in found]
        if len(found) == limit:
            return points, found[-1][0]
    if start is None:
        return points, None
    until = end if end is not None else time.time()
    # All reports of that time have been told by now; an hour with one of them is not told twice.
    oldest = oldest_report(history.engine, monitor, start, until)
    last = (until if oldest is None else oldest) - HOUR_SECONDS
    rest = None if oldest is None else _rest(history, monitor, start, oldest // HOUR_SECONDS * HOUR_SECONDS)
    if rest is not None:
        last = rest["hour"]
    if cursor is not None and cursor <= 0:
        last = min(last, -cursor - HOUR_SECONDS)
    hours = read_hours(history.engine, monitor, start, last, limit=limit - len(points))
    points += [_of_hour(rest if rest and rest["hour"] == hour["hour"] else hour) for hour in hours]
    return points, -hours[-1]["hour"] if hours and len(points) == limit else None


def _rest(history: History, monitor: str, start: float, hour: float) -> dict[str, Any] | None:
    """What an hour holds of reports from `start` on beyond those that are kept; None where that is nothing.

    Its worst severity and health are those of the whole hour: whose they were is not kept.
    """
    rows = read_hours(history.engine, monitor, hour, hour, limit=1)
    if not rows or rows[0]["hour"] != hour:
        return None
    row = rows[0]
    # `end` is told of too: the moment at which the next hour begins is not of this one.
    end = math.nextafter(hour + HOUR_SECONDS, 0)
    kept = [report for _, report in history.reports(monitor, limit=row["reports"], start=hour, end=end)]
    # Those that are gone were older than all that are kept.
    if len(kept) >= row["reports"] or any(report.at < start for report in kept):
        return None
    return row | {
        "reports": row["reports"] - len(kept),
        "mmd2_sum": row["mmd2_sum"] - sum(report.mmd2 or 0.0 for report in kept),
        "centroid_sum": row["centroid_sum"] - sum(report.centroid_distance or 0.0 for report in kept),
    }


def _of_report(report: Report) -> HistoryPoint:
    return HistoryPoint(
        timestamp=iso(report.at),
        mmd_score=report.mmd2,
        centroid_score=report.centroid_distance,
        severity=report.severity,
        health_index=report.health_index,
        ratio=report.ratio,
        threshold=report.threshold,
        alignment=report.alignment,
        detector=report.detector,
        baseline_id=report.baseline_id,
        baseline_samples=report.baseline_samples,
    )


def _of_hour(row: dict[str, Any]) -> HistoryPoint:
    return HistoryPoint(
        timestamp=iso(row["hour"]),
        mmd_score=row["mmd2_sum"] / row["reports"],
        centroid_score=row["centroid_sum"] / row["reports"],
        severity=None if row["severity_max"] is None else list(Severity)[row["severity_max"]],
        health_index=row["health_min"],
        reports=row["reports"],
    )
