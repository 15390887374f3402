"""The *window*: the last W vectors, and the kernel sums that move with them.

Several sizes share one ring: the smaller windows are the latest part of the largest, so that each response costs
one row of kernels against the baseline and one against the ring, however many windows there are.
"""

from typing import Any

import msgspec
import numpy as np

from drift.samples import Codes, Matrix, Vector
from drift.semantic.mmd import Doubles, Floats, median_distance, pair_sums, rbf, squared_norms
from drift.semantic.sessions import named, within_sessions

_Places = np.ndarray[tuple[int], np.dtype[np.intp]]


class Reference(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The baseline's side of a comparison: its vectors, and what is computed of them once."""

    vectors: Matrix
    """Shape (n, d)."""
    bandwidth: float
    """Median distance of the vectors: the width of the kernel, frozen."""
    norms: Floats
    """Squared lengths, shape (n,)."""
    sums: Doubles
    """For each vector the sum of its kernel with those of other sessions, shape (n,)."""
    pairs: float
    """How many ordered pairs of different sessions there are: n (n - 1) without sessions."""
    same_session: dict[int, Any]
    """{code: places} of the sessions that have a name."""

    @classmethod
    def of(cls, vectors: Matrix, codes: Codes) -> "Reference":
        """Of vectors (n, d) with their session codes (n,)."""
        bandwidth = median_distance(vectors)
        own_sums, own_others = within_sessions(vectors, codes, bandwidth)
        return cls(
            vectors=vectors,
            bandwidth=bandwidth,
            norms=squared_norms(vectors),
            sums=pair_sums(vectors, bandwidth) - own_sums,
            pairs=len(vectors) * (len(vectors) - 1) - float(own_others.sum()),
            same_session=named(codes),
        )

    @property
    def pair_mean(self) -> float:
        """Mean kernel of two vectors of different sessions: the baseline's term of mmd2."""
        return float(self.sums.sum()) / self.pairs

    def kernel(self) -> Floats:
        """Kernel matrix of the vectors, shape (n, n), float32."""
        return rbf(self.vectors, self.vectors, self.bandwidth, a_norms=self.norms)

    def cross_sums(self, vectors: Floats) -> Doubles:
        """For each of (m, d) vectors the sum of its kernel with the baseline's, shape (m,)."""
        cross = rbf(self.vectors, vectors, self.bandwidth, a_norms=self.norms)
        sums: Doubles = cross.sum(axis=0, dtype=np.float64)
        return sums

    def cross_mean(self, cross_sum: float, vector: Vector, session: int) -> float:
        """Mean kernel of one vector with the baseline's of other sessions."""
        places = self.same_session.get(session)
        if places is None:
            return cross_sum / len(self.vectors)
        own = rbf(self.vectors[places], vector, self.bandwidth).sum(dtype=np.float64)
        return (cross_sum - float(own)) / (len(self.vectors) - len(places))


class Window:
    """Sliding windows of the given sizes over a stream of vectors, compared with a baseline.

    A vector's place in the ring follows from its index in the stream alone, so a window rebuilt after a restart
    (first_index: the index of the next vector) holds the same numbers as one that never stopped.
    """

    def __init__(
        self, reference: Reference, *, sizes: tuple[int, ...], recompute_every: int = 1_000, first_index: int = 0
    ) -> None:
        self._reference = reference
        self._recompute_every = recompute_every
        self._first = self._next = first_index
        self.sizes = sizes
        self._capacity = capacity = max(sizes)
        self._vectors = np.zeros((capacity, reference.vectors.shape[1]), dtype=np.float32)
        self._norms = np.zeros(capacity, dtype=np.float32)
        self._sessions = np.full(capacity, np.iinfo(np.int64).min)
        # Kernels between ring places, kept so that a vector that leaves is subtracted exactly as it was added.
        self._kernel = np.zeros((capacity, capacity), dtype=np.float32)
        self._cross_means = np.zeros(capacity)
        self._pair_sums = dict.fromkeys(sizes, 0.0)
        self._pairs = dict.fromkeys(sizes, 0)
        self._cross_sums = dict.fromkeys(sizes, 0.0)

    def push(self, vector: Vector, session: int, cross_sum: float) -> None:
        """Take in the next vector, shape (d,), with its session code and its sum from Reference.cross_sums."""
        now = self._next
        place = now % self._capacity
        for size in self.sizes:
            if self.samples(size) == size:
                self._evict(size)
        self._vectors[place] = vector
        self._norms[place] = vector @ vector
        self._sessions[place] = session
        kernel = rbf(self._vectors, vector, self._reference.bandwidth, a_norms=self._norms)
        kernel[self._sessions == session] = 0
        self._kernel[place] = kernel
        self._kernel[:, place] = kernel
        self._cross_means[place] = self._reference.cross_mean(cross_sum, vector, session)
        self._next = now + 1
        for size in self.sizes:
            kernel_sum, others = self._touching(place, now + 1 - self.samples(size), now)
            self._pair_sums[size] += 2 * kernel_sum
            self._pairs[size] += 2 * others
            self._cross_sums[size] += float(self._cross_means[place])
        if self._next % self._recompute_every == 0:
            self._recompute()

    def samples(self, size: int) -> int:
        """How many places of the window of this size are filled."""
        return min(self._next - self._first, size)

    def mmd2(self, size: int) -> float | None:
        """Unbiased squared MMD of the window of this size against the baseline; None below 2 sessions."""
        m = self.samples(size)
        if self._pairs[size] == 0:
            return None
        return self._reference.pair_mean + self._pair_sums[size] / self._pairs[size] - 2 * self._cross_sums[size] / m

    def vectors(self, size: int) -> Matrix:
        """The vectors in the window of this size, oldest first, shape (m, d)."""
        rows: Matrix = self._vectors[self._places(size)]
        return rows

    def sessions(self, size: int) -> Codes:
        """Their session codes, shape (m,)."""
        codes: Codes = self._sessions[self._places(size)]
        return codes

    def _evict(self, size: int) -> None:
        """Subtract the oldest vector of a full window, before the next one takes a place."""
        oldest = self._next - size
        place = oldest % self._capacity
        kernel_sum, others = self._touching(place, oldest + 1, self._next)
        self._pair_sums[size] -= 2 * kernel_sum
        self._pairs[size] -= 2 * others
        self._cross_sums[size] -= float(self._cross_means[place])

    def _touching(self, place: int, start: int, stop: int) -> tuple[float, int]:
        """Sum of one vector's kernel with those of index start..stop-1 of other sessions, and their number."""
        if start == stop:
            return 0.0, 0
        row, session = self._kernel[place], self._sessions[place]
        first, last = start % self._capacity, stop % self._capacity
        parts = (slice(first, last),) if first < last else (slice(first, None), slice(last))
        kernel_sum = sum(float(row[part].sum(dtype=np.float64)) for part in parts)
        same = sum(int(np.count_nonzero(self._sessions[part] == session)) for part in parts) if session >= 0 else 0
        return kernel_sum, stop - start - same

    def _recompute(self) -> None:
        """Sum everything afresh: what additions and subtractions have rounded away does not pile up."""
        for size in self.sizes:
            places = self._places(size)
            block = self._kernel[np.ix_(places, places)]
            self._pair_sums[size] = float(block.sum(dtype=np.float64))
            self._cross_sums[size] = float(self._cross_means[places].sum())

    def _places(self, size: int) -> _Places:
        return np.arange(self._next - self.samples(size), self._next) % self._capacity
