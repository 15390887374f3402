"""The test that each kind of column gets."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from msgspec.structs import replace

from drift.tabular.categorical import compare_categorical
from drift.tabular.histogram import number
from drift.tabular.ks import Doubles
from drift.tabular.numeric import compare_numeric
from drift.tabular.result import ColumnResult
from drift.tabular.values import Column, absent, numbers, seconds, tally

KINDS = ("numeric", "categorical", "boolean", "date", "id", "constant", "text")
_FEWEST_IN_ORDER = 10
"""Values that are in order by chance once in 3 million times."""

Missing = tuple[int, int]


def compare_values(
    row: ColumnResult, reference: Column, current: Column, settings: Mapping[str, Any], rng: np.random.Generator
) -> tuple[ColumnResult, Missing]:
    """The row, filled in by the test of its kind, and how many values are missing on either side."""
    if row.kind in ("numeric", "date"):
        return _numeric(row, reference, current, settings)
    if row.kind in ("id", "text"):
        return replace(row, note=f"values not compared: {row.kind_reason}"), (absent(reference), absent(current))
    truth = row.kind == "boolean"
    before, gone_before = tally(reference, truth=truth)
    after, gone_after = tally(current, truth=truth)
    gone = (gone_before, gone_after)
    if not (before and after):
        return replace(row, note=_too_few(before.total(), after.total())), gone
    if row.kind == "constant" and before.keys() == after.keys() and len(before) == 1:
        return replace(row, test="constant", statistic=0.0, p_value=1.0, effect=0.0), gone
    found = compare_categorical(
        before,
        after,
        rng=rng,
        draws=settings["draws"],
        expected_at_least=settings["expected_at_least"],
        max_categories=settings["max_categories"],
    )
    return (
        replace(
            row,
            test=found.test,
            statistic=found.statistic,
            p_value=found.p_value,
            effect=found.effect,
            effect_raw=found.effect_raw,
            effect_name="cramers_v",
            direction=found.direction,
            new_categories=found.new_categories,
            vanished_categories=found.vanished_categories,
            figures=found.figures,
            shares=found.shares,
            note=found.note,
        ),
        gone,
    )


def _numeric(
    row: ColumnResult, reference: Column, current: Column, settings: Mapping[str, Any]
) -> tuple[ColumnResult, Missing]:
    is_date = row.kind == "date"
    before, stray_before = (seconds if is_date else numbers)(reference)
    after, stray_after = (seconds if is_date else numbers)(current)
    notes = []
    if stray_before or stray_after:
        what = "dates" if is_date else "numbers"
        notes.append(f"{stray_before:,} and {stray_after:,} values are no {what} and count as missing")
    if (infinite := int(np.isinf(before).sum() + np.isinf(after).sum())) > 0:
        notes.append(f"{infinite:,} infinite values count as missing")
    first, second = before[np.isfinite(before)], after[np.isfinite(after)]
    gone = (len(before) - len(first), len(after) - len(second))
    if not (len(first) and len(second)):
        return replace(row, note="; ".join([*notes, _too_few(len(first), len(second))])), gone
    clock = _clock(first, second, is_date)
    if clock and is_date:
        return replace(row, note="; ".join([*notes, f"values not compared: {clock}"])), gone
    found = compare_numeric(
        first, second, exact_ties_up_to=settings["exact_ties_up_to"], word=_day if is_date else number
    )
    return (
        replace(
            row,
            test=found.test,
            statistic=found.statistic,
            p_value=found.p_value,
            p_permutation=found.p_permutation,
            effect=found.effect,
            effect_name="ks_d",
            direction=found.direction,
            figures=found.figures,
            shares=found.shares,
            note="; ".join(filter(None, [*notes, clock])),
        ),
        gone,
    )


def _clock(first: Doubles, second: Doubles, is_date: bool) -> str:
    """Why a column looks like the time of its rows, which always moves on; else ""."""
    enough = min(len(first), len(second)) >= _FEWEST_IN_ORDER
    if enough and all(_in_order(values) for values in (first, second)):
        return "in order of the rows on both sides, as a clock or a counter"
    if is_date and enough and (first.max() < second.min() or second.max() < first.min()):
        later = "later" if first.max() < second.min() else "earlier"
        return f"every current date is {later} than the reference's, as when time passes"
    return ""


def _in_order(values: Doubles) -> bool:
    # A sorted column of a few values is a sorted table, not a clock.
    rises = values[1:] >= values[:-1]
    return bool(rises.all() or (values[1:] <= values[:-1]).all()) and len(np.unique(values)) > len(values) / 2


def _day(value: float) -> str:
    try:
        return datetime.fromtimestamp(value, tz=UTC).strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")
    except (ValueError, OverflowError, OSError):
        return number(value)


def _too_few(n: int, m: int) -> str:
    return f"{n:,} and {m:,} values to compare; a test needs one on either side"
