"""Numeric columns: did the distribution of the values change?"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from drift.errors import TooFewSamples
from drift.policy import TABLE
from drift.tabular import ks
from drift.tabular.histogram import bin_counts, numeric_shares
from drift.tabular.ks import Doubles
from drift.tabular.result import Share
from drift.tabular.words import amount

_PSI_BINS = 10
"""Tenths of the reference: the convention that the rules of thumb about the index were made for."""
_LOCATION_MOVES = 0.1
"""Standard deviations that mean or median must move before it, and not the spread, is what moved."""
_SPREAD_MOVES = 1.1
"""Ratio of spreads, either way, that is worth words."""


class NumericDrift(NamedTuple):
    """What was found in one numeric column; see ColumnResult for the fields of the same name."""

    test: str
    statistic: float
    p_value: float
    """Of the test named."""
    p_permutation: float | None
    effect: float
    direction: str
    figures: dict[str, float]
    shares: tuple[Share, ...]


def compare_numeric(
    reference: Doubles,
    current: Doubles,
    *,
    exact_ties_up_to: int = TABLE.exact_ties_up_to,
    word: Callable[[float], str] = amount,
) -> NumericDrift:
    """Two-sample Kolmogorov-Smirnov test of reference (n,) against current (m,), with its size and direction.

    Values that are not finite are left out. With ties, and n + m <= exact_ties_up_to, the p-value of the
    permutation test decides, exactly (ks.permutation_p_value): scipy's takes values for continuous, and the
    more ties the less it rejects. word makes text of a value. Raises TooFewSamples when a side has no finite
    value.

    figures: mean, std, min, q25, median, q75 and max with the prefix reference_ or current_; wasserstein in the
    column's unit and wasserstein_std in standard deviations of the reference; psi, the population stability index over
    tenths of the reference, and psi_floor, what it averages without any drift; p_ks, scipy's p-value.

    >>> found = compare_numeric(np.array([10.0, 11, 12, 13, 14]), np.array([5.0, 6, 7, 8, 900]))
    >>> found.test, found.statistic, round(found.p_value, 4)
    ('ks', 0.8, 0.0794)
    >>> found.direction
    'median 12 -> 7'
    >>> round(found.figures["wasserstein"], 4)
    181.2
    """
    before, after = _finite_sorted(reference), _finite_sorted(current)
    if not (before.size and after.size):
        raise TooFewSamples(f"{before.size} and {after.size} finite values; a comparison needs one on either side")
    at = ks.steps(before, after)
    effect = ks.distance(at)
    p_ks = ks.scipy_p_value(before, after, effect)
    p_permutation = None
    if at.tied and at.n + at.m <= exact_ties_up_to:
        p_permutation = ks.permutation_p_value(at)
    with np.errstate(all="ignore"):
        figures = {**_summary("reference", before), **_summary("current", after), **_distances(at, before, after)}
    figures["p_ks"] = p_ks
    return NumericDrift(
        test="ks" if p_permutation is None else "ks_permutation",
        statistic=effect,
        p_value=p_ks if p_permutation is None else p_permutation,
        p_permutation=p_permutation,
        effect=effect,
        direction=direction(figures, word),
        # Values near the largest double overflow a standard deviation.
        figures={name: value for name, value in figures.items() if np.isfinite(value)},
        shares=numeric_shares(before, after, word=word),
    )


def direction(figures: dict[str, float], word: Callable[[float], str] = amount) -> str:
    """Which way a column moved and by how much: "mean 40.9 -> 29.4".

    The median where a tail makes the mean misleading: a mean outside the middle half of its own values, or
    moving against the median. The spread where the location stays and the spread does not.
    """

    def both(name: str) -> tuple[float, float]:
        return figures[f"reference_{name}"], figures[f"current_{name}"]

    means, medians, spreads = both("mean"), both("median"), both("std")
    quarters = [figures[f"{side}_q75"] - figures[f"{side}_q25"] for side in ("reference", "current")]
    outside = any(
        not figures[f"{side}_q25"] <= figures[f"{side}_mean"] <= figures[f"{side}_q75"]
        for side in ("reference", "current")
    )
    against = (means[1] - means[0]) * (medians[1] - medians[0]) < 0
    # A median that does not move says nothing about a column that did; the mean of huge values is none.
    robust = ((outside or against) and medians[0] != medians[1]) or not np.isfinite(means).all()
    name, (a, b) = ("median", medians) if robust else ("mean", means)
    scale, scales = ("interquartile range", quarters) if robust else ("standard deviation", list(spreads))
    stays = abs(b - a) < _LOCATION_MOVES * max(scales)
    if stays and min(scales) > 0 and max(scales) / min(scales) > _SPREAD_MOVES and word is amount:
        return f"{scale} {amount(scales[0])} -> {amount(scales[1])}"
    return f"{name} {word(a)} -> {word(b)}"


def _finite_sorted(values: Doubles) -> Doubles:
    finite = np.isfinite(values)
    return np.sort(values if finite.all() else values[finite])


def _summary(side: str, ascending: Doubles) -> dict[str, float]:
    """Mean, standard deviation and quartiles of sorted values."""
    places = np.array([0.25, 0.5, 0.75]) * (len(ascending) - 1)
    below = places.astype(int)
    low, high = ascending[below], ascending[np.minimum(below + 1, len(ascending) - 1)]
    q25, median, q75 = (low + (places - below) * (high - low)).tolist()
    named = {"mean": ascending.mean(), "std": ascending.std(), "q25": q25, "median": median, "q75": q75}
    named |= {"min": ascending[0], "max": ascending[-1]}
    return {f"{side}_{name}": float(value) for name, value in named.items()}


def _distances(at: ks.Steps, before: Doubles, after: Doubles) -> dict[str, float]:
    """Wasserstein distance and population stability index."""
    wasserstein = float((np.abs(at.gaps[:-1]) * np.diff(at.values)).sum() / (at.n * at.m))
    edges = np.unique(before[(np.arange(1, _PSI_BINS) * len(before)) // _PSI_BINS])
    p, q = bin_counts(before, edges), bin_counts(after, edges)
    # A bin that nothing can fall into carries neither drift nor noise.
    used = p + q > 0
    # Half a value more in each bin: an empty one would make the index infinite.
    p_share = (p[used] + 0.5) / (at.n + 0.5 * used.sum())
    q_share = (q[used] + 0.5) / (at.m + 0.5 * used.sum())
    deviation = float(before.std())
    return {
        "wasserstein": wasserstein,
        **({"wasserstein_std": wasserstein / deviation} if deviation > 0 else {}),
        "psi": float(((q_share - p_share) * np.log(q_share / p_share)).sum()),
        "psi_floor": float((used.sum() - 1) * (1 / at.n + 1 / at.m)),
    }
