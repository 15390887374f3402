import numpy as np
import pytest
from scipy.stats import binomtest

from drift.semantic.changepoint import change_point
from drift.semantic.mmd import median_distance, mmd2, null_deviation


def normal(rng, *shape):
    return rng.normal(size=shape)


def found(baseline, recent, seed=0, **asked):
    """Sample i comes at second 1,000 + i and is called x<i>."""
    k = len(recent)
    return change_point(
        baseline,
        recent,
        bandwidth=asked.pop("bandwidth", None) or median_distance(baseline),
        times=[1_000.0 + place for place in range(k)],
        exchange_ids=[f"x{place}" for place in range(k)],
        rng=np.random.default_rng(seed),
        **asked,
    )


def test_a_plain_change_is_dated_to_its_first_sample():
    rng = np.random.default_rng(0)
    change = found(normal(rng, 80, 6), np.concatenate([normal(rng, 40, 6), normal(rng, 30, 6) + 3]))
    assert (change.at, change.exchange_id, change.samples_ago) == (1_040.0, "x40", 30)
    assert change.samples_ago_least <= 30 <= change.samples_ago_most <= 32
    assert change.earliest <= change.at <= change.latest
    assert change.level == 0.9


def test_the_split_maximises_mmd2_over_its_deviation():
    """Against the definition, split by split."""
    rng = np.random.default_rng(1)
    baseline, recent = normal(rng, 30, 3), np.concatenate([normal(rng, 25, 3), normal(rng, 20, 3) + 1])

    def score(split):
        before, after = np.concatenate([baseline, recent[:split]]), recent[split:]
        return mmd2(before, after, bandwidth=2.0) / null_deviation(len(after), len(before))

    best = max(range(45 - 10 + 1), key=score)
    assert found(baseline, recent, bandwidth=2.0).samples_ago == 45 - best


def test_no_change_is_rarely_dated():
    """100 streams of one population: within the binomial bound of the level .05."""
    rng = np.random.default_rng(2)
    dated = [
        found(normal(rng, 50, 8), normal(rng, 60, 8), seed, permutations=39, resamples=1) is not None
        for seed in range(100)
    ]
    assert binomtest(sum(dated), 100, 0.05).pvalue > 0.001


def test_the_interval_holds_the_change_as_often_as_it_says():
    """60 streams that change weakly, so that the interval is wide: within the binomial bound of the level."""
    rng = np.random.default_rng(3)
    held = []
    for seed in range(60):
        before, after = int(rng.integers(10, 60)), 40
        recent = np.concatenate([normal(rng, before, 5), normal(rng, after, 5) + 0.6])
        if change := found(normal(rng, 60, 5), recent, seed, resamples=79, permutations=39):
            held.append(change.samples_ago_least <= after <= change.samples_ago_most)
    assert len(held) > 45
    assert binomtest(sum(held), len(held), 0.9).pvalue > 0.001


def test_a_change_before_the_first_recent_sample_is_at_or_before_it():
    rng = np.random.default_rng(4)
    change = found(normal(rng, 60, 4), normal(rng, 40, 4) + 2)
    assert change.samples_ago == change.samples_ago_most == 40
    assert change.at == change.earliest == 1_000.0


def test_a_change_that_went_back_is_dated_to_its_beginning():
    rng = np.random.default_rng(5)
    recent = np.concatenate([normal(rng, 40, 4), normal(rng, 50, 4) + 2, normal(rng, 20, 4)])
    assert found(normal(rng, 100, 4), recent).samples_ago in range(68, 73)


def test_a_gradual_change_is_dated_within_its_slope():
    """The mean moves over 40 samples and stays."""
    rng = np.random.default_rng(6)
    slope = np.concatenate([np.zeros(40), np.linspace(0, 2, 40), np.full(40, 2.0)])
    change = found(normal(rng, 100, 4), normal(rng, 120, 4) + slope[:, None])
    assert 40 <= change.samples_ago <= 80


def test_the_end_does_not_win_by_noise():
    """Streams without a change: the best split is not always the one with fewest samples after it."""
    rng = np.random.default_rng(7)
    agos = [
        change.samples_ago
        for seed in range(60)
        if (change := found(normal(rng, 40, 8), normal(rng, 60, 8), seed, alpha=1.0, permutations=1, resamples=1))
    ]
    assert len(agos) == 60
    assert sum(ago == 10 for ago in agos) < 15
    assert max(agos) > 40


def test_a_common_shift_of_all_vectors_and_another_baseline_order_change_nothing():
    rng = np.random.default_rng(8)
    baseline, recent = normal(rng, 50, 4), np.concatenate([normal(rng, 30, 4), normal(rng, 30, 4) + 1])
    change = found(baseline, recent, bandwidth=2.0)
    assert found(baseline + 5, recent + 5, bandwidth=2.0) == change
    assert found(baseline[::-1], recent, bandwidth=2.0).samples_ago == change.samples_ago


def test_samples_far_from_the_estimate_keep_their_side():
    """Long streams are resampled around the estimate only; what comes out agrees."""
    rng = np.random.default_rng(9)
    recent = np.concatenate([normal(rng, 600, 3), normal(rng, 600, 3) + 1.0]).astype(np.float32)
    change = found(normal(rng, 100, 3).astype(np.float32), recent, resamples=49, permutations=19)
    assert abs(change.samples_ago - 600) <= 5
    assert change.samples_ago_most - change.samples_ago_least < 20


def test_sessions_of_near_duplicates_are_rarely_dated():
    """80 streams of one population: within the binomial bound of .05; nearly all with the sessions unknown."""
    rng = np.random.default_rng(10)
    dated = {True: 0, False: 0}
    for seed in range(80):
        codes = np.repeat(np.arange(110), rng.integers(1, 6, 110))[:110]
        vectors = normal(rng, 110, 8)[codes] + 0.1 * normal(rng, 110, 8)
        for known in dated:
            sessions = {"baseline_sessions": codes[:50], "recent_sessions": codes[50:]} if known else {}
            dated[known] += (
                found(vectors[:50], vectors[50:], seed, permutations=39, resamples=1, **sessions) is not None
            )
    assert binomtest(dated[True], 80, 0.05).pvalue > 0.001
    assert dated[False] > 40


@pytest.mark.parametrize(("n", "k"), [(1, 50), (50, 9)])
def test_too_few_samples_have_no_change_point(n, k):
    assert found(np.zeros((n, 2)), np.ones((k, 2)), bandwidth=1.0) is None


def test_equal_answers_have_no_change_point():
    assert found(np.ones((20, 2)), np.ones((30, 2))) is None
