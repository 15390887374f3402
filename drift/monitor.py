"""One *monitor*: a named population of answers, its baseline and its window, and how far one is from the other."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np

from drift.baseline import Baseline
from drift.errors import EncoderMismatch
from drift.policy import Policy, health_index
from drift.records import DetectorScore, Report, Severity
from drift.samples import Sample
from drift.semantic.calibration import Calibration
from drift.semantic.mmd import Permuted, permutation_test
from drift.semantic.witness import Witness
from drift.window import Window

_SMALLEST_THRESHOLD = 1e-6
"""The rounding of float32 kernels: a baseline of equal answers has a null of zeros."""


class _Outcome(NamedTuple):
    """A window's statistic, its alarm line and their ratio; provisional ones are of the window last completed."""

    statistic: float | None
    threshold: float | None
    ratio: float | None


class Monitor:
    """Compares a stream of samples with a baseline, one at a time.

    With calibrated thresholds the severity follows every sample. Before that it is provisional: each window is
    tested once when it completes, against a permutation null, and its outcome stands until the next completes.

    resume is the last report of an earlier run: its severity and provisional outcomes carry on, and restore
    gives the windows back.
    """

    calibration_progress: float
    """0..1, of the calibration that runs for this monitor; the caller sets it."""

    def __init__(self, name: str, baseline: Baseline, policy: Policy, resume: Report | None = None) -> None:
        self.name = name
        self.baseline = baseline
        self.policy = policy
        self.calibration_progress = 0.0
        self._sizes = policy.window_sizes(len(baseline))
        self._minimum = dict(zip(self._sizes, policy.minimum_samples(self._sizes), strict=True))
        self._calibration = baseline.calibration if self._usable(baseline.calibration) else None
        self._severity: Severity | None = None
        self._completed: dict[int, _Outcome] = {}
        self._empty(0)
        if resume is not None and resume.baseline_id == baseline.id:
            self._empty(resume.observed)
            self._severity = resume.severity
            for detector in resume.detectors if resume.provisional else ():
                if detector.window in self._sizes and detector.ratio is not None:
                    self._completed[detector.window] = _Outcome(detector.statistic, detector.threshold, detector.ratio)

    @property
    def severity(self) -> Severity | None:
        return self._severity

    @property
    def needs_calibration(self) -> bool:
        """True while a calibration for windows `window_sizes` would replace the provisional thresholds."""
        return self._calibration is None and len(self.baseline) >= self.policy.calibrated_from

    @property
    def window_sizes(self) -> tuple[int, ...]:
        """Ascending, in samples."""
        return self._sizes

    def observe(self, sample: Sample) -> bool:
        """Take in one sample, O((n + W) d); True when the severity changed.

        Raises EncoderMismatch when its vectors have another dimension than the baseline's.
        """
        self._take(sample)
        if self._calibration is None and len(self.baseline) >= self.policy.provisional_from:
            for size in self._sizes:
                if self._observed % size == 0 and self._window.samples(size) == size:
                    self._test_completed(size)
        return self._judge()

    def restore(self, samples: Sequence[Sample], observed: int) -> None:
        """Rebuild the windows after a restart: samples are the last ones of `observed`, oldest first.

        Those up to the report that the monitor resumes from fill the windows, later ones are observed anew. With the
        largest window's number of samples before that report, what follows is what an uninterrupted
        monitor would have reported.
        """
        anew = min(max(0, observed - self._observed), len(samples)) if self._observed else 0
        self._empty(observed - len(samples))
        for sample in samples[: len(samples) - anew]:
            self._take(sample)
        if anew == 0:
            self._judge()
        for sample in samples[len(samples) - anew :]:
            self.observe(sample)

    def set_calibration(self, calibration: Calibration) -> bool:
        """Go over from provisional to calibrated thresholds; True when that changes the severity.

        Raises ValueError when the calibration is of another baseline size or of other windows.
        """
        if not self._usable(calibration):
            raise ValueError(f"calibrated for windows {calibration.windows}, this monitor has {self._sizes}")
        self._calibration = calibration
        self.baseline = self.baseline.with_calibration(calibration)
        self._completed.clear()
        return self._judge()

    def report(self, at: float) -> Report:
        """How far the windows have moved, at a time in unix seconds. O(d)."""
        detectors = tuple(self._detector(size) for size in self._sizes)
        worst = max(detectors, key=lambda one: (-1.0 if one.ratio is None else one.ratio, one.window))
        missing, missing_from = self._missing()
        moments, reference = self._window.moments, self.baseline.response_moments
        provisional = self._calibration is None
        return Report(
            monitor=self.name,
            at=at,
            baseline_id=self.baseline.id,
            encoder=self.baseline.encoder,
            baseline_samples=len(self.baseline),
            observed=self._observed,
            window_samples=moments.count,
            detectors=detectors,
            mmd2=worst.statistic,
            centroid_distance=reference.cosine_distance(moments) if moments.count else None,
            centroid_mmd2=reference.mmd2(moments) if moments.count > 1 else None,
            threshold=worst.threshold,
            ratio=worst.ratio,
            health_index=None if worst.ratio is None else health_index(worst.ratio),
            severity=self._severity,
            provisional=provisional,
            run_length=None if self._calibration is None else self._calibration.run_length,
            calibration_progress=self.calibration_progress if provisional else 1.0,
            missing=missing,
            missing_from=missing_from,
            message=self._message(missing, missing_from),
        )

    def witnesses(self, count: int) -> tuple[Witness, ...]:
        """The samples of the largest window that carry most of its drift, the strongest first.

        Raises TooFewSamples while the window has fewer than 2.
        """
        phi = self._window.phi(self._sizes[-1])
        strongest = np.argsort(-phi, kind="stable")[:count]
        return tuple(
            Witness(exchange_id=self._exchange_ids[place], position=int(place), phi=float(phi[place]))
            for place in strongest
        )

    def test(self, rng: np.random.Generator) -> float:
        """Permutation p-value of the largest window, for a person who asks; never the ground of a severity.

        Raises TooFewSamples while the window has fewer than 2.
        """
        return self._permuted(self._sizes[-1], self.policy.permutations, rng).p_value

    def _usable(self, calibration: Calibration | None) -> bool:
        return (
            calibration is not None
            and calibration.windows == self._sizes
            and calibration.baseline_samples == len(self.baseline)
        )

    def _empty(self, observed: int) -> None:
        self._observed = observed
        self._exchange_ids: deque[str] = deque(maxlen=self._sizes[-1])
        self._window = Window(
            self.baseline.responses,
            pair_mean=self.baseline.pair_mean,
            bandwidth=self.baseline.bandwidth,
            sizes=self._sizes,
            recompute_every=self.policy.recompute_every,
            first_index=observed,
        )

    def _take(self, sample: Sample) -> None:
        dimension = self.baseline.responses.shape[1]
        if sample.response.shape != (dimension,):
            raise EncoderMismatch(
                f"a vector of shape {sample.response.shape}, but {self.baseline.encoder} made this baseline with "
                f"{dimension} dimensions: make a new baseline with the present encoder"
            )
        self._window.push(sample.response)
        self._exchange_ids.append(sample.exchange_id)
        self._observed += 1

    def _judge(self) -> bool:
        ratios = [one.ratio for one in map(self._outcome, self._sizes) if one.ratio is not None]
        before = self._severity
        if ratios:
            self._severity = self.policy.severity(max(ratios), before)
        return self._severity is not before

    def _outcome(self, size: int) -> "_Outcome":
        if self._calibration is None:
            return self._completed.get(size, _Outcome(self._window.mmd2(size), None, None))
        samples = self._window.samples(size)
        statistic = self._window.mmd2(size)
        if statistic is None or samples < self._minimum[size]:
            return _Outcome(statistic, None, None)
        threshold = self._calibration.threshold(size, samples)
        return _Outcome(statistic, threshold, max(0.0, statistic) / threshold)

    def _test_completed(self, size: int) -> None:
        policy = self.policy
        small = len(self.baseline) < policy.calibrated_from
        permutations = policy.provisional_permutations if small else policy.waiting_permutations
        # Seeded by what is tested, so that a restarted monitor draws the same null.
        rng = np.random.default_rng([crc32(self.baseline.id.encode()), self._observed, size])
        permuted = self._permuted(size, permutations, rng)
        at = int(policy.provisional_level * permutations)
        threshold = max(float(permuted.null[min(at, permutations - 1)]), _SMALLEST_THRESHOLD)
        ratio = max(0.0, permuted.statistic) / threshold
        self._completed[size] = _Outcome(permuted.statistic, threshold, ratio)

    def _permuted(self, size: int, permutations: int, rng: np.random.Generator) -> Permuted:
        return permutation_test(
            self.baseline.responses,
            self._window.vectors(size),
            bandwidth=self.baseline.bandwidth,
            permutations=permutations,
            rng=rng,
        )

    def _detector(self, size: int) -> DetectorScore:
        outcome = self._outcome(size)
        return DetectorScore(
            name=f"mmd_{size}",
            window=size,
            samples=self._window.samples(size),
            statistic=outcome.statistic,
            threshold=outcome.threshold,
            ratio=outcome.ratio,
        )

    def _missing(self) -> tuple[int, str]:
        if self._severity is not None:
            return 0, ""
        if len(self.baseline) < self.policy.provisional_from:
            return self.policy.provisional_from - len(self.baseline), "baseline"
        smallest = self._sizes[0]
        if self._calibration is None:
            return smallest - self._observed % smallest, "window"
        return self._minimum[smallest] - self._window.samples(smallest), "window"

    def _message(self, missing: int, missing_from: str) -> str:
        answers = "answer" if missing == 1 else "answers"
        if missing_from == "baseline":
            return f"The baseline is {missing} {answers} short of a severity: make a new one from more traffic."
        if missing_from == "window":
            return f"{missing} more {answers} until the first score."
        found = _FINDINGS[self._severity or Severity.LOW]
        if self._calibration is not None:
            return found
        if self.needs_calibration:
            return f"{found} Provisional: the thresholds are {self.calibration_progress:.0%} calibrated."
        return f"{found} Provisional: a baseline of {self.policy.calibrated_from} answers has calibrated thresholds."


_FINDINGS = {
    Severity.LOW: "No drift: nothing to do.",
    Severity.MEDIUM: "The answers have begun to drift: compare the witnesses with the baseline.",
    Severity.HIGH: "The answers have drifted: look at the witnesses and at what changed upstream.",
    Severity.CRITICAL: "The answers are no longer those of the baseline: find the change, or make a new baseline.",
}
"""What each severity means, and what to do next."""
