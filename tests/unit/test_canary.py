"""A canary's rounds: the same prompts, the same model, the same answers but for chance."""

import numpy as np
import pytest
from scipy.stats import binom

from drift.canary import Answers, changed, compare_rounds
from drift.errors import TooFewSamples
from drift.features import Behaviour

DIMENSION = 64
PROMPTS = 20
Model = tuple[np.ndarray, np.ndarray]
"""Where each prompt's answers lie, (p, d), and the logarithm of their lengths, (p,)."""


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def model(rng: np.random.Generator, prompts: int = PROMPTS) -> Model:
    return unit(rng.normal(size=(prompts, DIMENSION))), rng.normal(5, 1, size=prompts)


def asked(rng: np.random.Generator, of: Model, *, repeats: int = 3, noise: float = 0.7, longer: float = 0.0) -> Answers:
    """A round: answers around where the model's lie, of some length."""
    centres, lengths = of
    prompts = np.repeat(np.arange(len(centres)), repeats)
    vectors = unit(centres[prompts] + noise * rng.normal(size=(len(prompts), DIMENSION)) / np.sqrt(DIMENSION))
    characters = np.exp(lengths[prompts] + longer + 0.3 * noise * rng.normal(size=len(prompts)))
    features = [
        Behaviour(
            prompt_characters=10,
            response_characters=int(count),
            finish_reason="stop",
            language="en",
            refusal=False,
            tool_call=False,
            json=False,
            code_share=0.0,
            list_share=0.0,
            markdown_share=0.0,
            repetition=0.0,
        )
        for count in characters
    ]
    return Answers(prompts, vectors, features)


def test_the_same_model_differs_no_more_often_than_the_level_says():
    """p <= .05 in 300 comparisons at most as often as chance does in 999 of 1,000 cases."""
    rng = np.random.default_rng(1)
    low = 0
    for _ in range(300):
        one = model(rng, 12)
        reference = [asked(rng, one, repeats=2) for _ in range(2)]
        low += compare_rounds(reference, asked(rng, one, repeats=2), rng=rng, permutations=199).p_value <= 0.05
    assert low <= binom.ppf(0.999, 300, 0.05)


@pytest.mark.parametrize("seed", range(5))
def test_a_model_whose_answers_moved_is_found(seed: int):
    """Each prompt's answers in a direction of their own, as another model's do."""
    rng = np.random.default_rng(seed)
    before = model(rng)
    after = unit(before[0] + 0.5 * rng.normal(size=before[0].shape) / np.sqrt(DIMENSION)), before[1]
    found = compare_rounds([asked(rng, before) for _ in range(2)], asked(rng, after), rng=rng)
    assert found.differs
    assert found.effect > 0.02
    assert found.moved


@pytest.mark.parametrize("seed", range(5))
def test_longer_answers_that_say_the_same_are_found_and_named(seed: int):
    rng = np.random.default_rng(seed)
    one = model(rng)
    found = compare_rounds([asked(rng, one) for _ in range(2)], asked(rng, one, longer=0.5), rng=rng)
    assert found.differs
    (moved,) = found.features
    assert moved.name == "response_characters"
    assert moved.after > moved.before


def test_identical_answers_are_told_as_such():
    """A deterministic server: p is 1, and one prompt's other answer is still no change of the model."""
    rng = np.random.default_rng(3)
    one = asked(rng, model(rng), noise=0.0)
    found = compare_rounds([one, one], one, rng=rng)
    assert (found.p_value, found.identical, found.differs) == (1.0, True, False)


def test_a_deterministic_server_with_another_model_is_found_with_few_prompts():
    """Ten prompts, asked once a round."""
    rng = np.random.default_rng(4)
    before, after = (asked(rng, model(rng, 10), repeats=1, noise=0.0) for _ in range(2))
    found = compare_rounds([before, before], after, rng=rng)
    assert found.differs
    assert not found.identical


def test_the_order_of_the_answers_does_not_matter():
    rng = np.random.default_rng(5)
    one, other = model(rng), model(rng)
    reference, latest = [asked(rng, one) for _ in range(2)], asked(rng, other)
    order = rng.permutation(len(latest.prompts))
    shuffled = Answers(latest.prompts[order], latest.vectors[order], [latest.features[i] for i in order])
    first, second = (compare_rounds(reference, x, rng=np.random.default_rng(9)) for x in (latest, shuffled))
    assert first.p_value == second.p_value
    assert first.effect == pytest.approx(second.effect)


def test_too_few_prompts_are_not_compared():
    rng = np.random.default_rng(6)
    few = asked(rng, model(rng, 7))
    with pytest.raises(TooFewSamples, match="7 prompts"):
        compare_rounds([few, few], few, rng=rng)


@pytest.mark.parametrize(
    ("before", "differing", "after"),
    [
        (False, [True], False),
        (False, [False, True], False),
        (False, [True, True], True),
        (True, [True, False], True),
        (True, [False, False], False),
    ],
)
def test_two_rounds_in_a_row_change_what_is_said(before: bool, differing: list[bool], after: bool):
    assert changed(before, differing) is after
