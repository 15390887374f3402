"""The *baseline*: the immutable reference sample, pinned to the encoder that made its vectors."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from drift.errors import BaselineTooSmall
from drift.samples import Matrix
from drift.semantic.calibration import Calibration
from drift.semantic.centroid import Moments
from drift.semantic.mmd import Doubles, Floats, median_distance, pair_sums, rbf, squared_norms


class Baseline(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """n reference samples and what is computed of them once. Made by make_baseline."""

    id: str
    encoder: str
    """Identity of the encoder: vectors of another one cannot be compared with these."""
    created_at: float
    """Unix seconds."""
    exchange_ids: tuple[str, ...]
    responses: Matrix
    """Shape (n, d)."""
    prompts: Matrix
    """Shape (n, d), in the order of the responses."""
    bandwidth: float
    """Median distance of the responses: the width of the kernel, frozen."""
    response_norms: Floats
    """Squared lengths of the responses, shape (n,)."""
    response_moments: Moments
    pair_sums: Doubles
    """For each response the sum of its kernel with the others, shape (n,)."""
    calibration: Calibration | None = None

    def __len__(self) -> int:
        return len(self.responses)

    @property
    def pair_mean(self) -> float:
        """Mean kernel of two different responses: A / (n (n - 1)), the baseline's term of mmd2."""
        n = len(self)
        return float(self.pair_sums.sum()) / (n * (n - 1))

    def kernel(self) -> Floats:
        """Kernel matrix of the responses, shape (n, n), float32: what calibrate simulates from."""
        return rbf(self.responses, self.responses, self.bandwidth, a_norms=self.response_norms)

    def with_calibration(self, calibration: Calibration) -> "Baseline":
        """The same baseline with its alarm thresholds."""
        return msgspec.structs.replace(self, calibration=calibration)


def make_baseline(
    *,
    id: str,
    encoder: str,
    created_at: float,
    exchange_ids: Sequence[str],
    responses: Any,
    prompts: Any,
    calibration: Calibration | None = None,
) -> Baseline:
    """A baseline of n >= 2 exchanges with the vectors of their responses and prompts, both (n, d).

    The arrays are copied and made read-only. Making it again from the same vectors gives the same numbers, so
    only these and the calibration need storing. Raises BaselineTooSmall when n is below 2, ValueError when
    ids, responses and prompts differ in number.
    """
    fixed_responses, fixed_prompts = _frozen(responses), _frozen(prompts)
    n = len(exchange_ids)
    if not n == len(fixed_responses) == len(fixed_prompts):
        raise ValueError(f"{n} ids, {len(fixed_responses)} responses and {len(fixed_prompts)} prompts: one each needed")
    if n < 2:
        raise BaselineTooSmall(f"{n} exchange(s); a baseline needs at least 2, and 100 for calibrated thresholds")
    bandwidth = median_distance(fixed_responses)
    return Baseline(
        id=id,
        encoder=encoder,
        created_at=created_at,
        exchange_ids=tuple(exchange_ids),
        responses=fixed_responses,
        prompts=fixed_prompts,
        bandwidth=bandwidth,
        response_norms=squared_norms(fixed_responses),
        response_moments=Moments.of(fixed_responses),
        pair_sums=pair_sums(fixed_responses, bandwidth),
        calibration=calibration,
    )


def _frozen(vectors: Any) -> Matrix:
    matrix: Matrix = np.array(vectors, dtype=np.float32, order="C", ndmin=2)
    matrix.setflags(write=False)
    return matrix
