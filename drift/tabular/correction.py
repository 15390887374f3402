"""From tests to verdicts: all columns corrected together, and which have drifted."""

from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from drift.tabular.ks import Doubles
from drift.tabular.missing import MissingDrift
from drift.tabular.result import ColumnResult
from drift.tabular.words import percentage


class Tested(NamedTuple):
    """One column's row before any correction, and the test of its missing values."""

    row: ColumnResult
    missing: MissingDrift | None = None


def corrected(tested: list[Tested], p_threshold: float, effect_threshold: float) -> list[ColumnResult]:
    """The rows with adjusted p-values and the verdict."""
    # A constant was not put to a test: it needs no correction, and the others none for it.
    values = [np.nan if row.p_value is None or row.test == "constant" else row.p_value for row, _ in tested]
    absent = [np.nan if missing is None else missing.p_value for _, missing in tested]
    adjusted = benjamini_hochberg(np.array([*values, *absent], dtype=np.float64)).tolist()
    rows = []
    for (row, missing), p, p_missing in zip(tested, adjusted, adjusted[len(tested) :], strict=False):
        moved = p <= p_threshold and row.effect is not None and row.effect >= effect_threshold
        judged = replace(row, p_adjusted=row.p_value if np.isnan(p) else p, drifted=bool(moved))
        if missing is not None:
            judged = _with_missing(judged, missing, p_missing, p_threshold, effect_threshold)
        rows.append(judged)
    return rows


def benjamini_hochberg(p_values: Doubles) -> Doubles:
    """Adjusted p-values, shape (k,); NaN stays NaN and is not counted. Source: Benjamini and Hochberg (1995).

    >>> benjamini_hochberg(np.array([0.01, 0.04, np.nan, 0.03])).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    falling = known[np.argsort(-p_values[known], kind="stable")]
    ranks = np.arange(len(falling), 0, -1)
    adjusted[falling] = np.minimum.accumulate(np.minimum(1, p_values[falling] * len(falling) / ranks))
    return adjusted


def standing(row: ColumnResult) -> tuple[bool, bool, float, str]:
    return not row.drifted, row.p_value is None, -(row.effect or 0.0), row.name


def _with_missing(
    row: ColumnResult, missing: MissingDrift, p_adjusted: float, p_threshold: float, effect_threshold: float
) -> ColumnResult:
    """The row with what the missing values say; theirs is the test shown when they alone have drifted."""
    figures = {**row.figures, "missing_p_adjusted": p_adjusted, "missing_effect": missing.effect}
    if not (p_adjusted <= p_threshold and missing.effect >= effect_threshold):
        return replace(row, figures=figures)
    change = f"missing {percentage(row.reference_missing)} -> {percentage(row.current_missing)}"
    if row.drifted:
        return replace(row, figures=figures, direction=f"{row.direction}; {change}")
    of_values = {"values_p": row.p_value, "values_p_adjusted": row.p_adjusted, "values_effect": row.effect}
    return replace(
        row,
        test=missing.test,
        statistic=missing.statistic,
        p_value=missing.p_value,
        p_permutation=None,
        p_adjusted=p_adjusted,
        effect=missing.effect,
        effect_raw=missing.effect_raw,
        effect_name="cramers_v_missing",
        direction=f"{change}; {row.direction}" if row.direction else change,
        drifted=True,
        figures={**figures, **{name: value for name, value in of_values.items() if value is not None}},
        note="; ".join(filter(None, [row.note, "the missing values have drifted, not the others"])),
    )
