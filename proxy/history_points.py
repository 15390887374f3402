"""A monitor's history as points: its reports, and hourly roll-ups where those are no longer kept."""

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
    until = (until if oldest is None else oldest) - HOUR_SECONDS
    if cursor is not None and cursor <= 0:
        until = min(until, -cursor - HOUR_SECONDS)
    hours = read_hours(history.engine, monitor, start, until, limit=limit - len(points))
    points += [_of_hour(hour) for hour in hours]
    return points, -hours[-1]["hour"] if hours and len(points) == limit else None


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
