"""Maximum mean discrepancy: how far apart two samples of vectors are, as a kernel sees them."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.errors import TooFewSamples

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

_MEDIAN_SAMPLES = 2_000
"""4 million distances fix a median to four digits."""
_BLOCK = 500
"""Rows worked on at a time: bounds the memory at any number of them."""


class Permuted(NamedTuple):
    """The outcome of a permutation test."""

    statistic: float
    p_value: float
    null: Doubles
    """The statistic under each permutation, ascending, shape (permutations,)."""


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
    _demand(vectors)
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
    _demand(baseline, window)
    n, m = len(baseline), len(window)
    within_baseline = pair_sums(baseline, bandwidth).sum() / (n * (n - 1))
    within_window = pair_sums(window, bandwidth).sum() / (m * (m - 1))
    between = rbf(baseline, window, bandwidth).mean(dtype=np.float64)
    return float(within_baseline + within_window - 2 * between)


def null_deviation(m: int | Doubles, n: int) -> Any:
    """Standard deviation of mmd2 without drift for windows of m and a baseline of n, per unit of kernel scale.

    The kernel scale is the root of the mean squared centred kernel (see calibration.u_centred); m may be an array.
    Source: Gretton et al. (2012), the variance of a degenerate U-statistic.
    """
    return np.sqrt(2 / (m * (m - 1)) + 4 / (m * n) + 2 / (n * (n - 1)))


def permutation_test(
    baseline: Floats, window: Floats, *, bandwidth: float, permutations: int, rng: np.random.Generator
) -> Permuted:
    """Test that baseline (n, d) and window (m, d) come from one population, with mmd2 as the statistic.

    Each permutation relabels the pooled samples; p = (1 + #{null >= statistic}) / (permutations + 1), exact at
    any number of permutations. Raises TooFewSamples when n or m is below 2.
    Source: Phipson and Smyth (2010), for the ones in p.
    """
    _demand(baseline, window)
    n, m = len(baseline), len(window)
    pooled = np.concatenate([baseline, window])
    kernel = rbf(pooled, pooled, bandwidth)
    # mmd2 ignores a constant: without the mean, float32 products keep their digits.
    kernel -= kernel.mean(dtype=np.float64).astype(kernel.dtype)
    np.fill_diagonal(kernel, 0)
    row_sums = kernel.sum(axis=1)
    total = row_sums.sum(dtype=np.float64)
    half = _lower_half(kernel)

    def statistics(labels: Floats) -> Doubles:
        """mmd2 of each row of labels (B, n + m), which holds 1 for the window and 0 for the baseline."""
        within_window = _quadratic_forms(half, labels)
        touching_window = (labels @ row_sums).astype(np.float64)
        between = touching_window - within_window
        within_baseline = total - touching_window - between
        values: Doubles = within_baseline / (n * (n - 1)) + within_window / (m * (m - 1)) - 2 * between / (n * m)
        return values

    actual = np.repeat([[0, 1]], [n, m], axis=1).astype(kernel.dtype)
    statistic = float(statistics(actual)[0])
    blocks = [min(_BLOCK, permutations - done) for done in range(0, permutations, _BLOCK)]
    null = np.sort(
        np.concatenate([statistics(_random_labels(rows, n, m, rng).astype(kernel.dtype)) for rows in blocks])
    )
    # A permutation that redraws the very labels must tie in spite of rounding.
    reached = len(null) - int(np.searchsorted(null, statistic - 1e-7))
    return Permuted(statistic, (1 + reached) / (permutations + 1), null)


def _random_labels(rows: int, n: int, m: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Uniformly random rows of m True among n + m, shape (rows, n + m): twice as fast as shuffling them."""
    keys = rng.integers(0, 2**32, size=(rows, n + m), dtype=np.uint32)
    # The column in the low bits makes keys distinct, so that every row has exactly m below its m-th.
    bits = (n + m - 1).bit_length()
    keys >>= np.uint32(bits)
    keys <<= np.uint32(bits)
    keys |= np.arange(n + m, dtype=np.uint32)
    labels: NDArray[np.bool_] = keys < np.partition(keys, m, axis=1)[:, m : m + 1]
    return labels


def _lower_half(kernel: Floats) -> list[tuple[int, Floats]]:
    """A symmetric kernel as column blocks from the diagonal down, the diagonal blocks halved.

    z' kernel z is twice the sum of what the blocks give, with a third of the multiplications left out.
    """
    edges = np.linspace(0, len(kernel), 4).astype(int)
    blocks = [(start, kernel[start:, start:stop].copy()) for start, stop in pairwise(edges)]
    for _, block in blocks:
        block[: block.shape[1]] *= np.asarray(0.5, dtype=block.dtype)
    return blocks


def _quadratic_forms(half: list[tuple[int, Floats]], labels: Floats) -> Doubles:
    """z' kernel z for each row z of labels (B, N), shape (B,)."""
    forms = np.zeros(len(labels))
    for start, block in half:
        product = labels[:, start:] @ block
        forms += 2 * np.einsum("ij,ij->i", labels[:, start : start + block.shape[1]], product)
    return forms


def _demand(*samples: Floats) -> None:
    for sample in samples:
        if len(sample) < 2:
            raise TooFewSamples(f"{len(sample)} vector(s); the statistic compares pairs and needs 2 on either side")
