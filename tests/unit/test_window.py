import numpy as np
import pytest

from drift.semantic.centroid import Moments
from drift.semantic.mmd import mmd2, pair_sums
from drift.semantic.witness import witness_values
from drift.window import Window

BANDWIDTH = 1.4


def sphere(rng, count, dimension=24):
    vectors = rng.normal(size=(count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def window_on(baseline, sizes, **settings):
    n = len(baseline)
    pair_mean = pair_sums(baseline, BANDWIDTH).sum() / (n * (n - 1))
    return Window(baseline, pair_mean=pair_mean, bandwidth=BANDWIDTH, sizes=sizes, **settings)


def test_every_window_equals_the_statistic_computed_afresh():
    """While it fills, when full and after many turns of the ring."""
    rng = np.random.default_rng(0)
    baseline, stream = sphere(rng, 80), sphere(rng, 230)
    window = window_on(baseline, (7, 20))
    for seen, vector in enumerate(stream, start=1):
        window.push(vector)
        for size in (7, 20):
            last = stream[max(0, seen - size) : seen]
            assert window.samples(size) == len(last)
            assert np.array_equal(window.vectors(size), last)
            if seen > 1:
                exact = mmd2(baseline.astype(float), last.astype(float), bandwidth=BANDWIDTH)
                assert window.mmd2(size) == pytest.approx(exact, abs=1e-7)


@pytest.mark.parametrize("count", [999, 1_000, 1_001, 2_500])
def test_moving_sums_agree_with_exact_ones_before_and_after_the_recomputation(count):
    rng = np.random.default_rng(1)
    baseline, stream = sphere(rng, 60), sphere(rng, 2_500)[:count]
    window = window_on(baseline, (10, 45))
    for vector in stream:
        window.push(vector)
    for size in (10, 45):
        exact = mmd2(baseline.astype(float), stream[-size:].astype(float), bandwidth=BANDWIDTH)
        assert window.mmd2(size) == pytest.approx(exact, abs=1e-7)
    assert window.moments.total == pytest.approx(Moments.of(stream[-45:]).total, abs=1e-12)


def test_recomputation_changes_nothing_but_rounding():
    rng = np.random.default_rng(2)
    baseline, stream = sphere(rng, 60), sphere(rng, 500)
    often, never = (window_on(baseline, (10, 45), recompute_every=every) for every in (1, 10_000))
    for vector in stream:
        often.push(vector)
        never.push(vector)
        for size in (10, 45):
            assert often.mmd2(size) == pytest.approx(never.mmd2(size) or 0, abs=1e-12) or often.samples(size) < 2


def test_a_window_rebuilt_at_the_same_index_holds_the_same_numbers():
    rng = np.random.default_rng(3)
    baseline, stream = sphere(rng, 60), sphere(rng, 150)
    lasting, rebuilt = window_on(baseline, (10, 40)), window_on(baseline, (10, 40), first_index=63)
    for index, vector in enumerate(stream):
        lasting.push(vector)
        if index >= 63:
            rebuilt.push(vector)
        if index >= 63 + 40:
            for size in (10, 40):
                assert rebuilt.mmd2(size) == pytest.approx(lasting.mmd2(size), abs=1e-12)
                assert rebuilt.phi(size) == pytest.approx(lasting.phi(size), abs=1e-12)


def test_witness_values_of_a_window_are_the_exact_ones():
    rng = np.random.default_rng(4)
    baseline, stream = sphere(rng, 60), sphere(rng, 101)
    window = window_on(baseline, (10, 40))
    for vector in stream:
        window.push(vector)
    for size in (10, 40):
        phi, psi = witness_values(baseline, stream[-size:], bandwidth=BANDWIDTH)
        assert window.phi(size) == pytest.approx(phi, abs=1e-6)
        assert phi.mean() + psi.mean() == pytest.approx(window.mmd2(size), abs=1e-6)


def test_an_empty_window_has_no_statistic():
    window = window_on(sphere(np.random.default_rng(5), 10), (4,))
    assert window.mmd2(4) is None
    assert window.vectors(4).shape == (0, 24)
