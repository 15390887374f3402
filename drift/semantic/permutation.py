"""The permutation test: is the distance of two samples more than relabelling them would give?

It stands on exchangeability, which answers of one *session* (a conversation, a user) do not have: they resemble
each other more than other answers do, and without care the test alarms for certain. So pairs of one session are
left out of every sum, and whole sessions change sides.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.errors import TooFewSamples
from drift.policy import VERDICT
from drift.samples import Codes
from drift.semantic.mmd import Doubles, Floats, demand_pairs, rbf

_BLOCK = 500
"""Permutations worked on at a time: bounds the memory at any number of them."""
_TIE = 1e-7
"""A permutation that redraws the very labels must tie in spite of rounding."""


class Permuted(NamedTuple):
    """The outcome of a permutation test."""

    statistic: float
    p_value: float
    null: Doubles
    """The statistic under each permutation, ascending, shape (permutations,)."""


def permutation_test(
    baseline: Floats,
    window: Floats,
    *,
    bandwidth: float,
    permutations: int,
    rng: np.random.Generator,
    baseline_sessions: Codes | None = None,
    window_sessions: Codes | None = None,
    least_sessions: int = VERDICT.least_sessions,
) -> Permuted:
    """Test that baseline (n, d) and window (m, d) come from one population, with mmd2 as the statistic.

    Each permutation relabels the pooled samples; p = (1 + #{null >= statistic}) / (permutations + 1), exact at
    any number of permutations.

    With session codes, shapes (n,) and (m,), a negative one being a session of its own, the statistic is the mmd2
    over pairs of different sessions, and each permutation gives the window as many sessions as it has, with all
    their samples. A session on both sides moves as two, whose samples are never compared: as the parts are alike,
    that errs to the safe side. Where every sample is a session of its own, the test is that without sessions.

    Raises TooFewSamples when n or m is below 2, and with sessions when there are fewer than least_sessions,
    fewer than 3 on a side, or when one session holds more than half of a side: then nothing can be permuted.
    Source: Phipson and Smyth (2010), for the ones in p.
    """
    demand_pairs(baseline, window)
    n, m = len(baseline), len(window)
    pooled = np.concatenate([baseline, window])
    kernel = rbf(pooled, pooled, bandwidth)
    # mmd2 ignores a constant: without the mean, float32 products keep their digits.
    kernel -= kernel.mean(dtype=np.float64).astype(kernel.dtype)
    np.fill_diagonal(kernel, 0)
    sessions = session_numbers(baseline_sessions, window_sessions, n, m)
    if len(np.unique(sessions)) == n + m:
        return _permute_samples(kernel, n, m, permutations, rng)
    _demand_sessions(sessions[:n], sessions[n:], least_sessions)
    return _permute_sessions(kernel, sessions, n, permutations, rng)


def _permute_samples(kernel: Floats, n: int, m: int, permutations: int, rng: np.random.Generator) -> Permuted:
    """The test for a pooled kernel (n + m, n + m) with a diagonal of zeros."""
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
    null = [statistics(_random_labels(rows, n, m, rng).astype(kernel.dtype)) for rows in _block_sizes(permutations)]
    return _permuted(statistic, np.concatenate(null))


def _permute_sessions(
    kernel: Floats, sessions: NDArray[np.intp], n: int, permutations: int, rng: np.random.Generator
) -> Permuted:
    """The test for a pooled kernel (n + m, n + m) whose samples belong to sessions (n + m,)."""
    side = np.arange(len(sessions)) >= n
    # The units that change sides: a session, or its part on one side.
    _, first, units = np.unique(2 * sessions + side, return_index=True, return_inverse=True)
    order = np.argsort(units, kind="stable")
    sizes = np.bincount(units).astype(np.float64)
    starts = np.searchsorted(units[order], np.arange(len(sizes)))
    different = sessions[first][:, None] != sessions[first]
    # Units keep their samples in every permutation, so sums of pairs are those of units.
    sums = np.add.reduceat(kernel[np.ix_(order, order)], starts, axis=1, dtype=np.float64)
    sums = np.add.reduceat(sums, starts, axis=0) * different
    half = _lower_half(sums.astype(kernel.dtype))
    pairs_of = sizes * (different @ sizes)
    left, right = np.nonzero(np.triu(~different, 1))

    def statistics(labels: Floats) -> Doubles:
        """mmd2 over pairs of different sessions, of each row of labels (B, units)."""
        pairs_within = np.square(labels @ sizes) - labels @ np.square(sizes)
        pairs_within -= 2 * (labels[:, left] * labels[:, right]) @ (sizes[left] * sizes[right])
        pairs_between = labels @ pairs_of - pairs_within
        pairs_baseline = pairs_of.sum() - pairs_within - 2 * pairs_between
        within_window = _quadratic_forms(half, labels)
        between = labels @ sums.sum(axis=1) - within_window
        within_baseline = sums.sum() - within_window - 2 * between
        values: Doubles = within_baseline / pairs_baseline + within_window / pairs_within - 2 * between / pairs_between
        return values

    actual = side[first]
    n_units, m_units = int((~actual).sum()), int(actual.sum())
    statistic = float(statistics(actual[None].astype(kernel.dtype))[0])
    null = [
        statistics(_random_labels(rows, n_units, m_units, rng).astype(kernel.dtype))
        for rows in _block_sizes(permutations)
    ]
    return _permuted(statistic, np.concatenate(null))


def session_numbers(baseline: Codes | None, window: Codes | None, n: int, m: int) -> NDArray[np.intp]:
    """The sessions of both sides as numbers from 0 on, shape (n + m,); each negative code is a session of its own."""
    alone = np.full(n + m, -1, dtype=np.int64)
    codes = np.concatenate([alone[:n] if baseline is None else baseline, alone[:m] if window is None else window])
    numbers: NDArray[np.intp] = np.unique(codes, return_inverse=True)[1]
    unshared = codes < 0
    numbers[unshared] = len(codes) + np.arange(np.count_nonzero(unshared))
    return np.unique(numbers, return_inverse=True)[1]


def _demand_sessions(baseline: NDArray[np.intp], window: NDArray[np.intp], least: int) -> None:
    together = len(np.unique(np.concatenate([baseline, window])))
    if together < least:
        raise TooFewSamples(f"{together} session(s) on both sides; whole sessions are permuted, and that takes {least}")
    for name, side in (("baseline", baseline), ("window", window)):
        counts = np.unique(side, return_counts=True)[1]
        if counts.max() * 2 > len(side):
            raise TooFewSamples(
                f"one session holds {counts.max()} of the {name}'s {len(side)} samples; whole sessions are permuted, "
                "and none may hold more than half"
            )
        # With 3 even a window of the two parts of one session has a pair left to compare.
        if len(counts) < 3:
            raise TooFewSamples(f"{len(counts)} session(s) in the {name}; whole sessions are permuted, and it needs 3")


def _permuted(statistic: float, null: Doubles) -> Permuted:
    null = np.sort(null)
    reached = len(null) - int(np.searchsorted(null, statistic - _TIE))
    return Permuted(statistic, (1 + reached) / (len(null) + 1), null)


def _block_sizes(permutations: int) -> list[int]:
    return [min(_BLOCK, permutations - done) for done in range(0, permutations, _BLOCK)]


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
