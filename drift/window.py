"""The *window*: the last W responses, and the kernel sums that move with them.

Several sizes share one ring: the smaller windows are the latest part of the largest, so that each response costs
one row of kernels against the baseline and one against the ring, however many windows there are.
"""

import numpy as np

from drift.samples import Matrix, Vector
from drift.semantic.centroid import Moments
from drift.semantic.mmd import Doubles, Floats, rbf, squared_norms
from drift.semantic.witness import attribution


class Window:
    """Sliding windows of the given sizes over a stream of responses, compared with a baseline.

    baseline (n, d) holds the reference vectors, pair_mean the mean kernel of two different ones. A response's
    place in the ring follows from its index in the stream alone, so a window rebuilt after a restart
    (first_index: the index of the next response) holds the same numbers as one that never stopped.
    """

    def __init__(
        self,
        baseline: Matrix,
        *,
        pair_mean: float,
        bandwidth: float,
        sizes: tuple[int, ...],
        recompute_every: int = 1_000,
        first_index: int = 0,
    ) -> None:
        self._baseline = baseline
        self._baseline_norms = squared_norms(baseline)
        self._pair_mean = pair_mean
        self._bandwidth = bandwidth
        self._recompute_every = recompute_every
        self._first = self._next = first_index
        self.sizes = sizes
        self._capacity = capacity = max(sizes)
        self._vectors = np.zeros((capacity, baseline.shape[1]), dtype=np.float32)
        self._norms = np.zeros(capacity, dtype=np.float32)
        # Kernels between ring places, kept so that a response that leaves is subtracted exactly as it was added.
        self._kernel = np.zeros((capacity, capacity), dtype=np.float32)
        self._cross_means = np.zeros(capacity)
        self._pair_sums = dict.fromkeys(sizes, 0.0)
        self._cross_sums = dict.fromkeys(sizes, 0.0)
        self.moments = Moments.of(self._vectors[:0])
        """Of the largest window."""

    def push(self, vector: Vector) -> None:
        """Take in the next response, shape (d,): O((n + W) d)."""
        now = self._next
        place = now % self._capacity
        for size in self.sizes:
            if self.samples(size) == size:
                self._evict(size)
        cross = rbf(self._baseline, vector, self._bandwidth, a_norms=self._baseline_norms)
        self._vectors[place] = vector
        self._norms[place] = vector @ vector
        kernel = rbf(self._vectors, vector, self._bandwidth, a_norms=self._norms)
        kernel[place] = 0
        self._kernel[place] = kernel
        self._kernel[:, place] = kernel
        self._cross_means[place] = cross.mean(dtype=np.float64)
        self.moments = self.moments.plus(vector)
        self._next = now + 1
        for size in self.sizes:
            self._pair_sums[size] += 2 * self._kernel_sum(place, now + 1 - self.samples(size), now)
            self._cross_sums[size] += float(self._cross_means[place])
        if self._next % self._recompute_every == 0:
            self._recompute()

    def samples(self, size: int) -> int:
        """How many places of the window of this size are filled."""
        return min(self._next - self._first, size)

    def mmd2(self, size: int) -> float | None:
        """Unbiased squared MMD of the window of this size against the baseline; None below 2 samples."""
        m = self.samples(size)
        if m < 2:
            return None
        return self._pair_mean + self._pair_sums[size] / (m * (m - 1)) - 2 * self._cross_sums[size] / m

    def vectors(self, size: int) -> Matrix:
        """The responses in the window of this size, oldest first, shape (m, d)."""
        rows: Matrix = self._vectors[self._places(self._next - self.samples(size), self._next)]
        return rows

    def phi(self, size: int) -> Doubles:
        """Witness values of the window of this size, oldest first, shape (m,). Raises TooFewSamples below 2."""
        places = self._places(self._next - self.samples(size), self._next)
        return attribution(self._block(places).sum(axis=1, dtype=np.float64), self._cross_means[places])

    def _evict(self, size: int) -> None:
        """Subtract the oldest response of a full window, before the next one takes a place."""
        oldest = self._next - size
        place = oldest % self._capacity
        self._pair_sums[size] -= 2 * self._kernel_sum(place, oldest + 1, self._next)
        self._cross_sums[size] -= float(self._cross_means[place])
        if size == self._capacity:
            self.moments = self.moments.minus(self._vectors[place])

    def _kernel_sum(self, place: int, start: int, stop: int) -> float:
        """Sum of one response's kernel with those of index start..stop-1 (fewer than the ring holds)."""
        row = self._kernel[place]
        first, last = start % self._capacity, stop % self._capacity
        if start == stop:
            return 0.0
        if first < last:
            return float(row[first:last].sum(dtype=np.float64))
        return float(row[first:].sum(dtype=np.float64) + row[:last].sum(dtype=np.float64))

    def _recompute(self) -> None:
        """Sum everything afresh: what additions and subtractions have rounded away does not pile up."""
        for size in self.sizes:
            places = self._places(self._next - self.samples(size), self._next)
            self._pair_sums[size] = float(self._block(places).sum(dtype=np.float64))
            self._cross_sums[size] = float(self._cross_means[places].sum())
        self.moments = Moments.of(self.vectors(self._capacity))

    def _places(self, start: int, stop: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        return np.arange(start, stop) % self._capacity

    def _block(self, places: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Floats:
        block: Floats = self._kernel[np.ix_(places, places)]
        return block
