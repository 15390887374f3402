"""A row's figures in words for people, and texts from a table made safe to show."""

import unicodedata
from datetime import UTC, datetime

from drift.tabular.result import ColumnResult
from drift.tabular.words import day, percentage
from proxy.tabular.records import Summary

KINDS = {"id": "identifier", "text": "free text", "unknown": "not read"}
TESTS = {
    "ks": "Kolmogorov-Smirnov",
    "ks_permutation": "Kolmogorov-Smirnov, by permutation",
    "ks_sketched": "Kolmogorov-Smirnov, from quantiles",
    "chi2": "chi-square",
    "chi2_monte_carlo": "chi-square, by Monte Carlo",
    "fisher": "Fisher's exact test",
    "constant": "none needed",
}
EFFECTS = {
    "ks_d": "Kolmogorov-Smirnov D",
    "cramers_v": "Cramér's V",
    "cramers_v_missing": "Cramér's V of the missing values",
}
_JOINERS = "\u200c\u200d"
"""Parts of emoji and of Persian words: harmless, and ugly when spelt out."""
_NO_TEXT = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_SMALLEST_P = 1e-300
NOTHING = "\N{EN DASH}"


def visible(text: str) -> str:
    """The text with its control characters, bidirectional overrides and halves of characters spelt out: ⟨U+202E⟩."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"⟨U+{ord(c):04X}⟩" if _hidden(c) else c for c in text)


def _hidden(character: str) -> bool:
    code = ord(character)
    # Unicode keeps these for no character at all, and HTML forbids them.
    never = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
    return never or (unicodedata.category(character) in _NO_TEXT and character not in _JOINERS)


def clipped(text: str, cells: int) -> str:
    """At most so many columns of a fixed-width font: a Chinese character takes two."""
    taken = 0
    for place, character in enumerate(text):
        taken += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if taken > cells:
            return text[: max(0, place - 1)].rstrip() + "…"
    return text


def arrows(direction: str) -> str:
    """A direction as it is printed: with a real arrow."""
    return visible(direction).replace(" -> ", " → ")


def number(value: float) -> str:
    """Four significant digits; from a thousand to a billion the whole number, grouped."""
    size = abs(value)
    return f"{value:,.0f}" if 1e3 <= size < 1e9 or (size < 1e3 and value == round(value)) else f"{value:.4g}"


def p_short(p: float | None) -> str:
    """A p-value for a column of figures."""
    if p is None:
        return NOTHING
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.001 else f"{p:.3f}"


def p_full(p: float) -> str:
    """A p-value with its order of magnitude, as the right side of a relation: "= 8.3e-24"."""
    return f"< {_SMALLEST_P:.0e}" if p < _SMALLEST_P else f"= {p:.2g}"


def effect(row: ColumnResult) -> str:
    """The effect with two digits; three where two would round it up to a threshold."""
    if row.effect is None:
        return NOTHING
    return f"{row.effect:.2f}" if row.effect >= 0.1 or row.effect == 0 else f"{row.effect:.3f}"


def kind(row: ColumnResult) -> str:
    return KINDS.get(row.kind, row.kind)


def test(row: ColumnResult) -> str:
    """The test's name, and of what when not of the values."""
    if row.test is None:
        return NOTHING
    name = TESTS.get(row.test, row.test)
    return f"{name}, missing or not" if row.effect_name == "cramers_v_missing" else name


def moment(generated_at: str) -> str:
    """An ISO 8601 time as "1 May 2024, 12:34 UTC"; anything else as it is."""
    try:
        when = datetime.fromisoformat(generated_at)
    except ValueError:
        return visible(generated_at)
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return f"{when.day} {when:%B %Y, %H:%M} UTC"


def figure(row: ColumnResult, name: str) -> str:
    """A location or spread of either side as its column is written: dates as dates, their spread in days."""
    value = row.figures.get(name)
    if value is None:
        return NOTHING
    if row.kind != "date":
        return number(value)
    if name.endswith("_std"):
        return f"{number(value / 86_400)} days"
    return day(value)


def verdict(row: ColumnResult, summary: Summary) -> str:
    """Why the column counts as drifted or not, in a sentence."""
    if row.p_value is None or row.effect is None or row.p_adjusted is None:
        return "Not tested."
    if row.test == "constant":
        return "The same single value on both sides."
    clear, large = row.p_adjusted <= summary.p_threshold, row.effect >= summary.effect_threshold
    found = f"an effect of {effect(row)} where {summary.effect_threshold:g} counts"
    if row.drifted:
        return f"More than chance explains, and large enough to matter: {found}."
    if clear and not large:
        return f"More than chance explains, but too small to matter: {found}."
    if large:
        return f"It may be chance: {found}, but too few rows to tell."
    return f"No more than chance explains: {found}."


def strength(row: ColumnResult) -> str:
    """What the effect measures, with its figure."""
    if row.effect is None or row.test == "constant":
        return ""
    if row.effect_name == "ks_d":
        return (
            f"At the value that parts the two sides best, their cumulative shares are {100 * row.effect:.1f} "
            f"percentage points apart ({EFFECTS['ks_d']} {row.effect:.3f})."
        )
    raw = "" if row.effect_raw is None else f"; {row.effect_raw:.3f} before the correction for bias"
    return f"{EFFECTS.get(row.effect_name, row.effect_name)} is {row.effect:.3f}, on a scale from 0 to 1{raw}."


def chance(row: ColumnResult) -> str:
    """The p-values, with the test that gave them."""
    if row.p_value is None or row.p_adjusted is None or row.test == "constant":
        return ""
    name = test(row)
    return (
        f"{name[0].upper()}{name[1:]}: p {p_full(row.p_value)}; "
        f"adjusted for all the tests of this report, p {p_full(row.p_adjusted)}."
    )


def distance(row: ColumnResult) -> str:
    """How far the values moved, and the population stability index beside what noise alone gives."""
    found = row.figures
    said = []
    if (moved := found.get("wasserstein")) is not None:
        far = f"{number(moved / 86_400)} days" if row.kind == "date" else number(moved)
        own = found.get("wasserstein_std")
        of = "" if own is None else f", {own:.2g} times the reference's standard deviation"
        said.append(f"To turn one side into the other a value moves by {far} on average{of}.")
    if (psi := found.get("psi")) is not None and psi > 0:
        floor = found.get("psi_floor", 0.0)
        noise = f"; samples of this size give about {floor:.2g} without any change" if floor > 0 else ""
        said.append(f"Population stability index: {psi:.2g}{noise}.")
    return " ".join(said)


def missing(row: ColumnResult) -> str:
    """Both sides' missing values and their own test."""
    if not (row.reference_missing or row.current_missing):
        return ""
    said = f"Missing values: {percentage(row.reference_missing)} → {percentage(row.current_missing)}"
    p, size = row.figures.get("missing_p_adjusted"), row.figures.get("missing_effect")
    return f"{said}." if p is None or size is None else f"{said} (adjusted p {p_full(p)}, Cramér's V {size:.2f})."


def missing_drifted(row: ColumnResult, summary: Summary) -> bool:
    """Whether it is the missing values, or they too, that have drifted."""
    p, size = row.figures.get("missing_p_adjusted"), row.figures.get("missing_effect")
    if p is None or size is None:
        return row.effect_name == "cramers_v_missing"
    return p <= summary.p_threshold and size >= summary.effect_threshold
