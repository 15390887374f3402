"""Sums over the last W rows of a stream, for several W at once."""

import numpy as np

from drift.semantic.mmd import Doubles


class MovingSums:
    """Column sums over sliding windows of the given sizes.

    The windows share one ring; a row's place follows from its index in the stream, so that sums rebuilt after a
    restart (first_index: the index of the next row) are the ones that would be there without it.
    """

    def __init__(self, *, width: int, sizes: tuple[int, ...], recompute_every: int, first_index: int = 0) -> None:
        self._ring = np.zeros((max(sizes), width))
        self._first = self._next = first_index
        self._recompute_every = recompute_every
        self._sums = {size: np.zeros(width) for size in sizes}

    def push(self, row: Doubles) -> None:
        """Take in the next row, shape (width,)."""
        capacity = len(self._ring)
        for size in self._sums:
            if self._next - self._first >= size:
                self._sums[size] -= self._ring[(self._next - size) % capacity]
            self._sums[size] += row
        self._ring[self._next % capacity] = row
        self._next += 1
        if self._next % self._recompute_every == 0:
            for size in self._sums:
                self._sums[size] = self.rows(size).sum(axis=0)

    def samples(self, size: int) -> int:
        """How many places of the window of this size are filled."""
        return min(self._next - self._first, size)

    def sums(self, size: int) -> Doubles:
        """Sum of the rows in the window of this size, shape (width,)."""
        return self._sums[size]

    def rows(self, size: int) -> Doubles:
        """The rows in the window of this size, oldest first, shape (m, width)."""
        rows: Doubles = self._ring[np.arange(self._next - self.samples(size), self._next) % len(self._ring)]
        return rows
