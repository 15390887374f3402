from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binomtest

from drift.errors import TooFewSamples
from drift.semantic.mmd import mmd2, null_deviation, rbf
from drift.semantic.permutation import permutation_test


def normal(rng, *shape):
    return rng.normal(size=shape)


def conversations(rng, sessions, *, spread=0.1, dimension=8):
    """Near-duplicates: 1 to 5 answers around a point per session, and the sessions' codes."""
    codes = np.repeat(np.arange(sessions), rng.integers(1, 6, sessions))
    return normal(rng, sessions, dimension)[codes] + spread * normal(rng, len(codes), dimension), codes


def masked_mmd2(vectors, sessions, in_window, bandwidth):
    """The definition: means over the pairs of different sessions."""
    kernel = rbf(vectors, vectors, bandwidth)
    different = sessions[:, None] != sessions

    def mean(rows, columns):
        pairs = different & rows[:, None] & columns
        return kernel[pairs].sum() / pairs.sum()

    return mean(~in_window, ~in_window) + mean(in_window, in_window) - 2 * mean(~in_window, in_window)


def test_permutation_statistic_is_mmd2_and_its_null_has_the_stated_deviation():
    rng = np.random.default_rng(3)
    a, b = normal(rng, 60, 4), normal(rng, 25, 4)
    result = permutation_test(a, b, bandwidth=2.0, permutations=1_999, rng=rng)
    assert result.statistic == pytest.approx(mmd2(a, b, bandwidth=2.0), abs=1e-12)
    pooled = rbf(np.concatenate([a, b]), np.concatenate([a, b]), 2.0)
    centred = pooled - pooled.mean(axis=0) - pooled.mean(axis=1)[:, None] + pooled.mean()
    scale = np.square(centred[np.triu_indices(85, 1)]).mean() ** 0.5
    assert result.null.std() == pytest.approx(scale * null_deviation(25, 60), rel=0.1)
    assert abs(result.null.mean()) < 4 * result.null.std() / 1_999**0.5


def test_permutations_relabel_and_never_change_the_sizes():
    """Every one of the 10 ways to choose 2 of 5 points is drawn, and no other."""
    points = np.array([[0.0], [1.0], [2.5], [4.5], [8.0]])
    null = permutation_test(points[:3], points[3:], bandwidth=3.0, permutations=999, rng=np.random.default_rng(4)).null
    ways = {
        round(mmd2(np.delete(points, [i, j], axis=0), points[[i, j]], bandwidth=3.0), 9)
        for i in range(5)
        for j in range(i)
    }
    assert set(np.round(null, 9)) == ways


def test_p_value_counts_the_statistic_itself():
    """With the samples far apart no permutation reaches it: p = 1 / (B + 1)."""
    rng = np.random.default_rng(5)
    result = permutation_test(normal(rng, 40, 3), normal(rng, 40, 3) + 9, bandwidth=2.0, permutations=99, rng=rng)
    assert result.p_value == pytest.approx(0.01)


def test_false_rejections_stay_at_the_level():
    """600 tests without drift at .05 reject within the binomial bound of .05."""
    rng = np.random.default_rng(6)
    tests = [
        permutation_test(normal(rng, 40, 8), normal(rng, 20, 8), bandwidth=4.0, permutations=99, rng=rng)
        for _ in range(600)
    ]
    assert binomtest(sum(test.p_value <= 0.05 for test in tests), 600, 0.05).pvalue > 0.001


def test_false_rejections_stay_at_the_level_with_sessions_of_near_duplicates():
    """600 tests at .05 as well; with each answer taken for itself most of them would reject."""
    rng = np.random.default_rng(7)
    rejected = ignored = 0
    for _ in range(600):
        (a, a_codes), (b, b_codes) = conversations(rng, 30), conversations(rng, 12)
        test = permutation_test(
            a,
            b,
            bandwidth=4.0,
            permutations=99,
            rng=rng,
            baseline_sessions=a_codes,
            window_sessions=b_codes + 100,
        )
        rejected += test.p_value <= 0.05
        ignored += permutation_test(a, b, bandwidth=4.0, permutations=99, rng=rng).p_value <= 0.05
    assert binomtest(rejected, 600, 0.05).pvalue > 0.001
    assert ignored > 300


def test_sessions_hide_no_drift():
    rng = np.random.default_rng(8)
    (a, a_codes), (b, b_codes) = conversations(rng, 60), conversations(rng, 40)
    test = permutation_test(
        a, b + 1, bandwidth=4.0, permutations=199, rng=rng, baseline_sessions=a_codes, window_sessions=b_codes + 100
    )
    assert test.p_value == pytest.approx(0.005)


def test_the_statistic_of_sessions_compares_pairs_of_different_sessions():
    """Also where a session is on both sides, and where some samples (negative codes) have none."""
    rng = np.random.default_rng(9)
    vectors, codes = conversations(rng, 40)
    baseline, window = np.arange(len(codes)) < 70, np.arange(len(codes)) >= 70
    codes[60:80] = codes[65]
    sessions = codes.copy()
    codes[:5] = codes[-5:] = -1
    sessions[:5], sessions[-5:] = np.arange(1_000, 1_005), np.arange(2_000, 2_005)
    test = permutation_test(
        vectors[baseline],
        vectors[window],
        bandwidth=4.0,
        permutations=99,
        rng=rng,
        baseline_sessions=codes[baseline],
        window_sessions=codes[window],
    )
    assert test.statistic == pytest.approx(masked_mmd2(vectors, sessions, window, 4.0), abs=1e-12)


def test_whole_sessions_are_permuted():
    """Each null value is that of a window of as many whole sessions."""
    rng = np.random.default_rng(10)
    sizes = [1, 2, 3, 1, 2, 2]
    sessions = np.repeat(np.arange(6), sizes)
    vectors = normal(rng, len(sessions), 2)
    in_window = sessions >= 3
    null = permutation_test(
        vectors[~in_window],
        vectors[in_window],
        bandwidth=2.0,
        permutations=999,
        rng=rng,
        baseline_sessions=sessions[~in_window],
        window_sessions=sessions[in_window],
        least_sessions=6,
    ).null
    ways = {
        round(masked_mmd2(vectors, sessions, np.isin(sessions, chosen), 2.0), 9) for chosen in combinations(range(6), 3)
    }
    assert set(np.round(null, 9)) == ways


def test_sessions_of_one_sample_change_nothing():
    rng = np.random.default_rng(11)
    a, b = normal(rng, 30, 4), normal(rng, 15, 4)

    def null(**sessions):
        rng = np.random.default_rng(0)
        return permutation_test(a, b, bandwidth=2.0, permutations=99, rng=rng, **sessions).null

    assert (null() == null(baseline_sessions=np.arange(30), window_sessions=np.full(15, -1))).all()


@pytest.mark.parametrize(
    ("baseline", "window", "says"),
    [
        (np.arange(30) // 3, 100 + np.arange(10) // 2, "15 session"),
        (
            np.arange(30) // 2,
            np.repeat([100, 101, 102, 103, 104, 105], [6, 1, 1, 1, 1, 1]),
            "holds 6 of the window's 11",
        ),
        (np.repeat([0, 1], 15), 100 + np.arange(25), "2 session.* in the baseline"),
    ],
)
def test_too_few_sessions_are_no_test(baseline, window, says):
    rng = np.random.default_rng(12)
    a, b = normal(rng, len(baseline), 3), normal(rng, len(window), 3)
    with pytest.raises(TooFewSamples, match=says):
        permutation_test(
            a, b, bandwidth=2.0, permutations=99, rng=rng, baseline_sessions=baseline, window_sessions=window
        )
