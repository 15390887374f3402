"""Maximum mean discrepancy: how far apart two samples of vectors are, as a kernel sees them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.errors import TooFewSamples

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

_MEDIAN_SAMPLES = 2_000
"""4 million distances fix a median to four digits."""
_BLOCK = 500
"""Rows worked on at a time: bounds the memory at any number of them."""


def squared_norms(vectors: Floats) -> Floats:
    """Squared length of each row, shape (n,), in the dtype of the vectors."""
    norms: Floats = np.einsum("ij,ij->i", vectors, vectors)
    return norms


def rbf(a: Floats, b: Floats, bandwidth: float, *, a_norms: Floats | None = None) -> Floats:
    """Kernel matrix exp(-|a_i - b_j|^2 / (2 bandwidth^2)), shape (n, m), in the dtype of the inputs.

    a (n, d) and b (m, d) hold vectors of any length; b may be one vector, shape (d,), and then so is the
    result, shape (n,). a_norms saves computing squared_norms(a) again.
    """
    exponent: Floats = a @ b.T
    half = np.asarray(0.5, dtype=exponent.dtype)
    exponent -= half * (squared_norms(a) if a_norms is None else a_norms).reshape(-1, *[1] * (b.ndim - 1))
    exponent -= half * (b @ b if b.ndim == 1 else squared_norms(b))
    # Rounding can put two equal vectors at a negative squared distance.
    np.minimum(exponent, 0, out=exponent)
    exponent /= np.asarray(bandwidth * bandwidth, dtype=exponent.dtype)
    return np.exp(exponent, out=exponent)


def median_distance(vectors: Floats) -> float:
    """Median Euclidean distance between rows: the bandwidth of the kernel.

    vectors (n, d), n >= 2; above 2,000 rows an evenly spaced 2,000 of them. When most rows are equal the mean
    of the distances that are not zero, and 1.0 when all are equal: a bandwidth is never zero.
    Raises TooFewSamples when n is below 2. Source: Gretton et al. (2012), section 8.
    """
    demand_pairs(vectors)
    rows = vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), _MEDIAN_SAMPLES)).astype(int)]
    norms = squared_norms(rows)
    squared = norms[:, None] + norms[None, :] - 2 * (rows @ rows.T)
    distances = np.sqrt(np.maximum(squared[np.triu_indices(len(rows), 1)], 0))
    median = float(np.median(distances))
    # Equal float32 unit vectors come out up to 5e-4 apart.
    apart = distances[distances > 1e-3]
    if median > 1e-3:
        return median
    return float(apart.mean()) if apart.size else 1.0


def pair_sums(vectors: Floats, bandwidth: float) -> Doubles:
    """Sum of the kernel of each row with every other row, shape (n,), float64."""
    norms = squared_norms(vectors)
    sums = [
        rbf(vectors, vectors[start : start + _BLOCK], bandwidth, a_norms=norms).sum(axis=0, dtype=np.float64)
        for start in range(0, len(vectors), _BLOCK)
    ]
    # k(x, x) = 1, up to the rounding that the sum above contains too.
    own = np.exp(-np.maximum(0, norms - np.einsum("ij,ij->i", vectors, vectors)))
    return np.asarray(np.concatenate(sums) - own, dtype=np.float64)


def mmd2(baseline: Floats, window: Floats, *, bandwidth: float) -> float:
    """Unbiased squared maximum mean discrepancy with an RBF kernel.

    baseline (n, d) and window (m, d) hold vectors; bandwidth is in the same distance. Products are in the
    dtype of the inputs, sums in float64. May be negative when the populations agree.
    Raises TooFewSamples when n or m is below 2.
    Source: Gretton et al. (2012), eq. 3.
    """
    demand_pairs(baseline, window)
    n, m = len(baseline), len(window)
    within_baseline = pair_sums(baseline, bandwidth).sum() / (n * (n - 1))
    within_window = pair_sums(window, bandwidth).sum() / (m * (m - 1))
    between = rbf(baseline, window, bandwidth).mean(dtype=np.float64)
    return float(within_baseline + within_window - 2 * between)


def null_deviation(m: int | Doubles, n: int | Doubles) -> Any:
    """Standard deviation of mmd2 without drift for windows of m and a baseline of n, per unit of kernel scale.

    The kernel scale is the root of the mean squared centred kernel (see calibration.u_centred); m and n may be arrays.
    Source: Gretton et al. (2012), the variance of a degenerate U-statistic.
    """
    return np.sqrt(2 / (m * (m - 1)) + 4 / (m * n) + 2 / (n * (n - 1)))


def demand_pairs(*samples: Floats) -> None:
    """Raises TooFewSamples when one of the samples has fewer than 2 vectors."""
    for sample in samples:
        if len(sample) < 2:
            raise TooFewSamples(f"{len(sample)} vector(s); the statistic compares pairs and needs 2 on either side")
