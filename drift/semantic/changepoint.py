"""Since when: the split of the recent samples that parts before from after best.

Each split compares everything before it (the baseline too) with everything after it by mmd2, in units of that
statistic's standard deviation without drift; otherwise the ends, where few samples scatter widely, would win. The
sequence of these is the *profile*. Its maximum is the estimate, and the splits whose profile comes near enough to the
maximum are the interval: how near is learned from resampled streams that change exactly at the estimate.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.evidence import ChangePoint
from drift.policy import SINCE
from drift.samples import Codes
from drift.semantic.mmd import Doubles, Floats, null_deviation, rbf
from drift.semantic.permutation import session_numbers

_REGION = 250
"""Samples on either side of the estimate that are resampled; those farther away keep their side."""


class _Settled(NamedTuple):
    """Samples whose side no split changes."""

    samples: int
    pairs: float
    """Sum of the kernel over their ordered pairs."""
    to_scanned: Doubles
    """For each scanned sample the sum of its kernel with them, shape (r,)."""


def change_point(
    baseline: Floats,
    recent: Floats,
    *,
    bandwidth: float,
    times: Sequence[float],
    exchange_ids: Sequence[str],
    rng: np.random.Generator,
    baseline_sessions: Codes | None = None,
    recent_sessions: Codes | None = None,
    level: float = SINCE.level,
    least_after: int = SINCE.least_after,
    alpha: float = SINCE.alpha,
    permutations: int = SINCE.permutations,
    resamples: int = SINCE.resamples,
    block: int = SINCE.block,
) -> ChangePoint | None:
    """Where recent (k, d) left the population of baseline (n, d); None when no split is better than chance.

    recent holds the samples since the baseline was activated, the oldest first, and its end belongs to the change;
    times (k,) are unix seconds. Any vectors will do (responses, residuals, standardised features) with the bandwidth
    of their kernel. With session codes, shapes (n,) and (k,), a pair of one session counts as an average pair, since
    it is alike with and without drift; a negative code is a session of its own.

    At least least_after samples are on the changed side. samples_ago_most == k says that the change may be older
    than the first recent sample ("at or before"), samples_ago == k that it probably is. After a gradual change the
    estimate is the best single split, about the middle of the slope; after a change that went back it is the
    beginning, not the return.

    "Better than chance": the profile's maximum is beyond the 1 - alpha quantile of that of permuted sessions. The
    interval is the hull of the splits whose profile is within q of the maximum, q being what the true split stays
    below the maximum in a share `level` of resampled streams: samples before drawn from before (the baseline
    included), samples after from after, in blocks of `block` consecutive ones, which may depend on each other.
    O((n + k)^2 d), and at most 500 x 500 kernels per resample.

    Sources: Gretton et al. (2012) for mmd2 and its deviation; Arlot, Celisse and Harchaoui (2019) for kernel change
    points; Carlstein (1986) and Kunsch (1989) for blocks; Cobb (1978) for intervals that follow the data around
    the estimate.
    """
    n, k = len(baseline), len(recent)
    if n < 2 or k < least_after:
        return None
    sessions = session_numbers(baseline_sessions, recent_sessions, n, k)
    kernel = _centred_kernel(np.concatenate([baseline, recent]), bandwidth, sessions)
    nothing = _Settled(0, 0.0, np.zeros(k))
    scores = _profile(kernel[n:, n:], _settled(kernel, np.arange(n), np.arange(n, n + k)), nothing, 0.0, least_after)
    split = int(scores.argmax())
    chance = _chance(kernel, sessions, k, least_after, permutations, rng)
    if (1 + np.count_nonzero(chance >= scores[split])) / (permutations + 1) > alpha:
        return None
    shortfalls = _shortfalls(kernel, n, split, least_after, block, resamples, rng)
    near = np.flatnonzero(scores >= scores[split] - np.quantile(shortfalls, level, method="higher"))
    first, last = int(near[0]), int(near[-1])
    return ChangePoint(
        at=float(times[split]),
        earliest=float(times[first]),
        latest=float(times[last]),
        level=level,
        exchange_id=exchange_ids[split],
        samples_ago=k - split,
        samples_ago_least=k - last,
        samples_ago_most=k - first,
    )


def _profile(scanned: Floats, before: _Settled, after: _Settled, settled_between: float, least_after: int) -> Doubles:
    """mmd2 of each split over its deviation without drift; element t has the first t scanned samples before it.

    scanned (r, r) is their kernel, whose diagonal counts for nothing; settled_between the sum between both settled
    sets. As many splits as leave least_after samples after them.
    """
    r = len(scanned)
    t = np.arange(min(r, r + after.samples - least_after) + 1)
    earlier = np.einsum("ij,ij->i", scanned, np.tri(r, k=-1, dtype=scanned.dtype)).astype(np.float64)
    later = scanned.sum(axis=1).astype(np.float64) - scanned.diagonal() - earlier
    pairs_before, pairs_after = 2 * _until(earlier)[t], 2 * _from(later)[t]
    between = (2 * later.sum() - pairs_before - pairs_after) / 2
    pairs_before += before.pairs + 2 * _until(before.to_scanned)[t]
    pairs_after += after.pairs + 2 * _from(after.to_scanned)[t]
    between += settled_between + _from(before.to_scanned)[t] + _until(after.to_scanned)[t]
    n, m = before.samples + t.astype(np.float64), after.samples + r - t.astype(np.float64)
    statistic = pairs_before / (n * (n - 1)) + pairs_after / (m * (m - 1)) - 2 * between / (n * m)
    scores: Doubles = statistic / null_deviation(m, n)
    return scores


def _chance(
    kernel: Floats, sessions: NDArray[np.intp], k: int, least_after: int, permutations: int, rng: np.random.Generator
) -> Doubles:
    """Maximum of the profile when whole sessions follow each other in random order, shape (permutations,).

    Splits with more than 2 x _REGION samples after them are left out: they hardly add to the maximum.
    """
    r = min(k, 2 * _REGION)
    row_sums = kernel.sum(axis=1, dtype=np.float64)
    total = float(row_sums.sum())
    nothing = _Settled(0, 0.0, np.zeros(r))
    largest = np.empty(permutations)
    for place in range(permutations):
        chosen = np.argsort(rng.random(len(kernel))[sessions], kind="stable")[-r:]
        scanned = kernel[chosen][:, chosen]
        within = scanned.sum(axis=1).astype(np.float64)
        to_rest = row_sums[chosen] - within
        rest = _Settled(len(kernel) - r, total - 2 * float(to_rest.sum()) - float(within.sum()), to_rest)
        largest[place] = _profile(scanned, rest, nothing, 0.0, least_after).max()
    return largest


def _shortfalls(
    kernel: Floats, n: int, split: int, least_after: int, block: int, resamples: int, rng: np.random.Generator
) -> Doubles:
    """How far the profile of resampled streams is below its maximum at the split that they are made with."""
    size, at = len(kernel), n + split
    first, last = max(n, at - _REGION), min(size, at + _REGION)
    before, after = np.arange(at), np.arange(at, size)
    own = np.concatenate([kernel[:at, :at].sum(axis=1) / (at - 1), kernel[at:, at:].sum(axis=1) / (size - at - 1)])
    # A sample drawn twice is to count as two of its kind: as a perfect likeness it would sharpen the change.
    alike = kernel.copy()
    np.fill_diagonal(alike, own)
    everywhere = np.arange(size)
    settled_before = _settled(alike, everywhere[:first], everywhere)
    settled_after = _settled(alike, everywhere[last:], everywhere)
    settled_between = float(kernel[:first, last:].sum(dtype=np.float64))
    found = np.empty(resamples)
    for place in range(resamples):
        drawn = np.concatenate([_blocks(before, at - first, block, rng), _blocks(after, last - at, block, rng)])
        scores = _profile(
            alike[drawn][:, drawn],
            settled_before._replace(to_scanned=settled_before.to_scanned[drawn]),
            settled_after._replace(to_scanned=settled_after.to_scanned[drawn]),
            settled_between,
            least_after,
        )
        found[place] = scores.max() - scores[at - first]
    return found


def _centred_kernel(vectors: Floats, bandwidth: float, sessions: NDArray[np.intp]) -> Floats:
    """Less its mean, which mmd2 ignores and float32 does not; 0, the mean, for the pairs of one session."""
    kernel = rbf(vectors, vectors, bandwidth)
    kernel -= kernel.mean(dtype=np.float64).astype(kernel.dtype)
    kernel[sessions[:, None] == sessions] = 0
    return kernel


def _settled(kernel: Floats, places: NDArray[np.intp], scanned: NDArray[np.intp]) -> _Settled:
    """places are consecutive; their own pairs leave out the diagonal."""
    rows = kernel[places[0] : places[-1] + 1] if len(places) else kernel[:0]
    sums = rows.sum(axis=0, dtype=np.float64)
    diagonal = kernel.diagonal()[places].sum(dtype=np.float64)
    return _Settled(len(places), float(sums[places].sum() - diagonal), sums[scanned])


def _blocks(pool: NDArray[np.intp], size: int, block: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """`size` of the pool, in blocks that start anywhere and wrap around."""
    starts = rng.integers(len(pool), size=-(-size // block))
    drawn: NDArray[np.intp] = pool[(starts[:, None] + np.arange(block)).ravel()[:size] % len(pool)]
    return drawn


def _until(values: Doubles) -> Doubles:
    """Sum of the first t values for t = 0 ... r, shape (r + 1,)."""
    return np.concatenate([[0.0], np.cumsum(values)])


def _from(values: Doubles) -> Doubles:
    """Sum of the values from t on for t = 0 ... r, shape (r + 1,)."""
    return _until(values[::-1])[::-1]
