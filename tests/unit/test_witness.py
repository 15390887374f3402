import numpy as np
import pytest

from drift.errors import TooFewSamples
from drift.semantic.mmd import median_distance, mmd2
from drift.semantic.witness import witness_values


def test_witness_values_add_up_to_the_statistic():
    rng = np.random.default_rng(0)
    baseline, window = rng.normal(size=(40, 6)), rng.normal(size=(25, 6)) + 0.5
    phi, psi = witness_values(baseline, window, bandwidth=3.0)
    assert phi.mean() + psi.mean() == pytest.approx(mmd2(baseline, window, bandwidth=3.0), abs=1e-12)


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
