"""The patterns of one column that was compared, from the profiles of both sides."""

import numpy as np

from drift.policy import TablePolicy
from drift.tabular.outlying import outlying
from drift.tabular.patterns import categorical_patterns, missing_patterns, numeric_patterns, trend, unreadable
from drift.tabular.profile import ColumnProfile, LabelProfile, NumberProfile
from drift.tabular.result import ColumnResult, Pattern


def patterns_of(
    row: ColumnResult, reference: ColumnProfile, current: ColumnProfile, policy: TablePolicy
) -> tuple[Pattern, ...]:
    """What is recognised in a column whose values or missing values differ, or a few of them by far.

    row is as its test has filled it in.
    """
    found: list[Pattern] = []
    if isinstance(current, NumberProfile):
        found += unreadable(
            reference.strays if isinstance(reference, NumberProfile) else 0,
            reference.rows,
            current.strays,
            current.rows,
        )
    if not found:
        found += missing_patterns(reference.missing, reference.rows, current.missing, current.rows)
    differs = (
        row.p_value is not None
        and row.p_value <= policy.p_threshold
        and row.effect is not None
        and row.effect >= policy.effect_threshold
    )
    if isinstance(reference, NumberProfile) and isinstance(current, NumberProfile):
        # Dates that lie apart are not tested, and yet it is worth saying by how much they moved.
        if (differs or row.kind == "date") and reference.count and current.count:
            found += _of_numbers(row, reference, current)
        elif row.kind == "numeric" and row.p_value is not None:
            few = outlying(np.sort(reference.values()), np.sort(current.values()), reference.count, current.count)
            found += [few] if few else []
    elif isinstance(reference, LabelProfile) and isinstance(current, LabelProfile):
        named = not (reference.grouped or current.grouped)
        found += categorical_patterns(reference.counts, current.counts) if differs and named else ()
    return tuple(found)


def _of_numbers(row: ColumnResult, reference: NumberProfile, current: NumberProfile) -> list[Pattern]:
    values, dates = current.values(), row.kind == "date"
    found = [*numeric_patterns(np.sort(reference.values()), np.sort(values), dates=dates)]
    # Quantiles have lost the order of the rows; dates that rise along them are no news.
    if current.exact and not dates and (moving := trend(values)) is not None:
        found.append(moving)
    return found
