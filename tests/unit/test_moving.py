import numpy as np
import pytest

from drift.moving import MovingSums


def moving(sizes=(3, 8), every=1_000, first_index=0):
    return MovingSums(width=4, sizes=sizes, recompute_every=every, first_index=first_index)


@pytest.mark.parametrize("every", [5, 1_000])
def test_moving_sums_equal_sums_computed_afresh(every):
    """While the windows fill, when full and after many turns of the ring."""
    rows = np.random.default_rng(0).normal(size=(100, 4))
    sums = moving(every=every)
    for seen, row in enumerate(rows, start=1):
        sums.push(row)
        for size in (3, 8):
            last = rows[max(0, seen - size) : seen]
            assert sums.samples(size) == len(last)
            assert np.array_equal(sums.rows(size), last)
            assert sums.sums(size) == pytest.approx(last.sum(axis=0), abs=1e-12)


def test_rounding_does_not_pile_up():
    """A huge row that came and went leaves nothing behind once sums are recomputed."""
    sums = moving(every=50)
    for place in range(100):
        sums.push(np.full(4, 1e17 if place == 20 else 0.1))
    assert sums.sums(8) == pytest.approx(np.full(4, 0.8), abs=1e-12)


def test_sums_rebuilt_at_the_same_index_are_identical():
    """Bit by bit for counts, which have no rounding, and after the next recomputation for any number."""
    rng = np.random.default_rng(1)
    for rows, identical_from in ((rng.integers(0, 2, (90, 4)).astype(float), 41), (rng.normal(size=(90, 4)), 60)):
        lasting, rebuilt = moving(every=20), moving(every=20, first_index=33)
        for index, row in enumerate(rows):
            lasting.push(row)
            if index < 33:
                continue
            rebuilt.push(row)
            if index + 1 >= identical_from:
                for size in (3, 8):
                    assert np.array_equal(rebuilt.sums(size), lasting.sums(size))


def test_nothing_was_pushed_yet():
    sums = moving(first_index=7)
    assert sums.samples(8) == 0
    assert sums.rows(8).shape == (0, 4)
    assert not sums.sums(8).any()
