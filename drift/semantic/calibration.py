"""Alarm thresholds with a stated expected run length.

A *path* is one simulated stream without drift, watched against a simulated baseline of its own. The *run
length* is the number of responses until the first alarm of any window. Thresholds follow the standard
deviation of the statistic while a window fills, as in Cobb et al. (2021), arXiv 2108.00883, who simulate
on a split of the baseline; a split leaves a smaller reference than the one deployed, so each path here
resamples the baseline at its full size instead.
"""

from collections.abc import Generator

import msgspec
import numpy as np

from drift.records import RunLength
from drift.semantic.mmd import Doubles, Floats, null_deviation

_SMALLEST_SCALE = 1e-4
"""Below this the baseline's answers are all alike, and the kernel's spread is rounding."""
_SLICE = 2_000_000
"""Kernel values gathered between two yields: some 30 ms."""


Path = list[tuple[Doubles, Doubles]]
"""Per window the times and values of the records of its standardised statistic."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The thresholds of one baseline. Plain numbers: it can be stored as JSON."""

    baseline_samples: int
    windows: tuple[int, ...]
    factors: tuple[float, ...]
    """Per window: how many standard deviations of the statistic the alarm line is away."""
    scale: float
    """Root mean square of the centred kernel between two baseline samples."""
    run_length: RunLength

    def threshold(self, window: int, samples: int) -> float:
        """The alarm line on mmd2 for a window of which `samples` (>= 2) places are filled."""
        factor = self.factors[self.windows.index(window)]
        return factor * self.scale * float(null_deviation(samples, self.baseline_samples))


def u_centred(kernel: Floats) -> tuple[Floats, float]:
    """The kernel with the means of its rows and columns taken out, and its root mean square.

    kernel (n, n), n >= 4. The result is float32 with a zero diagonal and rows that sum to zero, divided by the
    root mean square, so that a pair drawn with replacement has a mean of 0 and a mean square of 1. Zero
    between a sample and itself makes such ties act like two unrelated samples.
    Source: Szekely and Rizzo (2014), U-centring: its mean square is free of the bias of plain double centring.
    """
    n = len(kernel)
    centred = kernel.astype(np.float64)
    np.fill_diagonal(centred, 0)
    sums = centred.sum(axis=1)
    centred -= (sums / (n - 2))[:, None]
    centred -= sums / (n - 2)
    centred += sums.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0)
    squares = float(np.square(centred).sum())
    scale = (squares / (n * (n - 3))) ** 0.5
    with_ties = (squares / n**2) ** 0.5
    return (centred / with_ties if scale > _SMALLEST_SCALE else centred).astype(np.float32), scale


def calibrate(
    kernel: Floats,
    *,
    windows: tuple[int, ...],
    expected_run_length: int,
    rng: np.random.Generator,
    minimum_samples: tuple[int, ...],
    fitting_paths: int = 800,
    validation_paths: int = 400,
) -> Generator[float, None, Calibration]:
    """Find the factors at which the first false alarm of any window comes after expected_run_length on average.

    kernel (n, n) holds the kernel of the n baseline samples, n >= 4; windows ascend, and each is scored from its
    minimum_samples (>= 2) on. Each window alone is given the same run length, chosen so that together they have
    the expected one. Yields the share of the work done, in 0..1, about every 50 ms, so that a worker can go on
    with other things; returns the Calibration. The same rng gives the same result.
    """
    n = len(kernel)
    centred, scale = u_centred(kernel)
    if scale <= _SMALLEST_SCALE:
        # All answers alike: any other answer is far beyond any line, and there is nothing to simulate.
        factor = float(2 * np.log(expected_run_length)) ** 0.5
        return Calibration(
            baseline_samples=n,
            windows=windows,
            factors=(factor,) * len(windows),
            scale=_SMALLEST_SCALE,
            run_length=RunLength(
                expected=expected_run_length, realised=float(expected_run_length), realised_stderr=0.0, paths=0
            ),
        )
    # Nine paths in ten alarm within three run lengths; the rest is a tail with a measured rate.
    horizon = max(3 * expected_run_length, 4 * max(windows))
    paths = _Paths(centred, windows, minimum_samples, horizon)
    count = fitting_paths + validation_paths
    records: list[Path] = []
    for done in range(count):
        records.append((yield from paths.simulate(rng, done / count, 1 / count)))
    factors = _fit(records[:fitting_paths], expected_run_length, horizon)
    yield 1.0
    times = _first_alarms([_Records.of(records[fitting_paths:], k) for k in range(len(windows))], factors)
    realised, stderr = mean_run_length(times, horizon)
    return Calibration(
        baseline_samples=n,
        windows=windows,
        factors=factors,
        scale=scale,
        run_length=RunLength(
            expected=expected_run_length, realised=realised, realised_stderr=stderr, paths=validation_paths
        ),
    )


def mean_run_length(times: Doubles, horizon: float) -> tuple[float, float]:
    """Mean time to the first alarm and its standard error, from times that are cut off at a horizon.

    times holds one value per path, infinite where no alarm came by the horizon. Up to the horizon the mean is
    exact; beyond it the paths left alarm at the rate measured in the last two thirds, which is lower than the
    first rate, because the paths that last are those with a lucky baseline. Infinite when none alarmed.
    """
    alarmed = np.isfinite(times)
    observed = np.minimum(times, horizon)
    start = horizon / 3
    if not (alarmed & (times > start)).any():
        start = 0.0
    exposure = float(np.maximum(observed - start, 0).sum())
    alarms = int((alarmed & (times > start)).sum())
    if alarms == 0:
        return float("inf"), float("inf")
    beyond = exposure / alarms
    mean = float(observed.mean()) + float((~alarmed).mean()) * beyond
    left = np.where(alarmed, observed, observed + beyond)
    # The tail's rate has its own error, beside that of the mean.
    tail_error = float((~alarmed).mean()) * beyond / alarms**0.5
    return mean, float(np.hypot(left.std() / len(times) ** 0.5, tail_error))


class _Records(msgspec.Struct, frozen=True):
    """When one window's standardised statistic set a new maximum, one row per path, padded on the right."""

    times: Doubles
    values: Doubles

    @classmethod
    def of(cls, records: list[Path], window: int) -> "_Records":
        longest = max(len(path[window][0]) for path in records)
        times = np.full((len(records), longest), np.inf)
        values = np.full((len(records), longest), -np.inf)
        for row, path in enumerate(records):
            when, value = path[window]
            times[row, : len(when)] = when
            values[row, : len(value)] = value
        return cls(times, values)

    def first_alarms(self, factor: float) -> Doubles:
        """Per path the time at which the statistic first reached the factor, infinite if never."""
        times: Doubles = np.where(self.values >= factor, self.times, np.inf).min(axis=1)
        return times


def _first_alarms(windows: list[_Records], factors: tuple[float, ...]) -> Doubles:
    alarms = [window.first_alarms(factor) for window, factor in zip(windows, factors, strict=True)]
    return np.asarray(np.min(alarms, axis=0), dtype=np.float64)


def _fit(records: list[Path], expected: int, horizon: int) -> tuple[float, ...]:
    """Factors that give every window the same run length, and all together the expected one."""
    windows = [_Records.of(records, k) for k in range(len(records[0]))]
    curves = []
    for window in windows:
        reached = window.values[np.isfinite(window.values)]
        grid = np.linspace(0, reached.max(), 200)
        lengths = [mean_run_length(window.first_alarms(factor), horizon)[0] for factor in grid]
        # Beyond the last alarm seen there is no curve; rising strictly, it can be read backwards.
        known = np.isfinite(lengths)
        curves.append((np.maximum.accumulate(np.log(np.asarray(lengths)[known])), grid[known]))

    def factors_at(log_length: float) -> tuple[float, ...]:
        return tuple(float(np.interp(log_length, *curve)) for curve in curves)

    low, high = np.log(expected) - 1, np.log(expected * len(windows)) + 1
    for _ in range(30):
        middle = (low + high) / 2
        together, _ = mean_run_length(_first_alarms(windows, factors_at(middle)), horizon)
        low, high = (middle, high) if together < expected else (low, middle)
    return factors_at((low + high) / 2)


class _Paths:
    """Simulates streams of `horizon` responses, drawn from a baseline's centred kernel of unit mean square."""

    def __init__(
        self, centred: Floats, windows: tuple[int, ...], minimum_samples: tuple[int, ...], horizon: int
    ) -> None:
        self._centred = centred
        self._windows = windows
        self._horizon = horizon
        self._first = [fewest - 1 for fewest in minimum_samples]
        self._pairs = np.empty(horizon, dtype=np.float32)
        self._places = np.empty(horizon, dtype=np.int64)

    def simulate(self, rng: np.random.Generator, progress: float, share: float) -> Generator[float, None, Path]:
        """One path: per window the times (1-based) and values of its records. Yields within long paths."""
        n, horizon = len(self._centred), self._horizon
        counts = np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
        stream = rng.integers(n, size=horizon)
        to_reference = self._centred @ counts / n
        within_reference = float(counts @ to_reference) / (n - 1)
        to_reference_until = np.concatenate([[0.0], np.cumsum(to_reference[stream])])

        # entering: a response with its window so far; leaving: the one it drives out with those that stay.
        entering = np.zeros(horizon, dtype=np.float32)
        leaving = [np.zeros(horizon, dtype=np.float32) for _ in self._windows]
        kernel, row_starts = self._centred.ravel(), stream * n
        records: Path = []
        gathered, first_lag = 0, 1
        for k, window in enumerate(self._windows):
            for lag in range(first_lag, window):
                places, pairs = self._places[lag:], self._pairs[lag:]
                np.add(row_starts[lag:], stream[:-lag], out=places)
                kernel.take(places, out=pairs, mode="clip")
                entering[lag:] += pairs
                for later, sums in zip(self._windows[k:], leaving[k:], strict=True):
                    sums[later:] += pairs[: horizon - later]
                gathered += horizon
                if gathered >= _SLICE:
                    gathered = 0
                    yield progress + share * lag / self._windows[-1]
            first_lag = window
            filled = np.minimum(np.arange(1, horizon + 1), window).astype(np.float64)
            pair_sums = 2 * np.cumsum(entering - leaving[k], dtype=np.float64)
            to_reference_sums = to_reference_until[1:].copy()
            to_reference_sums[window:] -= to_reference_until[1:-window]
            scored = slice(self._first[k], None)
            m = filled[scored]
            mmd2 = within_reference + pair_sums[scored] / (m * (m - 1)) - 2 * to_reference_sums[scored] / m
            records.append(_records(mmd2 / null_deviation(m, n), self._first[k] + 1))
        yield progress + share
        return records


def _records(values: Doubles, first_time: int) -> tuple[Doubles, Doubles]:
    """The times at which a series sets a new maximum, and those maxima: all that a threshold can depend on."""
    maxima = np.maximum.accumulate(values)
    at = np.flatnonzero(np.diff(maxima, prepend=-np.inf) > 0)
    return (at + first_time).astype(np.float64), maxima[at]
