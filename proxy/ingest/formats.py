"""One JSON object to the exchanges it tells of, in the format that is set or the one that it looks like."""

from collections.abc import Callable
from typing import Any

from proxy.ingest import langfuse, litellm, mapped, ollama, openai, otel
from proxy.ingest.records import Left, Read
from proxy.ingest.settings import Fields, Format
from proxy.ingest.values import unfolded
from proxy.wire_values import as_object, as_objects

READERS: dict[str, Callable[[dict[str, Any]], Read]] = {
    "openai": openai.read,
    "ollama": ollama.read,
    "langfuse": langfuse.read,
    "litellm": litellm.read,
    "otel": otel.read,
}

UNKNOWN = Left("malformed", "looks like no format that is known: name it, or say where it has what (format: fields)")


def read(line: dict[str, Any], format: Format, fields: Fields) -> Read:
    """What one JSON object tells of."""
    if format == "fields":
        return mapped.read(line, fields)
    found = detect(line) if format == "auto" else format
    return READERS[found](line) if found else [UNKNOWN]


def detect(line: dict[str, Any]) -> str | None:
    """The format that an object looks like; None where it looks like none."""
    if "resourceSpans" in line or "resourceLogs" in line or {"spanId", "startTimeUnixNano"} <= line.keys():
        return "otel"
    if isinstance(line.get("data"), list):
        first = as_objects(line["data"])
        return detect(first[0]) if first else "openai"
    if "custom_id" in line:
        return "openai"
    if {"request_id", "call_type"} <= line.keys() or {"litellm_call_id", "call_type"} <= line.keys():
        return "litellm"
    if ("traceId" in line or "trace_id" in line) and ("input" in line or "output" in line or "type" in line):
        return "langfuse"
    if "traceId" not in line and isinstance(line.get("observations"), list):
        return "langfuse"
    if line.get("type") == "GENERATION":
        return "langfuse"
    answer = unfolded(line.get("response"))
    if _is_ollamas(answer if isinstance(answer, dict | list) else line):
        return "ollama"
    if "choices" in line or isinstance(answer, dict | list) or ("request" in line and "response" in line):
        return "openai"
    if "messages" in line:
        return "openai"
    return None


def _is_ollamas(answer: Any) -> bool:
    if isinstance(answer, list):
        answer = answer[-1] if answer else {}
    return "done" in as_object(answer) and "choices" not in as_object(answer)
