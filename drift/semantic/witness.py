"""Witness values: which samples carry the drift.

phi_j says how much more a window sample resembles its own window than the baseline, psi_i how much more a
baseline sample resembles the baseline than the window. They attribute the statistic exactly: mmd2 = mean phi +
mean psi, so a window sample contributes phi_j / m and a baseline sample psi_i / n, and sums over groups add up.
"""

from typing import NamedTuple

import numpy as np

from drift.errors import TooFewSamples
from drift.samples import Codes
from drift.semantic.mmd import Doubles, Floats, pair_sums, rbf
from drift.semantic.sessions import within_sessions


class WitnessValues(NamedTuple):
    """The attribution of one statistic to its samples."""

    phi: Doubles
    """Of the window, shape (m,)."""
    psi: Doubles
    """Of the baseline, shape (n,)."""

    @property
    def mmd2(self) -> float:
        """What they add up to."""
        return float(self.phi.mean() + self.psi.mean())


def witness_values(
    baseline: Floats,
    window: Floats,
    *,
    bandwidth: float,
    baseline_sessions: Codes | None = None,
    window_sessions: Codes | None = None,
) -> WitnessValues:
    """Witness values of baseline (n, d) and window (m, d), pairs of one session left out.

    Raises TooFewSamples when a side has fewer than 2 samples or sessions. Source: Gretton et al. (2012),
    section 2.3, made exact for the unbiased statistic by leaving each sample out of its own mean.
    """
    n, m = len(baseline), len(window)
    first = -1 - np.arange(n) if baseline_sessions is None else baseline_sessions
    second = -1 - np.arange(m) if window_sessions is None else window_sessions
    own_baseline = _own_means(baseline, first, bandwidth)
    own_window = _own_means(window, second, bandwidth)
    cross = rbf(baseline, window, bandwidth).astype(np.float64)
    # Codes below 0 are samples without a session, whatever the number.
    apart = ((first[:, None] != second) | (second < 0)).astype(np.float64)
    others = apart.sum(axis=0)
    if not others.all():
        raise TooFewSamples("a window sample's session holds the whole baseline: there is nothing to compare it with")
    cross *= apart / others
    return WitnessValues(phi=own_window - cross.sum(axis=0), psi=own_baseline - cross.sum(axis=1) * (n / m))


def _own_means(vectors: Floats, codes: Codes, bandwidth: float) -> Doubles:
    """Each vector's share of the mean kernel of its sample, times the sample's size, shape (m,)."""
    m = len(vectors)
    within, others = within_sessions(vectors, codes, bandwidth)
    pairs = m * (m - 1) - float(others.sum())
    if pairs <= 0:
        raise TooFewSamples(f"{m} vector(s) of one session; a witness value compares with the others and needs 2")
    own: Doubles = (pair_sums(vectors, bandwidth) - within) * (m / pairs)
    return own
