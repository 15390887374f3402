"""The vocabulary of root cause analysis, as frozen records. Needs no numpy.

A *fact* is one piece of evidence with an id, a sentence and its figures. A *statement* says something and cites facts.
Three agents work one after the other, each from one record to one record: *triage* (how bad, how sure, what moved),
*diagnosis* (the cause) and *recommendation* (what to do). Each of their *steps* is kept.
"""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from drift.evidence import Evidence
from drift.records import Severity

Source = Literal["rules", "model"]
Share = Annotated[float, Meta(ge=0, le=1)]
Text = Annotated[str, Meta(min_length=1)]


class Cause(StrEnum):
    """What can be behind a drift."""

    NONE = "none"
    """Nothing moved: there is nothing to explain."""
    TOPIC_SHIFT = "topic_shift"
    NEW_POPULATION = "new_population"
    MODEL_CHANGE = "model_change"
    INSTRUCTIONS_CHANGE = "instructions_change"
    VERBOSITY = "verbosity"
    REFUSALS = "refusals"
    FORMAT_BREAK = "format_break"
    TRUNCATION = "truncation"
    LANGUAGE_SWITCH = "language_switch"
    DEGENERATE_OUTPUT = "degenerate_output"
    PROVIDER_TROUBLE = "provider_trouble"
    MIXED = "mixed"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        """In words."""
        return LABELS[self]


LABELS = {
    Cause.NONE: "no drift",
    Cause.TOPIC_SHIFT: "topic shift of the users' prompts",
    Cause.NEW_POPULATION: "new user population or language",
    Cause.MODEL_CHANGE: "model swapped or updated",
    Cause.INSTRUCTIONS_CHANGE: "system prompt or template changed",
    Cause.VERBOSITY: "verbosity change",
    Cause.REFUSALS: "refusals",
    Cause.FORMAT_BREAK: "format break (JSON, code, markdown)",
    Cause.TRUNCATION: "truncation or token limit",
    Cause.LANGUAGE_SWITCH: "language switch",
    Cause.DEGENERATE_OUTPUT: "degenerate or repeated output",
    Cause.PROVIDER_TROUBLE: "latency or provider trouble",
    Cause.MIXED: "mixed: several causes at once",
    Cause.UNKNOWN: "unknown",
}


USERS = (Cause.TOPIC_SHIFT, Cause.NEW_POPULATION)
"""Causes that are the users' doing."""

Changed = Literal["users", "model", "application", "both", "operation", "several", "nothing", "unknown"]
"""both: users and model; application: how the model is asked; operation: the server or the way to it."""


def side(cause: Cause) -> Changed:
    """Who changed, when one cause is behind it all."""
    if cause in USERS:
        return "users"
    others: dict[Cause, Changed] = {
        Cause.INSTRUCTIONS_CHANGE: "application",
        Cause.PROVIDER_TROUBLE: "operation",
        Cause.NONE: "nothing",
        Cause.UNKNOWN: "unknown",
        Cause.MIXED: "several",
    }
    return others.get(cause, "model")


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """A drifted column of a table that was compared lately."""

    dataset: str
    report_id: str
    column: str
    effect: float
    direction: str


class PairTexts(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of a witness pair, where texts are kept."""

    exchange_id: str
    prompt: str
    baseline: str
    current: str


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to the monitor meanwhile, as its history notes it."""

    at: float
    kind: str
    """model, digest or baseline."""
    text: str


class CanarySaid(msgspec.Struct, frozen=True, kw_only=True):
    """What a canary, the same prompts asked on and on, says of the model behind a monitor. Times in unix seconds."""

    name: str
    model: str
    changed: bool
    """Two rounds in a row answer otherwise than the reference."""
    at: float
    """Of the last compared round."""
    reference_at: float
    since: float | None
    """Of the first round that differs; None where none does."""
    prompts: int
    p_value: float
    distance: float
    """Cosine distance of the last round's answers to the reference's."""
    usual: float
    """The same of the reference's rounds among themselves."""


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """What an investigation starts from."""

    evidence: Evidence
    tables: tuple[TableRow, ...] = ()
    pairs: tuple[PairTexts, ...] = ()
    marks: tuple[Mark, ...] = ()
    """The oldest first."""
    canaries: tuple[CanarySaid, ...] = ()


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence."""

    id: Text
    """Unique in its report: "feature:refusal", "topic:2", "setting:model", "verdict"."""
    kind: Text
    """severity, verdict, since, detector, topic, feature, setting, template, sessions, outcomes, canary, table, mark,
    pair."""
    text: Text
    """A sentence with its figures; words of users and models stand quoted and clipped."""
    figures: dict[str, float] = {}
    exchange_ids: tuple[str, ...] = ()


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence and the ids of the facts that it rests on."""

    text: Text
    evidence: Annotated[tuple[str, ...], Meta(min_length=1)]


class Triage(msgspec.Struct, frozen=True, kw_only=True):
    """How bad it is, how sure that is, and what moved. Computed, never asked of a language model."""

    severity: Severity | None
    """The worse of the drift's and of the operation's."""
    drift_severity: Severity | None
    operational_severity: Severity
    """Of errors and latency, which the drift's severity leaves out."""
    confidence: Share
    """That something moved."""
    reason: Text
    moved: tuple[Statement, ...]
    """The strongest first; empty where nothing moved."""


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """A cause that something speaks for."""

    cause: Cause
    strength: Share
    """About the share of the window's exchanges that it accounts for."""
    statement: Statement


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The cause."""

    cause: Cause
    possible_cause: Text
    """In a sentence, with its figures."""
    confidence: Share
    changed: Changed
    """Who changed."""
    summary: Text
    """What a person on call reads first: a few sentences."""
    statements: tuple[Statement, ...]
    suspects: tuple[Suspect, ...] = ()
    """All causes that something speaks for, the strongest first."""
    source: Source = "rules"
    """Whose words possible_cause and summary are."""
    model: str | None = None


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do next."""

    urgency: Literal["now", "soon", "later"]
    """now: somebody should act at once; never on a stable baseline."""
    text: Text
    evidence: Annotated[tuple[str, ...], Meta(min_length=1)]


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, the most urgent first."""

    actions: Annotated[tuple[Action, ...], Meta(min_length=1)]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent did."""

    number: int
    agent: Literal["triage", "diagnosis", "recommendation"]
    input: Text
    """What it was given, in a sentence."""
    conclusion: Text
    why: Text
    evidence: tuple[str, ...]
    source: Source
    milliseconds: float


class RootCause(msgspec.Struct, frozen=True, kw_only=True):
    """The report of one investigation."""

    evidence_id: str
    monitor: str
    evidence_at: float
    """Unix seconds."""
    baseline_id: str
    baseline_samples: int
    window_samples: int
    triage: Triage
    diagnosis: Diagnosis
    recommendation: Recommendation
    steps: tuple[Step, ...]
    facts: tuple[Fact, ...]
    """Everything that may be cited; every citation in the report is one of these."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Something for a language model: chat messages, and the JSON schema of the answer."""

    messages: tuple[dict[str, str], ...]
    schema: dict[str, object]
    max_tokens: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: the model's bytes, or why there are none."""

    content: bytes = b""
    model: str | None = None
    failure: str = ""
    """In words; "" when there is an answer."""
