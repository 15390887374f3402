"""A root cause analysis as people and programs read it."""

from typing import Literal

import msgspec

from drift.rca.records import (
    Action,
    Cause,
    Changed,
    Diagnosis,
    Fact,
    RootCause,
    Source,
    Statement,
    Step,
    Triage,
)
from drift.records import Severity
from proxy.findings import Status
from proxy.moments import iso
from proxy.rca.records import Run, RunRow


class NothingYet(msgspec.Struct, frozen=True, kw_only=True):
    """There is nothing to explain from; the message says what to do."""

    status: Status
    message: str
    monitor: str | None
    available: Literal[False] = False


class RcaView(msgspec.Struct, frozen=True, kw_only=True):
    """The report alone."""

    status: Status
    message: str
    id: str | None
    timestamp: str | None
    monitor: str
    evidence_id: str
    baseline_id: str
    baseline_size: int
    telemetry_size: int
    severity: Severity | None
    confidence: float
    """That possible_cause is the cause, 0 to 1."""
    summary: str
    possible_cause: str
    cause: Cause
    cause_label: str
    changed: Changed
    statements: tuple[Statement, ...]
    """What moved, and what speaks for the cause."""
    actions: tuple[Action, ...]
    evidence: tuple[Fact, ...]
    """Those facts that the report cites."""
    source: Source
    model: str | None
    available: Literal[True] = True


class AgenticView(msgspec.Struct, frozen=True, kw_only=True):
    """The report with each agent's record, the trace and all evidence."""

    status: Status
    message: str
    id: str | None
    timestamp: str | None
    monitor: str
    evidence_id: str
    evidence_timestamp: str | None
    baseline_id: str
    baseline_size: int
    telemetry_size: int
    severity: Severity | None
    triage: Triage
    diagnosis: Diagnosis
    recommendations: tuple[Action, ...]
    """The most urgent first."""
    agent_collaboration_log: tuple[Step, ...]
    evidence: tuple[Fact, ...]
    source: Source
    model: str | None
    available: Literal[True] = True


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    timestamp: str | None
    monitor: str
    evidence_id: str
    severity: str | None
    cause: str
    summary: str
    source: str
    model_asked: str | None
    """None: by rules alone, also where the model gave no answer."""


def rca_view(run: Run, *, status: Status, message: str) -> RcaView:
    report = run.report
    diagnosis, cited = report.diagnosis, citations(report)
    return RcaView(
        status=status,
        message=message,
        id=run.id,
        timestamp=iso(run.at),
        monitor=report.monitor,
        evidence_id=report.evidence_id,
        baseline_id=report.baseline_id,
        baseline_size=report.baseline_samples,
        telemetry_size=report.window_samples,
        severity=report.triage.severity,
        confidence=diagnosis.confidence,
        summary=diagnosis.summary,
        possible_cause=diagnosis.possible_cause,
        cause=diagnosis.cause,
        cause_label=diagnosis.cause.label,
        changed=diagnosis.changed,
        statements=tuple(dict.fromkeys(report.triage.moved + diagnosis.statements)),
        actions=report.recommendation.actions,
        evidence=tuple(fact for fact in report.facts if fact.id in cited),
        source=diagnosis.source,
        model=diagnosis.model,
    )


def agentic_view(
    report: RootCause, *, status: Status, message: str, run_id: str | None, at: float | None
) -> AgenticView:
    return AgenticView(
        status=status,
        message=message,
        id=run_id,
        timestamp=iso(at),
        monitor=report.monitor,
        evidence_id=report.evidence_id,
        evidence_timestamp=iso(report.evidence_at),
        baseline_id=report.baseline_id,
        baseline_size=report.baseline_samples,
        telemetry_size=report.window_samples,
        severity=report.triage.severity,
        triage=report.triage,
        diagnosis=report.diagnosis,
        recommendations=report.recommendation.actions,
        agent_collaboration_log=report.steps,
        evidence=report.facts,
        source=report.diagnosis.source,
        model=report.diagnosis.model,
    )


def run_view(row: RunRow) -> RunView:
    return RunView(
        id=row.id,
        timestamp=iso(row.at),
        monitor=row.monitor,
        evidence_id=row.evidence_id,
        severity=row.severity,
        cause=row.cause,
        summary=row.summary,
        source=row.source,
        model_asked=row.model_asked or None,
    )


def citations(report: RootCause) -> set[str]:
    """The ids of all facts that the report's sentences and actions rest on."""
    statements = (*report.triage.moved, *report.diagnosis.statements)
    cited = [each.evidence for each in statements] + [action.evidence for action in report.recommendation.actions]
    return {fact for ids in cited for fact in ids}
