"""One column's drift in words, from the figures of a report alone. Needs no numpy and reads nothing else."""

import re
from collections.abc import Sequence

import msgspec

from drift.errors import UnknownFeature
from drift.policy import TABLE
from drift.tabular.causes import Cause, Moved, causes_of, movement
from drift.tabular.checks import checks_for
from drift.tabular.result import ColumnResult, Pattern
from drift.tabular.words import amount, clipped, figure, listed, percentage, quoted

_TESTS = {
    "ks": "Kolmogorov-Smirnov test",
    "ks_permutation": "Kolmogorov-Smirnov test, exact for ties",
    "ks_sketched": "Kolmogorov-Smirnov test from quantiles",
    "chi2": "chi-square test",
    "chi2_monte_carlo": "chi-square test by Monte Carlo",
    "fisher": "Fisher's exact test",
}
_SIZES = ((0.5, "very strongly"), (0.3, "strongly"), (0.2, "clearly"))
_LIKELY = 0.6
"""Weight of a cause from which on the headline calls it the likeliest."""
_FIGURE = r"((?:under |over )?[-+\d.e:% ]{1,24})"
_WENT = re.compile(rf"(mean|median|standard deviation|interquartile range|missing) {_FIGURE} -> {_FIGURE}")
"""A part of a direction that holds nothing but figures."""
_SOURCE_CHARACTERS = 200
_NAMED = 6
_BARS = 3
_BAR_MOVES = 0.01


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What a person on call reads about one column."""

    feature: str
    headline: str
    change: str
    """The direction: "mean from 40.9 to 29.4"; "" when nothing is known of it."""
    what: str
    """What changed and by how much."""
    values: str
    """Which values carry it; "" when that is not known."""
    moved_with: str
    causes: tuple[Cause, ...]
    """The most likely first."""
    checks: str
    source: str = ""
    """Where the rows come from, as the person who asked said it: clipped, never interpreted."""

    @property
    def text(self) -> str:
        """All of it in paragraphs."""
        told = [self.headline, " ".join(filter(None, [self.what, self.values])), self.moved_with]
        if len(self.causes) == 1 and self.causes[0].kind != "no drift":
            told.append(f"Likely cause: {_cause(self.causes[0])}")
        elif len(self.causes) > 1:
            lines = [f"{i}. {_cause(cause)}" for i, cause in enumerate(self.causes, 1)]
            told.append("\n".join(["Likely causes, the most likely first:", *lines]))
        told.append(f"Check first: {self.checks}" if self.checks else "")
        told.append(f"The rows were described as {self.source} by the person who asked." if self.source else "")
        return "\n\n".join(filter(None, told))


def explain(feature: str, rows: Sequence[ColumnResult], *, schema: Sequence[str] = (), source: str = "") -> Explanation:
    """Explain one column of a report, rows, by its figures and those of the other columns.

    schema are the report's findings about columns that came, went or changed their type. source is a person's own
    words about the rows, quoted and nothing else. Raises UnknownFeature when no row has that name.
    """
    row = next((row for row in rows if row.name == feature), None)
    if row is None:
        known = [quoted(row.name) for row in rows[:20]] + ([f"{len(rows) - 20} more"] if len(rows) > 20 else [])
        raise UnknownFeature(f"no column {quoted(feature)} in the report; it has {listed(known) or 'none'}")
    return explain_row(row, movement(rows), schema=schema, source=source)


def explain_row(row: ColumnResult, columns: Moved, *, schema: Sequence[str] = (), source: str = "") -> Explanation:
    """The same of a row at hand, where many of one report are explained: columns is the movement of all its rows."""
    moved = columns.without(row)
    causes = causes_of(row, moved, schema) if row.drifted else _without_drift(row, moved)
    return Explanation(
        feature=row.name,
        headline=_headline(row, causes),
        change=_change(row),
        what=_what(row),
        values=_values(row),
        moved_with=_moved_with(row, moved),
        causes=causes,
        checks=checks_for(row, causes, moved),
        source=f"“{clipped(source, _SOURCE_CHARACTERS)}”" if source.strip() else "",
    )


def _headline(row: ColumnResult, causes: tuple[Cause, ...]) -> str:
    name, effect = quoted(row.name), figure(row.effect)
    if not row.drifted:
        if figure(row.p_value) is None:
            return f"{name} was not compared{f': {clipped(row.note, 200)}' if row.note else ''}."
        if few := _outlying(row):
            return f"{name} has not drifted as a whole, but {few.text}."
        return f"{name} has not drifted: {_why_not(row)}."
    size = next((word for least, word in _SIZES if (effect or 0.0) >= least), "a little")
    likely = "most likely" if causes and causes[0].weight >= _LIKELY else "perhaps"
    first = f"; {likely} {_article(causes[0].kind)}" if causes and causes[0].kind != "unknown" else ""
    if row.current_missing == 1:
        readable = " that can be read" if any(pattern.name == "unreadable" for pattern in row.patterns or ()) else ""
        return f"{name} has no values{readable} any more{first}."
    change = _change(row)
    return f"{name} has drifted {size}{f': {change}' if change else ''}{first}."


def _change(row: ColumnResult) -> str:
    """The direction of the drift, with other people's labels in quotes."""
    parts = [_WENT.fullmatch(part) for part in str(row.direction)[:400].split("; ")]
    told = [f"{part[1]} from {part[2]} to {part[3]}" for part in parts if part]
    if row.kind not in ("numeric", "date") and (bars := _bars(row)):
        most = bars[0]
        back = [bar for bar in bars if (bar[2] - bar[1]) * (most[2] - most[1]) < 0][:1]
        some = [f"{quoted(bar[0])} from {percentage(bar[1])} to {percentage(bar[2])}" for bar in [most, *back]]
        told.append(", ".join(some))
    return "; ".join(told)


def _why_not(row: ColumnResult) -> str:
    effect, p = figure(row.effect), figure(row.p_adjusted)
    if row.test == "constant":
        return "it has the same single value on both sides"
    if p is not None and p > TABLE.p_threshold:
        return f"a difference like this comes by chance often enough (adjusted p {_p(p)})"
    if effect is not None and effect < TABLE.effect_threshold:
        # With a digit more than usual: .097 must not read as the .1 that it is below.
        size = f"an effect of {effect:.3f}, where it counts from {TABLE.effect_threshold:g} on"
        return f"the difference is too small to matter as a whole ({size})"
    return "the report's thresholds were not reached"


def _outlying(row: ColumnResult) -> Pattern | None:
    """What a few of the rows show although the column has not drifted."""
    return next((pattern for pattern in row.patterns or () if pattern.name == "outlying" and not row.drifted), None)


def _without_drift(row: ColumnResult, moved: Moved) -> tuple[Cause, ...]:
    if _outlying(row):
        return causes_of(row, moved, ())
    if figure(row.p_value) is not None:
        return (Cause(kind="no drift", why=_why_not(row), weight=0.9),)
    return causes_of(row, moved, ()) if row.patterns else ()


def _what(row: ColumnResult) -> str:
    return " ".join(filter(None, [_centre(row), _absent(row), _tested(row)]))


def _tested(row: ColumnResult) -> str:
    n, m = figure(row.reference_rows), figure(row.current_rows)
    rows = f"Compared were {m:,.0f} rows with {n:,.0f} of the reference" if n and m else ""
    test, p = _TESTS.get(row.test or ""), figure(row.p_adjusted)
    if not test or figure(row.effect) is None:
        return f"{rows}." if rows else ""
    of = " of the missing values" if row.effect_name == "cramers_v_missing" else ""
    p_words = f"; p {_p(p)} after correction for the number of columns" if p is not None else ""
    by = f"{rows} by the {test}{of}" if rows else f"By the {test}{of}"
    return f"{by}: {_effect(row)} on a scale from 0 (the same) to 1 (nothing in common){p_words}."


def _centre(row: ColumnResult) -> str:
    """Mean, median and quartiles of a numeric column."""
    if row.kind == "date":
        return ""

    def both(name: str) -> tuple[float, float] | None:
        a, b = (figure((row.figures or {}).get(f"{side}_{name}")) for side in ("reference", "current"))
        return None if a is None or b is None else (a, b)

    told = [f"the {name} {_went(*pair)}" for name in ("mean", "median") if (pair := both(name)) is not None]
    low, high = both("q25"), both("q75")
    if low and high:
        before, after = (f"{amount(low[side])} to {amount(high[side])}" for side in (0, 1))
        told.append(
            f"the middle half of the values, {before} before, {'still is' if before == after else 'is now'} {after}"
        )
    return f"T{listed(told)[1:]}." if told else ""


def _went(a: float, b: float) -> str:
    if amount(a) == amount(b):
        return f"stayed at {amount(a)}"
    if a * b > 0 and abs(b) >= 2 * abs(a):
        size = f" ({abs(b / a):.3g} times as much)"
    elif a > 0 and b > 0 and abs(b - a) >= 0.01 * a:
        size = f" ({percentage(abs(b - a) / a)} {'more' if b > a else 'less'})"
    else:
        size = ""
    return f"{'rose' if b > a else 'fell'} from {amount(a)} to {amount(b)}{size}"


def _absent(row: ColumnResult) -> str:
    before, after = figure(row.reference_missing) or 0.0, figure(row.current_missing) or 0.0
    if abs(after - before) < _BAR_MOVES:
        return ""
    word = "rose" if after > before else "fell"
    return f"Missing values {word} from {percentage(before)} to {percentage(after)} of the rows."


def _values(row: ColumnResult) -> str:
    change = _bars(row)
    rose = [_bar(row, *bar) for bar in change if bar[2] - bar[1] >= _BAR_MOVES][:_BARS]
    fell = [_bar(row, *bar) for bar in change if bar[1] - bar[2] >= _BAR_MOVES][:_BARS]
    told = [f"{word} are {listed(some)}" for word, some in (("more", rose), ("fewer", fell)) if some]
    shares = f"Of the values, {'; '.join(told)}." if told else ""
    new, gone = ([quoted(label) for label in labels or ()] for labels in (row.new_categories, row.vanished_categories))
    extra = [
        f"{word}: {listed(labels[:_NAMED] + _more(labels))}."
        for word, labels in (("Not seen in the reference", new), ("No longer seen", gone))
        if labels
    ]
    return " ".join(filter(None, [shares, *extra]))


def _bars(row: ColumnResult) -> list[tuple[str, float, float]]:
    """(label, reference share, current share), the largest change first."""
    bars = [
        (bar.label, before, after)
        for bar in row.shares or ()
        if (before := figure(bar.reference)) is not None and (after := figure(bar.current)) is not None
    ]
    return sorted(bars, key=lambda bar: -abs(bar[2] - bar[1]))


def _bar(row: ColumnResult, label: str, before: float, after: float) -> str:
    # Intervals are this program's own words; labels are somebody else's.
    name = clipped(label, 60) if row.kind in ("numeric", "date") else quoted(label)
    return f"{name} ({percentage(before)}, now {percentage(after)})"


def _more(labels: list[str]) -> list[str]:
    return [f"{len(labels) - _NAMED} more"] if len(labels) > _NAMED else []


def _moved_with(row: ColumnResult, moved: Moved) -> str:
    others = "other column" if moved.tested == 1 else "other columns"
    if moved.alone:
        if not moved.tested:
            return "No other column was compared."
        none = "The" if moved.tested == 1 else "None of the"
        verb = "has not drifted" if moved.tested == 1 else "has drifted"
        count = "" if moved.tested == 1 else f"{moved.tested:,} "
        return f"{none} {count}{others} compared {verb}{': it is alone' if row.drifted else ''}."
    named = [f"{quoted(other.name)} ({_effect(other)})" for other in moved.drifted[:_NAMED]]
    left = len(moved.drifted) - len(named)
    verb = "has" if len(moved.drifted) == 1 else "have"
    also = " too" if row.drifted else ""
    named += [f"{left} more"] if left else []
    order = ", the strongest first" if len(moved.drifted) > 1 else ""
    return f"{len(moved.drifted)} of the {moved.tested:,} {others} {verb} drifted{also}{order}: {listed(named)}."


def _effect(row: ColumnResult) -> str:
    effect = figure(row.effect)
    letter = "D" if row.effect_name == "ks_d" else "Cramer's V"
    return f"{letter} {effect:.2f}" if effect is not None else "effect not known"


def _p(p: float) -> str:
    return "below 0.0001" if p < 1e-4 else f"{p:.2g}"


def _article(kind: str) -> str:
    named = {"unit change": "a change of unit", "new category": "a new category", "encoding break": "an encoding break"}
    named |= {"population shift": "a population shift", "schema change": "a schema change"}
    named |= {
        "default flooding": "a default value flooding it",
        "missing pipeline": "a pipeline that stopped filling it",
    }
    return named.get(kind, kind)


def _cause(cause: Cause) -> str:
    return f"{cause.kind[:1].upper()}{cause.kind[1:]}: {cause.why}."
