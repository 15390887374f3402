"""Numeric columns of which some values were taken away, piled up or rounded, and the others left alone."""

from collections.abc import Callable

import numpy as np

from drift.tabular.fit import Pair, distance, fell, on_grid, share_of
from drift.tabular.ks import Doubles
from drift.tabular.result import Pattern
from drift.tabular.words import amount, percentage

FILLERS = frozenset((0, -1, -9, 9, -99, 99, -999, 999, -9999, 9999, 99999, 999999, 255, 65535, 2**31 - 1, -(2**31)))
"""Numbers that stand for "nothing known"."""
FILLER_DATES = {0.0: "the start of unix time", -2208988800.0: "a usual default", 253402214400.0: "a usual default"}
"""1970-01-01, 1900-01-01 and 9999-12-31 in unix seconds."""
_RISES = 0.05
"""Share of rows from which on a value floods, or a limit shows."""
_OTHERS = 3
_HOURS = 24
_FEWEST_HOURS = 20
"""Hours that occur: of a working day alone, a rotation is no more than a shift."""
_FEWEST_CLOCKED = 200

Word = Callable[[float], str]


def reshaped(pair: Pair, word: Word, *, dates: bool) -> list[Pattern]:
    """What explains the drift, those that leave least of it first."""
    if pair.current[0] == pair.current[-1]:
        return [_stuck(pair, word)] if pair.reference[0] < pair.reference[-1] else []
    tried = [_flooded(pair, word, dates=dates), _renamed(pair, word), _clipped(pair, word), _cut(pair, word)]
    if not dates:
        tried += [_rounded(pair), _rotated(pair)]
    return sorted((found for found in tried if found is not None), key=lambda found: found.figures["distance_left"])


def _stuck(pair: Pair, word: Word) -> Pattern:
    value = float(pair.current[0])
    return Pattern(
        name="stuck",
        text=f"every current value is {word(value)}, which {percentage(share_of(pair.reference, value))} of the "
        "reference's values are",
        figures={"value": value, "reference_share": share_of(pair.reference, value)},
    )


def _flooded(pair: Pair, word: Word, *, dates: bool) -> Pattern | None:
    values, counts = np.unique(pair.current, return_counts=True)
    for value in values[np.argsort(-counts, kind="stable")[:5]].tolist():
        before, after = share_of(pair.reference, value), share_of(pair.current, value)
        filler = value in (FILLER_DATES if dates else FILLERS) or abs(value - pair.reference.mean()) < 1e-6 * abs(value)
        if after - before < _RISES or (not filler and before > _RISES):
            continue
        a, b = pair.reference[pair.reference != value], pair.current[pair.current != value]
        if min(len(np.unique(a)), len(np.unique(b))) < _OTHERS:
            continue
        left = distance(a, b)
        if pair.explained(left, (1 - before, 1 - after)):
            return Pattern(
                name="flooded",
                text=f"{word(value)}{_standing_for(value, pair.reference, dates)} rose from {percentage(before)} to "
                f"{percentage(after)} of the values; without it the column has hardly changed "
                f"({fell(pair.distance, left)})",
                figures={"value": value, "reference_share": before, "current_share": after, "distance_left": left},
            )
    return None


def _renamed(pair: Pair, word: Word) -> Pattern | None:
    """A frequent value that is gone, and another, new one with its share: a default that is written otherwise."""
    old, new = _most_frequent(pair.reference), _most_frequent(pair.current)
    before, after = share_of(pair.reference, old), share_of(pair.current, new)
    known = share_of(pair.current, old) + share_of(pair.reference, new)
    if known > before / 20 or min(before, after) < 2 * _RISES or not pair.explained(abs(after - before)):
        return None
    a, b = pair.reference[pair.reference != old], pair.current[pair.current != new]
    if min(len(np.unique(a)), len(np.unique(b))) < _OTHERS:
        return None
    left = distance(a, b)
    if not pair.explained(left, (1 - before, 1 - after)):
        return None
    return Pattern(
        name="renamed",
        text=f"{word(old)}, {percentage(before)} of the reference's values, is gone and {word(new)}, "
        f"{percentage(after)}, is new; the others are where they were ({fell(pair.distance, left)}): as if one stood "
        "for the other",
        figures={"old": old, "new": new, "distance_left": left},
    )


def _most_frequent(values: Doubles) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(found[int(np.argmax(counts))])


def _standing_for(value: float, reference: Doubles, dates: bool) -> str:
    if dates:
        return f" ({FILLER_DATES[value]})" if value in FILLER_DATES else ""
    if value in FILLERS:
        return " (a usual stand-in for a missing value)"
    mean = float(reference.mean())
    if abs(value - mean) <= 1e-3 * float(reference.std()) and value != round(value):
        return " (the reference's mean, as when gaps are filled)"
    return " (the reference's median, as when gaps are filled)" if value == float(np.median(reference)) else ""


def _clipped(pair: Pair, word: Word) -> Pattern | None:
    low, high = float(pair.current[0]), float(pair.current[-1])
    beyond = float((pair.reference > high).mean()), float((pair.reference < low).mean())
    piled = tuple(share_of(pair.current, end) - share_of(pair.reference, end) for end in (high, low))
    top, bottom = (out >= _RISES and up >= out / 2 for out, up in zip(beyond, piled, strict=True))
    if not (top or bottom) or len(np.unique(pair.current)) < 2 + _OTHERS:
        return None
    left = distance(np.clip(pair.reference, low if bottom else None, high if top else None), pair.current)
    if not pair.explained(left):
        return None
    ends = [(name, end, i) for i, (name, end) in enumerate((("above", high), ("below", low))) if (top, bottom)[i]]
    said = " and ".join(f"values {name} {word(end)} pile up at {word(end)}" for name, end, _ in ends)
    out = sum(beyond[i] for *_, i in ends)
    return Pattern(
        name="clipped",
        text=f"{said}, where {percentage(out)} of the reference's values lie beyond ({fell(pair.distance, left)} when "
        "the reference is clipped alike)",
        figures={**{f"limit_{name}": end for name, end, _ in ends}, "reference_beyond": out, "distance_left": left},
    )


def _cut(pair: Pair, word: Word) -> Pattern | None:
    low, high = float(pair.current[0]), float(pair.current[-1])
    below, above = float((pair.reference < low).mean()), float((pair.reference > high).mean())
    kept = 1 - below - above
    # A gap of a hundredth is where a smaller sample happens to end.
    at_least, at_most = below > 0.02, above > 0.02
    inside = pair.reference[(pair.reference >= low) & (pair.reference <= high)]
    if below + above < _RISES or min(len(np.unique(inside)), len(np.unique(pair.current))) < _OTHERS:
        return None
    left = distance(inside, pair.current)
    if not pair.explained(left, (kept, 1.0)):
        return None
    limits = {**({"at_least": low} if at_least else {}), **({"at_most": high} if at_most else {})}
    if not limits:
        return None
    span = f"between {word(low)} and {word(high)}" if len(limits) == 2 else f"of {word(low)} or more"
    span = f"of {word(high)} or less" if not at_least else span
    return Pattern(
        name="cut",
        text=f"as if only rows with a value {span} had been taken, {percentage(kept)} of the reference "
        f"({fell(pair.distance, left)} against those alone)",
        figures={**limits, "reference_kept": kept, "distance_left": left},
    )


def _rounded(pair: Pair) -> Pattern | None:
    for step in (1000.0, 100.0, 10.0, 1.0, 0.1, 0.01):
        if on_grid(pair.current, step) < 0.99 or on_grid(pair.reference, step) > 0.5:
            continue
        ways: dict[str, Callable[[Doubles], Doubles]] = {
            "rounded": np.round,
            "rounded down": np.floor,
            "rounded up": np.ceil,
        }
        left, way = min((distance(act(pair.reference / step) * step, pair.current), way) for way, act in ways.items())
        if pair.explained(left):
            return Pattern(
                name="rounded",
                text=f"as if every value had been {way} to {_grid(step)} ({fell(pair.distance, left)} when the "
                "reference is rounded alike)",
                figures={"step": step, "distance_left": left},
            )
    return None


def _grid(step: float) -> str:
    return "whole numbers" if step == 1 else f"multiples of {amount(step)}"


def _rotated(pair: Pair) -> Pattern | None:
    """Hours of the day in another time zone."""
    if not all(v[0] >= 0 and v[-1] < _HOURS and on_grid(v, 1.0) == 1 for v in (pair.reference, pair.current)):
        return None
    before, after = (np.bincount(v.astype(int), minlength=_HOURS) / len(v) for v in (pair.reference, pair.current))
    if min((before > 0).sum(), (after > 0).sum()) < _FEWEST_HOURS or min(pair.sizes) < _FEWEST_CLOCKED:
        return None
    gaps = [float(np.abs(np.cumsum(np.roll(before, by) - after)).max()) for by in range(_HOURS)]
    by = int(np.argmin(gaps))
    if by == 0 or not pair.explained(gaps[by], most=0.03):
        return None
    hours = by if by <= _HOURS / 2 else by - _HOURS
    return Pattern(
        name="rotated",
        text=f"as if every hour of the day were {abs(hours)} {'later' if hours > 0 else 'earlier'}, as in another time "
        f"zone or with summer time ({fell(pair.distance, gaps[by])} once undone)",
        figures={"hours": float(hours), "distance_left": gaps[by]},
    )
