import numpy as np
import pytest

from drift.errors import TooFewSamples
from drift.semantic.centroid import Moments, centroid_distance, centroid_mmd2


def sphere(rng, count, dimension=50):
    vectors = rng.normal(size=(count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_perpendicular_means_are_at_distance_one():
    assert centroid_distance(np.eye(2)[[0, 0]], np.eye(2)[[1, 1]]) == pytest.approx(1)


def test_raw_distance_is_biased_and_the_debiased_one_is_not():
    """Without drift, windows of 50: the raw distance stays above .1, the other averages zero within its error."""
    rng = np.random.default_rng(0)
    offset = np.full(50, 0.05, dtype=np.float32)
    pairs = [(sphere(rng, 200) + offset, sphere(rng, 50) + offset) for _ in range(200)]
    assert min(centroid_distance(*pair) for pair in pairs) > 0.01
    debiased = np.array([centroid_mmd2(*pair) for pair in pairs])
    assert abs(debiased.mean()) < 4 * debiased.std() / 200**0.5


def test_debiased_distance_is_the_linear_kernel_worked_by_hand():
    """Baseline 0 and 2, window 5 and 7: 0*2 + 5*7 - 2 * 1 * 6 = 23."""
    assert centroid_mmd2(np.array([[0.0], [2.0]]), np.array([[5.0], [7.0]])) == pytest.approx(23)


def test_moments_that_move_equal_moments_computed_afresh():
    vectors = sphere(np.random.default_rng(1), 30)
    moving = Moments.of(vectors[:10])
    for old, new in zip(vectors[:20], vectors[10:], strict=True):
        moving = moving.minus(old).plus(new)
    afresh = Moments.of(vectors[20:])
    assert moving.count == afresh.count
    assert moving.total == pytest.approx(afresh.total, abs=1e-12)
    assert moving.squares == pytest.approx(afresh.squares, abs=1e-12)


def test_means_that_vanish_have_a_distance_all_the_same():
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert centroid_distance(opposite, opposite) == 0
    assert centroid_distance(opposite, np.eye(2)) == 1


def test_one_vector_is_too_few_for_the_debiased_distance():
    with pytest.raises(TooFewSamples):
        centroid_mmd2(np.eye(3), np.eye(3)[:1])
