"""Two tables, column by column.

A column brings up to two hypotheses: its values have one distribution, and values are missing equally often.
All of them are corrected together (Benjamini and Hochberg 1995), so that with no drift at all the chance of any
false report is at most p_threshold. A column has drifted when either hypothesis is rejected with an effect that
matters; its row shows the test of the values unless only the missing ones drifted.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from msgspec.structs import replace

from drift.errors import DriftError
from drift.policy import TABLE, TablePolicy
from drift.tabular.columns import kind_of, retyped
from drift.tabular.correction import Tested, corrected, standing
from drift.tabular.kinds import KINDS, compare_values
from drift.tabular.missing import compare_missing
from drift.tabular.profile import ColumnProfile, LabelProfile, NumberProfile, TableProfile, profile_for
from drift.tabular.report import TabularReport
from drift.tabular.result import ColumnResult
from drift.tabular.values import column
from drift.tabular.words import amount

SEED = 0
"""Of the Monte Carlo tests, unless a generator is given: tables that are held whole give the same report again."""
_A_COLUMNS_FAULTS = (DriftError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, MemoryError)


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
    rng: np.random.Generator | None = None,
) -> TabularReport:
    """The drift of every column of current from reference.

    Both map names to columns: numpy arrays of shape (n,) or (m,), pandas series, lists; a pandas DataFrame is
    such a mapping. kinds declares the kind of some columns. A column that cannot be tested says so in its note
    and fails nothing else. A column's result does not depend on what other columns there are, but for the
    correction. draws and expected_at_least are those of categorical.homogeneity, max_categories that of
    compare_categorical, exact_ties_up_to that of compare_numeric. rng draws the Monte Carlo tests; None: with a
    fixed seed. Raises TypeError for what is no mapping of names to columns, ValueError for an unknown kind or a
    threshold that is none.

    >>> reference = {"age": [38, 40, 41, 45] * 50, "plan": ["basic", "basic", "basic", "pro"] * 50}
    >>> current = {"age": [27, 29, 30, 32] * 25, "plan": ["basic", "pro", "pro", "team"] * 25}
    >>> report = compare(reference, current)
    >>> print(f"{report.drifted} of {report.tested} columns have drifted")
    2 of 2 columns have drifted
    >>> for row in report.columns:
    ...     print(f"{row.name}: {row.test}, {row.effect_name} {row.effect:.2f}, {row.direction}")
    age: ks_permutation, ks_d 1.00, mean 41 -> 29.5
    plan: chi2, cramers_v 0.53, basic 75 % -> 25 %, pro 25 % -> 50 %
    >>> report.columns[1].new_categories
    ('team',)
    """
    for table in (reference, current):
        if not hasattr(table, "keys") or getattr(table, "ndim", 2) != 2:
            kind_of_table = type(table).__name__
            raise TypeError(f"{kind_of_table}: a mapping of names to columns is needed, such as a pandas DataFrame")
    if not 0 < p_threshold < 1:
        raise ValueError(f"p_threshold = {p_threshold}: must be between 0 and 1")
    declared = dict(kinds or {})
    if wrong := sorted({kind for kind in declared.values() if kind not in KINDS}):
        raise ValueError(f"unknown kind {', '.join(wrong)}; one of {', '.join(KINDS)}")
    policy = TablePolicy(
        p_threshold=p_threshold,
        effect_threshold=effect_threshold,
        draws=draws,
        max_categories=max_categories,
        exact_ties_up_to=exact_ties_up_to,
        expected_at_least=expected_at_least,
    )
    retypings: list[str] = []

    def one(name: str, own: np.random.Generator) -> Tested:
        a, b = column(reference[name]), column(current[name])
        if (change := retyped(a, b)) is not None:
            retypings.append(f"{name}: re-typed, {change}")
        kind, reason = (declared[name], "declared") if name in declared else kind_of(a, b, str(name))
        before, after = profile_for(kind), profile_for(kind)
        before.add(a)
        after.add(b)
        return _column(_row(name, kind, reason, before, after), before, after, policy, own)

    return _report(reference, current, one, retypings, policy, rng)


def compare_profiles(
    reference: TableProfile,
    current: TableProfile,
    *,
    retypings: Iterable[str] = (),
    policy: TablePolicy = TABLE,
    rng: np.random.Generator | None = None,
) -> TabularReport:
    """compare, of tables that were read in parts: one profile each, made with the same kinds.

    Equal to compare as long as both profiles hold every value; past that see profile.py for the error. retypings
    are schema findings of the columns with other types on either side.
    """

    def one(name: str, own: np.random.Generator) -> Tested:
        before, after = reference.columns[name], current.columns[name]
        if (fault := reference.faults.get(name) or current.faults.get(name)) is not None:
            return Tested(replace(_row(name, *reference.kinds[name], before, after), note=f"not compared: {fault}"))
        row = _settled(_row(name, *reference.kinds[name], before, after), before, after)
        return _column(row, before, after, policy, own)

    return _report(reference.columns, current.columns, one, retypings, policy, rng)


def _report(
    reference: Iterable[str],
    current: Iterable[str],
    one: Callable[[str, np.random.Generator], Tested],
    retypings: Iterable[str],
    policy: TablePolicy,
    rng: np.random.Generator | None,
) -> TabularReport:
    """The report of two tables with these columns, of which `one` tests the shared ones."""
    before, after = list(dict.fromkeys(reference)), list(dict.fromkeys(current))
    seed = int((rng or np.random.default_rng(SEED)).integers(2**63))
    tested = []
    both = set(before) & set(after)
    for name in [name for name in before if name in both]:
        try:
            tested.append(one(name, np.random.default_rng([seed, zlib.crc32(str(name).encode())])))
        except _A_COLUMNS_FAULTS as error:
            note = f"not compared: {type(error).__name__}: {error}"
            tested.append(Tested(ColumnResult(name=str(name), kind="unknown", kind_reason="", test=None, note=note)))
    schema = [f"{name}: new, not in the reference" for name in after if name not in both]
    schema += [f"{name}: missing from the current sample" for name in before if name not in both]
    rows = sorted(corrected(tested, policy.p_threshold, policy.effect_threshold), key=standing)
    compared = [row for row in rows if row.p_value is not None]
    drifted = sum(row.drifted for row in rows)
    return TabularReport(
        columns=tuple(rows),
        schema=(*schema, *retypings),
        reference_rows=max((row.reference_rows for row in rows), default=0),
        current_rows=max((row.current_rows for row in rows), default=0),
        tested=len(compared),
        drifted=drifted,
        drifted_share=drifted / len(compared) if compared else None,
        p_threshold=policy.p_threshold,
        effect_threshold=policy.effect_threshold,
    )


def _row(name: str, kind: str, reason: str, reference: ColumnProfile, current: ColumnProfile) -> ColumnResult:
    return ColumnResult(
        name=str(name),
        kind=kind,
        kind_reason=reason,
        test=None,
        reference_rows=reference.rows,
        current_rows=current.rows,
    )


def _column(
    row: ColumnResult,
    reference: ColumnProfile,
    current: ColumnProfile,
    policy: TablePolicy,
    rng: np.random.Generator,
) -> Tested:
    """One column's row, before any correction."""
    n, m = reference.rows, current.rows
    if not (n and m):
        return Tested(replace(row, note=f"{n:,} and {m:,} rows: nothing to compare"))
    if row.test != "constant":
        row = compare_values(row, reference, current, policy, rng)
    gone = reference.missing, current.missing
    missing = compare_missing(gone[0], n, gone[1], m, expected_at_least=policy.expected_at_least)
    return Tested(
        replace(
            row,
            reference_missing=gone[0] / n,
            current_missing=gone[1] / m,
            missing_p_value=None if missing is None else missing.p_value,
        ),
        missing,
    )


def _settled(row: ColumnResult, reference: ColumnProfile, current: ColumnProfile) -> ColumnResult:
    """The row of a column that was told by a few of its rows, of which the whole shows whether it is constant."""
    if isinstance(reference, NumberProfile) and isinstance(current, NumberProfile):
        strays = reference.strays or current.strays
        if row.kind == "numeric" and not strays and reference.low == reference.high == current.low == current.high:
            row = replace(row, kind="constant", kind_reason=f"always {amount(reference.low)}")
            return replace(row, test="constant", statistic=0.0, p_value=1.0, effect=0.0)
    elif isinstance(reference, LabelProfile) and isinstance(current, LabelProfile):
        found = len(reference.counts.keys() | current.counts.keys())
        if row.kind == "constant" and found > 1:
            return replace(row, kind="categorical", kind_reason="strings; a first look saw a single one")
    return row
