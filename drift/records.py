"""The vocabulary of Driftium, as frozen records.

An *exchange* is one request and its answer. A *monitor* is a named population of
exchanges with its own baseline and window. The *baseline* is the immutable
reference sample; the *window* is the last W samples after it. A *report* says how
far the window has moved; its *severity* is the word people act on. A *witness* is
a sample that carries the drift.
"""

from enum import StrEnum
from typing import Any

import msgspec

CONVERSATION = "conversation:"
"""Begins a session that nobody named: a changed system prompt makes another one of the same people's conversation."""


class Outcome(StrEnum):
    """How an exchange ended. Only complete ones are scored; all are counted."""

    COMPLETE = "complete"
    TRUNCATED = "truncated"
    CLIENT_CLOSED = "client_closed"
    UPSTREAM_ERROR = "upstream_error"
    HTTP_ERROR = "http_error"
    TOO_LARGE = "too_large"


class Severity(StrEnum):
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"

    @property
    def rank(self) -> int:
        """0 LOW, 1 MEDIUM, 2 HIGH, 3 CRITICAL: the value of the severity gauge."""
        return list(Severity).index(self)


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer, free of any wire format. Times: unix seconds; durations: seconds."""

    id: str
    at: float
    endpoint: str
    outcome: Outcome
    monitor: str | None = None
    """What the client named; None means the monitor of the model."""
    model: str = ""
    """As the request names it: an alias stays an alias."""
    response_model: str = ""
    """As the answer names it."""
    system: str = ""
    prompt: str = ""
    """The last user message: what was asked."""
    response: str = ""
    """The answer's text, of choice 0 when there are several."""
    reasoning: str = ""
    tool_calls: tuple[str, ...] = ()
    """Each "name(arguments as JSON text)"."""
    choices: int = 1
    finish_reason: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    duration_seconds: float | None = None
    first_chunk_seconds: float | None = None
    stream: bool = False
    status: int = 0
    session: str | None = None
    """A user or session that the request names, or CONVERSATION and a digest of the conversation's first messages."""
    sampling: dict[str, Any] = {}
    """Parameters of the request that change answers: temperature, top_p, seed, max_tokens, response_format ..."""
    error: str = ""
    source: str = "proxy"


class RunLength(msgspec.Struct, frozen=True, kw_only=True):
    """How many scored responses pass per false alarm, averaged over baselines like this one."""

    expected: int
    """What the policy asks for."""
    realised: float
    """What the calibrated thresholds gave on simulated paths that played no part in fitting them."""
    realised_stderr: float
    paths: int


class DetectorScore(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """mmd_50, residual_mmd_200, alignment_200, behaviour_50 ...: the statistic and its window size."""
    window: int
    samples: int
    """How many of the window's places are filled."""
    statistic: float | None
    """May be negative when nothing moved. While provisional, the MMD of the window last completed."""
    threshold: float | None
    ratio: float | None
    """max(0, statistic) / threshold: 1 is the alarm line."""
    health_index: float | None = None
    """100 / (1 + ratio^2): this detector's part of the report's, which is the lowest of them."""
    detail: str = ""
    """What moved, where the statistic is the largest of several."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How far a monitor's window has moved from its baseline."""

    monitor: str
    at: float
    baseline_id: str
    encoder: str
    baseline_samples: int
    observed: int
    """Samples scored since the baseline was activated."""
    window_samples: int
    detectors: tuple[DetectorScore, ...]
    mmd2: float | None
    """Of the responses, in the window with the larger ratio (in the largest window while there is no ratio)."""
    centroid_distance: float | None
    """Raw cosine distance of the two means, in the largest window: not zero without drift."""
    centroid_mmd2: float | None
    """The same distance de-biased: the unbiased squared MMD of the linear kernel."""
    alignment: float | None = None
    """Mean cosine of each prompt and its response, in the largest window."""
    alignment_ratio: float | None = None
    """The same, as a share of the baseline's."""
    threshold: float | None
    """The alarm line on mmd2."""
    detector: str = ""
    """Which detector is worst."""
    ratio: float | None
    """The largest of the detectors'."""
    health_index: float | None
    """100 / (1 + ratio^2): 100 no drift, 50 at the alarm line."""
    severity: Severity | None
    provisional: bool
    """True while the threshold is a permutation null and not a calibrated run length."""
    run_length: RunLength | None
    calibration_progress: float
    """0 to 1; 1 once the thresholds are calibrated."""
    missing: int
    """How many more samples are needed before there is a severity; 0 when there is one."""
    missing_from: str
    """"baseline", "window" or "sessions" when something is missing, else ""."""
    message: str
