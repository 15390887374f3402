"""The same prompts on both sides (canaries, regression suites): labels are exchanged within each prompt only.

Answers to one prompt are much alike, so a permutation over all of them is far too cautious: it sleeps through a
change of model (p = 1.0 where disjoint prompts find it). Within a prompt the answers of one population are
exchangeable whatever the prompts are.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.errors import TooFewSamples
from drift.semantic.conditional import kernel_scores, on_one_scale, overlap_contrasts, ranked
from drift.semantic.mmd import Doubles, Floats

_SAME = 1e-4
"""Cosine distance below which two prompts are one text: equal texts come out up to 1e-6 apart."""
_TIE = 1e-4
"""In standard deviations: an exchange that restores the very labels must tie in spite of single precision."""


class Paired(NamedTuple):
    """The outcome of a paired test."""

    statistic: float
    """How many standard deviations of its null the largest of the kernels' statistics is above the mean."""
    p_value: float
    prompts: int
    """How many prompts are on both sides."""
    baseline_samples: int
    """How many samples answer them."""
    window_samples: int


def repeated_prompts(baseline: Floats, window: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which prompt each sample answers, as numbers of shapes (n,) and (m,): equal numbers are one prompt.

    baseline (n, d) and window (m, d) hold unit vectors of prompts; two are one prompt when their cosine is above
    1 - 1e-4. A sample has the number of the first one, baseline first, whose prompt is its own.
    """
    pooled = np.concatenate([baseline, window])
    groups = (pooled @ pooled.T > 1 - _SAME).argmax(axis=1)
    # A prompt close to the next but not to the one after stays in the group of its first.
    groups = groups[groups]
    return groups[: len(baseline)], groups[len(baseline) :]


def paired_test(
    baseline: Floats,
    window: Floats,
    baseline_groups: NDArray[np.intp],
    window_groups: NDArray[np.intp],
    *,
    permutations: int,
    rng: np.random.Generator,
    baseline_features: Doubles | None = None,
    window_features: Doubles | None = None,
) -> Paired:
    """Test that within each group of repeated prompts the responses come from one population.

    Responses are vectors, (n, d) and (m, d); groups, (n,) and (m,), say which prompt each answers, as often as may be
    on either side. Samples of groups on one side only are dropped: nothing can be exchanged there. Each permutation
    exchanges labels within the groups and keeps the number of either side in each.
    p = (1 + #{null >= statistic}) / (permutations + 1), exact at any number of permutations; with k pairs it is
    not below 2 / 2^k, as exchanging all labels changes nothing.

    The statistic is that of conditional_test, with what the prompt explains being the mean of its group, and the
    propensity being the share of the window in it. Features (n, f) and (m, f) may be NaN.
    Raises TooFewSamples when fewer than 2 groups are on both sides.
    Source: Pesarin and Salmaso (2010), Permutation tests for complex data, on exchange within strata.
    """
    shared = np.intersect1d(baseline_groups, window_groups)
    if len(shared) < 2:
        raise TooFewSamples(
            f"{len(shared)} prompt(s) on both sides; pairs are compared with each other, and it takes 2"
        )
    kept_baseline, kept_window = np.isin(baseline_groups, shared), np.isin(window_groups, shared)
    n, m = int(kept_baseline.sum()), int(kept_window.sum())
    side = np.repeat([False, True], [n, m])
    numbers = np.concatenate([baseline_groups[kept_baseline], window_groups[kept_window]])
    groups = np.unique(numbers, return_inverse=True)[1]
    chances = np.bincount(groups, weights=side) / np.bincount(groups)

    responses = without_group_mean(np.concatenate([baseline[kept_baseline], window[kept_window]]), groups)
    tables = [responses]
    if baseline_features is not None and window_features is not None:
        features = ranked(np.concatenate([baseline_features[kept_baseline], window_features[kept_window]]))
        tables.append(on_one_scale(without_group_mean(features, groups), 0.0))
    labels = np.vstack([side, exchanged(side, groups, permutations, rng)])
    contrasts = overlap_contrasts(labels, chances[groups])
    different = groups[:, None] != groups
    scores = np.max([kernel_scores(table, contrasts, different) for table in tables], axis=0)
    reached = int((scores[1:] >= scores[0] - _TIE).sum())
    return Paired(float(scores[0]), (1 + reached) / (permutations + 1), len(shared), n, m)


def exchanged(
    side: NDArray[np.bool_], groups: NDArray[np.intp], rows: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Uniformly random labels with as many True in each group as side (N,) has, shape (rows, N)."""
    # Sorted by group and, within it, at random, the places take the labels of the groups in turn.
    order = np.argsort(groups + rng.random((rows, len(groups))), axis=1)
    labels = np.empty(order.shape, dtype=np.bool_)
    np.put_along_axis(labels, order, side[np.argsort(groups, kind="stable")][None], axis=1)
    return labels


def without_group_mean(values: Floats | Doubles, groups: NDArray[np.intp]) -> Doubles:
    """Rows (N, k) less the mean of their group."""
    sums = np.zeros((int(groups.max()) + 1, values.shape[1]))
    np.add.at(sums, groups, values)
    centred: Doubles = values - (sums / np.bincount(groups)[:, None])[groups]
    return centred
