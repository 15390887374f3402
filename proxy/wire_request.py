"""What was asked: the request JSON of OpenAI's chat and completions and of Ollama's chat and generate."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2s
from itertools import islice
from typing import Any

from drift.records import CONVERSATION
from proxy.wire_values import MAX_LABEL_CHARS, as_object, as_objects, as_setting, as_text, content_text, label

_SETTINGS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "n",
    "seed",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "reasoning_effort",
    "think",
)
_MAX_OPTIONS = 50
_OPTION = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,59}")
"""Clients choose these names, and reports show them."""


@dataclass(slots=True)
class Request:
    model: str = ""
    system: str = ""
    prompt: str = ""
    session: str | None = None
    stream: bool = False
    sampling: dict[str, Any] = field(default_factory=dict)


def read_request(body: dict[str, Any], endpoint: str) -> Request:
    """Reads the request of `endpoint`; what is missing or of another type stays empty."""
    request = Request(model=label(body.get("model")), sampling=_sampling(body))
    # Ollama streams unless told not to, OpenAI the reverse.
    request.stream = bool(body.get("stream", endpoint.startswith("api/")))
    _READERS.get(endpoint, _read_chat)(body, request)
    request.session = _named_session(body) or request.session
    return request


def _read_chat(body: dict[str, Any], request: Request) -> None:
    messages = [(m.get("role"), content_text(m.get("content"), "\n")) for m in as_objects(body.get("messages"))]
    asked = [text for role, text in messages if role == "user"]
    request.system = "\n".join(text for role, text in messages if role in ("system", "developer") and text)
    request.prompt = asked[-1] if asked else ""
    if len(asked) > 1 or any(role == "assistant" for role, _ in messages):
        # A conversation is sent again with each turn, so its beginning tells it apart.
        beginning = "\0".join((request.system, *asked[:1])).encode("utf-8", "replace")
        request.session = CONVERSATION + blake2s(beginning, digest_size=8).hexdigest()


def _read_completion(body: dict[str, Any], request: Request) -> None:
    prompt = body.get("prompt")
    # Of several prompts the first is the one that choice 0 answers; token ids have no text.
    request.prompt = as_text(prompt[0] if isinstance(prompt, list) and prompt else prompt)


def _read_generate(body: dict[str, Any], request: Request) -> None:
    request.system = as_text(body.get("system"))
    request.prompt = as_text(body.get("prompt"))


_READERS: dict[str, Callable[[dict[str, Any], Request], None]] = {
    "completions": _read_completion,
    "api/generate": _read_generate,
}


_OURS = ("model", "response_model", "system", "digest", "weights", "ollama_")
"""Settings that an option of a client's must not pass for."""


def _named_session(body: dict[str, Any]) -> str | None:
    metadata = as_object(body.get("metadata"))
    for value in (body.get("user"), metadata.get("session_id"), metadata.get("session")):
        if isinstance(value, str) and value:
            return value[:MAX_LABEL_CHARS]
    return None


def _sampling(body: dict[str, Any]) -> dict[str, Any]:
    settings = {name: body.get(name) for name in _SETTINGS}
    options = as_object(body.get("options"))
    named = (name for name in options if _OPTION.fullmatch(name) and not name.startswith(_OURS))
    settings |= {name: options[name] for name in islice(named, _MAX_OPTIONS)}
    settings["response_format"] = _response_format(body)
    settings["tools"] = len(as_objects(body.get("tools"))) or None
    readable = {name: as_setting(value) for name, value in settings.items()}
    return {name: value for name, value in readable.items() if value is not None}


def _response_format(body: dict[str, Any]) -> str | None:
    """OpenAI's `response_format`, or Ollama's `format`, which is "json" or a schema."""
    if isinstance(body.get("format"), dict):
        return "json_schema"
    return as_text(as_object(body.get("response_format")).get("type")) or as_text(body.get("format")) or None
