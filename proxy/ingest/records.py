"""What every format comes to: a request and an answer as OpenAI's chat completions write them.

Each reader of a format takes one JSON object and returns Records; Unusual says why one is none.
"""

from typing import Any, Literal

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange as a log tells of it. `at` is in unix seconds; what the log does not say is None."""

    id: str | None
    """The record's own, unique within its source."""
    at: float | None
    request: Any
    """The body as JSON; bytes are taken as they are."""
    response: Any
    endpoint: str = "chat/completions"
    status: int = 200
    duration_seconds: float | None = None
    first_chunk_seconds: float | None = None


class Left(msgspec.Struct, frozen=True):
    """A record that gives no exchange."""

    result: Literal["malformed", "no_content", "skipped", "pending"]
    """skipped: it is about something else than an answer; pending: it may be told of later."""
    why: str


Read = list[Record | Left]


class Known(msgspec.Struct, kw_only=True):
    """What a log says of a request beside its messages."""

    model: str | None = None
    session: str | None = None
    stream: bool = False
    settings: dict[str, Any] = {}
    """temperature, top_p, max_tokens …"""


def request_of(messages: list[dict[str, Any]], known: Known) -> dict[str, Any]:
    """The body of a chat completion's request."""
    body = {name: value for name, value in known.settings.items() if name not in ("messages", "metadata", "user")}
    body["model"] = known.model or ""
    body["messages"] = messages
    body["stream"] = known.stream
    if known.session:
        body["metadata"] = {"session_id": known.session}
    return body


def response_of(
    choices: list[dict[str, Any]], *, model: str | None, tokens: tuple[Any, Any] = (None, None)
) -> dict[str, Any]:
    """The body of a chat completion; `tokens` are (input, output)."""
    given, made = tokens
    return {"model": model or "", "choices": choices, "usage": {"prompt_tokens": given, "completion_tokens": made}}


def error_of(message: str) -> dict[str, Any]:
    """The body of a failed answer."""
    return {"error": {"message": message or "the log says that it failed"}}
