"""One *monitor*: a named population of answers, its baseline and its window, and how far one is from the other."""

from collections.abc import Iterator, Sequence

import numpy as np

from drift.baseline import Baseline
from drift.detectors import Detectors
from drift.policy import Policy, health_index
from drift.provisional import Outcome, judge_completed
from drift.records import DetectorScore, Report, Severity
from drift.samples import Sample
from drift.semantic.calibration import ALIGNMENT, BEHAVIOUR, MMD, RESIDUAL, Calibration
from drift.semantic.permutation import permutation_test
from drift.sentences import finding, missing_sentence, moved_sentence


class Monitor:
    """Compares a stream of samples with a baseline, one at a time.

    With calibrated thresholds the severity follows every sample. Before that it is provisional: each window is
    tested once when it completes, against a permutation null, and its outcome stands until the next completes.

    resume is the last report of an earlier run: its severity and provisional outcomes carry on, and restore
    gives the windows back.
    """

    calibration_progress: float
    """0..1, of the calibration that runs for this monitor; the caller sets it."""

    detectors: Detectors
    """The statistics and the largest window's samples."""

    def __init__(self, name: str, baseline: Baseline, policy: Policy, resume: Report | None = None) -> None:
        self.name = name
        self.baseline = baseline
        self.policy = policy
        self.calibration_progress = 0.0
        self._sizes = policy.window_sizes(len(baseline))
        self._minimum = dict(zip(self._sizes, policy.minimum_samples(self._sizes), strict=True))
        self._calibration = baseline.calibration if self._usable(baseline.calibration) else None
        self._severity: Severity | None = None
        self._completed: dict[int, Outcome] = {}
        self._empty(0)
        if resume is not None and resume.baseline_id == baseline.id:
            self._empty(resume.observed)
            self._severity = resume.severity
            for score in resume.detectors if resume.provisional else ():
                if score.window in self._sizes and score.ratio is not None:
                    self._completed[score.window] = Outcome(score.statistic, score.threshold, score.ratio)

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
        return next(self.observe_all([sample]))

    def observe_all(self, samples: Sequence[Sample]) -> Iterator[bool]:
        """Take in samples, one at each step of the iterator, which says whether the severity changed.

        Cheaper than one by one: their kernels against the baseline are one product.
        """
        for _ in self.detectors.push(samples):
            if self._calibration is None and len(self.baseline) >= self.policy.provisional_from:
                self._test_completed()
            yield self._judge()

    def restore(self, samples: Sequence[Sample], observed: int) -> None:
        """Rebuild the windows after a restart: samples are the last ones of `observed`, oldest first.

        Those up to the report that the monitor resumes from fill the windows, later ones are observed anew. With
        twice the largest window's number of samples before that report, what follows is what an uninterrupted
        monitor would have reported.
        """
        already = self.detectors.observed
        anew = min(max(0, observed - already), len(samples)) if already else 0
        self._empty(observed - len(samples))
        for _ in self.detectors.push(samples[: len(samples) - anew]):
            pass
        if anew == 0:
            self._judge()
        for _ in self.observe_all(samples[len(samples) - anew :]):
            pass

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
        scores = tuple(self._score(detector, size) for detector, size in self._watched())
        worst = max(scores, key=_by_ratio)
        said = max((score for score in scores if score.name.startswith("mmd")), key=_by_ratio)
        moments, reference = self.detectors.moments, self.baseline.response_moments
        alignment = self.detectors.alignment if moments.count else None
        missing, missing_from = self._missing()
        provisional = self._calibration is None
        return Report(
            monitor=self.name,
            at=at,
            baseline_id=self.baseline.id,
            encoder=self.baseline.encoder,
            baseline_samples=len(self.baseline),
            observed=self.detectors.observed,
            window_samples=moments.count,
            detectors=scores,
            mmd2=said.statistic,
            centroid_distance=reference.cosine_distance(moments) if moments.count else None,
            centroid_mmd2=reference.mmd2(moments) if moments.count > 1 else None,
            alignment=alignment,
            alignment_ratio=self._alignment_ratio(alignment),
            threshold=said.threshold,
            detector="" if worst.ratio is None else worst.name,
            ratio=worst.ratio,
            health_index=worst.health_index,
            severity=self._severity,
            provisional=provisional,
            run_length=None if self._calibration is None else self._calibration.run_length,
            calibration_progress=self.calibration_progress if provisional else 1.0,
            missing=missing,
            missing_from=missing_from,
            message=self._message(missing, missing_from, worst),
        )

    def test(self, rng: np.random.Generator) -> float:
        """Permutation p-value of the responses in the largest window, for a person who asks; never the ground of a
        severity.

        Raises TooFewSamples while the window has fewer than 2 samples, or too few sessions.
        """
        size = self._sizes[-1]
        return permutation_test(
            self.baseline.responses.vectors,
            self.detectors.responses.vectors(size),
            bandwidth=self.baseline.responses.bandwidth,
            permutations=self.policy.permutations,
            rng=rng,
            baseline_sessions=self.baseline.codes,
            window_sessions=self.detectors.responses.sessions(size),
        ).p_value

    def _usable(self, calibration: Calibration | None) -> bool:
        return (
            calibration is not None
            and calibration.windows == self._sizes
            and calibration.baseline_samples == len(self.baseline)
        )

    def _empty(self, observed: int) -> None:
        self.detectors = Detectors(
            self.baseline,
            sizes=self._sizes,
            recompute_every=self.policy.recompute_every,
            first_index=observed,
            largest_session=self.policy.largest_session,
        )

    def _watched(self) -> list[tuple[str, int]]:
        """The detectors and windows in a report: before there are lines, those of the responses."""
        if self._calibration is None:
            return [(MMD, size) for size in self._sizes]
        order = (MMD, RESIDUAL, BEHAVIOUR, ALIGNMENT)
        return sorted(
            ((line.detector, line.window) for line in self._calibration.lines),
            key=lambda one: (order.index(one[0]), one[1]),
        )

    def _test_completed(self) -> None:
        observed, window = self.detectors.observed, self.detectors.responses
        for size in self._sizes:
            if observed % size == 0 and window.samples(size) == size:
                self._completed[size] = judge_completed(
                    self.baseline, window, size, observed=observed, policy=self.policy
                )

    def _judge(self) -> bool:
        ratios = [self._outcome(*one).ratio for one in self._watched()]
        known = [ratio for ratio in ratios if ratio is not None]
        before = self._severity
        if known:
            self._severity = self.policy.severity(max(known), before)
        return self._severity is not before

    def _outcome(self, detector: str, size: int) -> Outcome:
        statistic = self.detectors.statistic(detector, size)
        if self._calibration is None:
            return self._completed.get(size, Outcome(statistic, None, None))
        samples = self.detectors.samples(size)
        if statistic is None or samples < self._minimum[size]:
            return Outcome(statistic, None, None)
        threshold = self._calibration.threshold(detector, size, samples)
        return Outcome(statistic, threshold, max(0.0, statistic) / threshold if threshold else None)

    def _score(self, detector: str, size: int) -> DetectorScore:
        outcome = self._outcome(detector, size)
        moved = detector == BEHAVIOUR and outcome.ratio is not None
        return DetectorScore(
            name=f"{detector}_{size}",
            window=size,
            samples=self.detectors.samples(size),
            statistic=outcome.statistic,
            threshold=outcome.threshold,
            ratio=outcome.ratio,
            health_index=None if outcome.ratio is None else health_index(outcome.ratio),
            detail=moved_sentence(self.detectors.moved(size)) if moved else "",
        )

    def _alignment_ratio(self, alignment: float | None) -> float | None:
        reference = float(self.baseline.alignments.mean())
        return None if alignment is None or reference <= 0 else alignment / reference

    def _missing(self) -> tuple[int, str]:
        if self._severity is not None:
            return 0, ""
        if len(self.baseline) < self.policy.provisional_from:
            return self.policy.provisional_from - len(self.baseline), "baseline"
        smallest = self._sizes[0]
        if self._calibration is None:
            if smallest in self._completed:
                return 1, "sessions"
            return smallest - self.detectors.observed % smallest, "window"
        wanting = self._minimum[smallest] - self.detectors.samples(smallest)
        return (wanting, "window") if wanting > 0 else (1, "sessions")

    def _message(self, missing: int, missing_from: str, worst: DetectorScore) -> str:
        if missing_from:
            return missing_sentence(missing, missing_from)
        found = finding(self._severity or Severity.LOW, worst)
        if self._calibration is not None:
            return found
        if self.needs_calibration:
            return f"{found} Provisional: the thresholds are {self.calibration_progress:.0%} calibrated."
        return f"{found} Provisional: a baseline of {self.policy.calibrated_from} answers has calibrated thresholds."


def _by_ratio(score: DetectorScore) -> tuple[float, int]:
    return (-1.0 if score.ratio is None else score.ratio), score.window
