"""The history pages through the reports that are kept, then through the hours before them, and misses none."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from drift.records import DetectorScore, Report, Severity
from proxy.history_points import HistoryPoint, history_points
from proxy.moments import iso
from proxy.settings import History as HistorySettings
from proxy.stores import tables as t
from proxy.stores.history import History, MonitorRow, open_history
from proxy.stores.ledger import Changes, Ledger
from tests.conftest import Driftium, free_port

REPORTS, HOURS = 1_000, 9_000
NAMES = ("mmd_50", "mmd_200", "residual_mmd_50", "residual_mmd_200", "alignment_200", "behaviour_50")


def report(monitor: str, at: float, hour: int) -> Report:
    score = DetectorScore(name="mmd_50", window=50, samples=50, statistic=0.01, threshold=0.02, ratio=0.5)
    return Report(
        monitor=monitor,
        at=at,
        baseline_id="b",
        encoder="e",
        baseline_samples=500,
        observed=1000,
        window_samples=200,
        detectors=tuple(score for _ in NAMES),
        mmd2=0.01,
        centroid_distance=0.1,
        centroid_mmd2=0.001,
        alignment=0.6,
        alignment_ratio=1.0,
        threshold=0.02,
        detector="mmd_50",
        ratio=0.5,
        health_index=80.0,
        severity=Severity.LOW,
        provisional=False,
        run_length=None,
        calibration_progress=1.0,
        missing=0,
        missing_from="",
        message=f"report {hour}",
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driftium]:
    """A year of two monitors: 9,000 hours, the last of which hold as many reports as one page takes."""
    folder: Path = tmp_path_factory.mktemp("kept")
    history = open_history(folder)
    now = time.time() // 3600 * 3600
    rows = [
        MonitorRow(
            name=name, created_at=0.0, last_scored_at=now, model=name, response_model=name, received=n, observed=5
        )
        for name, n in (("m", 20), ("other", 10))
    ]
    reports = [report(name, now - (REPORTS - i), i) for i in range(REPORTS) for name in ("m", "other")]
    Ledger(history, HistorySettings(), ring=2_000).commit(Changes(monitors=rows, reports=reports))
    hours = [
        {
            "monitor": name,
            "hour": int(now) - 3600 * (i + 1),
            "reports": 4,
            "mmd2_sum": 0.04,
            "mmd2_max": 0.02,
            "centroid_sum": 0.4,
            "health_min": 70.0,
            "severity_max": 0,
        }
        for i in range(1, HOURS + 1)
        for name in ("m", "other")
    ]
    with history.engine.begin() as db:
        db.execute(sa.insert(t.rollups), hours)
    history.close()
    running = Driftium(folder, f"http://127.0.0.1:{free_port()}", "--no-worker").start()
    yield running
    running.stop()


def pages(kept: Driftium, **asked: Any) -> list[list[dict[str, Any]]]:
    found, cursor = [], None
    while not found or cursor is not None:
        told = kept.get("/drift/history", monitor="m", **asked, **({"cursor": cursor} if cursor is not None else {}))
        found.append(told["history"])
        cursor = told["next_cursor"]
    return found


@pytest.mark.parametrize("limit", [1_000, 700])
def test_reports_and_then_hours_are_paged_each_once_the_newest_first(kept: Driftium, limit: int):
    """Also where the reports fill their last page to the brim."""
    found = pages(kept, limit=limit, **{"from": "2000-01-01T00:00:00Z"})
    assert all(len(page) <= limit for page in found)
    points = [point for page in found for point in page]
    times = [point["timestamp"] for point in points]
    assert times == sorted(set(times), reverse=True)
    assert [point["reports"] for point in points] == [1] * REPORTS + [4] * HOURS


def test_a_report_says_its_alarm_line_and_an_hour_has_none(kept: Driftium):
    first, *_, last = (point for page in pages(kept, limit=1_000, **{"from": "2000-01-01T00:00:00Z"}) for point in page)
    assert (first["threshold"], first["alignment"], first["detector"]) == (0.02, 0.6, "mmd_50")
    assert (first["baseline_id"], first["baseline_samples"]) == ("b", 500)
    assert (last["threshold"], last["mmd_score"], last["health_index"]) == (None, pytest.approx(0.01), 70.0)


def test_hours_are_told_only_of_the_time_asked_for(kept: Driftium):
    points = [point for page in pages(kept, limit=700, **{"from": "2000-01-01T00:00:00Z"}) for point in page]
    since, until = points[-100]["timestamp"], points[-150]["timestamp"]
    asked = [point for page in pages(kept, limit=20, **{"from": since, "to": until}) for point in page]
    # The hour that begins at `to` has not passed by then.
    assert asked == points[-149:-99]


def test_without_a_beginning_there_are_reports_alone(kept: Driftium):
    assert sum(len(page) for page in pages(kept, limit=300)) == REPORTS


HOUR = 1_800_000_000 // 3600 * 3600


def pruned(folder: Path, keep: int) -> History:
    """Ten reports of one hour and ten of the next, of which `keep` are kept. The score rises by one with each."""
    history = open_history(folder)
    ledger = Ledger(history, HistorySettings(keep_reports=keep), ring=2_000)
    made = [report("m", HOUR + 360.0 * i, i) for i in range(20)]
    ledger.commit(Changes(reports=[msgspec.structs.replace(one, mmd2=float(i)) for i, one in enumerate(made)]))
    ledger.prune()
    return history


def told(history: History, start: float, *, limit: int = 100, end: float = HOUR + 7200.0) -> list[HistoryPoint]:
    found, cursor = [], None
    while not found or cursor is not None:
        page, cursor = history_points(history, "m", limit=limit, start=start, end=end, cursor=cursor)
        assert len(page) <= limit
        found += page
    history.close()
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 100])
def test_the_hour_that_was_pruned_in_part_is_told_once_for_what_is_no_longer_kept(tmp_path: Path, limit: int):
    """Four of the second hour are kept: six of it and all ten of the first are told by their hours."""
    points = told(pruned(tmp_path, 4), float(HOUR), limit=limit)
    assert [point.reports for point in points] == [1, 1, 1, 1, 6, 10]
    assert [point.timestamp for point in points[4:]] == [iso(HOUR + 3600), iso(HOUR)]
    assert [point.mmd_score for point in points] == [19, 18, 17, 16, pytest.approx(12.5), pytest.approx(4.5)]


@pytest.mark.parametrize(("keep", "reports"), [(20, [1] * 20), (10, [1] * 10 + [10]), (9, [1] * 9 + [1, 10])])
def test_an_hour_whose_reports_are_all_kept_is_told_by_them_alone(tmp_path: Path, keep: int, reports: list[int]):
    assert [point.reports for point in told(pruned(tmp_path, keep), float(HOUR))] == reports


def test_what_was_pruned_before_the_time_asked_for_is_not_told(tmp_path: Path):
    """Of the second hour's last four the last two are asked for: the ones that are gone came earlier."""
    assert [point.reports for point in told(pruned(tmp_path, 4), HOUR + 360.0 * 17.5)] == [1, 1]
