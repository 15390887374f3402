"""Behaviour as yes-or-no questions, so that one statistic watches all of it at every answer.

A number is asked whether it lies at or below some quantiles of the baseline, a word whether it is a certain one.
The statistic is the largest squared standardised difference of a share between window and baseline. The tests by
column (drift/tabular) say afterwards what moved; they cannot watch a stream, since their thresholds are for one look.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.features import ALARMED, NUMERIC, Behaviour
from drift.semantic.mmd import Doubles

_QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""The tails are asked too: answers that grow to the token limit move a tail first."""
_MAX_LEVELS = 10
"""Rarer words share the level "another", or each would be one more chance of a false alarm."""

Answers = NDArray[np.bool_]
"""Shape (n, k): one row per exchange, one column per question."""


class Question(NamedTuple):
    """One yes-or-no question about an exchange."""

    feature: str
    edge: float | None = None
    """Is it at or below this number?"""
    level: object = None
    """Is it this word or flag, or missing?"""
    another: bool = False
    """Is it none of the words that are asked for?"""


class Questions:
    """The questions that a baseline's behaviour gives rise to; none without rows. The same rows give the same."""

    def __init__(self, rows: Sequence[Behaviour]) -> None:
        questions: list[Question] = []
        self._edges: dict[str, Doubles] = {}
        self._levels: dict[str, list[object]] = {}
        for feature in ALARMED if rows else ():
            values = [getattr(row, feature) for row in rows]
            if feature in NUMERIC:
                edges = _edges([value for value in values if value is not None])
                self._edges[feature] = edges
                questions += [Question(feature, edge=float(edge)) for edge in edges]
            self._levels[feature] = _levels(values, numeric=feature in NUMERIC)
            questions += [Question(feature, level=level) for level in self._levels[feature]]
            questions.append(Question(feature, another=True))
        self.questions = tuple(questions)

    def answers(self, rows: Sequence[Behaviour]) -> Answers:
        """What n rows answer to k questions, shape (n, k)."""
        return np.array([self.answer(row) for row in rows], dtype=bool).reshape(len(rows), len(self.questions))

    def answer(self, row: Behaviour | None) -> list[bool]:
        """What one row answers, k flags; what was not measured is missing."""
        said: list[bool] = []
        for feature, levels in self._levels.items():
            value = getattr(row, feature, None)
            asked = [value == level and type(value) is type(level) for level in levels]
            known = any(asked)
            if feature in self._edges:
                known = known or value is not None
                said += [value is not None and value <= edge for edge in self._edges[feature]]
            said += asked
            said.append(not known)
        return said


def _edges(values: list[float]) -> Doubles:
    """Quantiles, and both ends: a baseline whose answers are all of one length shows a change of it too."""
    if not values:
        return np.array([])
    numbers = np.asarray(values, dtype=np.float64)
    below = np.nextafter(numbers.min(), -np.inf)
    return np.unique([below, *np.quantile(numbers, _QUANTILES, method="inverted_cdf"), numbers.max()])


def _levels(values: list[object], *, numeric: bool) -> list[object]:
    """Of a number only whether it is missing; of words the most frequent, in an order that the baseline fixes."""
    if numeric:
        return [None]
    counts: dict[object, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return sorted(counts, key=lambda level: (-counts[level], str(level)))[:_MAX_LEVELS]


def difference(window_sums: Doubles, m: int, baseline_sums: Doubles, n: int) -> Doubles:
    """Standardised difference of shares, window less baseline, shape (k,): about N(0, 1) without drift.

    window_sums (k,) of m rows and baseline_sums (k,) of n rows hold how many said yes.
    Source: Anscombe (1948), the arcsine transformation whose variance does not depend on the share: a refusal that
    the baseline never saw counts by its number and is not infinitely surprising.
    """
    apart: Doubles = 2 * (angle(window_sums, m) - angle(baseline_sums, n)) * (m * n / (m + n)) ** 0.5
    return apart


def angle(sums: NDArray[Any], count: int | NDArray[Any]) -> Doubles:
    """Arcsine of the root of a share, of sums out of count."""
    angles: Doubles = np.arcsin(np.sqrt((sums + 0.375) / (count + 0.75)))
    return angles
