"""Where an answer falls: distances to a centroid, each one left out of its own, and the nearest answers."""

from itertools import pairwise

import numpy as np
import pytest

from drift.errors import TooFewSamples
from drift.semantic.centroid import centroid_distance
from drift.semantic.placement import distance_to_centroid, histogram, nearest, own_distances, percentile

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
    """2,000 vectors known: the percentiles of 500 new ones average a half within their standard error."""
    vectors = sphere(np.random.default_rng(2), 4_000)
    known, new = vectors[:2_000], vectors[2_000:]
    shares = [percentile(one, known) for one in new[:500]]
    assert np.mean(shares) == pytest.approx(0.5, abs=4 * (1 / 12 / 2_000 + 1 / 12 / 500) ** 0.5)


@pytest.mark.parametrize("count", [1, 2, 50, 2_000])
def test_one_more_of_the_same_answer_is_in_the_middle_of_them(count: int):
    same = sphere(np.random.default_rng(4), 1)
    assert percentile(same[0], np.repeat(same, count, axis=0)) == 0.5


def test_an_answer_that_forty_of_fifty_give_is_in_the_middle_of_the_forty():
    """Also where the encoder has rounded it a little differently; the ten others are farther."""
    rng = np.random.default_rng(5)
    same, others = sphere(rng, 1), sphere(rng, 10)
    baseline = np.vstack([np.repeat(same, 40, axis=0), others])
    assert percentile(same[0], baseline) == 0.4
    assert percentile(same[0] + rng.normal(scale=1e-7, size=20), baseline) == 0.4


def test_an_answer_unlike_all_others_is_farther_than_any_and_one_at_their_middle_nearer():
    vectors = sphere(np.random.default_rng(6), 30)
    middle = vectors.mean(axis=0)
    assert percentile(-middle, vectors) == 1
    assert percentile(middle / np.linalg.norm(middle), vectors) == 0


def test_one_of_a_sample_has_the_rank_of_its_own_distance_among_theirs():
    vectors = sphere(np.random.default_rng(7), 40)
    own = own_distances(vectors)
    for place in range(40):
        rank = (np.delete(own, place) < own[place]).mean()
        assert percentile(vectors[place], np.delete(vectors, place, axis=0)) == pytest.approx(rank)


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
        percentile(AXES[0], AXES[:0])
    with pytest.raises(TooFewSamples):
        own_distances(AXES[:1])
