"""Witness values: which samples carry the drift.

phi_j says how much more a window sample resembles its own window than the baseline, psi_i how much more a
baseline sample resembles the baseline than the window. They attribute the statistic exactly: mmd2 = mean phi +
mean psi, so a window sample contributes phi_j / m and a baseline sample psi_i / n, and sums over groups add up.
"""

import msgspec
import numpy as np

from drift.errors import TooFewSamples
from drift.semantic.mmd import Doubles, Floats, pair_sums, rbf


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """A sample that carries the drift."""

    exchange_id: str
    position: int
    """In the window, 0 the oldest."""
    phi: float


def attribution(own_pair_sums: Doubles, cross_means: Doubles) -> Doubles:
    """Witness values of one sample, shape (m,): phi for the window, psi for the baseline.

    own_pair_sums (m,) holds for each vector the sum of its kernel with the m - 1 others of its own sample,
    cross_means (m,) the mean of its kernel with the other sample. Raises TooFewSamples when m is below 2.
    """
    m = len(own_pair_sums)
    if m < 2:
        raise TooFewSamples(f"{m} vector(s); a witness value compares with the others and needs 2")
    return own_pair_sums / (m - 1) - cross_means


def witness_values(baseline: Floats, window: Floats, *, bandwidth: float) -> tuple[Doubles, Doubles]:
    """(phi, psi) of baseline (n, d) and window (m, d), shapes (m,) and (n,).

    Raises TooFewSamples when n or m is below 2. Source: Gretton et al. (2012), section 2.3, made exact for
    the unbiased statistic by leaving each sample out of its own mean.
    """
    cross = rbf(baseline, window, bandwidth)
    phi = attribution(pair_sums(window, bandwidth), np.asarray(cross.mean(axis=0, dtype=np.float64)))
    psi = attribution(pair_sums(baseline, bandwidth), np.asarray(cross.mean(axis=1, dtype=np.float64)))
    return phi, psi
