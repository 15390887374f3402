"""Alarm lines with a stated expected run length.

The *run length* is the number of responses per false alarm of any detector. A line follows the standard
deviation of its statistic while a window fills; how many deviations it is away is found on simulated streams
(simulation.py), at once for all detectors and windows, so that the run length stated is the whole monitor's.
Source: Cobb et al. (2021), arXiv 2108.00883, for time-varying thresholds of a stated expected run length.
"""

from collections.abc import Generator
from typing import NamedTuple

import msgspec
import numpy as np

from drift.indicators import Answers
from drift.policy import VERDICT
from drift.records import RunLength
from drift.samples import Codes
from drift.semantic.mmd import Doubles, Floats, null_deviation
from drift.semantic.sessions import members
from drift.semantic.simulation import Paths, Records, Resampled

MMD, RESIDUAL, ALIGNMENT, BEHAVIOUR = "mmd", "residual_mmd", "alignment", "behaviour"

_SMALLEST_SCALE = 1e-4
"""Below this the baseline's answers are all alike, and the kernel's spread is rounding."""
_SMALLEST_ALIGNMENT = 0.05
"""A share of a mean near zero says nothing: answers that have nothing to do with their prompts are not aligned."""
_SMALLEST_BEHAVIOUR = 9.0
"""Three standard deviations: a line below that would call one odd answer in a short window a drift."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The alarm line of one detector in one window."""

    detector: str
    window: int
    factor: float
    """How many standard deviations of the statistic the line is away; of behaviour: squared ones."""
    scale: float
    """The statistic's standard deviation, but for the sizes of baseline and window."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The thresholds of one baseline. Plain numbers: it can be stored as JSON."""

    baseline_samples: int
    lines: tuple[Line, ...]
    run_length: RunLength

    @property
    def windows(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(sorted({line.window for line in self.lines}))

    def threshold(self, detector: str, window: int, samples: int) -> float | None:
        """The alarm line for a window of which `samples` (>= 2) places are filled; None where there is none."""
        for line in self.lines:
            if line.detector == detector and line.window == window:
                return line.factor * line.scale * deviation(detector, samples, self.baseline_samples)
        return None


class Sources(NamedTuple):
    """What the detectors see of n baseline samples."""

    responses: Floats
    """Kernel of the responses, (n, n)."""
    residuals: Floats
    """Kernel of the residuals, (n, n)."""
    alignments: Doubles
    """Cosine of each prompt and its response, (n,)."""
    answers: Answers
    """Answers to the behaviour questions, (n, k)."""
    sessions: Codes
    """Shape (n,)."""


def deviation(detector: str, m: int, n: int) -> float:
    """Standard deviation of a detector's statistic without drift, per unit of scale, for m samples against n."""
    if detector == BEHAVIOUR:
        return 1.0
    return float(null_deviation(m, n)) if detector != ALIGNMENT else (1 / m + 1 / n) ** 0.5


def u_centred(kernel: Floats, sessions: Codes | None = None) -> tuple[Floats, float]:
    """The kernel with the means of its rows and columns taken out, and its root mean square.

    kernel (n, n), n >= 4; sessions (n,) are codes. The result is float32, zero within a session, with rows that sum
    to zero (but for sessions), divided by the root mean square, so that a pair drawn with replacement has a
    mean of 0 and a mean square of 1. Zero between a sample and itself makes such ties act like two unrelated samples.
    Source: Szekely and Rizzo (2014), U-centring: its mean square is free of the bias of plain double centring.
    """
    n = len(kernel)
    centred = kernel.astype(np.float64)
    np.fill_diagonal(centred, 0)
    groups = [np.ix_(group, group) for group in members(sessions).values()] if sessions is not None else []
    unrelated = np.full(n, n - 1)
    for block in groups:
        centred[block] = 0
        unrelated[block[0]] = n - len(block[0])
    rows = centred.sum(axis=1) / unrelated
    for block in groups:
        # What an unrelated pair would have: the pair itself says nothing.
        centred[block] = rows[block[0]] + rows[block[1]] - rows.mean()
    np.fill_diagonal(centred, 0)
    sums = centred.sum(axis=1)
    centred -= (sums / (n - 2))[:, None]
    centred -= sums / (n - 2)
    centred += sums.sum() / ((n - 1) * (n - 2))
    for block in groups:
        centred[block] = 0
    np.fill_diagonal(centred, 0)
    squares = float(np.square(centred).sum())
    scale = (squares / float(unrelated.sum()) * (n - 1) / (n - 3)) ** 0.5
    with_ties = (squares / n**2) ** 0.5
    return (centred / with_ties if scale > _SMALLEST_SCALE else centred).astype(np.float32), scale


def calibrate(
    sources: Sources,
    *,
    windows: tuple[int, ...],
    expected_run_length: int,
    rng: np.random.Generator,
    minimum_samples: tuple[int, ...],
    fitting_paths: int = 800,
    validation_paths: int = 400,
) -> Generator[float, None, Calibration]:
    """Find the factors at which any of the detectors raises a false alarm once in expected_run_length responses.

    windows ascend, and each is scored from its minimum_samples (>= 2) on. Each detector alone is given the same run
    length, chosen so that together they have the expected one. Yields the share of the work done, in 0..1, every
    50 to 250 ms, so that a worker can go on with other things; returns the Calibration. The same rng gives the same
    result. Raises ValueError for fewer than 4 samples.
    """
    n = len(sources.responses)
    if n < 4:
        raise ValueError(f"{n} samples: a calibration needs 4")
    resampled, scales = _prepared(sources)
    lines = _lines(resampled, windows)
    simulated = any(part is not None for part in (resampled.responses, resampled.residuals, resampled.answers))
    factors: tuple[float, ...] = ()
    run_length = RunLength(
        expected=expected_run_length, realised=float(expected_run_length), realised_stderr=0.0, paths=0
    )
    if simulated:
        horizon = max(expected_run_length, 4 * max(windows))
        paths = Paths(resampled, windows, minimum_samples, horizon)
        count = fitting_paths + validation_paths
        records: list[list[Records]] = []
        for done in range(count):
            records.append((yield from paths.simulate(rng, done / count, 1 / count)))
        factors = _fit(records[:fitting_paths], expected_run_length, horizon, _floors(lines))
        yield 1.0
        times = _first_alarms([_Records.of(records[fitting_paths:], k) for k in range(len(factors))], factors)
        realised, stderr = responses_per_alarm(times, horizon / 2)
        run_length = RunLength(
            expected=expected_run_length, realised=realised, realised_stderr=stderr, paths=validation_paths
        )
    # A detector that never moves on the baseline has nothing to simulate: anything else is far beyond any line.
    still = 2 * float(np.log(expected_run_length))
    found = {(d, w): still if d == BEHAVIOUR else still**0.5 for d in (MMD, RESIDUAL, BEHAVIOUR) for w in windows}
    found |= dict(zip(lines, factors, strict=True)) if factors else {}
    wanted = [(MMD, w) for w in windows]
    if float(sources.alignments.mean()) <= VERDICT.echo:
        wanted += [(RESIDUAL, w) for w in windows]
    if sources.answers.shape[1]:
        wanted += [(BEHAVIOUR, w) for w in windows]
    if resampled.alignments is not None:
        wanted.append((ALIGNMENT, windows[-1]))
    return Calibration(
        baseline_samples=n,
        lines=tuple(Line(detector=d, window=w, factor=found[d, w], scale=scales[d]) for d, w in wanted),
        run_length=run_length,
    )


def _prepared(sources: Sources) -> tuple[Resampled, dict[str, float]]:
    """What moves on the baseline, standardised, and the scale of each detector; 0: it cannot be used."""
    scales = {BEHAVIOUR: 1.0}
    kernels: dict[str, Floats | None] = {}
    for name, kernel in ((MMD, sources.responses), (RESIDUAL, sources.residuals)):
        centred, scale = u_centred(kernel, sources.sessions)
        kernels[name] = centred if scale > _SMALLEST_SCALE else None
        scales[name] = max(scale, _SMALLEST_SCALE)
    mean, spread = float(sources.alignments.mean()), float(sources.alignments.std(ddof=1))
    usable = mean > _SMALLEST_ALIGNMENT and spread > _SMALLEST_SCALE
    if mean > VERDICT.echo:
        kernels[RESIDUAL] = None
    scales[ALIGNMENT] = spread / mean if usable else 0.0
    # Drawn with replacement the spread is the one of the sample, without the correction for its size.
    spread = float(sources.alignments.std())
    answers = sources.answers[:, sources.answers.any(axis=0) & ~sources.answers.all(axis=0)]
    if answers.shape[1]:
        # "At most 3" and "not a 4" are one question.
        answers = np.unique(np.where(answers[0], ~answers, answers), axis=1)
    resampled = Resampled(
        responses=kernels[MMD],
        residuals=kernels[RESIDUAL],
        alignments=(sources.alignments - mean) / spread if usable else None,
        answers=answers if answers.shape[1] else None,
        sessions=sources.sessions,
    )
    return resampled, scales


def _lines(resampled: Resampled, windows: tuple[int, ...]) -> list[tuple[str, int]]:
    """The detectors that a path has records of, in its order."""
    lines = [(MMD, w) for w in windows] if resampled.responses is not None else []
    lines += [(RESIDUAL, w) for w in windows] if resampled.residuals is not None else []
    lines += [(ALIGNMENT, windows[-1])] if resampled.alignments is not None else []
    lines += [(BEHAVIOUR, w) for w in windows] if resampled.answers is not None else []
    return lines


def _floors(lines: list[tuple[str, int]]) -> list[float]:
    return [_SMALLEST_BEHAVIOUR if detector == BEHAVIOUR else 0.0 for detector, _ in lines]


def responses_per_alarm(times: Doubles, span: float) -> tuple[float, float]:
    """Responses per false alarm within the first `span` of them, and its standard error.

    times holds each path's first alarm, infinite where there was none. An alarm at a rate r is wanting in a share
    exp(-r span) of the paths. Not the mean time to the first alarm: some baselines are lucky and run for long, and
    their length would make up for the frequent alarms of the others. When all paths
    alarmed, or none, half a path is counted otherwise: the figure is a bound then.
    """
    half = 0.5 / len(times)
    share = float(np.clip((times <= span).mean(), half, 1 - half))
    length = span / -float(np.log1p(-share))
    return length, length**2 / span * (share / (1 - share) / len(times)) ** 0.5


class _Records(msgspec.Struct, frozen=True):
    """When one detector's standardised statistic set a new maximum, one row per path, padded on the right."""

    times: Doubles
    values: Doubles

    @classmethod
    def of(cls, records: list[list[Records]], detector: int) -> "_Records":
        longest = max(len(path[detector][0]) for path in records)
        times = np.full((len(records), longest), np.inf)
        values = np.full((len(records), longest), -np.inf)
        for row, path in enumerate(records):
            when, value = path[detector]
            times[row, : len(when)] = when
            values[row, : len(value)] = value
        return cls(times, values)

    def first_alarms(self, factor: float) -> Doubles:
        """Per path the time at which the statistic first reached the factor, infinite if never."""
        times: Doubles = np.where(self.values >= factor, self.times, np.inf).min(axis=1)
        return times


def _first_alarms(detectors: list[_Records], factors: tuple[float, ...]) -> Doubles:
    alarms = [detector.first_alarms(factor) for detector, factor in zip(detectors, factors, strict=True)]
    return np.asarray(np.min(alarms, axis=0), dtype=np.float64)


def _fit(records: list[list[Records]], expected: int, horizon: int, floors: list[float]) -> tuple[float, ...]:
    """Factors that give every detector the same run length, and all together the expected one."""
    detectors = [_Records.of(records, k) for k in range(len(records[0]))]
    curves = []
    for detector in detectors:
        reached = detector.values[np.isfinite(detector.values)]
        grid = np.linspace(0, reached.max(), 200)
        lengths = [responses_per_alarm(detector.first_alarms(factor), horizon)[0] for factor in grid]
        # Beyond the last alarm seen there is no curve; rising strictly, it can be read backwards.
        known = np.isfinite(lengths)
        curves.append((np.maximum.accumulate(np.log(np.asarray(lengths)[known])), grid[known]))

    def factors_at(log_length: float) -> tuple[float, ...]:
        return tuple(
            max(floor, float(np.interp(log_length, *curve))) for curve, floor in zip(curves, floors, strict=True)
        )

    low, high = np.log(expected) - 1, np.log(expected * len(detectors)) + 1
    for _ in range(30):
        middle = (low + high) / 2
        # While most paths still run, all baselines count alike.
        together, _ = responses_per_alarm(_first_alarms(detectors, factors_at(middle)), horizon / 2)
        low, high = (middle, high) if together < expected else (low, middle)
    return factors_at((low + high) / 2)
