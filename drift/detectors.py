"""All statistics of a stream against its baseline, moved on by one sample at a time.

- mmd: unbiased squared MMD of the responses: what is said has moved.
- residual_mmd: the same of what the prompts leave unexplained: the same questions are answered differently.
- alignment: 1 - mean cosine of prompt and response / that of the baseline: answers leave their questions.
- behaviour: largest squared standardised difference of a behaviour's share: lengths, formats, refusals.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from drift.baseline import Baseline
from drift.errors import EncoderMismatch
from drift.indicators import Question, difference
from drift.moving import MovingSums
from drift.samples import Sample, session_code
from drift.semantic.calibration import ALIGNMENT, BEHAVIOUR, MMD, RESIDUAL
from drift.semantic.centroid import Moments
from drift.window import Window

_BATCH = 32
"""Samples whose kernels against the baseline are computed in one product: it is read from memory once for all."""


class Moved(NamedTuple):
    """The behaviour that differs most."""

    question: Question
    z: float
    """Standardised difference of the share that says yes, window less baseline."""
    baseline_share: float
    window_share: float


class Detectors:
    """The windows of one monitor. first_index: how many samples were observed before."""

    def __init__(
        self,
        baseline: Baseline,
        *,
        sizes: tuple[int, ...],
        recompute_every: int,
        first_index: int,
        largest_session: float,
    ) -> None:
        self._baseline = baseline
        self._largest_session = largest_session
        self.sizes = sizes
        self.observed = first_index
        self.recent: deque[Sample] = deque(maxlen=sizes[-1])
        """The largest window, oldest first."""
        self._recompute_every = recompute_every
        self._named: deque[int] = deque(maxlen=sizes[-1])
        self.responses = Window(
            baseline.responses, sizes=sizes, recompute_every=recompute_every, first_index=first_index
        )
        self.residuals = Window(
            baseline.residuals, sizes=sizes, recompute_every=recompute_every, first_index=first_index
        )
        self._alignments = MovingSums(
            width=1, sizes=sizes[-1:], recompute_every=recompute_every, first_index=first_index
        )
        self._behaviour = MovingSums(
            width=len(baseline.questions.questions),
            sizes=sizes,
            recompute_every=recompute_every,
            first_index=first_index,
        )
        self._yes = baseline.answers.sum(axis=0, dtype=np.float64)
        self.moments = Moments.of(np.zeros((0, baseline.prompts.shape[1]), dtype=np.float32))
        """Of the responses in the largest window."""

    def push(self, samples: Sequence[Sample]) -> Iterator[None]:
        """Take in samples, one at each step of the iterator: O((n + W) d) each.

        Raises EncoderMismatch, before any is taken in, when vectors have another dimension than the baseline's.
        """
        dimension = self._baseline.prompts.shape[1]
        for sample in samples:
            if sample.response.shape != (dimension,) or sample.prompt.shape != (dimension,):
                raise EncoderMismatch(
                    f"a vector of shape {sample.response.shape}, but {self._baseline.encoder} made this baseline "
                    f"with {dimension} dimensions: make a new baseline with the present encoder"
                )
        for start in range(0, len(samples), _BATCH):
            yield from self._push(samples[start : start + _BATCH])

    def _push(self, samples: Sequence[Sample]) -> Iterator[None]:
        baseline = self._baseline
        responses = np.stack([sample.response for sample in samples])
        prompts = np.stack([sample.prompt for sample in samples])
        residuals = baseline.ridge.residuals(prompts, responses)
        response_sums = baseline.responses.cross_sums(responses)
        residual_sums = baseline.residuals.cross_sums(residuals)
        alignments = np.einsum("ij,ij->i", prompts, responses, dtype=np.float64)
        for place, sample in enumerate(samples):
            session = self._session(sample)
            if len(self.recent) == self.sizes[-1]:
                self.moments = self.moments.minus(self.recent[0].response)
            self.moments = self.moments.plus(sample.response)
            self.responses.push(responses[place], session, float(response_sums[place]))
            self.residuals.push(residuals[place], session, float(residual_sums[place]))
            self._alignments.push(alignments[place : place + 1])
            self._behaviour.push(np.asarray(baseline.questions.answer(sample.features), dtype=np.float64))
            self.recent.append(sample)
            self.observed += 1
            if self.observed % self._recompute_every == 0:
                self.moments = Moments.of(np.stack([one.response for one in self.recent]))
            yield

    def _session(self, sample: Sample) -> int:
        """The sample's session code: one of its own when the name is that of too much of the window to mean one."""
        code = session_code(sample.session if self._baseline.uses_sessions else None, self.observed)
        self._named.append(code)
        if code >= 0 and self._named.count(code) > max(2, self._largest_session * self.sizes[-1]):
            return session_code(None, self.observed)
        return code

    def samples(self, size: int) -> int:
        """How many places of the window of this size are filled."""
        return self.responses.samples(size)

    def statistic(self, detector: str, size: int) -> float | None:
        """The statistic of a detector in the window of this size; None where it is not defined yet."""
        if detector == MMD:
            return self.responses.mmd2(size)
        if detector == RESIDUAL:
            return self.residuals.mmd2(size)
        if self.samples(size) == 0:
            return None
        if detector == ALIGNMENT:
            return 1 - self.alignment / float(self._baseline.alignments.mean())
        assert detector == BEHAVIOUR
        return float(np.square(self._differences(size)).max()) if self._yes.size else None

    @property
    def alignment(self) -> float:
        """Mean cosine of prompt and response in the largest window, which has at least one sample."""
        size = self.sizes[-1]
        return float(self._alignments.sums(size)[0]) / self.samples(size)

    def moved(self, size: int) -> Moved:
        """The behaviour that differs most in the window of this size, which has at least one sample."""
        apart = self._differences(size)
        place = int(np.argmax(np.abs(apart)))
        return Moved(
            question=self._baseline.questions.questions[place],
            z=float(apart[place]),
            baseline_share=float(self._yes[place]) / len(self._baseline),
            window_share=float(self._behaviour.sums(size)[place]) / self.samples(size),
        )

    def _differences(self, size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return difference(self._behaviour.sums(size), self.samples(size), self._yes, len(self._baseline))
