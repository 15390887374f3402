"""The *baseline*: the immutable reference sample, pinned to the encoder that made its vectors."""

from collections.abc import Sequence

import msgspec
import numpy as np

from drift.errors import BaselineTooSmall
from drift.indicators import Answers, Questions
from drift.policy import Policy
from drift.samples import Codes, Matrix, Sample, session_codes
from drift.semantic.calibration import Calibration, Sources
from drift.semantic.centroid import Moments
from drift.semantic.mmd import Doubles
from drift.semantic.residual import Ridge, fit_ridge
from drift.window import Reference


class Baseline(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """n reference samples and what is computed of them once. Made by make_baseline."""

    id: str
    encoder: str
    """Identity of the encoder: vectors of another one cannot be compared with these."""
    created_at: float
    """Unix seconds."""
    samples: tuple[Sample, ...]
    prompts: Matrix
    """Shape (n, d)."""
    codes: Codes
    """Session of each sample, shape (n,)."""
    uses_sessions: bool
    """False when the samples' session names tell no people apart."""
    responses: Reference
    residuals: Reference
    """Of what the prompts leave unexplained, each answer left out of its own fit."""
    ridge: Ridge
    response_moments: Moments
    alignments: Doubles
    """Cosine of each prompt and its response, shape (n,)."""
    questions: Questions
    answers: Answers
    """What the baseline's behaviour answers to the questions, shape (n, k); k is 0 where it was not measured."""
    calibration: Calibration | None = None

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def exchange_ids(self) -> tuple[str, ...]:
        return tuple(sample.exchange_id for sample in self.samples)

    def sources(self) -> Sources:
        """What calibrate simulates from."""
        return Sources(
            responses=self.responses.kernel(),
            residuals=self.residuals.kernel(),
            alignments=self.alignments,
            answers=self.answers,
            sessions=self.codes,
        )

    def with_calibration(self, calibration: Calibration) -> "Baseline":
        """The same baseline with its alarm thresholds."""
        return msgspec.structs.replace(self, calibration=calibration)


def make_baseline(
    *,
    id: str,
    encoder: str,
    created_at: float,
    samples: Sequence[Sample],
    calibration: Calibration | None = None,
    largest_session: float = Policy().largest_session,
) -> Baseline:
    """A baseline of n >= 2 samples. A session with more than a share largest_session of them is not taken for one.

    Making it again from the same samples gives the same numbers, so only these and the calibration need storing.
    Raises BaselineTooSmall when n is below 2.
    """
    n = len(samples)
    if n < 2:
        raise BaselineTooSmall(f"{n} exchange(s); a baseline needs at least 2, and 100 for calibrated thresholds")
    responses = _frozen([sample.response for sample in samples])
    prompts = _frozen([sample.prompt for sample in samples])
    named = [sample.session for sample in samples]
    codes = session_codes(named, largest_share=largest_session)
    ridge, left_out = fit_ridge(prompts, responses, codes)
    measured = [sample.features for sample in samples if sample.features is not None]
    behaviour = measured if len(measured) == n else []
    questions = Questions(behaviour)
    return Baseline(
        id=id,
        encoder=encoder,
        created_at=created_at,
        samples=tuple(samples),
        prompts=prompts,
        codes=codes,
        uses_sessions=bool((codes >= 0).any()) or not any(named),
        responses=Reference.of(responses, codes),
        residuals=Reference.of(left_out, codes),
        ridge=ridge,
        response_moments=Moments.of(responses),
        alignments=np.einsum("ij,ij->i", prompts, responses, dtype=np.float64),
        questions=questions,
        answers=questions.answers(behaviour) if behaviour else np.zeros((n, 0), dtype=bool),
        calibration=calibration,
    )


def _frozen(vectors: Sequence[Matrix]) -> Matrix:
    matrix: Matrix = np.array(vectors, dtype=np.float32, order="C", ndmin=2)
    matrix.setflags(write=False)
    return matrix
