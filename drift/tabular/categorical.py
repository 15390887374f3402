"""Categorical columns: did the shares of the categories change?"""

import heapq
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from drift.errors import TooFewSamples
from drift.policy import TABLE
from drift.tabular.histogram import category_shares, clip_label
from drift.tabular.ks import Doubles
from drift.tabular.result import Share
from drift.tabular.words import percentage

Counts = NDArray[np.int64]
"""A contingency table, shape (k, 2): counts of k categories in the reference and in the current sample."""

_NAMED = 20
"""How many new or vanished categories a row lists."""
_COUNTED_DRAWS = 20
"""Rows per category below which numpy's shuffling of all rows is faster than its draws category by category."""


class Homogeneity(NamedTuple):
    statistic: float
    """Pearson's chi-square."""
    p_value: float
    residuals: Doubles
    """Adjusted standardised residuals of the second column, shape (k,): beyond about 2 either way is unusual."""


class CategoricalDrift(NamedTuple):
    """What was found in one categorical column; see ColumnResult for the fields of the same name."""

    test: str
    statistic: float
    p_value: float
    effect: float
    effect_raw: float
    direction: str
    new_categories: tuple[str, ...]
    vanished_categories: tuple[str, ...]
    figures: dict[str, float]
    shares: tuple[Share, ...]
    note: str


def compare_categorical(
    reference: Mapping[str, int],
    current: Mapping[str, int],
    *,
    rng: np.random.Generator,
    draws: int = TABLE.draws,
    expected_at_least: float = TABLE.expected_at_least,
    max_categories: int = TABLE.max_categories,
) -> CategoricalDrift:
    """Chi-square test of homogeneity of the counts of each category on either side.

    By Monte Carlo given both margins (homogeneity) when an expected count is under expected_at_least. A category
    of one side only is a category like any other, and named. Of more than max_categories, those beyond the most
    frequent max_categories whose expected count is under expected_at_least are tested as one: chosen by both
    sides together, so that the test stays valid; the note states their number and largest share. Raises
    TooFewSamples when a side has no value.

    The effect is Cramer's V with both sides weighted equally (cramers_v); the figure cramers_v_as_sampled is the
    textbook's.
    """
    if not (any(reference.values()) and any(current.values())):
        raise TooFewSamples("a side has no values; a comparison needs one on either side")
    # In an order of their own: the same rows in another order give the same figures, to the last digit.
    labels = sorted(reference.keys() | current.keys())
    full = np.array([[reference.get(label, 0), current.get(label, 0)] for label in labels], dtype=np.int64)
    table, note = _group_rare(labels, full, max_categories, expected_at_least)
    tested = homogeneity(table, rng, draws=draws, expected_at_least=expected_at_least)
    effect, raw = cramers_v(table)
    textbook, textbook_raw = cramers_v(table, equal_sides=False)
    new, vanished = _only_in(labels, full, 0), _only_in(labels, full, 1)
    return CategoricalDrift(
        test="chi2_monte_carlo" if is_sparse(table, expected_at_least) else "chi2",
        statistic=tested.statistic,
        p_value=tested.p_value,
        effect=effect,
        effect_raw=raw,
        direction=_direction(labels, full),
        new_categories=new[:_NAMED],
        vanished_categories=vanished[:_NAMED],
        figures={
            "cramers_v_as_sampled": textbook,
            "cramers_v_as_sampled_raw": textbook_raw,
            "categories": float(len(labels)),
            "new_categories": float(len(new)),
            "vanished_categories": float(len(vanished)),
        },
        shares=category_shares(labels, full[:, 0], full[:, 1]),
        note=note,
    )


def homogeneity(
    table: Counts,
    rng: np.random.Generator,
    *,
    draws: int = TABLE.draws,
    expected_at_least: float = TABLE.expected_at_least,
) -> Homogeneity:
    """Test that both columns of counts (k, 2) are samples of one distribution over the k categories.

    Pearson's chi-square, k - 1 degrees of freedom, categories without any count left out; never goodness of fit,
    which would take the first sample for the truth. When an expected count is under expected_at_least, p is the
    share of tables with the same margins that reach the statistic, p = (1 + #{>=}) / (draws + 1), from draws
    tables. p = 1 when a side, or all but one category, has no count. Residuals: Haberman (1973).

    >>> table = np.array([[16, 16], [18, 16], [16, 16], [14, 16], [12, 16], [12, 8]])
    >>> found = homogeneity(table, np.random.default_rng(0))
    >>> round(found.statistic, 4), round(found.p_value, 4)
    (1.6224, 0.8985)
    """
    residuals = np.zeros(len(table))
    used = table.sum(axis=1) > 0
    counts = np.asarray(table[used], dtype=np.int64)
    sides = counts.sum(axis=0)
    if len(counts) < 2 or not sides.all():
        return Homogeneity(0.0, 1.0, residuals)
    totals, size = counts.sum(axis=1), int(sides.sum())
    share = sides[1] / size
    expected = totals * share
    residuals[used] = (counts[:, 1] - expected) / np.sqrt(expected * (1 - share) * (1 - totals / size))
    statistic, smallest = chi_square(counts)
    if smallest >= expected_at_least:
        return Homogeneity(statistic, float(chdtrc(len(counts) - 1, statistic)), residuals)
    method: Literal["count", "marginals"] = "count" if size < _COUNTED_DRAWS * len(counts) else "marginals"
    side = int(np.argmin(sides))
    drawn = rng.multivariate_hypergeometric(totals, int(sides[side]), size=draws, method=method)
    excess = drawn - totals * (sides[side] / size)
    null = (excess**2 / (totals * share * (1 - share))).sum(axis=1)
    # A draw of the very table must tie in spite of rounding.
    reached = int((null >= statistic * (1 - 1e-9)).sum())
    return Homogeneity(statistic, (1 + reached) / (draws + 1), residuals)


def chi_square(table: Counts) -> tuple[float, float]:
    """Pearson's statistic of counts (k, 2), no row or column zero, and the smallest expected count."""
    counts = np.asarray(table, dtype=np.float64)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    return float(((counts - expected) ** 2 / expected).sum()), float(expected.min())


def is_sparse(table: Counts, expected_at_least: float = TABLE.expected_at_least) -> bool:
    """Whether an expected count of (k, 2) is too small for the chi-square distribution (Cochran 1954)."""
    used = table[table.sum(axis=1) > 0]
    return len(used) > 1 and bool(used.sum(axis=0).all()) and chi_square(used)[1] < expected_at_least


def cramers_v(table: Counts, *, equal_sides: bool = True) -> tuple[float, float]:
    """(bias-corrected, raw) Cramer's V of counts (k, 2): 0 the same shares, 1 nothing in common.

    Source: Bergsma (2013), "A bias-correction for Cramer's V and Tschuprow's T". With equal_sides both samples
    count as if they were of the same size, the harmonic mean of n and m: otherwise V shrinks as the sizes part,
    and a share that goes from .5 to .8 reads .31 at 200 against 200 and .09 at 2,000 against 50. At n = m
    both are the textbook's.

    >>> corrected, raw = cramers_v(np.array([[200, 400], [800, 600]]))
    >>> round(corrected, 5), round(raw, 5)
    (0.21712, 0.21822)
    """
    counts = np.asarray(table[table.sum(axis=1) > 0], dtype=np.float64)
    sides = counts.sum(axis=0)
    if len(counts) < 2 or not sides.all():
        return 0.0, 0.0
    size = float(4 / (1 / sides).sum()) if equal_sides else float(sides.sum())
    if equal_sides:
        counts = counts / sides
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    phi2 = float(((counts - expected) ** 2 / expected).sum() / counts.sum())
    k = len(counts)
    corrected = max(0.0, phi2 - (k - 1) / (size - 1)) if size > 1 else 0.0
    bound = min(k - (k - 1) ** 2 / (size - 1), 2 - 1 / (size - 1)) - 1 if size > 1 else 0.0
    # With nearly as many categories as rows the correction leaves nothing to divide by.
    return (min(1.0, (corrected / bound) ** 0.5) if bound > 0 else 0.0), min(1.0, phi2**0.5)


def _group_rare(labels: list[str], table: Counts, most: int, expected_at_least: float) -> tuple[Counts, str]:
    """The table with its rare categories in one row, and the note that says so."""
    if len(table) <= most:
        return table, ""
    totals = table.sum(axis=1)
    smallest_share = table.sum(axis=0).min() / totals.sum()
    line = int(np.partition(totals, -most)[-most])
    kept = totals > line
    if line > 1:
        # Ties go by name: any rule that looks at the sides would bend the test.
        tied = heapq.nsmallest(most - int(kept.sum()), np.flatnonzero(totals == line).tolist(), key=labels.__getitem__)
        kept[tied] = True
    kept |= totals * smallest_share >= expected_at_least
    if kept.all():
        return table, ""
    if kept.sum() > most and totals[~kept].sum() * smallest_share < expected_at_least:
        # One more, or the rare ones together would be too few for the chi-square distribution.
        kept[min(np.flatnonzero(kept & (totals == totals[kept].min())), key=lambda i: labels[i])] = False
    rare = ~kept
    note = (
        f"{int(rare.sum()):,} of {len(labels):,} categories, each at most "
        f"{percentage(totals[rare].max() / totals.sum())} of all rows, are tested as one"
    )
    return np.vstack([table[kept], table[rare].sum(axis=0)]), note


def _only_in(labels: list[str], table: Counts, absent: int) -> tuple[str, ...]:
    """The categories without a count in the column absent, the most frequent first."""
    found = np.flatnonzero((table[:, absent] == 0) & (table[:, 1 - absent] > 0))
    return tuple(clip_label(labels[i]) for i in found[np.argsort(-table[found, 1 - absent], kind="stable")])


def _direction(labels: list[str], table: Counts) -> str:
    """The category whose share changed most, and the one that changed most the other way."""
    shares = table / table.sum(axis=0)
    change = shares[:, 1] - shares[:, 0]
    # Of a boolean, the share that is true.
    most = labels.index("true") if set(labels) == {"true", "false"} else int(np.argmax(np.abs(change)))
    said = [most] if len(labels) < 3 else [most, int(np.argmin(change * np.sign(change[most] or 1)))]
    return ", ".join(
        f"{clip_label(labels[i])} {percentage(shares[i, 0])} -> {percentage(shares[i, 1])}" for i in dict.fromkeys(said)
    )
