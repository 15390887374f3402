"""Every default of the science, each with its reason."""

import msgspec

from drift.records import Severity

_SMALLEST_WINDOW = 4
"""10 baseline answers and 4 new ones can be split in C(14, 4) = 1,001 ways: below that no 99.9 % point exists."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How drift is judged. Windows and run lengths are counted in scored responses."""

    windows: tuple[int, ...] = (50, 200)
    """The short one finds a swapped model within its length, the long one a change in a tenth of the traffic."""
    expected_run_length: int = 10_000
    """Mean number of responses before a false alarm: one in some days of modest traffic."""
    minimum_window_samples: int = 10
    """A growing window is scored from here on; fewer answers say more about themselves than about the model."""
    provisional_from: int = 10
    """Baseline size below which a severity would be a guess."""
    calibrated_from: int = 100
    """Baseline size below which resampling it does not stand for the traffic behind it."""
    max_baseline: int = 2_000
    """Beyond this the baseline's own noise is a tenth of a window of 200's, and each response costs more."""
    severity_bounds: tuple[float, float, float] = (1.0, 2.0, 4.0)
    """Ratios at which MEDIUM, HIGH and CRITICAL begin; 1 is the alarm line."""
    release: float = 0.8
    """A severity falls when the ratio is under this share of its bound, so that noise at the line does not flap."""
    recompute_every: int = 1_000
    """Responses between two exact summations of the moving sums."""
    permutations: int = 999
    """For a p-value asked for on demand: its smallest value is 1/1,000."""
    provisional_level: float = 0.999
    """Quantile of the permutation null that a completed window must reach before the thresholds are calibrated."""
    provisional_permutations: int = 9_999
    """Ten null values lie beyond the 99.9 % point, so that the point itself is steady."""
    waiting_permutations: int = 999
    """The same while a large baseline waits for its calibration: exact too, noisier, and a tenth of the time."""
    calibration_paths: int = 800
    """Simulated streams that fit the thresholds: 4 % standard error on the run length."""
    validation_paths: int = 400
    """Further streams that only measure the run length reached: 5 %."""
    witnesses: int = 20
    """How many samples, or pairs, a person is shown."""

    def window_sizes(self, n: int) -> tuple[int, ...]:
        """The windows that a baseline of n samples can judge, ascending, equal ones merged.

        At most n/4 each: the reference must stay the quieter side of the comparison.
        """
        return tuple(sorted({max(_SMALLEST_WINDOW, min(size, n // 4)) for size in self.windows}))

    def minimum_samples(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """From how many samples on each window is scored, for window sizes in ascending order.

        Up to the size of the next smaller window a larger one holds the same samples, and would only judge them
        by its own, lower line: three false alarms in the first window instead of one.
        """
        before = (self.minimum_window_samples, *sizes[:-1])
        return tuple(min(size, fewest) for size, fewest in zip(sizes, before, strict=True))

    def severity(self, ratio: float, previous: Severity | None = None) -> Severity:
        """The severity of a ratio that follows a previous severity: it rises at once and falls with hysteresis."""
        rank = sum(ratio >= bound for bound in self.severity_bounds)
        held = 0 if previous is None else previous.rank
        while held > rank and ratio < self.release * self.severity_bounds[held - 1]:
            held -= 1
        return list(Severity)[max(rank, held)]


def health_index(ratio: float) -> float:
    """100 / (1 + ratio^2), in percent: 100 without drift, 50 at the alarm line, 20 at HIGH, 6 at CRITICAL."""
    return 100.0 / (1.0 + ratio * ratio)
