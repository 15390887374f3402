"""The evidence as people read it: with times in ISO 8601, and only while it is about the active baseline."""

from typing import Literal

import msgspec

from drift.evidence import (
    Alteration,
    Attribution,
    ChangePoint,
    Evidence,
    Newcomers,
    Outcomes,
    Template,
    Topics,
    WitnessPair,
)
from drift.records import DetectorScore, Severity
from drift.tabular.result import ColumnResult
from proxy.moments import iso
from proxy.stores.history import History, MonitorRow

Status = Literal["not_initialized", "waiting_for_baseline", "waiting_for_telemetry", "ready"]
"""Of a monitor."""


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """When the change began, with the interval that holds the true moment in a share `level` of cases."""

    at: str | None
    earliest: str | None
    latest: str | None
    level: float
    samples_ago: int
    samples_ago_least: int
    samples_ago_most: int
    exchange_id: str


class Altered(msgspec.Struct, frozen=True, kw_only=True):
    """A model name, system prompt or sampling parameter that differs between baseline and window."""

    what: str
    before: str
    after: str
    baseline_share: float
    window_share: float
    at: str | None


class EvidenceView(msgspec.Struct, frozen=True, kw_only=True):
    """What moved, since when, and whose doing it was."""

    status: Status
    message: str
    monitor: str | None = None
    id: str | None = None
    timestamp: str | None = None
    baseline_id: str | None = None
    baseline_samples: int = 0
    window_samples: int = 0
    severity: Severity | None = None
    ratio: float | None = None
    mmd_score: float | None = None
    detectors: tuple[DetectorScore, ...] = ()
    attribution: Attribution | None = None
    changed_at: Since | None = None
    witness_total: float | None = None
    """mean phi + mean psi: the MMD^2 of the largest window, to which topics and witnesses add up."""
    pairs: tuple[WitnessPair, ...] = ()
    topics: Topics | None = None
    features: tuple[ColumnResult, ...] = ()
    alterations: tuple[Altered, ...] = ()
    outcomes: Outcomes | None = None
    """How exchanges ended in the baseline's time and in the window's."""
    templates: tuple[Template, ...] = ()
    newcomers: Newcomers | None = None
    notes: tuple[str, ...] = ()


def current_evidence(history: History, row: MonitorRow) -> Evidence | None:
    """What was last found out about the monitor's active baseline, since it was last made active."""
    evidence = history.evidence(row.name)
    if evidence and evidence.baseline_id == row.baseline_id and evidence.at >= (row.baseline_at or 0.0):
        return evidence
    return None


def since(change: ChangePoint | None) -> Since | None:
    if change is None:
        return None
    return Since(
        at=iso(change.at),
        earliest=iso(change.earliest),
        latest=iso(change.latest),
        level=change.level,
        samples_ago=change.samples_ago,
        samples_ago_least=change.samples_ago_least,
        samples_ago_most=change.samples_ago_most,
        exchange_id=change.exchange_id,
    )


def evidence_view(evidence: Evidence, *, status: Status, message: str) -> EvidenceView:
    return EvidenceView(
        status=status,
        message=message,
        monitor=evidence.monitor,
        id=evidence.id,
        timestamp=iso(evidence.at),
        baseline_id=evidence.baseline_id,
        baseline_samples=evidence.baseline_samples,
        window_samples=evidence.window_samples,
        severity=evidence.severity,
        ratio=evidence.ratio,
        mmd_score=evidence.mmd2,
        detectors=evidence.detectors,
        attribution=evidence.attribution,
        changed_at=since(evidence.changed_at),
        witness_total=evidence.witness_total,
        pairs=evidence.pairs,
        topics=evidence.topics,
        features=evidence.features,
        alterations=tuple(_altered(one) for one in evidence.alterations),
        outcomes=evidence.outcomes,
        templates=evidence.templates,
        newcomers=evidence.newcomers,
        notes=evidence.notes,
    )


def _altered(one: Alteration) -> Altered:
    return Altered(
        what=one.what,
        before=one.before,
        after=one.after,
        baseline_share=one.baseline_share,
        window_share=one.window_share,
        at=iso(one.at),
    )
