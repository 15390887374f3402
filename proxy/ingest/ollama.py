"""Ollama: answers of /api/chat and /api/generate with their requests, one a line.

{"request": {…}, "response": {…}}, the answer whole (`done` is true) or as the list or lines of its chunks; or flat, the
request's `messages` or `prompt` beside the answer's fields. Written after Ollama's API documentation.
"""

from typing import Any

from proxy.ingest.openai import own_id, timed
from proxy.ingest.records import Left, Read, Record
from proxy.ingest.values import moment, unfolded
from proxy.wire_values import as_object, as_objects, json_text

_ASKED = ("model", "messages", "prompt", "system", "options", "format", "think", "tools", "user", "metadata")


def read(line: dict[str, Any]) -> Read:
    """The exchange of one line."""
    if "request" in line or (isinstance(line.get("response"), dict | list)):
        asked, answer = as_object(unfolded(line.get("request"))), unfolded(line.get("response"))
        asked = asked or {name: line[name] for name in _ASKED if name in line}
    else:
        asked, answer = {name: line[name] for name in _ASKED if name in line}, line
    chunks = as_objects(answer) if isinstance(answer, list) else _lines(answer)
    if not chunks:
        return [Left("no_content", "the answer is missing")]
    last = chunks[-1]
    native = "api/chat" if any("message" in chunk for chunk in chunks) else "api/generate"
    lasted = last.get("total_duration")
    told = timed(line if answer is not line else {})
    at = told["at"] or moment(chunks[0].get("created_at"))
    if told["duration_seconds"] is None and isinstance(lasted, int) and not isinstance(lasted, bool) and lasted > 0:
        told["duration_seconds"] = lasted / 1e9
    told["at"] = at
    if "prompt" in asked and native == "api/chat":
        asked = asked | {"messages": [{"role": "user", "content": asked["prompt"]}]}
    return [
        Record(
            id=own_id(line),
            request=asked | {"stream": len(chunks) > 1, "model": asked.get("model", last.get("model"))},
            response="".join(json_text(chunk) + "\n" for chunk in chunks).encode("utf-8", "replace"),
            endpoint=native,
            **told,
        )
    ]


def _lines(answer: Any) -> list[dict[str, Any]]:
    """The chunks of an answer that is one, or the text of its lines."""
    if isinstance(answer, str):
        return [one for line in answer.splitlines() if isinstance(one := unfolded(line), dict)]
    answer = as_object(answer)
    return [answer] if "message" in answer or "response" in answer or "error" in answer else []
