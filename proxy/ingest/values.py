"""Values out of logs that anybody may have written: times, paths with dots, texts that are JSON."""

import math
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

_EARLIEST = 946_684_800.0
"""The year 2000: no language model answered before, so that a smaller number is no time."""
_LATEST = 7_258_118_400.0
"""The year 2200."""
_FRACTION = re.compile(r"(\.\d{6})\d+")


def moment(value: Any) -> float | None:
    """Unix seconds of ISO 8601 text or of a number in s, ms, us or ns; UTC where no offset is named.

    None for what is no time between 2000 and 2200.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        try:
            return moment(float(text))
        except ValueError:
            pass
        try:
            # Nanoseconds are more than the standard library reads.
            read = datetime.fromisoformat(_FRACTION.sub(r"\1", text.removesuffix(" UTC")))
        except ValueError:
            return None
        at = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        return at if _EARLIEST <= at <= _LATEST else None
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    for scale in (1.0, 1e3, 1e6, 1e9):
        at = value / scale
        if _EARLIEST <= at <= _LATEST:
            return at
    return None


def seconds(value: Any) -> float | None:
    """A duration, which is neither negative nor a year long."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 31_536_000:
        return None
    return float(value)


def at_path(value: Any, path: str) -> Any:
    """What lies at "a.b.0.c"; None where nothing does. A name that has dots itself is found as well."""
    while path:
        if isinstance(value, dict) and path in value:
            return value[path]
        name, _, path = path.partition(".")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def unfolded(value: Any) -> Any:
    """A text that is a JSON object, list or string as that value, else the value itself."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"'):
        try:
            return msgspec.json.decode(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return value
    return value


def text_or_none(value: Any) -> str | None:
    """A name or number as text; None where it says nothing."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, str) and value else None
