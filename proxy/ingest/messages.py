"""Messages and answers in the shapes that tracers write them, as OpenAI's chat messages.

The shapes: OpenAI's own; OpenTelemetry's messages with typed parts; LangChain's (type "human", "ai", or serialised with
"lc" and "kwargs"); Anthropic's content blocks; Gemini's "model" role; plain text; and JSON text of all of these.
"""

from typing import Any

from proxy.ingest.values import unfolded
from proxy.wire_values import as_object, as_objects, as_text, json_text

_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "AIMessageChunk": "assistant"}
_ROLES |= {"HumanMessage": "user", "AIMessage": "assistant", "SystemMessage": "system", "ToolMessage": "tool"}
_SAID = ("content", "text", "response", "output", "completion", "answer", "generated_text")


def messages_of(value: Any) -> list[dict[str, Any]]:
    """What was asked, as messages; a text or anything unknown is the user's."""
    value = unfolded(value)
    if value is None or value in ("", [], {}):
        return []
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if isinstance(value, dict):
        if "messages" in value:
            return messages_of(value["messages"])
        if _is_message(value):
            return [message_of(value, "user")]
        if isinstance(value.get("prompt"), str):
            return [{"role": "user", "content": value["prompt"]}]
        return [{"role": "user", "content": json_text(value)}]
    if isinstance(value, list):
        # LangChain logs a batch of conversations, of which there is one.
        if len(value) == 1 and isinstance(value[0], list):
            return messages_of(value[0])
        if all(isinstance(one, dict) and _is_message(one) for one in value):
            return [message_of(one, "user") for one in value]
        if all(isinstance(one, str) for one in value):
            return [{"role": "user", "content": "\n".join(value)}]
    return [{"role": "user", "content": json_text(value)}]


def choices_of(value: Any, finish_reason: str | None = None) -> list[dict[str, Any]] | None:
    """What was answered, as the choices of a chat completion; None where it says nothing."""
    value = unfolded(value)
    if value is None or value in ("", [], {}):
        return None
    if isinstance(value, dict):
        if isinstance(value.get("choices"), list):
            return as_objects(value["choices"]) or None
        if isinstance(value.get("message"), dict):
            return [_choice(message_of(value["message"], "assistant"), finish_reason or _finish(value))]
        if value.get("object") == "response":
            return [_choice(_of_responses(value), finish_reason)]
        if _is_message(value):
            return [_choice(message_of(value, "assistant"), finish_reason or _finish(value))]
        said = next((value[name] for name in _SAID if isinstance(value.get(name), str)), None)
        if said is not None and set(value) <= {*_SAID, "finish_reason", "model", "usage", "id", "type", "role"}:
            return [_choice({"role": "assistant", "content": said}, finish_reason or _finish(value))]
        # An object of the application's own: it is the answer.
        return [_choice({"role": "assistant", "content": json_text(value)}, finish_reason)]
    if isinstance(value, list):
        if all(isinstance(one, dict) and _is_message(one) for one in value):
            answers = [one for one in value if _role(one, "assistant") == "assistant"] or value
            return [
                _choice(message_of(one, "assistant"), _finish(one) or finish_reason, i) for i, one in enumerate(answers)
            ]
        if all(isinstance(one, dict) and "type" in one for one in value):
            return [_choice(message_of({"role": "assistant", "content": value}, "assistant"), finish_reason)]
    return [_choice({"role": "assistant", "content": _plain(value)}, finish_reason)]


def message_of(value: dict[str, Any], role: str) -> dict[str, Any]:
    """One message; `role` is whose it is where it does not say."""
    if isinstance(value.get("kwargs"), dict):
        kind = value["id"][-1] if isinstance(value.get("id"), list) and value["id"] else None
        value = {"type": kind} | value["kwargs"]
    parts = value.get("parts", value.get("content"))
    message: dict[str, Any] = {"role": _role(value, role)}
    calls = [_call(one) for one in as_objects(value.get("tool_calls"))]
    if isinstance(parts, list):
        texts = filter(None, map(_part_text, parts))
        message["content"] = ("" if message["role"] == "assistant" else "\n").join(texts)
        thoughts = "".join(as_text(p.get("content")) or as_text(p.get("thinking")) for p in _typed(parts, _THOUGHTS))
        if thoughts:
            message["reasoning_content"] = thoughts
        calls += [_call(part) for part in _typed(parts, ("tool_call", "tool_use"))]
    else:
        message["content"] = _plain(parts)
    if calls:
        message["tool_calls"] = calls
    for name in ("refusal", "reasoning", "reasoning_content", "thinking", "function_call"):
        if value.get(name):
            message[name] = value[name]
    return message


_THOUGHTS = ("reasoning", "thinking")


def _is_message(value: dict[str, Any]) -> bool:
    if "role" in value and ("content" in value or "parts" in value or "tool_calls" in value):
        return True
    return isinstance(value.get("kwargs"), dict) or (as_text(value.get("type")) in _ROLES and "content" in value)


def _role(value: dict[str, Any], default: str) -> str:
    role = as_text(value.get("role")) or as_text(value.get("type"))
    return _ROLES.get(role, role) or default


def _typed(parts: list[Any], kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    return [part for part in as_objects(parts) if part.get("type") in kinds]


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    part = as_object(part)
    kind = part.get("type", "text")
    if kind in ("text", "output_text", "input_text"):
        return as_text(part.get("text")) or as_text(part.get("content"))
    return as_text(part.get("refusal")) if kind == "refusal" else ""


def _call(value: dict[str, Any]) -> dict[str, Any]:
    """A tool call of OpenAI's, of OpenTelemetry's parts, of LangChain or of Anthropic."""
    function = as_object(value.get("function")) or value
    arguments = next((function[name] for name in ("arguments", "args", "input") if name in function), "")
    text = arguments if isinstance(arguments, str) else json_text(arguments)
    return {"type": "function", "function": {"name": as_text(function.get("name")), "arguments": text}}


def _of_responses(value: dict[str, Any]) -> dict[str, Any]:
    """The message of an answer of OpenAI's Responses API."""
    items = as_objects(value.get("output"))
    texts = [_part_text(part) for item in items for part in as_objects(item.get("content"))]
    calls = [_call(item) for item in items if item.get("type") == "function_call"]
    return {"role": "assistant", "content": "".join(texts)} | ({"tool_calls": calls} if calls else {})


def _finish(value: dict[str, Any]) -> str | None:
    metadata = as_object(value.get("response_metadata"))
    named = (value.get("finish_reason"), value.get("done_reason"), value.get("stop_reason"))
    return next((one for one in (*named, metadata.get("finish_reason")) if isinstance(one, str)), None)


def _choice(message: dict[str, Any], finish_reason: str | None, index: int = 0) -> dict[str, Any]:
    return {"index": index, "message": message, "finish_reason": finish_reason}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json_text(value)
