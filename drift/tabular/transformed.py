"""Numeric columns whose every value went through a function: another unit, a constant, a sign, a logarithm."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from drift.tabular.fit import Pair, distance, distance_undone, fell, on_grid
from drift.tabular.ks import Doubles
from drift.tabular.result import Pattern
from drift.tabular.words import amount, percentage


class Unit(NamedTuple):
    factor: float
    up: str
    """What multiplying by the factor may have been."""
    down: str


UNITS = (
    Unit(10, "a decimal place, or centimetres to millimetres", "a decimal place, or millimetres to centimetres"),
    Unit(100, "whole units to cents, or shares to percent", "cents to whole units, or percent to shares"),
    Unit(1e3, "seconds to milliseconds, or thousands to units", "milliseconds to seconds, or units to thousands"),
    Unit(1e6, "seconds to microseconds, or millions to units", "microseconds to seconds, or units to millions"),
    Unit(1e9, "seconds to nanoseconds, or billions to units", "nanoseconds to seconds, or units to billions"),
    Unit(60, "minutes to seconds, or hours to minutes", "seconds to minutes, or minutes to hours"),
    Unit(3600, "hours to seconds", "seconds to hours"),
    Unit(86400, "days to seconds", "seconds to days"),
    Unit(24, "days to hours", "hours to days"),
    Unit(7, "weeks to days", "days to weeks"),
    Unit(12, "years to months", "months to years"),
    Unit(1024, "kibibytes to bytes, or the next larger binary unit", "bytes to kibibytes, or the next binary unit"),
    Unit(2.54, "inches to centimetres", "centimetres to inches"),
    Unit(1 / 0.3048, "metres to feet", "feet to metres"),
    Unit(1.609344, "miles to kilometres", "kilometres to miles"),
    Unit(1 / 0.45359237, "kilograms to pounds", "pounds to kilograms"),
)
_PLAIN_FACTOR = 20.0
"""From here on, and at 10, a factor near a unit's is rarely anything else; smaller ones must fit to PINNED."""
_PINNED = 1.02
_NEAR, _NEAR_ROOT = 1.1, 2.5
"""A factor is tried when a ratio of spreads is within 1.1 + 2.5 / sqrt(n) of it, as in samples of a skewed column."""
_FEWEST_VALUES = 8
"""Different values; fewer have no shape that could be recognised again."""
_FAR = 3.0
"""Standard deviations from which on a constant was added: populations move by less, and change their shape."""
_APART = 0.8
"""Share of the multiplied values that lie beyond all of the reference's."""
_KNOWN_OFFSETS = {273.15: "degrees Celsius to kelvin", 1900.0: "two-digit years to four digits", 2000.0: "years"}
_LARGE = tuple(unit.factor for unit in UNITS if unit.factor == 10 or unit.factor >= _PLAIN_FACTOR)


def transformed(pair: Pair) -> list[Pattern]:
    """The transformation, if one explains the whole drift or that of a part of the rows."""
    if min(len(np.unique(pair.reference)), len(np.unique(pair.current))) < _FEWEST_VALUES:
        return []
    for recognise in (_scaled, _part_scaled, _sign_flipped, _offset, _temperature, _logarithm, _standardised):
        if (found := recognise(pair)) is not None:
            return [found]
    return []


def _scaled(pair: Pair) -> Pattern | None:
    seen = [
        size(pair.current) / size(pair.reference)
        for size in (_quarters, lambda values: float(np.abs(values).mean()))
        if size(pair.reference) > 0
    ]
    near = _NEAR + _NEAR_ROOT / min(pair.sizes) ** 0.5
    best: tuple[float, Unit, float] | None = None
    for unit in UNITS:
        for factor in (unit.factor, 1 / unit.factor):
            if not any(1 / near < ratio / factor < near for ratio in seen):
                continue
            left = distance_undone(pair.reference, pair.current / factor)
            # 1,000 before 1,024, unless it does not fit.
            better = best is None or (left < best[2] and not pair.explained(best[2], most=0.0))
            if better and pair.explained(left) and _convincing(pair, factor, left):
                best = factor, unit, left
    if best is None:
        return None
    factor, unit, left = best
    way = f"multiplied by {amount(factor)}" if factor > 1 else f"divided by {amount(1 / factor)}"
    return Pattern(
        name="scaled",
        text=f"as if every value had been {way}, {unit.up if factor > 1 else unit.down} "
        f"({fell(pair.distance, left)} once undone)",
        figures={"factor": factor, "distance_left": left},
    )


def _convincing(pair: Pair, factor: float, left: float) -> bool:
    """Whether no ordinary growth would look the same: a factor that few would hit, or the grid of the values."""
    step = next((s for s in (1000.0, 100.0, 10.0, 1.0, 0.1, 0.01) if on_grid(pair.reference, s) > 0.99), None)
    if step is not None and on_grid(pair.current / factor, step) > 0.99 and on_grid(pair.current, step) < 0.5:
        return True
    size = max(factor, 1 / factor)
    if size == 10 or size >= _PLAIN_FACTOR:
        return left < 0.06 or pair.explained(left, most=0.0)
    beside = [distance_undone(pair.reference, pair.current / (factor * by)) for by in (_PINNED, 1 / _PINNED)]
    return left < 0.03 and min(beside) > 2 * left and not any(pair.explained(d, most=0.03) for d in beside)


def _part_scaled(pair: Pair) -> Pattern | None:
    """Some rows multiplied: the current sample is a mixture of the reference and its multiple, apart from it."""
    sample = pair.reference
    low, high = np.quantile(sample, [0.02, 0.98])
    if low <= 0:
        return None
    at = np.sort(np.concatenate([sample, pair.current]))
    before, after = _upto(sample, at), _upto(pair.current, at)
    best: tuple[float, float, float] | None = None
    for factor in (*_LARGE, *(1 / each for each in _LARGE)):
        # The clusters must lie apart, or any wider or shifted column is such a mixture.
        outside = float(((pair.current > sample[-1]) if factor > 1 else (pair.current < sample[0])).mean())
        if max(factor, 1 / factor) < high / low or outside < _APART * 0.05:
            continue
        towards = _upto(sample * factor, at) - before
        share = float(((after - before) * towards).sum() / max(1e-12, float((towards**2).sum())))
        left = float(np.abs(after - before - share * towards).max())
        if 0.05 < share < min(0.95, outside / _APART) and (best is None or left < best[2]):
            best = factor, share, left
    if best is None or not pair.explained(best[2], most=0.03):
        return None
    factor, share, left = best
    unit = next(unit for unit in UNITS if unit.factor in (factor, 1 / factor))
    way = f"multiplied by {amount(factor)}" if factor > 1 else f"divided by {amount(1 / factor)}"
    return Pattern(
        name="part_scaled",
        text=f"as if {percentage(share)} of the values had been {way} and the others left alone, "
        f"{unit.up if factor > 1 else unit.down} ({fell(pair.distance, left)} once undone)",
        figures={"factor": factor, "share": share, "distance_left": left},
    )


def _offset(pair: Pair) -> Pattern | None:
    moved = float(np.median(pair.current) - np.median(pair.reference))
    known = next((each for each in _KNOWN_OFFSETS if abs(abs(moved) - each) < 0.1 * float(pair.reference.std())), None)
    added = float(np.copysign(known, moved)) if known else moved
    if abs(added) < (_FAR - 1.0 if known else _FAR) * float(pair.reference.std()):
        return None
    left = distance_undone(pair.reference, pair.current - added)
    if not pair.explained(left, most=0.05):
        return None
    what = f" ({_KNOWN_OFFSETS[known]}{'' if moved > 0 else ', undone'})" if known else ""
    return Pattern(
        name="offset",
        text=f"as if {amount(abs(added))} had been {'added to' if added > 0 else 'taken from'} every value{what} "
        f"({fell(pair.distance, left)} once undone)",
        figures={"added": added, "distance_left": left},
    )


def _temperature(pair: Pair) -> Pattern | None:
    for factor, offset, celsius, words in (
        (1 / 1.8, -32 / 1.8, pair.reference, "degrees Celsius to Fahrenheit"),
        (1.8, 32.0, pair.current, "degrees Fahrenheit to Celsius"),
    ):
        # Beyond what weather, bodies and ovens have, the fit would be an accident.
        if not -100 <= celsius[0] <= celsius[-1] <= 300:
            continue
        undone = pair.current * factor + offset
        left = distance_undone(pair.reference, undone)
        spreads = _quarters(undone), _quarters(pair.reference)
        if pair.explained(left, most=0.05) and pair.distance > 0.5 and max(spreads) < 1.1 * min(spreads):
            return Pattern(
                name="temperature",
                text=f"as if every value had gone from {words} ({fell(pair.distance, left)} once undone)",
                figures={"distance_left": left},
            )
    return None


def _sign_flipped(pair: Pair) -> Pattern | None:
    signs = [float(np.sign(values[values != 0]).mean()) for values in (pair.reference, pair.current)]
    left = distance_undone(pair.reference, -pair.current[::-1])
    # Values on both sides of zero look alike when a population moves across it.
    if min(map(abs, signs)) < 0.9 or signs[0] * signs[1] > 0 or not pair.explained(left):
        return None
    return Pattern(
        name="sign_flipped",
        text=f"as if every value had changed its sign ({fell(pair.distance, left)} once undone)",
        figures={"distance_left": left},
    )


def _logarithm(pair: Pair) -> Pattern | None:
    tried: tuple[tuple[str, Callable[[Doubles], Doubles]], ...] = (
        ("natural logarithm", np.log),
        ("logarithm of one more", np.log1p),
        ("decimal logarithm", np.log10),
    )
    for raw, logged, way in ((pair.reference, pair.current, "the"), (pair.current, pair.reference, "no longer the")):
        low, high = np.quantile(raw, [0.05, 0.95])
        # Over a narrow range a logarithm is a straight line.
        if raw[0] < 0 or high < 3 * max(low, 0.0) or high <= 0:
            continue
        for name, function in tried:
            if raw[0] <= 0 and function is not np.log1p:
                continue
            left = distance(function(raw), logged)
            if left < 0.1 and pair.explained(left, most=0.05) and pair.distance > 0.3:
                return Pattern(
                    name="logarithm",
                    text=f"as if every value were {way} {name} of what it was "
                    f"({fell(pair.distance, left)} once undone)",
                    figures={"distance_left": left},
                )
    return None


def _standardised(pair: Pair) -> Pattern | None:
    """Values brought to mean 0 and standard deviation 1, or to the range from 0 to 1."""
    before, after = pair.reference, pair.current
    mean, std = float(before.mean()), float(before.std())
    if std <= 0 or pair.distance < 0.5:
        return None
    if abs(float(after.mean())) < 0.05 and abs(float(after.std()) - 1) < 0.05:
        left, how = distance((before - mean) / std, after), "brought to mean 0 and standard deviation 1"
    elif after[0] >= 0 and after[-1] <= 1 and after[-1] - after[0] > 0.9 and before[-1] > before[0]:
        left, how = distance((before - before[0]) / (before[-1] - before[0]), after), "brought to the range from 0 to 1"
    else:
        return None
    if not pair.explained(left, most=0.05):
        return None
    return Pattern(
        name="standardised",
        text=f"as if every value had been {how} ({fell(pair.distance, left)} once undone)",
        figures={"distance_left": left},
    )


def _quarters(ascending: Doubles) -> float:
    low, high = np.quantile(ascending, [0.25, 0.75])
    return float(high - low)


def _upto(ascending: Doubles, at: Doubles) -> Doubles:
    return np.asarray(np.searchsorted(ascending, at, "right") / len(ascending), dtype=np.float64)
