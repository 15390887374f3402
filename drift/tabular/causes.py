"""Why one column may have drifted: kinds of cause, weighed by rules on the report's figures. Needs no numpy."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from drift.tabular.result import ColumnResult, Pattern
from drift.tabular.words import clipped, figure, listed, percentage, quoted

KINDS = (
    "population shift",
    "encoding break",
    "unit change",
    "default flooding",
    "missing pipeline",
    "new category",
    "clipping",
    "filtering",
    "seasonality",
    "time drift",
    "schema change",
    "no drift",
    "unknown",
)
_OF_PATTERN = {
    "scaled": ("unit change", 0.9),
    "part_scaled": ("unit change", 0.85),
    "temperature": ("unit change", 0.85),
    "offset": ("unit change", 0.7),
    "sign_flipped": ("encoding break", 0.85),
    "logarithm": ("encoding break", 0.8),
    "standardised": ("encoding break", 0.85),
    "rotated": ("encoding break", 0.75),
    "rounded": ("encoding break", 0.8),
    "respelled": ("encoding break", 0.95),
    "renamed": ("encoding break", 0.85),
    "recoded": ("encoding break", 0.9),
    "replaced": ("encoding break", 0.5),
    "swallowed": ("encoding break", 0.8),
    "split": ("encoding break", 0.75),
    "swapped": ("encoding break", 0.5),
    "unreadable": ("encoding break", 0.95),
    "flooded": ("default flooding", 0.85),
    "outlying": ("default flooding", 0.6),
    "stuck": ("default flooding", 0.7),
    "missing": ("missing pipeline", 0.9),
    "empty": ("missing pipeline", 0.97),
    "no_longer_missing": ("missing pipeline", 0.6),
    "clipped": ("clipping", 0.85),
    "cut": ("filtering", 0.85),
    "filtered": ("filtering", 0.8),
    "vanished_category": ("filtering", 0.4),
    "new_category": ("new category", 0.7),
    "moved_on": ("time drift", 0.7),
    "trend": ("time drift", 0.35),
}
PATTERNS = frozenset(_OF_PATTERN)
_SOFT = {"swallowed", "swapped", "stuck", "flooded", "offset", "replaced", "new_category", "vanished_category"}
"""What a changed population can look like too, above all when other columns moved with it."""
_MOST, _SOME = 0.5, 0.2
"""Shares of the other columns that moved."""
_MISSING_ROSE = 0.05
_TOO_WEAK = 0.1
_CAUSES = 4
_CALENDAR = {
    *("year", "yr", "quarter", "season", "month", "week", "weekday", "dow", "doy", "day", "date", "hour", "hr"),
    *("holiday", "timestamp", "datetime"),
}


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of cause, one of KINDS."""

    kind: str
    why: str
    """A sentence without its full stop."""
    weight: float
    """How strongly the figures speak for it, 0 to 1; no probability: several may be so at once."""


class Moved(NamedTuple):
    """What the columns of a report did: all of them, or all but the one that is explained."""

    compared: int
    """Columns that a test could have found drifted."""
    drifted: tuple[ColumnResult, ...]
    """The strongest first, as in the four below, which are some of them."""
    lost: tuple[ColumnResult, ...]
    """Those that lost values."""
    filtered: tuple[ColumnResult, ...]
    calendars: tuple[ColumnResult, ...]
    trends: tuple[ColumnResult, ...]
    later: tuple[ColumnResult, ...]
    """Of all columns, drifted or not, those that show another period."""

    def without(self, row: ColumnResult) -> "Moved":
        """What the columns beside this one did."""
        others = (tuple(other for other in rows if other is not row) for rows in self[1:])
        return Moved(self.compared - _compared(row), *others)

    @property
    def tested(self) -> int:
        return max(self.compared, len(self.drifted))

    @property
    def share(self) -> float:
        return len(self.drifted) / self.tested if self.tested else 0.0

    @property
    def alone(self) -> bool:
        return not self.drifted


def movement(rows: Sequence[ColumnResult]) -> Moved:
    """What the columns of a report did. It takes the time of many explanations, and serves all of them."""
    drifted = sorted((row for row in rows if row.drifted), key=lambda row: -(figure(row.effect) or 0.0))
    return Moved(
        compared=sum(map(_compared, rows)),
        drifted=tuple(drifted),
        lost=tuple(filter(lost_values, drifted)),
        filtered=tuple(filter(filter_in, drifted)),
        calendars=tuple(filter(calendar, drifted)),
        trends=tuple(row for row in drifted if _pattern(row, "trend")),
        later=tuple(row for row in rows if _pattern(row, "moved_on")),
    )


def _compared(row: ColumnResult) -> bool:
    return figure(row.p_value) is not None and row.test != "constant"


def calendar(row: ColumnResult) -> bool:
    """Whether a column tells when a row was made, by its kind or by a word of its name."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(row.name)[:200]).lower())
    # "hours per week" and "day rate" measure something else.
    return row.kind == "date" or (bool(_CALENDAR.intersection(words)) and not {"per", "rate"}.intersection(words))


def causes_of(row: ColumnResult, moved: Moved, schema: Sequence[str]) -> tuple[Cause, ...]:
    """The likeliest causes of a drifted column, the strongest first; each kind at most once."""
    found = [*_of_patterns(row, moved), *_of_missing(row, moved), *_of_new(row), *_of_schema(row, schema)]
    found += [*_of_others(row, moved), *_of_time(row, moved), *_of_population(row, moved)]
    by_kind: dict[str, Cause] = {}
    for cause in sorted(found, key=lambda cause: -cause.weight):
        by_kind.setdefault(cause.kind, cause)
    kept = [cause for cause in by_kind.values() if cause.weight >= _TOO_WEAK][:_CAUSES]
    if not kept or kept[0].weight < 0.3:
        kept.insert(0, Cause(kind="unknown", why=_nothing_said(row, moved), weight=0.3))
    return tuple(kept)


def _of_patterns(row: ColumnResult, moved: Moved) -> list[Cause]:
    found = []
    for pattern in row.patterns or ():
        kind, weight = _OF_PATTERN.get(pattern.name, ("unknown", 0.2))
        if pattern.name in _SOFT and moved.share >= _MOST and len(moved.drifted) > 2:
            weight *= 0.7
        if pattern.name == "moved_on" and not calendar(row):
            kind = "unknown"
        why = clipped(pattern.text, 600)
        if pattern.name == "flooded" and row.kind != "numeric" and row.kind != "date":
            found.append(Cause(kind="encoding break", why=why, weight=weight))
            why = "the label that grew may be what is written when the real one is not at hand"
            weight -= 0.2
        found.append(Cause(kind=kind, why=why, weight=weight))
    return found


def _of_missing(row: ColumnResult, moved: Moved) -> list[Cause]:
    if not lost_values(row):
        return []
    before, after = figure(row.reference_missing) or 0.0, figure(row.current_missing) or 0.0
    with_it = [other.name for other in moved.lost]
    why = f"missing values rose from {percentage(before)} to {percentage(after)} of the rows"
    why += f", and in {_names(with_it)} too: one source upstream may feed them all" if with_it else ", here alone"
    if _pattern(row, "unreadable") is not None:
        return [Cause(kind="missing pipeline", why=why, weight=0.4)]
    return [Cause(kind="missing pipeline", why=why, weight=0.98 if after == 1 else 0.92)]


def lost_values(row: ColumnResult) -> bool:
    """Whether the share of missing values rose by five points or more."""
    return (figure(row.current_missing) or 0.0) - (figure(row.reference_missing) or 0.0) >= _MISSING_ROSE


def _of_new(row: ColumnResult) -> list[Cause]:
    new = {str(label) for label in row.new_categories or ()}
    share = sum(figure(bar.current) or 0.0 for bar in row.shares or () if bar.label in new)
    if not new or share < 0.01 or any(pattern.name in _OF_PATTERN for pattern in row.patterns or ()):
        return []
    why = f"{_names(sorted(new))}, not seen in the reference, now {percentage(min(1.0, share))} of the values"
    return [Cause(kind="new category", why=why, weight=0.35 + min(0.35, share))]


def _of_schema(row: ColumnResult, schema: Sequence[str]) -> list[Cause]:
    begins = f"{row.name}: re-typed"
    own = [str(sentence) for sentence in schema if str(sentence).startswith(begins)]
    if own:
        what = clipped(own[0][len(str(row.name)) + 2 :], 120)
        return [Cause(kind="schema change", why=f"the column was {what}", weight=0.9)]
    if schema:
        examples = "; ".join(clipped(sentence, 80) for sentence in list(schema)[:2])
        return [Cause(kind="schema change", why=f"the table itself changed: {examples}", weight=0.3)]
    return []


def _of_others(row: ColumnResult, moved: Moved) -> list[Cause]:
    """A filter that shows in another column moves this one too."""
    own = {pattern.name for pattern in row.patterns or ()}
    if own & {"cut", "filtered"}:
        return []
    # The first is the strongest: where it is too weak, all are.
    for other in moved.filtered[:1]:
        pattern = filter_in(other)
        if pattern is not None and (figure(other.effect) or 0.0) > 0.9 * (figure(row.effect) or 0.0):
            why = f"{quoted(other.name)} looks {clipped(pattern.text, 300)}; this column may have moved with it"
            return [Cause(kind="filtering", why=why, weight=0.7)]
    return []


def filter_in(row: ColumnResult) -> Pattern | None:
    """The pattern of a filter on this column, if it has one."""
    return _pattern(row, "cut", "filtered")


def _of_time(row: ColumnResult, moved: Moved) -> list[Cause]:
    found = []
    calendars = [other.name for other in moved.calendars]
    if calendar(row):
        why = "the column tells when a row was made: the two samples come from different times"
        found.append(Cause(kind="seasonality", why=why, weight=0.75))
    elif calendars:
        why = (
            f"{_names(calendars)} moved too: the two samples come from different times, and this column may follow them"
        )
        found.append(Cause(kind="seasonality", why=why, weight=0.6))
    elif moved.later:
        other = moved.later[0]
        why = f"{quoted(other.name)} shows another period: {clipped(_pattern(other, 'moved_on').text, 200)}"  # type: ignore[union-attr]
        found.append(Cause(kind="seasonality", why=why, weight=0.55))
    with_it = [other.name for other in moved.trends]
    own = _pattern(row, "trend")
    if own is not None and with_it:
        why = f"{clipped(own.text, 200)}; {_names(with_it)} move along the rows too"
        found.append(Cause(kind="time drift", why=why, weight=0.45))
    return found


def _of_population(row: ColumnResult, moved: Moved) -> list[Cause]:
    if moved.alone:
        return []
    count, names = len(moved.drifted), _names([other.name for other in moved.drifted])
    verb = "has" if count == 1 else "have"
    if moved.share >= _MOST:
        why = (
            f"{count} of the {moved.tested} other columns {verb} moved with it: other rows came, not one broken column"
        )
        return [Cause(kind="population shift", why=why, weight=0.75 if count > 2 else 0.5)]
    weight = 0.5 if moved.share >= _SOME else 0.35
    return [
        Cause(
            kind="population shift", why=f"{names} {verb} moved too, as when the mix of the rows changes", weight=weight
        )
    ]


def _nothing_said(row: ColumnResult, moved: Moved) -> str:
    if moved.alone and moved.tested:
        return (
            "no other column has moved and no known fault shows in the values: something that touches this column "
            "alone, at its source or on its way here"
        )
    return "the figures fit no kind of cause that is known here"


def _pattern(row: ColumnResult, *names: str) -> Pattern | None:
    return next((pattern for pattern in row.patterns or () if pattern.name in names), None)


def _names(names: Sequence[object], most: int = 3) -> str:
    shown = [quoted(name) for name in names[:most]]
    return listed([*shown, f"{len(names) - most} more"] if len(names) > most else shown)
