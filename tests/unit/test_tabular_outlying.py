"""A fault in a few rows moves no distribution far, and is named all the same."""

import numpy as np
import pytest

from drift.tabular.compare import compare
from drift.tabular.result import ColumnResult


def row(reference: np.ndarray, current: np.ndarray) -> ColumnResult:
    return compare({"x": reference}, {"x": current}).columns[0]


def faulty(rng: np.random.Generator, share: float, value: float) -> np.ndarray:
    return np.where(rng.random(10_000) < share, value, rng.normal(50, 10, 10_000).round(2))


@pytest.mark.parametrize(
    ("share", "value", "says"),
    [
        (0.01, -999.0, "below 9.77"),
        (0.05, -999.0, "down to -999"),
        (0.05, 99_999.0, "up to 99999"),
        (0.05, 50.0, "50 has become common: under 0.1 % -> 5"),
    ],
)
def test_a_default_value_in_a_few_rows_is_named(share: float, value: float, says: str):
    rng = np.random.default_rng(0)
    found = row(faulty(rng, 0, 0), faulty(rng, share, value))
    assert not found.drifted
    assert [pattern.name for pattern in found.patterns] == ["outlying"]
    assert says in found.patterns[0].text


def test_chance_is_not_named():
    """Of 300 columns without a fault, with tails light and heavy and sizes that differ, none is."""
    rng = np.random.default_rng(1)
    named = 0
    for _ in range(100):
        n, m = rng.integers(50, 5_000, 2)
        for draw in (rng.normal, rng.standard_cauchy, lambda size: rng.poisson(2, size)):
            named += bool(row(draw(size=n), draw(size=m)).patterns)
    assert named == 0
