"""A finished root cause analysis as it is stored."""

import msgspec

from drift.rca.records import RootCause

BY_RULES = ""
"""In place of a model's name."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A report with its trace, and how it was made."""

    id: str
    at: float
    """Unix seconds when it was finished."""
    model_asked: str
    """BY_RULES: none, or one that gave no answer."""
    seconds: float
    report: RootCause


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run without its report."""

    id: str
    at: float
    monitor: str
    evidence_id: str
    model_asked: str
    source: str
    severity: str | None
    cause: str
    summary: str
