"""Streams without drift, simulated from a baseline: what every alarm line is measured on.

A *path* is one stream, watched against a baseline of its own. Both are drawn with replacement from the baseline's
samples, whole sessions at a time, at the baseline's full size: a split, as in Cobb et al. (2021), arXiv 2108.00883,
leaves a smaller reference than the one deployed, and lines that are too high.
"""

from collections.abc import Generator

import msgspec
import numpy as np
from numpy.typing import NDArray

from drift.indicators import Answers, angle
from drift.samples import Codes
from drift.semantic.mmd import Doubles, Floats, null_deviation
from drift.semantic.sessions import members

_SLICE = 1_000_000
"""Kernel values gathered between two yields: some 30 ms."""

Records = tuple[Doubles, Doubles]
"""Times (1-based) at which a standardised statistic set a new maximum, and those maxima: all a line can depend on."""


class Resampled(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a path is made of: the n baseline samples as each detector sees them. None leaves a detector out."""

    responses: Floats | None
    """U-centred kernel of unit mean square, (n, n)."""
    residuals: Floats | None
    alignments: Doubles | None
    """Standardised cosine of each prompt and its response, (n,): mean 0, standard deviation 1."""
    answers: Answers | None
    """Answers to the behaviour questions, (n, k), without columns that are constant or double."""
    sessions: Codes


class Paths:
    """Simulates streams of `horizon` responses; each is scored in every window from minimum_samples (>= 2) on."""

    def __init__(
        self, resampled: Resampled, windows: tuple[int, ...], minimum_samples: tuple[int, ...], horizon: int
    ) -> None:
        self._windows = windows
        self._horizon = horizon
        self._first = [fewest - 1 for fewest in minimum_samples]
        self._alignments = resampled.alignments
        self._answers = None if resampled.answers is None else np.ascontiguousarray(resampled.answers.T)
        kernels = [kernel for kernel in (resampled.responses, resampled.residuals) if kernel is not None]
        # Two kernels travel as one complex number: the gathers, which cost most, are made once for both.
        self._kernel = None
        if kernels:
            self._kernel = (kernels[0] + 1j * kernels[-1]).astype(np.complex64)
        self._kernels = len(kernels)
        self._order, self._starts, self._sizes = _grouped(resampled.sessions)
        self._pairs = np.empty(horizon, dtype=np.complex64)
        self._places = np.empty(horizon, dtype=np.int64)

    def simulate(
        self, rng: np.random.Generator, progress: float, share: float
    ) -> Generator[float, None, list[Records]]:
        """One path: the records of every detector (responses, residuals, alignments, behaviour) by window.

        Yields the progress, which grows by share.
        """
        n = len(self._order)
        reference, reference_draws = self._drawn(rng, n)
        counts = np.bincount(reference, minlength=n).astype(np.float64)
        reference_pairs = n * n - float(np.square(np.bincount(reference_draws)).sum())
        stream, draws = self._drawn(rng, self._horizon)
        found: list[Records] = []
        if self._kernel is not None:
            found += yield from self._kernel_records(
                self._kernel, counts, reference_pairs, stream, draws, progress, share
            )
        if self._alignments is not None:
            found.append(self._alignment_records(self._alignments, counts, stream))
        if self._answers is not None:
            found += self._behaviour_records(self._answers, counts, stream)
        yield progress + share
        return found

    def _drawn(self, rng: np.random.Generator, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of `count` samples: sessions drawn with replacement, each in its own order; and the draw of each."""
        groups = rng.integers(len(self._starts), size=count)
        sizes = self._sizes[groups]
        draws = np.repeat(np.arange(count), sizes)[:count]
        within = np.arange(count) - (np.cumsum(sizes) - sizes)[draws]
        return self._order[self._starts[groups][draws] + within], draws

    def _kernel_records(
        self,
        centred: NDArray[np.complex64],
        counts: Doubles,
        reference_pairs: float,
        stream: NDArray[np.int64],
        draws: NDArray[np.int64],
        progress: float,
        share: float,
    ) -> Generator[float, None, list[Records]]:
        n, horizon = len(centred), self._horizon
        to_reference = centred @ counts / n
        within_reference = counts @ to_reference * (n / reference_pairs)
        to_reference_until = np.concatenate([[0.0], np.cumsum(to_reference[stream])])
        # entering: a response with its window so far; leaving: the one it drives out with those that stay.
        entering = np.zeros(horizon, dtype=np.complex64)
        leaving = [np.zeros(horizon, dtype=np.complex64) for _ in self._windows]
        kernel, row_starts = centred.ravel(), stream * n
        statistics: list[NDArray[np.complex128]] = []
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
            pair_sums = 2 * np.cumsum(entering - leaving[k], dtype=np.complex128)
            to_reference_sums = to_reference_until[1:].copy()
            to_reference_sums[window:] -= to_reference_until[1:-window]
            scored = slice(self._first[k], None)
            m = np.minimum(np.arange(1, horizon + 1), window).astype(np.float64)[scored]
            compared = m * (m - 1) - _pairs_of_one_draw(draws, window)[scored]
            mmd2 = within_reference + pair_sums[scored] / np.maximum(compared, 1) - 2 * to_reference_sums[scored] / m
            # A window of one session has no statistic, and so no alarm.
            mmd2[compared == 0] = -1 - 1j
            statistics.append(mmd2 / null_deviation(m, n))
        parts = [[_records(one.real, self._first[k] + 1) for k, one in enumerate(statistics)]]
        if self._kernels == 2:
            parts.append([_records(one.imag, self._first[k] + 1) for k, one in enumerate(statistics)])
        return [records for part in parts for records in part]

    def _alignment_records(self, values: Doubles, counts: Doubles, stream: NDArray[np.int64]) -> Records:
        """In the largest window, how far its mean lies below the baseline's, in standard deviations."""
        n, window, first = len(values), self._windows[-1], self._first[-1]
        until = np.concatenate([[0.0], np.cumsum(values[stream])])
        sums = until[1:].copy()
        sums[window:] -= until[1:-window]
        m = np.minimum(np.arange(1, self._horizon + 1), window)
        lower = (counts @ values / n - sums / m) / np.sqrt(1 / m + 1 / n)
        return _records(lower[first:], first + 1)

    def _behaviour_records(self, answers: Answers, counts: Doubles, stream: NDArray[np.int64]) -> list[Records]:
        n, horizon = len(self._order), self._horizon
        baseline = angle(answers @ counts, n).astype(np.float32)
        m = [np.minimum(np.arange(1, horizon + 1), window) for window in self._windows]
        # The angle of each count that a window can have, for every fill: a table is faster than its formula.
        tables = [
            angle(np.minimum(np.arange(w + 1), np.arange(1, w + 1)[:, None]), np.arange(1, w + 1)[:, None]).astype(
                np.float32
            )
            for w in self._windows
        ]
        largest = [np.zeros(horizon, dtype=np.float32) for _ in self._windows]
        for row, reference in zip(answers, baseline, strict=True):
            until = np.cumsum(row[stream], dtype=np.int32)
            for w, table, most, fill in zip(self._windows, tables, largest, m, strict=True):
                sums = until.copy()
                sums[w:] -= until[:-w]
                apart = table[-1].take(sums)
                apart[: w - 1] = table[fill[: w - 1] - 1, sums[: w - 1]]
                apart -= reference
                np.abs(apart, out=apart)
                np.maximum(most, apart, out=most)
        found = []
        for k, (most, fill) in enumerate(zip(largest, m, strict=True)):
            squared = np.square(2 * most.astype(np.float64)) * (fill * n / (fill + n))
            found.append(_records(squared[self._first[k] :], self._first[k] + 1))
        return found


def _grouped(codes: Codes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Sample places session by session, where each session starts among them, and its size."""
    together = list(members(codes).values())
    joined = np.concatenate(together) if together else np.zeros(0, dtype=np.int64)
    alone = np.setdiff1d(np.arange(len(codes)), joined)
    sizes = np.array([len(group) for group in together] + [1] * len(alone), dtype=np.int64)
    return np.concatenate([joined, alone]).astype(np.int64), np.cumsum(sizes) - sizes, sizes


def _pairs_of_one_draw(draws: NDArray[np.int64], window: int) -> NDArray[np.int64]:
    """Ordered pairs that a window leaves out, at each time; draws ascend. The same session drawn again is another."""
    places = np.arange(len(draws))
    if draws[-1] == places[-1]:
        return np.zeros_like(draws)
    found = np.minimum(places - np.searchsorted(draws, draws), window - 1)
    left = np.minimum(np.searchsorted(draws, draws, side="right") - 1 - places, window - 1)
    pairs = np.cumsum(found)
    pairs[window:] -= np.cumsum(left)[:-window]
    return 2 * pairs


def _records(values: Doubles, first_time: int) -> Records:
    maxima = np.maximum.accumulate(values)
    at = np.flatnonzero(np.diff(maxima, prepend=-np.inf) > 0)
    return (at + first_time).astype(np.float64), maxima[at]
