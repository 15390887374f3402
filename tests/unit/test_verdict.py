import numpy as np
import pytest

from drift.evidence import PopulationTest, Verdict
from drift.verdict import attribute, decide, holm


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


MAP = np.random.default_rng(99).normal(size=(12, 12))


def exchanges(rng, n, *, prompts=0.0, model=0.0):
    """n prompts and answers as unit vectors; either may be shifted."""
    asked = rng.normal(size=(n, 12))
    asked[:, 0] += prompts
    answered = asked @ MAP / 12**0.5 + 0.5 * rng.normal(size=(n, 12))
    answered[:, 1] += model
    return unit(asked), unit(answered)


def verdict(seed=0, n=150, m=80, **window):
    rng = np.random.default_rng(seed)
    return attribute(*exchanges(rng, n), *exchanges(rng, m, **window), rng=rng, permutations=199, redraws=199)


def test_holm_worked_by_hand():
    """p = .01, .04, .03: 3 x .01, then 2 x .03, then the largest so far."""
    tests = holm({"a": (0.0, 0.01), "b": (0.0, 0.04), "c": (0.0, 0.03)}, alpha=0.05)
    assert [test.name for test in tests] == ["a", "b", "c"]
    assert [test.p_adjusted for test in tests] == pytest.approx([0.03, 0.06, 0.06])
    assert [test.rejected for test in tests] == [True, False, False]


@pytest.mark.parametrize(
    ("prompts", "responses", "conditional", "overlapping", "expected"),
    [
        (0.5, 0.5, 0.5, True, Verdict.NO_CHANGE),
        (0.001, 0.001, 0.5, True, Verdict.PROMPTS_CHANGED),
        (0.001, 0.001, 0.001, True, Verdict.BOTH),
        (0.5, 0.5, 0.001, True, Verdict.MODEL_CHANGED),
        # Prompts as before and other responses: nothing but the model is left.
        (0.5, 0.001, 0.5, True, Verdict.MODEL_CHANGED),
        # Prompts under suspicion: nobody is accused.
        (0.1, 0.001, 0.5, True, Verdict.NO_CHANGE),
        (0.001, 0.001, 0.001, False, Verdict.INSUFFICIENT_OVERLAP),
        (0.001, 0.5, 0.5, False, Verdict.INSUFFICIENT_OVERLAP),
        # A conditional test without overlap counts for nothing.
        (0.5, 0.5, 0.001, False, Verdict.NO_CHANGE),
    ],
)
def test_the_verdict_follows_from_the_tests(prompts, responses, conditional, overlapping, expected):
    results = {"prompts": prompts, "responses": responses, "conditional": conditional}
    tests = tuple(
        PopulationTest(name=name, statistic=0.0, p_value=p, p_adjusted=p, rejected=p <= 0.05)
        for name, p in results.items()
    )
    assert decide(tests, overlapping=overlapping) is expected


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({}, Verdict.NO_CHANGE),
        ({"prompts": 1.0}, Verdict.PROMPTS_CHANGED),
        ({"model": 1.5}, Verdict.MODEL_CHANGED),
        ({"prompts": 1.0, "model": 1.5}, Verdict.BOTH),
        ({"prompts": 20.0, "model": 1.5}, Verdict.INSUFFICIENT_OVERLAP),
    ],
)
def test_users_and_model_are_told_apart(window, expected):
    attribution = verdict(**window)
    assert attribution.verdict is expected
    assert [test.name for test in attribution.tests] == ["prompts", "responses", "conditional"]
    assert not attribution.paired


def test_few_exchanges_are_insufficient_data():
    attribution = verdict(m=29)
    assert attribution.verdict is Verdict.INSUFFICIENT_DATA
    assert "29 exchanges in the window" in attribution.message
    assert attribution.tests == ()


def test_many_exchanges_of_few_sessions_are_insufficient_data():
    rng = np.random.default_rng(5)
    attribution = attribute(
        *exchanges(rng, 60),
        *exchanges(rng, 60),
        rng=rng,
        baseline_sessions=np.repeat(np.arange(6), 10),
        window_sessions=np.repeat(np.arange(6, 12), 10),
    )
    assert attribution.verdict is Verdict.INSUFFICIENT_DATA
    assert "12 session(s)" in attribution.message


def test_the_message_has_the_figures_of_the_tests():
    attribution = verdict(prompts=1.0)
    for test in attribution.tests:
        assert f"p = {test.p_adjusted:.3f}" in attribution.message
    assert f"150 baseline and 80 window exchanges, of which {attribution.effective_baseline:.0f}" in attribution.message


def test_effective_sizes_without_a_change_are_nearly_the_sizes():
    attribution = verdict()
    assert attribution.effective_baseline == pytest.approx(150, rel=0.15)
    assert attribution.effective_window == pytest.approx(80, rel=0.15)


def test_the_same_prompts_on_both_sides_are_paired():
    """A change that is small beside the spread of the prompts is found all the same, and none is imagined."""
    rng = np.random.default_rng(1)
    asked = unit(rng.normal(size=(40, 12)))
    means = 3 * rng.normal(size=(40, 12))

    def answered(shift):
        answers = means + rng.normal(size=(40, 12))
        answers[:, 1] += shift
        return unit(answers)

    same = attribute(asked, answered(0), asked, answered(0), rng=rng)
    swapped = attribute(asked, answered(0), asked, answered(2), rng=rng)
    assert same.paired
    assert same.verdict is Verdict.NO_CHANGE
    assert swapped.verdict is Verdict.MODEL_CHANGED
    assert (swapped.effective_baseline, swapped.effective_window) == (40, 40)
    assert "paired" in swapped.message


def test_a_few_repeated_prompts_are_not_a_suite():
    """Nine of a hundred prompts in common: tested as traffic."""
    rng = np.random.default_rng(2)
    before, after = exchanges(rng, 100), exchanges(rng, 100)
    after[0][:9] = before[0][:9]
    assert not attribute(*before, *after, rng=rng, permutations=99, redraws=99).paired


def test_sessions_reach_every_test():
    """Four near copies of each exchange are a quarter of the evidence."""
    rng = np.random.default_rng(3)

    def copies(n):
        return tuple(
            unit(np.repeat(side, 4, axis=0) + 0.03 * rng.normal(size=(4 * n, 12))) for side in exchanges(rng, n)
        )

    sides = *copies(30), *copies(30)
    sessions = np.repeat(np.arange(30), 4), np.repeat(np.arange(30, 60), 4)
    blind = attribute(*sides, rng=rng, permutations=99, redraws=99)
    aware = attribute(
        *sides, rng=rng, permutations=99, redraws=99, baseline_sessions=sessions[0], window_sessions=sessions[1]
    )
    assert blind.verdict is not Verdict.NO_CHANGE
    assert aware.verdict is Verdict.NO_CHANGE


def test_the_same_generator_gives_the_same_verdict():
    assert verdict(seed=4, prompts=0.5) == verdict(seed=4, prompts=0.5)
