"""A chat completion, or the refusal of one, as a model server answers: as much of it as Driftium reads."""

import contextlib
from typing import Annotated, Any

import msgspec
from msgspec import Meta

PATH = "/v1/chat/completions"
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What JSON from elsewhere can raise."""


class Message(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    message: Message
    finish_reason: str | None = None


class Completion(msgspec.Struct):
    choices: Annotated[list[Choice], Meta(min_length=1)]
    model: str | None = None
    usage: Any = None


class _Refusal(msgspec.Struct):
    error: dict[str, Any] | str


def why_refused(answer: bytes) -> str:
    """The model server's own words, "" where it gave none."""
    said: Any = None
    with contextlib.suppress(*UNREADABLE):
        error = msgspec.json.decode(answer, type=_Refusal).error
        said = error.get("message") if isinstance(error, dict) else error
    return str(said or "")
