"""The alarm line before there is a calibrated one: a permutation null, asked once per completed window."""

from typing import NamedTuple
from zlib import crc32

import numpy as np

from drift.baseline import Baseline
from drift.errors import TooFewSamples
from drift.policy import Policy
from drift.semantic.permutation import permutation_test
from drift.window import Window

_SMALLEST_THRESHOLD = 1e-6
"""The rounding of float32 kernels: a baseline of equal answers has a null of zeros."""


class Outcome(NamedTuple):
    """A statistic, its alarm line and their ratio."""

    statistic: float | None
    threshold: float | None
    ratio: float | None


def judge_completed(baseline: Baseline, window: Window, size: int, *, observed: int, policy: Policy) -> Outcome:
    """The MMD of a window just completed, with the policy's quantile of its permutation null as the line.

    Seeded by what is tested, so that a restarted monitor draws the same null. Without a line and a ratio when the
    answers come from too few sessions to tell drift from one talkative user.
    """
    small = len(baseline) < policy.calibrated_from
    permutations = policy.provisional_permutations if small else policy.waiting_permutations
    try:
        permuted = permutation_test(
            baseline.responses.vectors,
            window.vectors(size),
            bandwidth=baseline.responses.bandwidth,
            permutations=permutations,
            rng=np.random.default_rng([crc32(baseline.id.encode()), observed, size]),
            baseline_sessions=baseline.codes,
            window_sessions=window.sessions(size),
        )
    except TooFewSamples:
        return Outcome(window.mmd2(size), None, None)
    at = min(int(policy.provisional_level * permutations), permutations - 1)
    threshold = max(float(permuted.null[at]), _SMALLEST_THRESHOLD)
    return Outcome(permuted.statistic, threshold, max(0.0, permuted.statistic) / threshold)
