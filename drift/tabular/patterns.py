"""Ways of changing that known faults leave behind, recognised in the values of a column that differs.

All of values: stuck (one value only), flooded (one value rose, the others kept their proportions), renamed, missing
(the share of missing values rose), empty (nothing but missing values), no_longer_missing, unreadable (values that are
no numbers or dates), trend (values move along the rows of the current sample).

Of numbers: scaled and part_scaled (another unit), offset (a constant added), temperature (Celsius, Fahrenheit),
sign_flipped, logarithm, standardised, clipped (a pile-up at a limit), cut (only the reference's rows within limits),
rounded, rotated (hours in another time zone). Of dates also: moved_on.

Of labels: respelled (same words, written otherwise), recoded (all renamed), replaced (none in common),
swallowed (one took over what others lost), split, swapped, filtered, new_category, vanished_category.

A pattern says what the change looks like; that the fault behind it happened is for people to find out.
"""

from collections.abc import Mapping

import numpy as np

from drift.policy import TABLE
from drift.tabular.fit import Pair, distance, pair
from drift.tabular.ks import Doubles, scipy_p_value
from drift.tabular.relabelled import relabelled
from drift.tabular.reshaped import reshaped
from drift.tabular.result import Pattern
from drift.tabular.transformed import transformed
from drift.tabular.words import amount, day, percentage

_NAMES = """
stuck flooded missing empty unreadable no_longer_missing trend outlying
scaled part_scaled offset temperature sign_flipped logarithm standardised clipped cut rounded rotated moved_on
respelled renamed recoded replaced swallowed split swapped filtered new_category vanished_category
"""
NAMES = frozenset(_NAMES.split())
_MOST = 3
_LARGEST = 1e150
"""Squares of larger values overflow."""
_TREND_P = 0.001
"""Rows of a session are alike: a trend needs more than a test's usual level."""
_TREND_ROWS = 5_000
_FEWEST_ROWS = 50
_UNREADABLE = 0.05
_DAY = 86_400.0


def numeric_patterns(reference: Doubles, current: Doubles, *, dates: bool = False) -> tuple[Pattern, ...]:
    """Patterns of two sorted finite samples (n,) and (m,) that differ, the most convincing first; at most three.

    Either may be evenly spaced quantiles of a larger sample. dates: the values are unix seconds. Nothing is found
    below TABLE.effect_threshold, nor in fewer than 50 values.
    """
    if min(len(reference), len(current)) < _FEWEST_ROWS:
        return ()
    if max(map(abs, (reference[0], reference[-1], current[0], current[-1]))) > _LARGEST:
        return ()
    samples = pair(reference, current)
    if samples.distance < TABLE.effect_threshold:
        return ()
    with np.errstate(all="ignore"):
        found = _moved_on(samples) if dates else transformed(samples)
        return tuple([*found, *reshaped(samples, day if dates else amount, dates=dates)][:_MOST])


def categorical_patterns(reference: Mapping[str, int], current: Mapping[str, int]) -> tuple[Pattern, ...]:
    """Patterns of two samples of labels, label -> count, that differ; the most convincing first."""
    if min(sum(reference.values()), sum(current.values())) < _FEWEST_ROWS:
        return ()
    return tuple(relabelled(reference, current)[:_MOST])


def missing_patterns(reference_missing: int, n: int, current_missing: int, m: int) -> tuple[Pattern, ...]:
    """The pattern of missing values among n and m rows, from Cramer's V of TABLE.effect_threshold on."""
    if not (n and m):
        return ()
    before, after = reference_missing / n, current_missing / m
    figures = {"reference_share": before, "current_share": after}
    chance = 3 * ((before * (1 - before)) / n + (after * (1 - after)) / m) ** 0.5
    if abs(after - before) < chance or _cramers_v(before, after) < TABLE.effect_threshold:
        return ()
    moved = f"from {percentage(before)} to {percentage(after)} of the rows"
    if after == 1:
        text = f"no current row has a value; {percentage(before)} of the reference's had none"
        return (Pattern(name="empty", text=text, figures=figures),)
    if after > before:
        return (Pattern(name="missing", text=f"missing values rose {moved}", figures=figures),)
    return (Pattern(name="no_longer_missing", text=f"missing values fell {moved}", figures=figures),)


def unreadable(reference_strays: int, n: int, current_strays: int, m: int) -> tuple[Pattern, ...]:
    """The pattern of values that are no numbers or dates, of n and m rows, in a column of such."""
    if not (n and m) or current_strays / m - reference_strays / n < _UNREADABLE:
        return ()
    before, after = reference_strays / n, current_strays / m
    text = (
        f"values that cannot be read as this column's kind rose from {percentage(before)} to {percentage(after)} of "
        "the rows, and count as missing"
    )
    return (Pattern(name="unreadable", text=text, figures={"reference_share": before, "current_share": after}),)


def trend(values: Doubles) -> Pattern | None:
    """Whether finite values (n,), in the order of the rows, move along them: the first half against the second.

    None for a sorted column: that is how the table was written, and no news.
    """
    if len(values) < _FEWEST_ROWS or float(np.abs(values).max()) > _LARGEST:
        return None
    steps = np.diff(values)
    if bool((steps >= 0).all() or (steps <= 0).all()):
        return None
    half = len(values) // 2
    every = max(1, half // _TREND_ROWS)
    first, second = np.sort(values[:half:every]), np.sort(values[half::every])
    apart = distance(first, second)
    if apart < TABLE.effect_threshold or scipy_p_value(first, second, apart) > _TREND_P:
        return None
    name, centre = ("mean", np.mean) if np.median(first) == np.median(second) else ("median", np.median)
    text = (
        f"the values move along the rows of the current sample: {name} {amount(float(centre(first)))} in the first "
        f"half, {amount(float(centre(second)))} in the second (D {apart:.2f})"
    )
    return Pattern(name="trend", text=text, figures={"distance": apart})


def _cramers_v(before: float, after: float) -> float:
    """Of two shares, either side counting as much."""
    mean = (before + after) / 2
    return abs(after - before) / (2 * (mean * (1 - mean)) ** 0.5) if 0 < mean < 1 else 0.0


def _moved_on(samples: Pair) -> list[Pattern]:
    """Dates of another period of about the same length."""
    (a, b), (c, d) = (np.quantile(values, [0.02, 0.98]).tolist() for values in (samples.reference, samples.current))
    moved = (c - a + d - b) / 2
    if b <= a or not 0.8 < (d - c) / (b - a) < 1.25 or abs((d - b) - (c - a)) > 0.25 * (b - a):
        return []
    days = abs(moved) / _DAY
    by = f"{days:.0f} days" if days >= 2 else f"{24 * days:.1f} hours"
    text = (
        f"the dates are {by} {'later' if moved > 0 else 'earlier'} over a span of the same length: {day(a)} to "
        f"{day(b)}, now {day(c)} to {day(d)} (without the first and last 2 %)"
    )
    return [Pattern(name="moved_on", text=text, figures={"days": moved / _DAY})]
