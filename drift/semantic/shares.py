"""Whether a set of categories has the same shares in two samples, and which of them has not."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from drift.semantic.mmd import Doubles
from drift.tabular.categorical import homogeneity
from drift.tabular.correction import benjamini_hochberg

Counts = NDArray[np.int64]


class SharesTest(NamedTuple):
    """Of a table of two rows and c columns."""

    statistic: float
    """Chi-square of homogeneity."""
    p_value: float
    residuals: Doubles
    """Adjusted standardised residual of the second row's counts, shape (c,)."""
    p_values: Doubles
    """Two-sided, exact, of each column, shape (c,)."""
    p_adjusted: Doubles
    """Benjamini-Hochberg over the columns."""


def compare_shares(counts: Counts, *, draws: int, rng: np.random.Generator) -> SharesTest:
    """Test that two samples, the rows of counts (2, c), have the same shares of c categories.

    The test of all shares is homogeneity's. A category's own p-value is exact given both margins, since the normal
    distribution of residuals fails where a category is new and its expected count small.
    """
    sizes, columns = counts.sum(axis=1), counts.sum(axis=0)
    statistic, p_value, residuals = homogeneity(counts.T, rng, draws=draws)
    p_values = _p_values(counts[1], columns, sizes)
    return SharesTest(statistic, p_value, residuals, p_values, benjamini_hochberg(p_values))


def _p_values(second: Counts, columns: Counts, sizes: Counts) -> Doubles:
    """P(|residual| at least as large) of each column's count in the second row, hypergeometric; shape (c,)."""
    expected = sizes[1] * columns / sizes.sum()
    possible = np.arange(int(min(sizes[1], columns.max())) + 1)[:, None]
    chances = hypergeom.pmf(possible, sizes.sum(), columns, sizes[1])
    # The count itself must tie in spite of rounding.
    extreme = np.abs(possible - expected) >= np.abs(second - expected) - 1e-9
    return np.asarray(np.minimum(np.where(extreme, chances, 0).sum(axis=0), 1), dtype=np.float64)
