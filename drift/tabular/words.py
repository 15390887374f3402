"""Figures and names from a table as people read them. Needs no numpy."""

import math
import re
from datetime import UTC, datetime, timedelta

_PLAIN = re.compile(r"\w[\w.\-/]*")
_NAME_CHARACTERS = 60
QUOTES = str.maketrans("“”", "''")
"""Somebody's words must not end the quotes that they stand in."""
_DIGITS = 4


def amount(value: float) -> str:
    """A number with four significant digits; whole numbers with all theirs, up to a billion."""
    if not math.isfinite(value):
        return str(value)
    if abs(value) < 1e9 and (value == round(value) or abs(value) >= 10**_DIGITS):
        return f"{value:.0f}"
    return f"{value:.{_DIGITS}g}"


def day(unix_seconds: float) -> str:
    """A date in UTC, with its time unless that is midnight; a number where no calendar reaches."""
    try:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=unix_seconds)
    except (ValueError, OverflowError):
        return amount(unix_seconds)
    return when.strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")


def percentage(share: float) -> str:
    """A share, 0 to 1; never 0 % or 100 % when it is not."""
    if 0 < share < 0.001:
        return "under 0.1 %"
    if 0.9995 <= share < 1:
        return "over 99.9 %"
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def quoted(text: object) -> str:
    """Somebody else's name or label on one line, clipped to 60 characters; in quotes unless it is a plain word."""
    line = clipped(str(text).translate(QUOTES), _NAME_CHARACTERS)
    return line if _PLAIN.fullmatch(line) else f"“{line}”"


def clipped(text: object, characters: int) -> str:
    """Text on one line without control characters, and no longer than characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= characters else line[: characters - 1] + "…"


def figure(value: object) -> float | None:
    """A finite number as a float, else None: a report may have been through other hands."""
    try:
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
    except OverflowError:
        # Whole numbers have no end.
        return None


def counted(number: int, what: str) -> str:
    """ "1 fact", "2 facts"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def listed(words: list[str], last: str = "and") -> str:
    """ "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def verbatim(text: object) -> str:
    """Somebody else's label in quotes with its spaces, control characters as escapes, clipped to 60 characters."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
    return f"“{shown if len(shown) <= _NAME_CHARACTERS else shown[: _NAME_CHARACTERS - 1] + '…'}”"
