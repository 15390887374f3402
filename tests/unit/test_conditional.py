import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binomtest

from drift.errors import TooFewSamples
from drift.semantic.conditional import conditional_test, kernel_scores, overlap_contrasts, principal_components, ranked
from drift.semantic.mmd import median_distance, mmd2
from drift.semantic.overlap import effective_sizes, logistic, propensity, supported
from drift.semantic.paired import paired_test, repeated_prompts
from drift.semantic.permutation import permutation_test

MAP = np.random.default_rng(99).normal(size=(6, 6)) / 6**0.5


def exchanges(rng, n, *, prompts=0.0, model=0.0):
    """n prompts and answers that follow from them, up to noise; either may be shifted."""
    asked = rng.normal(size=(n, 6))
    asked[:, 0] += prompts
    answered = asked @ MAP + 0.5 * rng.normal(size=(n, 6))
    answered[:, 1] += model
    return asked, answered


def test_logistic_is_the_minimum_of_the_penalised_likelihood():
    """scipy's general minimiser finds the same coefficients."""
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(80), rng.normal(size=(80, 3))])
    labels = rng.random(80) < 1 / (1 + np.exp(-design @ [0.3, 1, -1, 0]))

    def loss(b):
        return np.logaddexp(0, design @ b).sum() - labels @ design @ b + (b[1:] ** 2).sum()

    assert logistic(design, labels, 2.0, np.zeros(4)) == pytest.approx(minimize(loss, np.zeros(4)).x, abs=1e-3)


def test_propensity_of_like_prompts_is_the_share_and_of_unlike_ones_tells_the_sides():
    rng = np.random.default_rng(1)
    labels = np.arange(300) >= 200
    like = rng.normal(size=(300, 5))
    assert np.abs(propensity(like, labels, rng) - 1 / 3).mean() < 0.05
    unlike = like + 3 * labels[:, None]
    chances = propensity(unlike, labels, rng)
    assert chances[labels].mean() > 0.95
    assert chances[~labels].mean() < 0.05


def test_effective_sizes_count_the_samples_with_a_counterpart():
    """Alike: all. Half of the window elsewhere: the other half. Nothing in common: none."""
    labels = np.arange(300) >= 200
    assert effective_sizes(np.full(300, 1 / 3), labels, 1 / 3) == pytest.approx((200, 100))
    # 50 of the window are among the 200: their odds are 50 to 200.
    half = np.concatenate([np.full(200, 0.2), np.full(50, 0.2), np.ones(50)])
    baseline, window = effective_sizes(half, labels, 1 / 3)
    assert baseline == pytest.approx(200 * 0.2 * 3)
    assert window == pytest.approx(50)
    assert max(effective_sizes(labels * 0.998 + 0.001, labels, 1 / 3)) < 1


def test_a_topic_of_one_side_has_no_counterpart():
    """20 of 100 window prompts are far away: they are left out, and hardly any other."""
    rng = np.random.default_rng(17)
    prompts = rng.normal(size=(300, 5))
    prompts[-20:] += 9
    kept = supported(prompts, np.arange(300) >= 200)
    assert not kept[-20:].any()
    assert kept[:-20].mean() > 0.95


def test_score_without_propensities_is_the_mmd2_up_to_scale():
    """At equal propensities the contrasts are those of the plain statistic: both order relabellings alike."""
    rng = np.random.default_rng(2)
    table = rng.normal(size=(50, 3)).astype(np.float32)
    labels = np.array([rng.permutation(50) < 20 for _ in range(30)])
    scores = kernel_scores(table, overlap_contrasts(labels, np.full(50, 0.4)), None)
    bandwidth = median_distance(table)
    plain = [mmd2(table[~row], table[row], bandwidth=bandwidth) for row in labels]
    assert np.corrcoef(scores, plain)[0, 1] > 0.999


def test_contrasts_weigh_either_side_to_one():
    rng = np.random.default_rng(3)
    contrasts = overlap_contrasts(rng.random((7, 40)) < 0.4, rng.uniform(0.1, 0.9, 40))
    assert np.maximum(contrasts, 0).sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert contrasts.sum(axis=1) == pytest.approx(0, abs=1e-6)


def test_principal_components_keep_distances():
    vectors = np.random.default_rng(4).normal(size=(30, 5))
    scores = principal_components(vectors, 5)
    assert median_distance(scores) == pytest.approx(median_distance(vectors))
    assert np.all(np.diff(scores.var(axis=0)) <= 0)


def test_ranked_features_ignore_scale_and_survive_gaps():
    features = np.array([[1.0, np.nan, 5, np.nan], [10, 2, 5, np.nan], [1e6, 4, 5, np.nan], [100, np.nan, 5, np.nan]])
    table = ranked(features)
    assert table.shape == (4, 2)
    assert table[:, 0].argsort().tolist() == [0, 1, 3, 2]
    assert table[[0, 3], 1] == pytest.approx(0)


def rejections(seed, repetitions, n, m, **window):
    rng = np.random.default_rng(seed)
    tests = [
        conditional_test(*exchanges(rng, n), *exchanges(rng, m, **window), rng=rng, redraws=99)
        for _ in range(repetitions)
    ]
    return sum(test.p_value <= 0.05 for test in tests)


@pytest.mark.parametrize("prompts", [0.0, 1.0])
def test_other_prompts_are_not_taken_for_another_model(prompts):
    """100 tests of one model at .05 reject within the binomial bound, whether or not its prompts moved."""
    assert binomtest(rejections(5, 100, 80, 50, prompts=prompts), 100, 0.05).pvalue > 0.001


def test_responses_alone_would_be_taken_for_another_model():
    """The same moved prompts, tested without regard to them: nearly every test rejects."""
    rng = np.random.default_rng(5)
    found = [
        permutation_test(
            exchanges(rng, 100)[1], exchanges(rng, 60, prompts=1.0)[1], bandwidth=3.0, permutations=99, rng=rng
        ).p_value
        for _ in range(20)
    ]
    assert np.mean(np.array(found) <= 0.05) > 0.8


@pytest.mark.parametrize("prompts", [0.0, 1.0])
def test_another_model_is_found_whether_or_not_the_prompts_moved(prompts):
    assert rejections(6, 20, 100, 60, prompts=prompts, model=0.6) >= 18


def test_what_vectors_do_not_show_is_found_in_features():
    rng = np.random.default_rng(7)
    sides = *exchanges(rng, 100), *exchanges(rng, 60)
    lengths = np.exp(rng.normal(size=(100, 2))), np.exp(rng.normal(1, 1, size=(60, 2)))
    assert conditional_test(*sides, rng=rng).p_value > 0.05
    with_features = conditional_test(*sides, rng=rng, baseline_features=lengths[0], window_features=lengths[1])
    assert with_features.p_value <= 0.01


def test_answers_of_one_session_are_not_taken_for_another_model():
    """Four near copies of each exchange: without sessions most tests reject, with them no more than the level."""
    rng = np.random.default_rng(8)

    def copies(n):
        asked, answered = (np.repeat(side, 4, axis=0) for side in exchanges(rng, n))
        return asked + 0.01 * rng.normal(size=asked.shape), answered + 0.01 * rng.normal(size=asked.shape)

    blind, aware = 0, 0
    for _ in range(25):
        sides = *copies(30), *copies(20)
        sessions = np.repeat(np.arange(30), 4), np.repeat(np.arange(30, 50), 4)
        blind += conditional_test(*sides, rng=rng, redraws=99).p_value <= 0.05
        aware += (
            conditional_test(
                *sides, rng=rng, redraws=99, baseline_sessions=sessions[0], window_sessions=sessions[1]
            ).p_value
            <= 0.05
        )
    assert blind > 12
    assert binomtest(aware, 25, 0.05).pvalue > 0.001


def test_session_codes_may_be_as_large_as_hashes():
    rng = np.random.default_rng(9)
    sides = *exchanges(rng, 40), *exchanges(rng, 40)
    large = np.full(40, 2**62) + np.repeat(np.arange(20), 2)
    small = np.repeat(np.arange(20), 2)
    p_values = [
        conditional_test(
            *sides, rng=np.random.default_rng(0), baseline_sessions=codes, window_sessions=-1 - np.arange(40)
        ).p_value
        for codes in (large, small)
    ]
    assert p_values[0] == p_values[1]


def test_identical_answers_never_differ():
    rng = np.random.default_rng(10)
    asked = rng.normal(size=(80, 6))
    same = np.ones((80, 6))
    assert conditional_test(asked[:40], same[:40], asked[40:], same[40:], rng=rng).p_value == 1


def test_the_same_generator_gives_the_same_test():
    sides = *exchanges(np.random.default_rng(11), 50), *exchanges(np.random.default_rng(12), 50)
    first, second = (conditional_test(*sides, rng=np.random.default_rng(1)) for _ in range(2))
    assert first == second


def test_one_exchange_is_too_few():
    one = np.zeros((1, 3))
    with pytest.raises(TooFewSamples):
        conditional_test(one, one, np.zeros((9, 3)), np.zeros((9, 3)), rng=np.random.default_rng(0))


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_repeated_prompts_have_one_number_on_both_sides():
    prompts = unit(np.random.default_rng(13).normal(size=(3, 20)))
    baseline, window = repeated_prompts(prompts[[0, 1, 0]], prompts[[1, 2, 0, 1]])
    assert baseline.tolist() == [0, 1, 0]
    assert window[[0, 2, 3]].tolist() == [1, 0, 1]
    assert window[1] not in baseline


def suite(rng, prompts, *, model=0.0, copies=1):
    """Answers to `prompts` very different prompts, before and after, several to each."""
    means = 5 * rng.normal(size=(prompts, 6))
    before = np.repeat(means, copies, axis=0) + rng.normal(size=(prompts * copies, 6))
    after = means + rng.normal(size=(prompts, 6))
    after[:, 1] += model
    return before, after, np.repeat(np.arange(prompts), copies), np.arange(prompts)


def test_paired_test_finds_what_a_permutation_of_all_answers_sleeps_through():
    rng = np.random.default_rng(14)
    before, after, *groups = suite(rng, 40, model=1.5)
    assert permutation_test(before, after, bandwidth=10.0, permutations=99, rng=rng).p_value > 0.2
    assert paired_test(before, after, *groups, permutations=199, rng=rng).p_value <= 0.02


@pytest.mark.parametrize("copies", [1, 3])
def test_paired_test_keeps_the_level(copies):
    rng = np.random.default_rng(15)
    found = sum(
        paired_test(*suite(rng, 20, copies=copies), permutations=99, rng=rng).p_value <= 0.05 for _ in range(200)
    )
    assert binomtest(found, 200, 0.05).pvalue > 0.001


def test_paired_test_drops_prompts_of_one_side():
    """However strange the answers to them are."""
    rng = np.random.default_rng(16)
    before, after, left, right = suite(rng, 20)
    test = paired_test(before, after, left, right, permutations=99, rng=np.random.default_rng(0))
    more = paired_test(
        np.vstack([before, np.full((5, 6), 1e3)]),
        np.vstack([np.full((7, 6), -1e3), after]),
        np.concatenate([left, np.arange(100, 105)]),
        np.concatenate([np.arange(200, 207), right]),
        permutations=99,
        rng=np.random.default_rng(0),
    )
    assert more == test
    assert (test.prompts, test.baseline_samples, test.window_samples) == (20, 20, 20)
    with pytest.raises(TooFewSamples):
        paired_test(before, after, left, right + 19, permutations=9, rng=rng)
