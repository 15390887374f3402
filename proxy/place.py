"""Where one answer falls among the baseline's, as people read it; and why another was not scored."""

from typing import Literal

import msgspec

NOT_SCORED = {
    "truncated": "the answer broke off before its end",
    "client_closed": "the client left before the answer had ended",
    "upstream_error": "the model server did not answer, or broke off",
    "http_error": "the model server refused the request",
    "too_large": "the exchange is larger than tap.max_bytes",
    "empty": "the answer is empty",
    "erased": "it was erased before it was read",
}
"""Why an exchange with this result has no place."""


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of a histogram, from `from` up to but without `to`; the last one's end is in it."""

    start: float = msgspec.field(name="from")
    end: float = msgspec.field(name="to")
    share: float
    """Of the baseline's answers, 0 to 1."""


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange of the baseline."""

    exchange_id: str
    prompt: str
    response: str
    similarity: float
    """Cosine of the two answers."""
    prompt_similarity: float
    """Cosine of the two prompts."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far one answer is from the middle of the baseline's answers, and which of them it is most like."""

    status: Literal["ready", "pending", "not_scored", "waiting_for_baseline"]
    message: str
    exchange_id: str
    monitor: str | None = None
    prompt: str | None = None
    response: str | None = None
    distance: float | None = None
    """Cosine distance of the answer to the centroid of the baseline's answers, 0 to 2."""
    percentile: float | None = None
    """Share of the baseline's answers that are nearer to the centroid of the others; those as near count half."""
    histogram: tuple[Bin, ...] = ()
    """Of the baseline's own distances, each to the centroid of the others."""
    neighbours: tuple[Neighbour, ...] = ()
    """The baseline's nearest answers, the nearest first."""


def not_scored(exchange_id: str, result: str, kept: int) -> Place:
    """The answer about an exchange with a result that has no place; `kept` samples are kept of each monitor."""
    unknown = f"it is not among the last {kept} scored answers of its monitor: it was sampled out, or is older"
    why = NOT_SCORED.get(result, unknown)
    return Place(status="not_scored", message=f"This exchange was not scored: {why}.", exchange_id=exchange_id)
