"""Missing values: does their share differ between the two sides?"""

from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc
from scipy.stats import fisher_exact

from drift.policy import TABLE
from drift.tabular.categorical import chi_square, cramers_v


class MissingDrift(NamedTuple):
    test: str
    """fisher or chi2."""
    statistic: float
    p_value: float
    effect: float
    """Bias-corrected Cramer's V of the table missing or not, by side."""
    effect_raw: float


def compare_missing(
    reference_missing: int, n: int, current_missing: int, m: int, *, expected_at_least: float = TABLE.expected_at_least
) -> MissingDrift | None:
    """Fisher's exact test, or chi-square without Yates' correction when no expected count is under 5.

    Of reference_missing among n rows and current_missing among m; None when there is nothing to compare: a side
    without rows, or no row at all, or every row, without a value.

    >>> few = compare_missing(3, 4, 1, 4)
    >>> few.test, round(few.p_value, 4)
    ('fisher', 0.4857)
    >>> many = compare_missing(20, 100, 40, 100)
    >>> many.test, round(many.p_value, 4), round(many.effect, 4)
    ('chi2', 0.002, 0.2069)
    >>> compare_missing(0, 9, 0, 5) is None
    True
    """
    table = np.array([[reference_missing, current_missing], [n - reference_missing, m - current_missing]])
    if not (table.sum(axis=0).all() and table.sum(axis=1).all()):
        return None
    statistic, expected = chi_square(table)
    effect, raw = cramers_v(table)
    if expected < expected_at_least:
        return MissingDrift("fisher", statistic, float(fisher_exact(table).pvalue), effect, raw)
    return MissingDrift("chi2", statistic, float(chdtrc(1, statistic)), effect, raw)
