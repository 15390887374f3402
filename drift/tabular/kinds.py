"""The test that each kind of column gets."""

import numpy as np
from msgspec.structs import replace

from drift.policy import TablePolicy
from drift.tabular.categorical import compare_categorical
from drift.tabular.numeric import compare_numeric
from drift.tabular.profile import ColumnProfile, LabelProfile, NumberProfile
from drift.tabular.recognised import patterns_of
from drift.tabular.result import ColumnResult
from drift.tabular.sketched import compare_sketched
from drift.tabular.words import amount, day, quoted

KINDS = ("numeric", "categorical", "boolean", "date", "id", "constant", "text")
_FEWEST_IN_ORDER = 10
"""Values that are in order by chance once in 3 million times."""


def compare_values(
    row: ColumnResult,
    reference: ColumnProfile,
    current: ColumnProfile,
    policy: TablePolicy,
    rng: np.random.Generator,
) -> ColumnResult:
    """The row, filled in by the test of its kind on the values that are not missing, and the patterns in them."""
    tested = _tested(row, reference, current, policy, rng)
    return replace(tested, patterns=patterns_of(tested, reference, current, policy))


def _tested(
    row: ColumnResult,
    reference: ColumnProfile,
    current: ColumnProfile,
    policy: TablePolicy,
    rng: np.random.Generator,
) -> ColumnResult:
    if isinstance(reference, NumberProfile) and isinstance(current, NumberProfile):
        return _numeric(row, reference, current, policy)
    if isinstance(reference, LabelProfile) and isinstance(current, LabelProfile):
        return _categorical(row, reference, current, policy, rng)
    return replace(row, note=f"values not compared: {row.kind_reason}")


def _categorical(
    row: ColumnResult,
    reference: LabelProfile,
    current: LabelProfile,
    policy: TablePolicy,
    rng: np.random.Generator,
) -> ColumnResult:
    in_groups = reference.grouped or current.grouped
    before, after = (side.in_groups() if in_groups else side.counts for side in (reference, current))
    if not (before and after):
        return replace(row, note=_too_few(before.total(), after.total()))
    if row.kind == "constant" and before.keys() == after.keys() and len(before) == 1:
        return replace(row, test="constant", statistic=0.0, p_value=1.0, effect=0.0)
    found = compare_categorical(
        before,
        after,
        rng=rng,
        draws=policy.draws,
        expected_at_least=policy.expected_at_least,
        max_categories=policy.max_categories,
    )
    grouped = f"too many categories to name: compared in {len(before | after):,} groups by hash"
    return replace(
        row,
        test=found.test,
        statistic=found.statistic,
        p_value=found.p_value,
        effect=found.effect,
        effect_raw=found.effect_raw,
        effect_name="cramers_v",
        direction=found.direction,
        new_categories=() if in_groups else found.new_categories,
        vanished_categories=() if in_groups else found.vanished_categories,
        figures=found.figures,
        shares=found.shares,
        note="; ".join(filter(None, [grouped if in_groups else "", found.note])),
    )


def _numeric(row: ColumnResult, reference: NumberProfile, current: NumberProfile, policy: TablePolicy) -> ColumnResult:
    is_date = row.kind == "date"
    notes = []
    if reference.strays or current.strays:
        what = "dates" if is_date else "numbers"
        such = quoted(current.stray or reference.stray)
        notes.append(
            f"{reference.strays:,} and {current.strays:,} values are no {what}, such as {such}, and count as missing"
        )
    if (infinite := reference.infinite + current.infinite) > 0:
        notes.append(f"{infinite:,} infinite values count as missing")
    if not (reference.count and current.count):
        return replace(row, note="; ".join([*notes, _too_few(reference.count, current.count)]))
    clock = _clock(reference, current, is_date)
    if clock and is_date:
        return replace(row, note="; ".join([*notes, f"values not compared: {clock}"]))
    word = day if is_date else amount
    if reference.exact and current.exact:
        exact_ties_up_to = policy.exact_ties_up_to
        found = compare_numeric(reference.values(), current.values(), exact_ties_up_to=exact_ties_up_to, word=word)
    else:
        found = compare_sketched(reference, current, word=word)
        notes.append(
            f"more values than are held: from quantiles, D within {found.figures['d_error']:.2g} of the exact one "
            "(99 % confidence), p an upper bound"
        )
    return replace(
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
    )


def _clock(before: NumberProfile, after: NumberProfile, is_date: bool) -> str:
    """Why a column looks like the time of its rows, which always moves on; else ""."""
    enough = min(before.count, after.count) >= _FEWEST_IN_ORDER
    if enough and before.in_order and after.in_order:
        return "in order of the rows on both sides, as a clock or a counter"
    if is_date and enough and (before.high < after.low or after.high < before.low):
        later = "later" if before.high < after.low else "earlier"
        return f"every current date is {later} than the reference's, as when time passes"
    return ""


def _too_few(n: int, m: int) -> str:
    return f"{n:,} and {m:,} values to compare; a test needs one on either side"
