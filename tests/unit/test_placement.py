"""Where an answer falls: distances to a centroid, each one left out of its own, and the nearest answers."""

from itertools import pairwise

import numpy as np
import pytest

from drift.errors import TooFewSamples
from drift.semantic.centroid import centroid_distance
from drift.semantic.placement import distance_to_centroid, histogram, nearest, own_distances, share_below

AXES = np.eye(3)


def sphere(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.normal(size=(count, 20)) + 0.5
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_an_answer_like_all_others_is_at_distance_0_and_one_perpendicular_to_them_at_1():
    assert distance_to_centroid(AXES[0], AXES[[0, 0, 0]]) == pytest.approx(0)
    assert distance_to_centroid(AXES[1], AXES[[0, 0, 0]]) == pytest.approx(1)
    assert distance_to_centroid(-AXES[0], AXES[[0, 0]]) == pytest.approx(2)


def test_the_distance_is_the_centroid_distance_of_a_window_of_one():
    vectors = sphere(np.random.default_rng(0), 30)
    assert distance_to_centroid(vectors[0], vectors[1:]) == pytest.approx(centroid_distance(vectors[:1], vectors[1:]))


def test_an_answer_perpendicular_to_a_centroid_that_vanishes_is_at_distance_1():
    assert distance_to_centroid(AXES[0], np.array([AXES[1], -AXES[1]])) == 1


def test_each_own_distance_is_to_the_centroid_of_the_others():
    vectors = sphere(np.random.default_rng(1), 12)
    by_hand = [distance_to_centroid(vectors[i], np.delete(vectors, i, axis=0)) for i in range(12)]
    assert own_distances(vectors) == pytest.approx(by_hand, abs=1e-12)


def test_new_answers_of_the_same_kind_are_spread_evenly_over_the_percentiles():
    """Of 4,000 vectors, 2,000 known: the share below of the new ones averages a half within its standard error."""
    vectors = sphere(np.random.default_rng(2), 4_000)
    known, new = vectors[:2_000], vectors[2_000:]
    own = own_distances(known)
    shares = [share_below(distance_to_centroid(one, known), own) for one in new]
    assert np.mean(shares) == pytest.approx(0.5, abs=4 * (1 / 12 / 2_000 + 1 / 12 / 2_000) ** 0.5)


def test_the_share_below_counts_only_what_is_smaller():
    assert share_below(2.0, np.array([1.0, 2.0, 2.0, 3.0])) == 0.25


def test_a_histogram_covers_the_values_in_equal_bins_whose_shares_add_up_to_1():
    values = np.random.default_rng(3).uniform(0.2, 0.7, 500)
    bins = histogram(values)
    assert len(bins) == 20
    assert (bins[0][0], bins[-1][1]) == (values.min(), values.max())
    assert all(a[1] == b[0] for a, b in pairwise(bins))
    assert sum(share for _, _, share in bins) == pytest.approx(1)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_values_that_are_all_the_same_have_a_histogram_too(value: float):
    bins = histogram(np.full(7, value))
    assert bins[0][0] >= 0
    assert sum(share for low, high, share in bins if low <= value <= high) == 1


def test_the_nearest_come_first_and_no_more_than_there_are():
    vectors = np.array([AXES[1], AXES[0], (AXES[0] + AXES[1]) / 2**0.5])
    assert nearest(AXES[0], vectors, 2) == [(1, 1.0), (2, pytest.approx(2**-0.5))]
    assert len(nearest(AXES[0], vectors, 20)) == 3
    assert nearest(AXES[0], vectors, 0) == []


def test_too_few_vectors_are_refused():
    with pytest.raises(TooFewSamples):
        distance_to_centroid(AXES[0], AXES[:0])
    with pytest.raises(TooFewSamples):
        own_distances(AXES[:1])
