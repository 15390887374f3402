"""Values out of JSON that anybody may have written: each function takes what it can and drops the rest."""

import json
import math
import unicodedata
from typing import Any

MAX_LABEL_CHARS = 200
_MAX_STOPS = 16


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def as_object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_count(value: Any) -> int | None:
    """A whole number that every store can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return None
    return int(value)


def as_setting(value: Any) -> Any:
    """A sampling parameter: a word, a finite number, a flag or a list of words; else None."""
    if isinstance(value, str):
        return value[:MAX_LABEL_CHARS]
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [item[:MAX_LABEL_CHARS] for item in value[:_MAX_STOPS] if isinstance(item, str)] or None
    return None


def content_text(content: Any, separator: str = "") -> str:
    """A message's content: null, a string, or parts of which those with text are joined."""
    if not isinstance(content, list):
        return as_text(content)
    texts = (as_text(part.get("text")) if isinstance(part, dict) else as_text(part) for part in content)
    return separator.join(text for text in texts if text)


def label(value: Any) -> str:
    """A name fit for a metric's label: one line without control characters, at most 200 characters."""
    name = as_text(value)[:MAX_LABEL_CHARS]
    if name.isprintable():
        return name
    # C: control, format, surrogate, private use, unassigned; Zl and Zp: line and paragraph separators.
    return "".join("�" if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" else c for c in name)


def error_text(value: Any) -> str:
    """What an `error` field says, whatever its form."""
    if isinstance(value, dict):
        named = (as_text(value.get(key)) for key in ("message", "error", "detail"))
        value = next(filter(None, named), None) or json_text(value)
    return (as_text(value) or json_text(value))[:500] if value else ""


def json_text(value: Any) -> str:
    """`value` as compact JSON; empty when it is nested too deeply to be written."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return ""


def storable(value: Any) -> Any:
    """Strings, also in lists, tuples and dicts, without what UTF-8 or a database column cannot hold."""
    if isinstance(value, str):
        if value.isascii():
            return value.replace("\0", "�")
        return value.replace("\0", "�").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list | tuple):
        return type(value)(storable(item) for item in value)
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    return value
