"""How much two samples of prompts have in common: the propensity of each prompt, and what weighs on it.

The *propensity* e(x) is the probability that a sample with prompt x is of the window. *Overlap weights*, e for the
baseline and 1 - e for the window, turn both sides into one population of prompts: the one that they share.
Source: Li, Morgan and Zaslavsky (2018), Balancing covariates via propensity score weighting.
"""

import numpy as np
from numpy.typing import NDArray

from drift.policy import VERDICT
from drift.semantic.mmd import Doubles

_PENALTIES = 10.0 ** np.arange(3, -1.5, -0.5)
"""Of the squared coefficients, for features of unit variance on average: from no fit to nearly a free one."""
_COMPONENTS = (5, 20)
"""A mix of topics moves along a few large components; fitted to all of them it is shrunk until it is too weak."""
_FOLDS = 5
_LOGIT = 30.0
"""Where a probability is 0 or 1 within rounding."""


def propensity(prompts: Doubles, labels: NDArray[np.bool_], rng: np.random.Generator) -> Doubles:
    """Probability that a sample is of the window, given its prompt, shape (N,): each from a fit without the sample.

    prompts (N, k) holds principal components, largest first; labels (N,) is True for the window, at least five on
    either side. A logistic regression on the first 5, 20 or all components with a ridge penalty, whichever has the
    smallest cross-validated log loss, in five folds that hold both sides in proportion.
    """
    folds = _folds(labels, rng)
    best = np.full(len(labels), labels.mean())
    least = _log_loss(best, labels)
    for count in sorted({min(count, prompts.shape[1]) for count in (*_COMPONENTS, prompts.shape[1])}):
        chances, loss = _cross_validated(prompts[:, :count], labels, folds)
        if loss < least:
            best, least = chances, loss
    return best


def _cross_validated(prompts: Doubles, labels: NDArray[np.bool_], folds: NDArray[np.int64]) -> tuple[Doubles, float]:
    """The chances of each fold from a fit to the others, shape (N,), at the best penalty, and their log loss."""
    scale = float(prompts.std(axis=0).mean()) or 1.0
    design = np.column_stack([np.ones(len(prompts)), (prompts - prompts.mean(axis=0)) / scale])
    share = labels.mean()
    start = np.zeros(design.shape[1])
    start[0] = np.log(share / (1 - share))
    coefficients = [start] * _FOLDS
    best, least, worse = np.full(len(labels), share), np.inf, 0
    for penalty in _PENALTIES:
        chances = np.empty(len(labels))
        for fold in range(_FOLDS):
            held = folds == fold
            # The next weaker penalty starts where this one ended, and takes two or three steps.
            coefficients[fold] = logistic(design[~held], labels[~held], penalty, coefficients[fold])
            chances[held] = _sigmoid(design[held] @ coefficients[fold])
        loss = _log_loss(chances, labels)
        if loss < least:
            best, least, worse = chances, loss, 0
        else:
            worse += 1
        if worse == 2:
            break
    return best, least


def logistic(design: Doubles, labels: NDArray[np.bool_], penalty: float, start: Doubles) -> Doubles:
    """Coefficients of a ridge logistic regression, shape (k,), by Newton's method from a start.

    design (N, k) has the constant first, which is not penalised; the others add penalty / 2 times their square to
    the negative log likelihood. Stops when no logit moves by more than .01.
    Source: le Cessie and van Houwelingen (1992), Ridge estimators in logistic regression.
    """
    shrink = np.full(design.shape[1], penalty)
    # Not quite zero: a side that the others separate has no finite constant.
    shrink[0] = 1e-6
    coefficients = start
    for _ in range(10):
        chances = _sigmoid(design @ coefficients)
        curvature = (design.T * np.maximum(chances * (1 - chances), 1e-6)) @ design
        step = np.linalg.solve(curvature + np.diag(shrink), design.T @ (labels - chances) - shrink * coefficients)
        coefficients = coefficients + step
        if np.abs(design @ step).max() < 0.01:
            break
    return coefficients


_SAME = 1e-5
"""Rounding of a squared distance between unit vectors in float32."""


def supported(prompts: Doubles, labels: NDArray[np.bool_], expected: float = VERDICT.neighbours) -> NDArray[np.bool_]:
    """Which samples have a neighbour of the other side, shape (N,), among as many as hold `expected` if mixed.

    prompts (N, k), labels (N,). A topic that only one side has is found so, however few samples it has; a regression
    on all prompts hardly bends for it, and its answers would be taken for another model's. Where both sides are
    alike, about exp(-expected) of the samples are lost. Source: Crump et al. (2009), Dealing with limited overlap, for
    leaving out what has no counterpart.
    """
    single = prompts.astype(np.float32)
    norms = np.einsum("ij,ij->i", single, single)
    distances = norms - 2 * (single @ single.T)
    np.fill_diagonal(distances, np.inf)
    kept = np.empty(len(labels), dtype=np.bool_)
    for side in (True, False):
        own = labels == side
        count = min(len(labels) - 2, int(np.ceil(expected / (~own).mean())))
        reach = np.partition(distances[own], count - 1, axis=1)[:, count - 1]
        # Not who is among them: equally near samples, such as repeated prompts, count alike.
        kept[own] = distances[own][:, ~own].min(axis=1) <= reach + _SAME
    return kept


def effective_sizes(chances: Doubles, labels: NDArray[np.bool_], share: float) -> tuple[float, float]:
    """How many samples of the baseline, and of the window, have a counterpart on the other side.

    chances (N,) are propensities, share what they would all be if both sides were alike. The smaller of two
    counts: Kish's effective size of the overlap weights, and their sum in units of what each would then be. Kish's
    alone is blind where it matters most: when nothing overlaps, the weights are all equally small.
    Source: Kish (1965), Survey sampling, for (sum w)^2 / sum w^2.
    """

    def size(weights: Doubles, alike: float) -> float:
        total, squares = float(weights.sum()), float(np.square(weights).sum())
        return min(total**2 / squares if squares > 0 else 0.0, total / alike)

    return size(chances[~labels], share), size(1 - chances[labels], 1 - share)


def _folds(labels: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    folds = np.empty(len(labels), dtype=np.int64)
    for side in (True, False):
        places = rng.permutation(np.flatnonzero(labels == side))
        folds[places] = np.arange(len(places)) % _FOLDS
    return folds


def _sigmoid(logits: Doubles) -> Doubles:
    chances: Doubles = 1 / (1 + np.exp(-np.clip(logits, -_LOGIT, _LOGIT)))
    return chances


def _log_loss(chances: Doubles, labels: NDArray[np.bool_]) -> float:
    likely = np.where(labels, chances, 1 - chances)
    return float(-np.log(np.maximum(likely, 1e-12)).mean())
