"""Captures of made-up traffic, in the formats of OpenAI and Ollama."""

import json
from typing import Any

from drift.records import Exchange, Outcome
from proxy.capture import Capture
from proxy.wire import read

ASKED = {"model": "m", "messages": [{"role": "user", "content": "Why is the sea salty?"}]}


def capture(request: Any = ASKED, response: Any = b"", *, endpoint: str = "chat/completions", **fields: Any) -> Capture:
    bodies = {
        name: body if isinstance(body, bytes) else json.dumps(body).encode()
        for name, body in (("request", request), ("response", response))
    }
    given = {"id": "1", "at": 1.0, "status": 200, "duration_seconds": 0.5, "outcome": Outcome.COMPLETE}
    return Capture(**(given | bodies | {"endpoint": endpoint} | fields))


def sse(*chunks: Any, end: str = "data: [DONE]\n\n") -> bytes:
    """The chunks as OpenAI streams them, then `end`."""
    return ("".join(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks) + end).encode()


def delta(index: int = 0, finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"model": "m-1", "choices": [{"index": index, "delta": fields, "finish_reason": finish_reason}]}


def message(**fields: Any) -> dict[str, Any]:
    return {"model": "m-1", "choices": [{"index": 0, "message": fields, "finish_reason": "stop"}]}


def ndjson(*chunks: Any) -> bytes:
    return b"".join(json.dumps(chunk, ensure_ascii=False).encode() + b"\n" for chunk in chunks)


def answered(response: Any, **fields: Any) -> Exchange:
    return read(capture(response=response, **fields))


def asked(request: Any, **fields: Any) -> Exchange:
    return read(capture(request, message(content="x"), **fields))


STREAM = sse(
    delta(role="assistant", content=""),
    delta(reasoning_content="Hm. "),
    delta(content="Riv"),
    delta(content="ers → "),
    delta(1, content="other"),
    delta(content="🌊"),
    delta(1, "stop"),
    delta(0, "length"),
    {"model": "m-1", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}},
)
