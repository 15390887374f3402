"""What people read, built from the history. Every answer about a monitor says its status and what to do next."""

import time
from typing import Literal

import msgspec

from drift.evidence import PopulationTest, Verdict
from drift.rca.reading import EMPTY, failed, merged
from drift.records import DetectorScore, Report, RunLength, Severity
from proxy.canary.standing import canary_status
from proxy.findings import Since, Status, current_evidence, since
from proxy.moments import iso
from proxy.stores.acknowledgements import Acknowledgement, read_acknowledgements
from proxy.stores.canaries import PREFIX
from proxy.stores.endings import read_endings
from proxy.stores.history import History, MonitorRow
from proxy.stores.log import Log
from proxy.stores.mutes import Mute, read_mutes

MAX_RESULTS = 4
"""Of the failures that a message counts; the commonest."""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the exchanges. The last three count all monitors: the names of those were never read."""

    seen: int = 0
    scored: int = 0
    sampled_out: int = 0
    truncated: int = 0
    too_large: int = 0
    client_closed: int = 0
    upstream_error: int = 0
    http_error: int = 0
    erased: int = 0
    empty: int = 0
    dropped: int = 0
    skipped: int = 0
    expired: int = 0


class MuteView(msgspec.Struct, frozen=True, kw_only=True):
    """Until when nobody is to be told of a monitor's drift, and why."""

    until: str | None
    note: str
    since: str | None


class AcknowledgementView(msgspec.Struct, frozen=True, kw_only=True):
    """Who deals with a monitor's drift, and how bad it was then. Gone once it is over, or worse."""

    severity: Severity
    at: str | None
    by: str
    note: str


class DriftView(msgspec.Struct, frozen=True, kw_only=True):
    status: Status
    message: str
    monitor: str | None = None
    timestamp: str | None = None
    severity: Severity | None = None
    provisional: bool | None = None
    health_index: float | None = None
    ratio: float | None = None
    mmd_score: float | None = None
    threshold: float | None = None
    centroid_score: float | None = None
    centroid_debiased: float | None = None
    alignment: float | None = None
    alignment_ratio: float | None = None
    detector: str | None = None
    """Which detector is farthest beyond, or nearest to, its alarm line."""
    p_value: float | None = None
    verdict: Verdict | None = None
    verdict_message: str | None = None
    tests: tuple[PopulationTest, ...] = ()
    """The tests of prompts, of responses, and of responses given prompts, that the verdict rests on."""
    effective_baseline: float | None = None
    """How many baseline samples have a counterpart among the window's prompts."""
    effective_window: float | None = None
    changed_at: Since | None = None
    evidence_id: str | None = None
    run_length: RunLength | None = None
    calibration_progress: float | None = None
    detectors: tuple[DetectorScore, ...] = ()
    window: int = 0
    observed: int = 0
    baseline_id: str | None = None
    baseline_size: int = 0
    encoder: str | None = None
    coverage: Coverage = Coverage()
    lag_exchanges: int = 0
    lag_seconds: float = 0.0
    mute: MuteView | None = None
    acknowledged: AcknowledgementView | None = None


class MonitorView(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    kind: Literal["traffic", "canary"] = "traffic"
    """canary: a fixed set of prompts, compared round by round (GET /canaries) and not with a baseline."""
    status: Status
    message: str
    severity: Severity | None
    health_index: float | None
    model: str
    baseline_id: str | None
    last_scored_at: str | None
    coverage: Coverage
    mute: MuteView | None = None
    acknowledged: AcknowledgementView | None = None


def mute_view(mute: Mute | None) -> MuteView | None:
    return MuteView(until=iso(mute.until), note=mute.note, since=iso(mute.since)) if mute else None


def acknowledgement_view(one: Acknowledgement | None) -> AcknowledgementView | None:
    return AcknowledgementView(severity=one.severity, at=iso(one.at), by=one.by, note=one.note) if one else None


def counted(answers: int) -> str:
    """ "1 answer", "2 answers"."""
    return f"{answers} answer" + ("" if answers == 1 else "s")


def choose(history: History, name: str | None) -> tuple[MonitorRow | None, list[MonitorRow]]:
    """The monitor of that name, or the busiest of the users'; and all monitors."""
    rows = history.monitors()
    if name is None:
        users = (row for row in rows if not row.name.startswith(PREFIX))
        return next(users, None), rows
    return next((row for row in rows if row.name == name), None), rows


def coverage(row: MonitorRow, totals: dict[str, int]) -> Coverage:
    known = {name: count for name, count in row.counts.items() if name in Coverage.__struct_fields__}
    return Coverage(**known, seen=row.seen, **{name: totals.get(name, 0) for name in ("dropped", "skipped", "expired")})


def is_current(report: Report, row: MonitorRow) -> bool:
    """Whether a report is about the monitor's active baseline, since it was last made active."""
    return report.baseline_id == row.baseline_id and report.at >= (row.baseline_at or 0.0)


def status_of(history: History, row: MonitorRow) -> tuple[Status, str]:
    """A monitor's status and the sentence that says what to do next."""
    if row.name.startswith(PREFIX):
        return canary_status(history.engine, row.name.removeprefix(PREFIX))
    if row.baseline_id is None:
        if not row.received:
            failed = ", ".join(f"{count} {result}" for result, count in row.counts.items())
            return "not_initialized", f"No answer could be scored yet ({failed}): GET /api/health says what is wrong."
        if row.received < 2:
            return (
                "waiting_for_baseline",
                f"{counted(row.received)} so far; send more, then make a baseline of them: POST /baseline.",
            )
        return "waiting_for_baseline", f"{row.received} answers are here; make them the baseline: POST /baseline."
    if not row.observed and (failures := _failures(history, row)):
        return "waiting_for_telemetry", failures
    report = history.latest(row.name)
    if report is None or not is_current(report, row):
        return "waiting_for_telemetry", "The baseline is set; the next answers are compared with it."
    return ("ready" if report.severity else "waiting_for_telemetry"), report.message


def _failures(history: History, row: MonitorRow) -> str:
    """What failed since the baseline was set, while no answer could be compared with it; "" where nothing did."""
    counts = read_endings(history.engine, row.name).unscored()
    found = merged(counts, lambda result: failed(result) or result == EMPTY)
    if not found:
        return ""
    total = sum(count for _, count in found)
    results = ", ".join(f"{count} {result.replace('_', ' ')}" for result, count in found[:MAX_RESULTS])
    return (
        f"{total} exchange{'' if total == 1 else 's'} failed since the baseline was set: {results}; no answer could be "
        "compared with it. GET /drift/rca says more."
    )


def drift_view(history: History, log: Log, totals: dict[str, int], name: str | None, hint: str = "") -> DriftView:
    """How a monitor stands. `hint` says how to reach the proxy, for people who have not sent anything yet."""
    totals = log.totals() | totals
    waiting, first = log.waiting(history.cursor())
    lag = max(0.0, time.time() - first) if first else 0.0
    row, rows = choose(history, name)
    if row is None:
        if name is not None and rows:
            message = f"No answer of a monitor {name!r} has been seen. Known: {', '.join(r.name for r in rows[:10])}."
        elif waiting:
            message = f"{waiting} answers wait for the worker; a first result follows as soon as it has embedded them."
        else:
            message = "No answer has been seen yet. " + (hint or "Point a client's base URL at the proxy.")
        return DriftView(
            status="not_initialized", message=message, monitor=name, lag_exchanges=waiting, lag_seconds=lag
        )
    report = history.latest(row.name)
    status, message = status_of(history, row)
    baseline = history.baseline(row.baseline_id) if row.baseline_id else None
    if report is not None and not is_current(report, row):
        report = None
    evidence = current_evidence(history, row)
    attribution = evidence.attribution if evidence else None
    return DriftView(
        status=status,
        message=message,
        monitor=row.name,
        timestamp=iso(report.at if report else row.last_scored_at),
        severity=report.severity if report else None,
        provisional=report.provisional if report else None,
        health_index=report.health_index if report else None,
        ratio=report.ratio if report else None,
        mmd_score=report.mmd2 if report else None,
        threshold=report.threshold if report else None,
        centroid_score=report.centroid_distance if report else None,
        centroid_debiased=report.centroid_mmd2 if report else None,
        alignment=report.alignment if report else None,
        alignment_ratio=report.alignment_ratio if report else None,
        detector=report.detector if report else None,
        verdict=attribution.verdict if attribution else _untested(report),
        verdict_message=attribution.message if attribution else None,
        tests=attribution.tests if attribution else (),
        effective_baseline=attribution.effective_baseline if attribution else None,
        effective_window=attribution.effective_window if attribution else None,
        changed_at=since(evidence.changed_at) if evidence else None,
        evidence_id=evidence.id if evidence else None,
        run_length=_measured(report.run_length) if report else None,
        calibration_progress=report.calibration_progress if report else None,
        detectors=report.detectors if report else (),
        window=report.window_samples if report else 0,
        observed=row.observed,
        baseline_id=row.baseline_id,
        baseline_size=baseline.size if baseline else 0,
        encoder=baseline.encoder if baseline else None,
        coverage=coverage(row, totals),
        lag_exchanges=waiting,
        lag_seconds=lag,
        mute=mute_view(read_mutes(history.engine, time.time()).get(row.name)),
        acknowledged=acknowledgement_view(read_acknowledgements(history.engine).get(row.name)),
    )


def _untested(report: Report | None) -> Verdict | None:
    """What can be said without the tests, which are made above LOW or on demand (fresh)."""
    if report is None:
        return None
    return Verdict.NO_CHANGE if report.severity is Severity.LOW else Verdict.INSUFFICIENT_DATA


def _measured(run_length: RunLength | None) -> RunLength | None:
    """None where nothing was simulated: a baseline of equal answers has no run length to measure."""
    return run_length if run_length and run_length.paths else None


def monitor_views(history: History, totals: dict[str, int]) -> list[MonitorView]:
    views, mutes = [], read_mutes(history.engine, time.time())
    acknowledged = read_acknowledgements(history.engine)
    for row in history.monitors():
        report = history.latest(row.name)
        status, message = status_of(history, row)
        current = report if report and is_current(report, row) else None
        views.append(
            MonitorView(
                name=row.name,
                kind="canary" if row.name.startswith(PREFIX) else "traffic",
                status=status,
                message=message,
                severity=current.severity if current else None,
                health_index=current.health_index if current else None,
                model=row.model,
                baseline_id=row.baseline_id,
                last_scored_at=iso(row.last_scored_at),
                coverage=coverage(row, totals),
                mute=mute_view(mutes.get(row.name)),
                acknowledged=acknowledgement_view(acknowledged.get(row.name)),
            )
        )
    return views
