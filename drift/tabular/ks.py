"""The two-sample Kolmogorov-Smirnov test, exact for tied values too."""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import ks_2samp, kstwo

from drift.errors import TooFewSamples

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

_EXACT_BY_SCIPY = 10_000
"""Size of the larger sample up to which scipy counts paths; beyond it, scipy's asymptotic formula."""


_SUMMED = 20_000
"""Effective sample size n m / (n + m) above which a closed form stands for scipy's sum."""
_TAIL = 2.2
"""n D^2 from which scipy takes that sum, and p is below .025."""
_SMALLEST = float(np.finfo(np.float64).tiny)
"""In place of a p-value too small for a double: no observation has the chance 0."""


class Steps(NamedTuple):
    """Two samples as the steps of their distribution functions, at the k distinct values, ascending."""

    values: Doubles
    reference_upto: Integers
    """How many reference values are at or below each value, shape (k,)."""
    total_upto: Integers
    """The same for both samples together."""
    n: int
    m: int

    @property
    def gaps(self) -> Integers:
        """n m (F - G) at each value, in integers: a difference of ranks must not depend on rounding."""
        return self.reference_upto * (self.n + self.m) - self.total_upto * self.n

    @property
    def tied(self) -> bool:
        return len(self.values) < self.n + self.m


def steps(reference: Doubles, current: Doubles) -> Steps:
    """The steps of two samples, reference (n,) and current (m,), both sorted and finite.

    Raises TooFewSamples when either is empty.

    >>> at = steps(np.array([1.0, 1.0, 2.0, 3.0]), np.array([2.0, 3.0, 3.0]))
    >>> at.values.tolist(), at.reference_upto.tolist(), at.total_upto.tolist()
    ([1.0, 2.0, 3.0], [2, 3, 4], [2, 4, 7])
    >>> at.gaps.tolist(), at.tied
    ([6, 5, 0], True)
    """
    n, m = len(reference), len(current)
    if not (n and m):
        raise TooFewSamples(f"{n} and {m} values; a comparison needs one on either side")
    pooled = np.concatenate([reference, current])
    # Timsort merges the two sorted halves: a third of the time of searching one in the other.
    order = np.argsort(pooled, kind="stable")
    pooled = pooled[order]
    ends = np.flatnonzero(np.append(pooled[1:] != pooled[:-1], True))
    reference_upto = np.cumsum(order < n, dtype=np.int64)[ends]
    return Steps(pooled[ends], reference_upto, (ends + 1).astype(np.int64), n, m)


def distance(at: Steps) -> float:
    """The statistic D, the largest difference of the two distribution functions.

    >>> distance(steps(np.array([1.0, 1.0, 2.0, 3.0]), np.array([2.0, 3.0, 3.0])))
    0.5
    """
    return float(np.abs(at.gaps).max() / (at.n * at.m))


def scipy_p_value(reference: Doubles, current: Doubles, statistic: float) -> float:
    """The p-value of scipy.stats.ks_2samp for samples (n,) and (m,) with the statistic D.

    Above 10,000 values its asymptotic formula is evaluated at the D at hand, so that nothing is sorted again. In
    the tail of that formula scipy sums as many terms as there are values, 1 s at a million: there, from 20,000
    on, the closed form of Maag and Dicaire (1971) is within .1 % of it for p above 1e-6.

    >>> round(scipy_p_value(np.array([1.0, 1.0, 2.0, 3.0]), np.array([2.0, 3.0, 3.0]), 0.5), 4)
    0.6571
    """
    n, m = len(reference), len(current)
    if max(n, m) <= _EXACT_BY_SCIPY:
        with warnings.catch_warnings():
            # Where its count overflows scipy says so and takes the asymptotic formula.
            warnings.simplefilter("ignore", RuntimeWarning)
            return float(ks_2samp(reference, current).pvalue)
    return asymptotic_p_value(n, m, statistic)


def asymptotic_p_value(n: int, m: int, statistic: float) -> float:
    """scipy's p-value of D between large samples of n and m values, by its formula or, in its tail, a closed one.

    >>> round(asymptotic_p_value(20_000, 20_000, 0.01), 4)
    0.2682
    """
    size = float(np.round(n * m / (n + m)))
    if size > _SUMMED and size * statistic**2 >= _TAIL:
        return float(min(1.0, max(_SMALLEST, 2 * np.exp(-((6 * size * statistic + 1) ** 2) / (18 * size)))))
    return float(np.clip(kstwo.sf(statistic, size), 0, 1))


def permutation_p_value(at: Steps) -> float:
    """P(D >= the D observed) over all (n + m)! / (n! m!) ways to label the pooled values: exact with ties.

    What a permutation test estimates by drawing labels, counted instead: independent labels are read value by
    value, the share of sequences that leave the band |F - G| < D at the end of a run of ties is set aside, and
    each is weighted by the chance that the rest ends with n labels in all. Without ties it is scipy's exact
    p-value. O((n + m) w), w the width of the band in labels. Source: the recursion of Schroer and Trenkler
    (1995), summed over what leaves the band so that small p-values keep their digits.

    Of the 35 ways to label these seven values, 17 reach the D observed:

    >>> at = steps(np.array([1.0, 1.0, 2.0, 3.0]), np.array([2.0, 3.0, 3.0]))
    >>> round(35 * permutation_p_value(at), 6)
    17.0
    """
    h = int(np.abs(at.gaps).max())
    if h == 0:
        return 1.0
    total, n = at.n + at.m, min(at.n, at.m)
    share = n / total
    chances = {1: np.array([1 - share, share])}
    inside, low, before = np.ones(1), 0, 0
    left: list[tuple[int, int, Doubles]] = []
    for t in at.total_upto.tolist():
        if t - before not in chances:
            chances[t - before] = _binomial(t - before, share)
        grown = np.convolve(inside, chances[t - before])
        before = t
        # a of n labels among the first t is inside when |a total - t n| < h, and can still end at n when a <= n
        # and t - a <= total - n.
        first = max((t * n - h) // total + 1, t - total + n, low)
        last = min((t * n + h - 1) // total, n, low + len(grown) - 1)
        if first > low:
            left.append((t, low, grown[: first - low]))
        if last < low + len(grown) - 1:
            start = max(last + 1, first)
            left.append((t, start, grown[start - low :]))
        inside, low = grown[first - low : max(last, first - 1) + 1 - low], first
        if not inside.size:
            break
    if not left:
        return _SMALLEST
    t_left = np.repeat([t for t, _, _ in left], [len(p) for _, _, p in left])
    a_left = np.concatenate([np.arange(a, a + len(p)) for _, a, p in left])
    chance = np.concatenate([p for _, _, p in left])
    weights = np.exp(_log_binomial(total - t_left, n - a_left, share) - _log_binomial(total, n, share))
    return min(1.0, max(_SMALLEST, float(chance @ weights)))


def _binomial(size: int, share: float) -> Doubles:
    """Chances of 0 to size labels among size values."""
    return np.asarray(np.exp(_log_binomial(size, np.arange(size + 1), share)), dtype=np.float64)


def _log_binomial(size: int | Integers, count: int | Integers, share: float) -> Doubles:
    """Log chance of count labels among size values; minus infinity where that is impossible."""
    sizes, counts = np.asarray(size, dtype=np.float64), np.asarray(count, dtype=np.float64)
    possible = (counts >= 0) & (counts <= sizes)
    taken, rest = np.where(possible, counts, 0), np.where(possible, sizes - counts, 0)
    log = gammaln(taken + rest + 1) - gammaln(taken + 1) - gammaln(rest + 1)
    return np.where(possible, log + taken * np.log(share) + rest * np.log1p(-share), -np.inf)
