import msgspec
import numpy as np
import pytest
from scipy.stats import binomtest

from drift.indicators import Questions, difference
from tests.unit.samples import behaviour, row


def largest(before, after):
    """(largest squared standardised difference, its question) of two lists of rows."""
    questions = Questions(before)
    apart = difference(
        questions.answers(after).sum(axis=0), len(after), questions.answers(before).sum(axis=0), len(before)
    )
    place = int(np.abs(apart).argmax())
    return float(apart[place] ** 2), questions.questions[place]


def refusing(count, refusals):
    return [row(refusal=place < refusals) for place in range(count)]


@pytest.mark.parametrize(("refusals", "seen"), [(0, False), (1, False), (3, True), (4, True), (10, True)])
def test_refusals_that_the_baseline_never_showed_are_seen_by_their_number(refusals, seen):
    """None of 500, then so many of 50: one is odd, four are a drift of more than three standard deviations."""
    statistic, question = largest(refusing(500, 0), refusing(50, refusals))
    assert (statistic > 9) is seen
    if seen:
        assert question.feature == "refusal"


def test_the_difference_worked_by_hand():
    """0 of 500 and 4 of 50: 2 (asin sqrt(4.375 / 50.75) - asin sqrt(.375 / 500.75)) sqrt(500 50 / 550)."""
    by_hand = 2 * (np.arcsin((4.375 / 50.75) ** 0.5) - np.arcsin((0.375 / 500.75) ** 0.5)) * (25_000 / 550) ** 0.5
    assert difference(np.array([4.0]), 50, np.array([0.0]), 500) == pytest.approx([by_hand])
    assert by_hand == pytest.approx(3.65, abs=0.01)


@pytest.mark.parametrize("m", [1, 4, 10, 50, 500])
@pytest.mark.parametrize("n", [100, 2_000])
def test_what_nobody_shows_on_either_side_is_no_difference(n, m):
    """Under 2 sqrt(3/8) = 1.23 standard deviations, and the same for what everybody shows."""
    nothing = difference(np.array([0.0, m]), m, np.array([0.0, n]), n)
    assert np.abs(nothing).max() < 1.23
    assert nothing[0] == pytest.approx(-nothing[1])


def test_a_yes_counts_as_much_as_a_no():
    yes, no = (difference(np.array([float(k)]), 50, np.array([float(c)]), 500)[0] for k, c in ((9, 40), (41, 460)))
    assert yes == pytest.approx(-no)


def test_a_word_that_the_baseline_never_used_is_another_word():
    before = [row(finish_reason="stop" if place % 3 else "length") for place in range(300)]
    after = [row(finish_reason="content_filter" if place < 5 else "stop") for place in range(50)]
    statistic, question = largest(before, after)
    assert statistic > 9
    assert question.feature == "finish_reason"
    questions = Questions(before)
    said = dict(zip(questions.questions, questions.answer(after[0]), strict=True))
    asked = {(one.level, one.another): yes for one, yes in said.items() if one.feature == "finish_reason"}
    assert asked == {("stop", False): False, ("length", False): False, (None, True): True}


def test_only_ten_words_are_asked_for_and_the_rest_are_another():
    before = [row(language=f"{place % 15:02}") for place in range(300)]
    questions = Questions(before)
    asked = [question for question in questions.questions if question.feature == "language"]
    assert len(asked) == 11
    assert [question.another for question in asked] == [False] * 10 + [True]
    yes = questions.answers(before)[:, [question.feature == "language" for question in questions.questions]]
    assert (yes.sum(axis=1) == 1).all()


def test_numbers_that_go_missing_are_seen():
    before = [row(list_share=place / 200) for place in range(200)]
    statistic, question = largest(before, [row(list_share=None if place < 8 else place / 40) for place in range(40)])
    assert statistic > 9
    assert question.feature == "list_share"


def test_what_was_not_measured_is_missing():
    before = [row(list_share=None if place % 2 else 0.5) for place in range(40)]
    questions = Questions(before)
    said = dict(zip(questions.questions, questions.answer(None), strict=True))
    missing = [yes for question, yes in said.items() if question.feature == "list_share" and question.edge is None]
    assert missing == [True, False]
    assert not any(yes for question, yes in said.items() if question.edge is not None)


@pytest.mark.parametrize("length", [499, 501])
def test_answers_that_were_all_of_one_length_change_it(length):
    """Longer or shorter by one character: no quantile lies between, both ends are asked for."""
    same = [row(response_characters=500)] * 200
    assert largest(same, same[:50])[0] < 1
    statistic, question = largest(same, [row(response_characters=length)] * 10)
    assert statistic > 9
    assert question.feature == "response_characters"


def test_a_flag_is_not_a_number():
    """True equals 1 in Python, and is another answer than 1."""
    questions = Questions([row(json=True), row(json=False)])
    rows = questions.answers([row(json=True), msgspec.structs.replace(row(), json=1)])
    of_json = [place for place, question in enumerate(questions.questions) if question.feature == "json"]
    assert not np.array_equal(rows[0, of_json], rows[1, of_json])


def test_latency_and_prompts_are_not_asked_about():
    """They are their load's and their users'."""
    asked = {question.feature for question in Questions(behaviour(np.random.default_rng(0), 50)).questions}
    assert not asked & {"duration_seconds", "tokens_per_second", "prompt_characters", "prompt_language"}
    assert {"response_characters", "refusal", "finish_reason", "list_share"} <= asked


def test_a_monotone_transformation_of_a_number_changes_nothing():
    rng = np.random.default_rng(1)
    before, after = behaviour(rng, 200), behaviour(rng, 60, growth=1.4)

    def squared(rows):
        return [msgspec.structs.replace(one, response_characters=one.response_characters**2 + 7) for one in rows]

    plain, transformed = Questions(before), Questions(squared(before))
    assert np.array_equal(plain.answers(after), transformed.answers(squared(after)))
    assert largest(before, after)[0] == largest(squared(before), squared(after))[0]


def test_the_same_rows_in_any_order_give_the_same_questions():
    rows = behaviour(np.random.default_rng(2), 100)
    assert Questions(rows).questions == Questions(rows[::-1]).questions


def test_a_baseline_without_rows_asks_nothing():
    questions = Questions([])
    assert questions.questions == ()
    assert questions.answers([row(), row()]).shape == (2, 0)
    assert questions.answer(row()) == []


@pytest.mark.parametrize("share", [0.03, 0.3, 0.9])
def test_differences_are_standard_normal_without_drift(share):
    """Of 4,000 windows of 60 against baselines of 400: mean, spread and the rate beyond 2.5 within their bounds."""
    rng = np.random.default_rng(3)
    count = 4_000
    apart = difference(
        rng.binomial(60, share, count).astype(float), 60, rng.binomial(400, share, count).astype(float), 400
    )
    # The transformation leaves a little bias at small shares: a tenth of a deviation.
    assert abs(apart.mean()) < 0.1 + 4 / count**0.5
    assert apart.std() == pytest.approx(1, abs=0.1)
    beyond = int((np.abs(apart) > 2.5).sum())
    # 1.24 % for a normal one, up to 2.5 % for these counts.
    assert binomtest(beyond, count, 0.025, alternative="greater").pvalue > 0.001
