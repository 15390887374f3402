"""The recorded answers in the wire format of an OpenAI-compatible server. ANSWERS.md says where they come from."""

import functools
import gzip
import itertools
import json
import re
import zlib
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import msgspec

_CREATED = 1_700_000_000
_TOKEN = re.compile(r"\s?[^\s]{1,5}|\s")
"""About as long as a language model's tokens: 4 characters and their space."""

PARTS = 16
"""A stream is sent in at most so many writes: servers under load send several tokens at once too."""

_ID, _MODEL = b"<<id>>", b"<<model>>"
_GZIP = b"\x1f\x8b"
_FORM = '{"prompt": "…", "response": "…"}'


class Row(msgspec.Struct, frozen=True):
    """A line of the file."""

    prompt: str
    response: str


class Recorded(NamedTuple):
    """One exchange. Ids and names of models are filled in when it is sent."""

    prompt: str
    response: str
    whole: bytes
    """A chat completion."""
    parts: tuple[bytes, ...]
    """The same as server-sent events, a token each, in the writes in which they are sent; without usage and end."""
    usage: bytes
    """The event that tells the usage, for those who ask for it."""


DONE = b"data: [DONE]\n\n"


class Unreadable(Exception):
    """A file of answers that cannot be used, in one line."""


@functools.cache
def recorded(file: str = "") -> tuple[Recorded, ...]:
    """All of them, as they are sent. Raises Unreadable."""
    return tuple(_recorded(row.prompt, row.response) for row in rows(file))


@functools.cache
def rows(file: str = "") -> tuple[Row, ...]:
    """Those that are shipped, or those of a file of JSON lines with prompt and response. Raises Unreadable."""
    shipped = resources.files("proxy.simulate").joinpath("answers.jsonl.gz")
    try:
        data = Path(file).read_bytes() if file else shipped.read_bytes()
        lines = (gzip.decompress(data) if data.startswith(_GZIP) else data).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"{file}: cannot be read: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(msgspec.json.decode(line, type=Row))
        except msgspec.MsgspecError as error:
            raise Unreadable(f"{file}: line {number}: {error}; a line is {_FORM}") from None
    if not found:
        raise Unreadable(f"{file}: holds no answers; a line is {_FORM}")
    return tuple(found)


@functools.cache
def by_prompt(file: str = "") -> dict[str, int]:
    """{prompt: its place among the recorded}"""
    return {one.prompt: i for i, one in enumerate(rows(file))}


@functools.cache
def mean_length(file: str = "") -> float:
    """Characters of an answer."""
    return max(1.0, sum(len(one.response) for one in rows(file)) / len(rows(file)))


def filled(data: bytes, answer_id: bytes, model: bytes) -> bytes:
    """What is sent, for one answer. model is JSON text, with its quotation marks."""
    return data.replace(_ID, answer_id).replace(_MODEL, model)


def _recorded(prompt: str, response: str) -> Recorded:
    tokens = _TOKEN.findall(response)
    used = {"prompt_tokens": max(1, len(prompt) // 4), "completion_tokens": len(tokens)}
    used["total_tokens"] = sum(used.values())
    choice = {"index": 0, "message": {"role": "assistant", "content": response}, "logprobs": None}
    whole = _body("chat.completion", {"choices": [choice | {"finish_reason": "stop"}], "usage": used})
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": token} for token in tokens]
    events = [_event(delta, None) for delta in deltas] + [_event({}, "stop")]
    cuts = sorted({round(i * len(events) / PARTS) for i in range(PARTS + 1)})
    parts = tuple(b"".join(events[a:b]) for a, b in itertools.pairwise(cuts))
    usage = b"data: " + _body("chat.completion.chunk", {"choices": [], "usage": used}) + b"\n\n"
    return Recorded(prompt, response, whole, parts, usage)


def _event(delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return b"data: " + _body("chat.completion.chunk", {"choices": [choice]}) + b"\n\n"


def _body(kind: str, more: dict[str, object]) -> bytes:
    head = {"id": _ID.decode(), "object": kind, "created": _CREATED, "model": _MODEL.decode()}
    text = json.dumps(head | more, ensure_ascii=False, separators=(",", ":"))
    return text.encode().replace(b'"' + _MODEL + b'"', _MODEL)
