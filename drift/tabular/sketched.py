"""Numeric columns of tables larger than memory, compared by quantiles."""

from collections.abc import Callable

import numpy as np

from drift.tabular import ks
from drift.tabular.numeric import NumericDrift, compare_numeric, direction
from drift.tabular.profile import NumberProfile


def compare_sketched(reference: NumberProfile, current: NumberProfile, *, word: Callable[[float], str]) -> NumericDrift:
    """compare_numeric of two samples of which at least one is known by its quantiles only.

    D, quartiles, Wasserstein distance and PSI come from the quantiles; mean, standard deviation and extremes are
    exact. The figure d_error is the sum of both rank errors, and p_value that of D less d_error at the true sizes:
    an upper bound of the exact one, so that the approximation adds no false alarm. No permutation test.
    """
    before, after = reference.values(), current.values()
    found = compare_numeric(before, after, exact_ties_up_to=0, word=word)
    error = reference.rank_error + current.rank_error
    floor = (1 / reference.count + 1 / current.count) / (1 / len(before) + 1 / len(after))
    figures = found.figures | {
        "reference_mean": reference.mean,
        "reference_std": reference.std,
        "current_mean": current.mean,
        "current_std": current.std,
        "reference_min": reference.low,
        "reference_max": reference.high,
        "current_min": current.low,
        "current_max": current.high,
        "psi_floor": found.figures["psi_floor"] * floor,
        "d_error": error,
    }
    if reference.std > 0 and "wasserstein" in figures:
        figures["wasserstein_std"] = figures["wasserstein"] / reference.std
    p_value = ks.asymptotic_p_value(reference.count, current.count, max(0.0, found.effect - error))
    figures["p_ks"] = p_value
    kept = {name: value for name, value in figures.items() if np.isfinite(value)}
    means_known = {"reference_mean", "current_mean", "reference_std", "current_std"} <= kept.keys()
    return found._replace(
        test="ks_sketched",
        p_value=p_value,
        p_permutation=None,
        figures=kept,
        direction=direction(kept, word) if means_known else found.direction,
    )
