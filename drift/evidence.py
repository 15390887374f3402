"""What moved, since when, and whose doing it was: one frozen record that reports, agents and people read.

Apart from the code that computes it (explain.py), so that reading evidence needs no numpy.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from drift.records import DetectorScore, Severity
from drift.tabular.result import ColumnResult


class Verdict(StrEnum):
    """Did the users change, or did the model?"""

    NO_CHANGE = "no_change"
    PROMPTS_CHANGED = "prompts_changed"
    MODEL_CHANGED = "model_changed"
    BOTH = "both"
    INSUFFICIENT_OVERLAP = "insufficient_overlap"
    """The prompts have hardly anything in common: nobody can tell what the old model would have answered."""
    INSUFFICIENT_DATA = "insufficient_data"


class PopulationTest(msgspec.Struct, frozen=True, kw_only=True):
    """One of the three tests behind a verdict."""

    name: str
    """prompts, responses, or conditional (responses given prompts)."""
    statistic: float
    p_value: float
    p_adjusted: float
    """Holm over the tests."""
    rejected: bool


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict with the tests and the overlap it rests on."""

    verdict: Verdict
    message: str
    """The verdict in a sentence, with its figures."""
    tests: tuple[PopulationTest, ...] = ()
    alpha: float = 0.05
    baseline_samples: int = 0
    window_samples: int = 0
    effective_baseline: float | None = None
    """Overlap-weighted effective sample size (Kish): how many baseline samples have a counterpart in the window."""
    effective_window: float | None = None
    paired: bool = False
    """True when the same prompts are on both sides, and labels were exchanged within each prompt only."""


class ChangePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Since when: the first sample after the change, with an interval."""

    at: float
    """Unix seconds of the first sample after the change."""
    earliest: float
    latest: float
    """Bounds of the interval, unix seconds."""
    level: float
    """Share of resamples inside the interval."""
    exchange_id: str
    samples_ago: int
    """How many samples are on the changed side."""
    samples_ago_least: int
    samples_ago_most: int


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster of the baseline's prompts, and how much of the traffic it has on either side."""

    name: str
    words: tuple[str, ...]
    """The most telling words, c-TF-IDF; empty where no texts are kept."""
    baseline_share: float
    window_share: float
    baseline_count: int
    window_count: int
    residual: float
    """Standardised (adjusted) residual of the window's count: beyond about 2 either way is unusual."""
    p_value: float
    p_adjusted: float
    """Benjamini-Hochberg over the topics."""
    moved: bool
    contribution: float = 0.0
    """What its samples of both sides add to the MMD^2; contributions of all topics add up to it."""
    examples: tuple[str, ...] = ()
    """Exchange ids of its window samples that carry most drift."""


class Topics(msgspec.Struct, frozen=True, kw_only=True):
    """All topics, those that moved most first, with the test of all shares at once."""

    topics: tuple[Topic, ...]
    statistic: float
    p_value: float


class WitnessPair(msgspec.Struct, frozen=True, kw_only=True):
    """A window sample that carries the drift, and the baseline exchange whose prompt is nearest."""

    exchange_id: str
    baseline_exchange_id: str
    witness: float
    """phi_j; the sample adds phi_j / m to the MMD^2."""
    prompt_similarity: float
    """Cosine of the two prompts."""


class Alteration(msgspec.Struct, frozen=True, kw_only=True):
    """A model name, digest or sampling parameter that differs between baseline and window."""

    what: str
    """response_model, model, system, temperature, top_p, max_tokens, ..."""
    before: str
    after: str
    baseline_share: float
    """Share of the baseline's exchanges with the new value."""
    window_share: float
    at: float | None = None
    """Unix seconds of the oldest exchange in the window with the new value."""


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How exchanges ended, {result: exchanges}: scored and sampled_out are answers, the rest is what went wrong."""

    baseline: dict[str, int]
    """Of the exchanges that passed while the baseline's did."""
    window: dict[str, int]
    """Of those that passed since the window's oldest sample."""


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A beginning or end that prompts have in common, and did not have before, or the reverse."""

    where: Literal["beginning", "end"]
    text: str
    """The words in common; empty where no texts are kept."""
    characters: int
    baseline_share: float
    window_share: float


class Newcomers(msgspec.Struct, frozen=True, kw_only=True):
    """How many exchanges are of users or sessions, as requests name them, that were not there before, 0 to 1."""

    expected_share: float
    """In the baseline's own last part, against what went before it."""
    window_share: float


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be said about a monitor's drift, in one record."""

    id: str
    monitor: str
    at: float
    baseline_id: str
    baseline_samples: int
    window_samples: int
    severity: Severity | None
    ratio: float | None
    mmd2: float | None
    detectors: tuple[DetectorScore, ...] = ()
    attribution: Attribution | None = None
    """None while the severity is LOW and nobody asked."""
    changed_at: ChangePoint | None = None
    witness_total: float | None = None
    """mean phi + mean psi of the largest window: the MMD^2 that topics and witnesses add up to."""
    pairs: tuple[WitnessPair, ...] = ()
    topics: Topics | None = None
    features: tuple[ColumnResult, ...] = ()
    """Behaviour features, those that differ most first."""
    alterations: tuple[Alteration, ...] = ()
    observed: int = 0
    """Samples scored since the baseline was activated."""
    seen: int = 0
    """Exchanges of the monitor that were read until then, whatever became of them."""
    outcomes: Outcomes | None = None
    templates: tuple[Template, ...] = ()
    newcomers: Newcomers | None = None
    """None where too few exchanges name a session."""
    notes: tuple[str, ...] = ()
    """What could not be computed, and why."""
