"""Centroid distance: how far the means of two samples are apart.

Shown twice. The raw cosine distance is what people know, and is far from zero without drift (.24, .16 and .11 for
windows of 50, 100 and 200 on MiniLM), because the mean of a few vectors is noisy. De-biased it is the unbiased
squared maximum mean discrepancy with the linear kernel, which averages zero without drift.
"""

from dataclasses import dataclass

import numpy as np

from drift.errors import TooFewSamples
from drift.semantic.mmd import Doubles, Floats


@dataclass(frozen=True)
class Moments:
    """What both distances need of a sample: its size and sums, so that a moving window costs O(d) each."""

    count: int
    total: Doubles
    """Sum of the vectors, shape (d,)."""
    squares: float
    """Sum of their squared lengths."""

    @classmethod
    def of(cls, vectors: Floats) -> "Moments":
        """The moments of vectors (n, d), summed in float64."""
        exact = np.asarray(vectors, dtype=np.float64)
        return cls(len(exact), exact.sum(axis=0), float(np.square(exact).sum()))

    def plus(self, vector: Floats) -> "Moments":
        exact = np.asarray(vector, dtype=np.float64)
        return Moments(self.count + 1, self.total + exact, self.squares + float(exact @ exact))

    def minus(self, vector: Floats) -> "Moments":
        exact = np.asarray(vector, dtype=np.float64)
        return Moments(self.count - 1, self.total - exact, self.squares - float(exact @ exact))

    def cosine_distance(self, other: "Moments") -> float:
        """1 - cosine of the two means, in 0..2; 0 when both means vanish, 1 when one does.

        Raises TooFewSamples when either side is empty.
        """
        _demand(self, other, 1)
        lengths = float(np.linalg.norm(self.total)), float(np.linalg.norm(other.total))
        if min(lengths) == 0:
            return float(max(lengths) > 0)
        return float(np.clip(1 - self.total @ other.total / (lengths[0] * lengths[1]), 0, 2))

    def mmd2(self, other: "Moments") -> float:
        """Unbiased squared distance of the two means; may be negative when they agree.

        Raises TooFewSamples when either side has fewer than 2. Source: Gretton et al. (2012), eq. 3, linear kernel.
        """
        _demand(self, other, 2)
        between = float(self.total @ other.total) / (self.count * other.count)
        return self._pair_mean() + other._pair_mean() - 2 * between

    def _pair_mean(self) -> float:
        """Mean inner product of two different vectors of the sample."""
        return (float(self.total @ self.total) - self.squares) / (self.count * (self.count - 1))


def centroid_distance(baseline: Floats, window: Floats) -> float:
    """Raw cosine distance of the means of baseline (n, d) and window (m, d). Raises TooFewSamples when one is empty."""
    return Moments.of(baseline).cosine_distance(Moments.of(window))


def centroid_mmd2(baseline: Floats, window: Floats) -> float:
    """The de-biased squared distance of the means of baseline (n, d) and window (m, d).

    Raises TooFewSamples when n or m is below 2.
    """
    return Moments.of(baseline).mmd2(Moments.of(window))


def _demand(one: Moments, other: Moments, need: int) -> None:
    if min(one.count, other.count) < need:
        raise TooFewSamples(f"{one.count} and {other.count} vectors; the distance needs {need} on either side")
