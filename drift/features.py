"""Behaviour: an exchange as a row of numbers and words, so that drift of form is seen where vectors are blind.

An encoder reads the first few hundred tokens and sees what they are about; how long an answer is, in which format
and language, and whether it declines, is seen here.
"""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from drift.formats import asks_for_json, holds_json, is_json, repetition, shares
from drift.language import language
from drift.records import Exchange
from drift.refusal import is_refusal

_CUT_SHORT = ("length", "max_tokens", "max_output_tokens", "incomplete")
_JSON_FORMATS = ("json", "json_object", "json_schema")
_SHORTEST_GENERATION = 0.001
"""Seconds between the first chunk and the end below which the answer came in one piece, buffered on its way."""


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """How a model behaved in one exchange. None: unknown, or it makes no sense for this answer."""

    prompt_characters: int
    response_characters: int
    input_tokens: int | None = None
    output_tokens: int | None = None
    tokens_per_second: float | None = None
    """Output tokens over the seconds of generation: from the first chunk on when streamed, else of the whole."""
    first_chunk_seconds: float | None = None
    duration_seconds: float | None = None
    finish_reason: str | None = None
    refusal: bool
    language: str | None = None
    """ISO 639-1, of the response."""
    prompt_language: str | None = None
    """ISO 639-1."""
    code_share: float | None = None
    """Of the answer's characters, those in code blocks, 0 to 1."""
    list_share: float | None = None
    """Of its lines, those of lists, 0 to 1."""
    markdown_share: float | None = None
    """Of its lines, those with other markdown, 0 to 1."""
    json: bool | None = None
    """The answer is a JSON object or array, bare or in a block marked json."""
    json_valid: bool | None = None
    """It is valid JSON; None when none was asked for. A request's format asks for bare JSON, words allow the block."""
    tool_call: bool
    truncated: bool | None = None
    """The answer ended at its limit of tokens."""
    repetition: float | None = None
    """1 - distinct / all groups of four words: 0 nothing said twice, near 1 caught in a loop."""


NUMERIC = (
    "prompt_characters",
    "response_characters",
    "input_tokens",
    "output_tokens",
    "tokens_per_second",
    "first_chunk_seconds",
    "duration_seconds",
    "code_share",
    "list_share",
    "markdown_share",
    "repetition",
)
BOOLEAN = ("refusal", "json", "json_valid", "tool_call", "truncated")
CATEGORICAL = ("finish_reason", "language", "prompt_language")

ALARMED = {
    "response_characters": "verbosity is the model's, and the commonest difference between two versions of one",
    "code_share": "code where there was prose, or the reverse, breaks what reads the answer",
    "list_share": "layout is a habit of the model's, and differs between versions",
    "markdown_share": "marks that a caller does not expect are shown to its users",
    "finish_reason": "how the model stops is its own, or its server's",
    "refusal": "a model that declines more, or less, is another model to its users",
    "language": "an answer in another language is a failure to most of its users",
    "json": "callers that parse answers break when the form changes",
    "json_valid": "what was asked for by contract",
    "tool_call": "an agent acts by calls: more or fewer change what it does",
    "truncated": "answers that hit their limit are incomplete",
    "repetition": "the mark of a broken model, quantisation or sampler",
}
"""Fields that may raise an alarm, each with its reason: the answers' own behaviour."""

SHOWN = {
    "prompt_characters": "what users ask is theirs; the verdict on prompts tests it",
    "prompt_language": "the same",
    "input_tokens": "the same, and it moves with the tokenizer",
    "output_tokens": "response_characters without the units of a tokenizer, and known for every answer",
    "tokens_per_second": "moves with load and hardware, as does all latency: other monitors watch it",
    "first_chunk_seconds": "load",
    "duration_seconds": "load",
}
"""Fields that are compared and shown and never raise an alarm, each with its reason."""


def behaviour(exchange: Exchange) -> Behaviour:
    """The row of one exchange. Never raises, whatever the texts hold, in time linear in what is read of them."""
    response = exchange.response
    row: dict[str, Any] = {}
    if response.strip():
        layout = shares(response)
        row = {
            "language": language(response),
            "code_share": layout.code,
            "list_share": layout.lists,
            "markdown_share": layout.markdown,
            "json": holds_json(response),
            "repetition": repetition(response),
        }
    reason = exchange.finish_reason.strip().lower()
    return Behaviour(
        prompt_characters=len(exchange.prompt),
        response_characters=len(response),
        input_tokens=exchange.input_tokens,
        output_tokens=exchange.output_tokens,
        tokens_per_second=_tokens_per_second(exchange),
        first_chunk_seconds=_seconds(exchange.first_chunk_seconds),
        duration_seconds=_seconds(exchange.duration_seconds),
        finish_reason=reason or None,
        refusal=not exchange.tool_calls and is_refusal(response),
        prompt_language=language(exchange.prompt),
        json_valid=_json_valid(exchange, row.get("json", False)),
        tool_call=bool(exchange.tool_calls),
        truncated=reason in _CUT_SHORT if reason else None,
        **row,
    )


def table(rows: Sequence[Behaviour]) -> dict[str, list[Any]]:
    """Rows as columns, one list for each field in the order of Behaviour."""
    return {name: [getattr(row, name) for row in rows] for name in Behaviour.__struct_fields__}


def _json_valid(exchange: Exchange, holds: bool) -> bool | None:
    # A call in the place of an answer keeps no contract about the answer's form, and breaks none.
    if exchange.tool_calls and not exchange.response:
        return None
    if exchange.sampling.get("response_format") in _JSON_FORMATS:
        return is_json(exchange.response)
    return holds if asks_for_json(exchange.system, exchange.prompt) else None


def _tokens_per_second(exchange: Exchange) -> float | None:
    tokens, seconds = exchange.output_tokens, _seconds(exchange.duration_seconds)
    first = _seconds(exchange.first_chunk_seconds)
    if tokens is None or seconds is None or tokens <= 0:
        return None
    if exchange.stream and first is not None:
        # The first chunk is the first token: the rest come in the time that is left.
        tokens, seconds = tokens - 1, seconds - first
    return tokens / seconds if tokens and seconds >= _SHORTEST_GENERATION else None


def _seconds(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and value >= 0 else None
