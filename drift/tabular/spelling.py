"""Labels that mean the same and are written otherwise."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

_UNKNOWN = """
- -- ? . * na n/a #n/a nan nil nk none null unk unknown undefined unspecified missing empty blank default other others
misc not_available not_known not_set no_value -1 -9 -99 -999 -9999 999 9999
"""
UNKNOWN = frozenset(["", *_UNKNOWN.split()])
"""Labels, folded by unknown_label, that stand for "nothing known" or "all the rest"."""
_TRUTH = {"true": "true", "yes": "true", "y": "true", "t": "true", "1": "true", "1.0": "true", "on": "true"} | {
    "false": "false", "no": "false", "n": "false", "f": "false", "0": "false", "0.0": "false", "off": "false"
}  # fmt: skip
_WHOLE = re.compile(r"([-+]?)0*(\d+)(?:[.,]0+)?")
_SEPARATORS = re.compile(r"(?<=[^\W\d_])[\s_./-]+(?=\w)|(?<=\w)[\s_./-]+(?=[^\W\d_])")
_SHORTEST_CUT = 3


def unknown_label(label: str) -> bool:
    """Whether a label is a usual stand-in for an unknown value or for all others."""
    return re.sub(r"[\s_]+", "_", label.strip().casefold().strip("<>()[]{}'\"")) in UNKNOWN


def respellings(reference: Iterable[str], new: Iterable[str]) -> tuple[dict[str, str], str]:
    """(new label -> the reference's label that it spells otherwise, in words how), by the first rule that finds most.

    A label that could be two of the reference's is left out.
    """
    known, strange = list(reference), list(new)
    best: dict[str, str] = {}
    how = ""
    for words, key in _RULES:
        found = _matched({label: key(label) for label in known}, {label: key(label) for label in strange})
        if len(found) > len(best):
            best, how = found, words
    for words, found in (
        ("as another word for true and false", _truths(known, strange)),
        ("cut short", _shortened(known, strange)),
    ):
        if len(found) > len(best):
            best, how = found, words
    return best, how


def _matched(known: Mapping[str, str], strange: Mapping[str, str]) -> dict[str, str]:
    by_key: dict[str, list[str]] = {}
    for label, key in known.items():
        by_key.setdefault(key, []).append(label)
    return {label: by_key[key][0] for label, key in strange.items() if key and len(by_key.get(key, ())) == 1}


def _spaces(label: str) -> str:
    return " ".join(label.split())


def _letters(label: str) -> str:
    # Only between letters: "-1" is not "1", nor "1.5" "15", "c++" "c" or "<=50k" ">50k".
    return _SEPARATORS.sub("", label.casefold().strip()).strip("'\"").rstrip(".")


def _accents(label: str) -> str:
    return _letters("".join(c for c in unicodedata.normalize("NFKD", label) if not unicodedata.combining(c)))


def _decoded(label: str) -> str:
    """UTF-8 that was read as Latin-1 or Windows-1252, read again; once or twice."""
    for _ in range(2):
        for encoding in ("cp1252", "latin-1"):
            try:
                read = label.encode(encoding).decode()
            except UnicodeError:
                continue
            label = read
            break
    return unicodedata.normalize("NFC", label)


def _number(label: str) -> str:
    # Version 1.10 is not version 1.1: only whole numbers count as the same.
    found = _WHOLE.fullmatch(label.strip())
    return found[1].replace("+", "") + found[2] if found else ""


_RULES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("with other spaces around or between the words", _spaces),
    ("in another case", lambda label: _spaces(label).casefold()),
    ("as a decimal or with zeros in front, where it was a whole number, or the reverse", _number),
    ("in a broken character encoding", _decoded),
    ("with other punctuation", _letters),
    ("without accents", _accents),
    ("in several ways at once", lambda label: _accents(_decoded(label))),
)
"""The narrowest first."""


def _truths(known: list[str], strange: list[str]) -> dict[str, str]:
    before, after = ({label: _TRUTH.get(label.strip().casefold(), "") for label in side} for side in (known, strange))
    return _matched(before, after) if before and all(before.values()) and all(after.values()) else {}


def _shortened(known: list[str], strange: list[str]) -> dict[str, str]:
    """Labels cut at one length, as by a column that became too narrow."""
    longest = max(map(len, strange), default=0)
    if longest < _SHORTEST_CUT:
        return {}
    by_start: dict[str, list[str]] = {}
    for label in known:
        if len(label) > longest:
            by_start.setdefault(label[:longest], []).append(label)
    return {label: by_start[label][0] for label in strange if len(by_start.get(label, ())) == 1}
