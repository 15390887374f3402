"""Does the model answer the same prompts otherwise? A conditional randomisation test of responses given prompts.

When the prompts change the responses do too, and the model is not to blame. So the response is compared less what
its prompt explains, on the population of prompts that both sides share (overlap.py); and the null redraws each
sample's side from its propensity, so that the redrawn sides differ in their prompts as the real ones do.
Source: Candes, Fan, Janson and Lv (2018), Panning for gold, section 4; the residuals make it hold up when either the
regression or the propensity is off (Shah and Peters, 2020, The hardness of conditional independence testing).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.stats import rankdata

from drift.policy import VERDICT
from drift.samples import Codes
from drift.semantic.mmd import Doubles, Floats, demand_pairs, median_distance, rbf
from drift.semantic.overlap import effective_sizes, propensity, supported
from drift.semantic.permutation import session_numbers
from drift.semantic.residual import fit_ridge

_SMALLEST_SPREAD = 1e-6
"""Below this residuals are rounding: nothing is left that could differ."""
_FEWEST = 10
"""Comparable samples of a side below which nothing is fitted."""
_WHITENING_FLOOR = 0.1
"""Share of the mean variance that is added to each, so that directions of hardly any do not drown the others."""


class Conditional(NamedTuple):
    """The outcome of a conditional randomisation test."""

    statistic: float
    """How many standard deviations of its null the largest of the kernels' statistics is above the mean."""
    p_value: float
    effective_baseline: float
    """How many samples have a counterpart on the other side, see overlap.effective_sizes."""
    effective_window: float


def conditional_test(
    baseline_prompts: Floats,
    baseline_responses: Floats,
    window_prompts: Floats,
    window_responses: Floats,
    *,
    rng: np.random.Generator,
    baseline_features: Doubles | None = None,
    window_features: Doubles | None = None,
    baseline_sessions: Codes | None = None,
    window_sessions: Codes | None = None,
    redraws: int = VERDICT.draws,
    components: int = VERDICT.components,
    clip: float = VERDICT.clip,
) -> Conditional:
    """Test that responses, given their prompts, come from one population.

    Prompts and responses are vectors, (n, d) and (m, d), of which the first `components` principal ones are used.
    Features (n, f) and (m, f) are numbers about the answers such as lengths, NaN where there is none: vectors do not
    show them. Propensities are clipped to [clip, 1 - clip]. Samples of one session, codes (n,) and (m,) with a
    negative one being a session of its own, are redrawn together, by the propensity of their mean prompt, and are
    not compared with each other. Samples without a counterpart on the other side (overlap.supported) are left out;
    with fewer than 10 left on a side p is 1. p = (1 + #{null >= statistic}) / (redraws + 1).

    The statistic is the overlap-weighted MMD^2 of the residuals, weights renormalised at each redraw, under up to
    three kernels: RBF on the residuals, RBF on the residuals with their directions put on one scale, RBF on the
    features' residuals. The largest counts, each in standard deviations of its own redraws: no correction is due,
    as the null takes the largest too.
    Raises TooFewSamples when n or m is below 2; give at least 30 on either side.
    """
    demand_pairs(baseline_responses, window_responses)
    side = np.repeat([False, True], [len(baseline_responses), len(window_responses)])
    prompts = principal_components(np.concatenate([baseline_prompts, window_prompts]), components)
    responses = principal_components(np.concatenate([baseline_responses, window_responses]), components)
    sessions = session_numbers(baseline_sessions, window_sessions, len(baseline_responses), len(window_responses))
    # What is redrawn: a session, or its part on one side.
    _, first, units = np.unique(2 * sessions + side, return_index=True, return_inverse=True)
    unit_side, unit_prompts = side[first], _means(prompts, units)
    comparable = supported(unit_prompts, unit_side)
    share = float(unit_side.mean())
    if min(comparable[unit_side].sum(), comparable[~unit_side].sum()) < _FEWEST:
        kept = comparable[units]
        return Conditional(0.0, 1.0, float((kept & ~side).sum()), float((kept & side).sum()))
    chances = np.zeros(len(first))
    chances[comparable] = propensity(unit_prompts[comparable], unit_side[comparable], rng)
    rows = np.flatnonzero(comparable[units])
    units, side, sessions = units[rows], side[rows], sessions[rows]
    effective = effective_sizes(chances[units], side, share)

    clipped = np.clip(chances, clip, 1 - clip)
    drawn = np.vstack([unit_side, rng.random((redraws, len(clipped))) < clipped])
    contrasts = overlap_contrasts(drawn[:, units], clipped[units])
    residuals = fit_ridge(prompts[rows], responses[rows])[1].astype(np.float64)
    tables = [residuals, on_one_scale(residuals, _WHITENING_FLOOR)]
    if baseline_features is not None and window_features is not None:
        features = ranked(np.concatenate([baseline_features, window_features])[rows])
        tables.append(on_one_scale(fit_ridge(prompts[rows], features)[1].astype(np.float64), 0.0))
    different = None if len(np.unique(sessions)) == len(sessions) else sessions[:, None] != sessions
    scores = np.max([kernel_scores(table, contrasts, different) for table in tables], axis=0)
    reached = int((scores[1:] >= scores[0] - 1e-6).sum())
    return Conditional(float(scores[0]), (1 + reached) / (redraws + 1), *effective)


def principal_components(vectors: Floats, count: int) -> Doubles:
    """Scores of vectors (N, d) on their first `count` principal axes, shape (N, min(count, d)), largest first."""
    centred = np.asarray(vectors, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    d = centred.shape[1]
    axes = eigh(centred.T @ centred, subset_by_index=[max(0, d - count), d - 1])[1]
    scores: Doubles = centred @ axes[:, ::-1]
    return scores


def kernel_scores(table: Doubles, contrasts: Floats, different: NDArray[np.bool_] | None) -> Doubles:
    """MMD^2 of each row of contrasts (B + 1, N), in standard deviations of all, for the rows of a table (N, k)."""
    if not table.size or float(table.std()) < _SMALLEST_SPREAD:
        return np.zeros(len(contrasts))
    single = table.astype(np.float32)
    # A thousand rows fix the median to two digits, and the kernel does not care for more.
    kernel = rbf(single, single, median_distance(single[:: len(single) // 1_000 + 1]))
    # Weights sum to zero, so means add nothing; without them a masked pair is one that is neither alike nor unlike.
    kernel -= kernel.mean(axis=0)
    kernel -= kernel.mean(axis=1)[:, None]
    np.fill_diagonal(kernel, 0)
    if different is not None:
        kernel *= different
    values = np.einsum("ij,ij->i", contrasts @ kernel, contrasts, dtype=np.float64)
    spread = float(values.std())
    scores: Doubles = (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))
    return scores


def overlap_contrasts(labels: NDArray[np.bool_], chances: Doubles) -> Floats:
    """Overlap weights of each row of labels (B, N), window positive and baseline negative, either adding up to 1."""
    window, baseline = labels * (1 - chances), ~labels * chances
    window /= np.maximum(window.sum(axis=1, keepdims=True), 1e-12)
    baseline /= np.maximum(baseline.sum(axis=1, keepdims=True), 1e-12)
    contrasts: Floats = (window - baseline).astype(np.float32)
    return contrasts


def on_one_scale(residuals: Doubles, floor: float) -> Doubles:
    variances = residuals.var(axis=0)
    scaled: Doubles = residuals / np.sqrt(variances + floor * variances.mean() + _SMALLEST_SPREAD**2)
    return scaled


def ranked(features: Doubles) -> Doubles:
    """Features as ranks of unit variance, shape (N, f'), those that are the same nearly everywhere left out.

    Ranks, as lengths and durations have tails that would drown the rest; a missing value has the middle rank.
    """
    features = features[:, ~np.isnan(features).all(axis=0)]
    ranks = rankdata(features, axis=0, nan_policy="omit") / len(features)
    ranks = ranks - np.nanmean(ranks, axis=0)
    ranks = np.nan_to_num(ranks)
    spread = ranks.std(axis=0)
    kept = spread > 0.03
    scaled: Doubles = ranks[:, kept] / spread[kept]
    return scaled


def _means(prompts: Doubles, units: NDArray[np.intp]) -> Doubles:
    sums = np.zeros((int(units.max()) + 1, prompts.shape[1]))
    np.add.at(sums, units, prompts)
    means: Doubles = sums / np.bincount(units)[:, None]
    return means
