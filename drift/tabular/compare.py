"""Two tables, column by column.

A column brings up to two hypotheses: its values have one distribution, and values are missing equally often.
All of them are corrected together (Benjamini and Hochberg 1995), so that with no drift at all the chance of any
false report is at most p_threshold. A column has drifted when either hypothesis is rejected with an effect that
matters; its row shows the test of the values unless only the missing ones drifted.
"""

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from drift.errors import DriftError
from drift.policy import TABLE
from drift.tabular.columns import kind_of, retyped
from drift.tabular.comparison import Comparison
from drift.tabular.histogram import percent
from drift.tabular.kinds import KINDS, compare_values
from drift.tabular.ks import Doubles
from drift.tabular.missing import MissingDrift, compare_missing
from drift.tabular.result import ColumnResult
from drift.tabular.values import Column, column


class _Tested(NamedTuple):
    row: ColumnResult
    missing: MissingDrift | None = None


def compare(
    reference: Mapping[str, Any],
    current: Mapping[str, Any],
    *,
    kinds: Mapping[str, str] | None = None,
    p_threshold: float = TABLE.p_threshold,
    effect_threshold: float = TABLE.effect_threshold,
    draws: int = TABLE.draws,
    max_categories: int = TABLE.max_categories,
    exact_ties_up_to: int = TABLE.exact_ties_up_to,
    expected_at_least: float = TABLE.expected_at_least,
    rng: np.random.Generator,
) -> Comparison:
    """The drift of every column of current from reference.

    Both map names to columns: numpy arrays of shape (n,) or (m,), pandas series, lists; a pandas DataFrame is
    such a mapping. kinds declares the kind of some columns. A column that cannot be tested says so in its note
    and fails nothing else. A column's result does not depend on what other columns there are, but for the
    correction. draws and expected_at_least are those of categorical.homogeneity, max_categories that of
    compare_categorical, exact_ties_up_to that of compare_numeric. Raises ValueError for an unknown kind.
    """
    declared = dict(kinds or {})
    if wrong := sorted({kind for kind in declared.values() if kind not in KINDS}):
        raise ValueError(f"unknown kind {', '.join(wrong)}; one of {', '.join(KINDS)}")
    settings = {
        "draws": draws,
        "max_categories": max_categories,
        "exact_ties_up_to": exact_ties_up_to,
        "expected_at_least": expected_at_least,
    }
    before, after = list(dict.fromkeys(reference)), list(dict.fromkeys(current))
    schema = [f"{name}: new, not in the reference" for name in after if name not in set(before)]
    schema += [f"{name}: missing from the current sample" for name in before if name not in set(after)]
    seed = int(rng.integers(2**63))
    tested = []
    for name in before:
        if name not in set(after):
            continue
        own = np.random.default_rng([seed, zlib.crc32(str(name).encode())])
        try:
            a, b = column(reference[name]), column(current[name])
            if (change := retyped(a, b)) is not None:
                schema.append(f"{name}: re-typed, {change}")
            tested.append(_column(str(name), a, b, declared.get(name), settings, own))
        except (DriftError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, MemoryError) as error:
            note = f"not compared: {type(error).__name__}: {error}"
            tested.append(_Tested(ColumnResult(name=str(name), kind="unknown", kind_reason="", test=None, note=note)))
    rows = sorted(_corrected(tested, p_threshold, effect_threshold), key=_standing)
    compared = [row for row in rows if row.p_value is not None]
    drifted = sum(row.drifted for row in rows)
    return Comparison(
        columns=tuple(rows),
        schema=tuple(schema),
        reference_rows=max((row.reference_rows for row in rows), default=0),
        current_rows=max((row.current_rows for row in rows), default=0),
        tested=len(compared),
        drifted=drifted,
        drifted_share=drifted / len(compared) if compared else None,
        p_threshold=p_threshold,
        effect_threshold=effect_threshold,
    )


def benjamini_hochberg(p_values: Doubles) -> Doubles:
    """Adjusted p-values, shape (k,); NaN stays NaN and is not counted. Source: Benjamini and Hochberg (1995)."""
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    falling = known[np.argsort(-p_values[known], kind="stable")]
    ranks = np.arange(len(falling), 0, -1)
    adjusted[falling] = np.minimum.accumulate(np.minimum(1, p_values[falling] * len(falling) / ranks))
    return adjusted


def _column(
    name: str, reference: Column, current: Column, declared: str | None, settings: Mapping[str, Any], rng: Any
) -> _Tested:
    """One column's row, before any correction."""
    kind, reason = (declared, "declared") if declared else kind_of(reference, current, name)
    n, m = len(reference), len(current)
    row = ColumnResult(name=name, kind=kind, kind_reason=reason, test=None, reference_rows=n, current_rows=m)
    if not (n and m):
        return _Tested(replace(row, note=f"{n:,} and {m:,} rows: nothing to compare"))
    row, gone = compare_values(row, reference, current, settings, rng)
    missing = compare_missing(gone[0], n, gone[1], m, expected_at_least=settings["expected_at_least"])
    return _Tested(
        replace(
            row,
            reference_missing=gone[0] / n,
            current_missing=gone[1] / m,
            missing_p_value=None if missing is None else missing.p_value,
        ),
        missing,
    )


def _corrected(tested: list[_Tested], p_threshold: float, effect_threshold: float) -> list[ColumnResult]:
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


def _with_missing(
    row: ColumnResult, missing: MissingDrift, p_adjusted: float, p_threshold: float, effect_threshold: float
) -> ColumnResult:
    """The row with what the missing values say; theirs is the test shown when they alone have drifted."""
    figures = {**row.figures, "missing_p_adjusted": p_adjusted, "missing_effect": missing.effect}
    if not (p_adjusted <= p_threshold and missing.effect >= effect_threshold):
        return replace(row, figures=figures)
    change = f"missing {percent(row.reference_missing)} -> {percent(row.current_missing)}"
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


def _standing(row: ColumnResult) -> tuple[bool, bool, float, str]:
    return not row.drifted, row.p_value is None, -(row.effect or 0.0), row.name
