import numpy as np
import pytest

from drift.errors import TooFewSamples
from drift.semantic.mmd import median_distance, mmd2
from drift.semantic.witness import witness_values
from drift.window import Reference, Window


def test_witness_values_add_up_to_the_statistic():
    rng = np.random.default_rng(0)
    baseline, window = rng.normal(size=(40, 6)), rng.normal(size=(25, 6)) + 0.5
    values = witness_values(baseline, window, bandwidth=3.0)
    assert values.mmd2 == values.phi.mean() + values.psi.mean()
    assert values.mmd2 == pytest.approx(mmd2(baseline, window, bandwidth=3.0), abs=1e-12)


def test_with_sessions_they_add_up_to_the_statistic_of_different_sessions():
    """In float64, to the moving window's statistic: sessions within either side, on both sides, and none."""
    rng = np.random.default_rng(1)
    baseline, window = rng.normal(size=(40, 6)), rng.normal(size=(25, 6)) + 0.5
    baseline_codes = np.concatenate([np.repeat(np.arange(10), 3), -1 - np.arange(10)])
    window_codes = np.concatenate([rng.integers(5, 15, 18), -1 - np.arange(7)])
    reference = Reference.of(baseline, baseline_codes)
    cross, own, other = (
        np.exp(-np.square(a[:, None] - b[None]).sum(axis=2) / (2 * reference.bandwidth**2))
        for a, b in ((baseline, window), (baseline, baseline), (window, window))
    )
    apart = (baseline_codes[:, None] != window_codes) | (window_codes < 0)
    expected = (
        own[baseline_codes[:, None] != baseline_codes].mean()
        + other[window_codes[:, None] != window_codes].mean()
        - 2 * ((cross * apart).sum(axis=0) / apart.sum(axis=0)).mean()
    )
    values = witness_values(
        baseline,
        window,
        bandwidth=reference.bandwidth,
        baseline_sessions=baseline_codes,
        window_sessions=window_codes,
    )
    assert values.mmd2 == pytest.approx(expected, abs=1e-9)
    moving = Window(reference, sizes=(25,))
    for vector, code, cross_sum in zip(window, window_codes, reference.cross_sums(window), strict=True):
        moving.push(vector, int(code), float(cross_sum))
    assert values.mmd2 == pytest.approx(moving.mmd2(25), abs=1e-7)


def test_codes_of_their_own_are_no_sessions():
    rng = np.random.default_rng(2)
    baseline, window = rng.normal(size=(20, 3)), rng.normal(size=(10, 3))
    alone = witness_values(
        baseline,
        window,
        bandwidth=1.0,
        baseline_sessions=-1 - np.arange(20),
        window_sessions=-1 - np.arange(10),
    )
    assert alone.phi == pytest.approx(witness_values(baseline, window, bandwidth=1.0).phi, abs=1e-12)
    assert alone.psi == pytest.approx(witness_values(baseline, window, bandwidth=1.0).psi, abs=1e-12)


def test_the_intruders_come_first():
    """A tenth of the window from elsewhere: nine in ten of the strongest witnesses are of them."""
    rng = np.random.default_rng(1)
    baseline, window = rng.normal(size=(300, 20)), rng.normal(size=(100, 20))
    window[:10] = 0.3 * rng.normal(size=(10, 20)) + 2
    phi, _ = witness_values(baseline, window, bandwidth=median_distance(baseline))
    assert (np.argsort(-phi)[:10] < 10).mean() >= 0.9


def test_samples_that_vanished_are_found_on_the_side_of_the_baseline():
    rng = np.random.default_rng(2)
    baseline, window = rng.normal(size=(300, 20)), rng.normal(size=(100, 20))
    baseline[:30] = 0.3 * rng.normal(size=(30, 20)) + 2
    _, psi = witness_values(baseline, window, bandwidth=median_distance(window))
    assert (np.argsort(-psi)[:30] < 30).mean() >= 0.9


def test_one_vector_has_no_others_to_resemble():
    with pytest.raises(TooFewSamples):
        witness_values(np.eye(3), np.eye(3)[:1], bandwidth=1.0)


def test_one_session_has_no_others_to_resemble():
    with pytest.raises(TooFewSamples):
        witness_values(np.eye(3), np.eye(3), bandwidth=1.0, window_sessions=np.array([4, 4, 4]))
    with pytest.raises(TooFewSamples):
        witness_values(np.eye(3), np.eye(3), bandwidth=1.0, baseline_sessions=np.array([4, 4, 4]))
