"""Numbers in a text, and whether they are the ones that it may name.

What a language model writes is only taken when each of its figures is one of the evidence's own.
"""

import re

import msgspec

_NUMBER = re.compile(
    r"((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,2}))?",
)
_PERCENT = re.compile(r"\s*(%|per ?cent)", re.IGNORECASE)
_MULTIPLE = re.compile(r"\s?(k|m|bn|thousand|million|billion)\b", re.IGNORECASE)
WORDED = re.compile(
    r"\b((eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty"
    r"|seventy|eighty|ninety)\b|hundred|thousand|million|billion|dozen|twice|doubl|tripl|thrice|halv)",
    re.IGNORECASE,
)
"""Numbers in words, which nobody can check."""


class Figure(msgspec.Struct, frozen=True):
    """A number as it is written: to which place it is rounded, and whether it counts hundredths."""

    text: str
    value: float
    place: float
    percent: bool


def is_value(figure: Figure, value: float) -> bool:
    """Whether a figure is this value, rounded."""
    return abs(abs(value) - figure.value) <= 0.501 * figure.place


def figures(text: str) -> list[Figure]:
    """Every number written in digits, without its sign."""
    found = []
    for match in _NUMBER.finditer(text):
        digits, exponent = match[1].replace(",", ""), int(match[2] or 0)
        after = _PERCENT.match(text, match.end())
        value = float(f"{digits}e{exponent}")
        place = 10.0 ** (exponent - len(digits.partition(".")[2]))
        if "." not in digits and not exponent:
            # 45,000 is 45,211 rounded; two digits at the least have to be right.
            place = 10.0 ** max(0, min(len(digits) - len(digits.rstrip("0")), len(digits) - 2, 300))
        if _MULTIPLE.match(text, match.end()):
            # "45k" and "45 million" are other numbers than they begin with.
            value = float("inf")
        found.append(Figure(match[0] + (after[0] if after else ""), value, place, bool(after)))
    return found


def repeats(text: str) -> bool:
    """Whether a model has run into a loop."""
    words = re.findall(r"\w+", text.lower())
    runs = list(zip(*(words[i:] for i in range(5)), strict=False))
    return len(set(words)) < 0.35 * len(words) or any(runs.count(run) > 2 for run in set(runs))
