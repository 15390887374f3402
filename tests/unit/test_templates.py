"""Templates put around prompts are found word for word; how people begin and end their questions is none."""

import random
import time

import pytest

from drift.templates import READ, templates

OPENINGS = ["What is", "How do I change", "Can you tell me about", "Please explain", "Where is", "Why does", "I lost"]
THINGS = ["account", "card", "order", "refund", "password", "invoice", "garden", "river", "engine", "contract"]
ENDS = ["?", " today?", " in the morning?", "", " for a child?", " again."]


def asked(count, seed=0):
    """Questions as people put them."""
    rng = random.Random(seed)
    return [
        f"{rng.choice(OPENINGS)} my {rng.choice(THINGS)} {rng.randrange(10_000)} and the {rng.choice(THINGS)}"
        f"{rng.choice(ENDS)}"
        for _ in range(count)
    ]


def around(before, texts, after=""):
    return [before + text + after for text in texts]


def told(found):
    return [(one.where, one.text, round(one.baseline_share, 2), round(one.window_share, 2)) for one in found]


def test_prompts_as_before_have_no_template():
    assert templates(asked(2000), asked(200, seed=1)) == ()


@pytest.mark.parametrize(
    ("before", "after", "where", "text"),
    [
        ("Answer as a lawyer: ", "", "beginning", "Answer as a lawyer:"),
        ("", " Respond briefly.", "end", "Respond briefly."),
        ("", " please answer in one word", "end", "please answer in one word"),
        ("Translate into French\n\n", "", "beginning", "Translate into French"),
        ("### Instruction:\n", "", "beginning", "### Instruction:"),
        ("", "\n\n### Response:", "end", "### Response:"),
        ("请用中文简短地回答下面的问题：", "", "beginning", "请用中文简短地回答下面的问题："),  # noqa: RUF001
    ],
)
def test_what_every_prompt_has_now_is_named_and_so_is_what_none_has_any_more(before, after, where, text):
    plain, put = asked(2000), around(before, asked(200, seed=1), after)
    assert told(templates(plain, put)) == [(where, text, 0.0, 1.0)]
    assert told(templates(put, plain)) == [(where, text, 1.0, 0.0)]


def test_a_changed_template_is_the_old_one_and_the_new_one():
    old = around("You are a clerk. Be kind. ", asked(2000))
    new = around("You are a clerk. Be short. ", asked(200, seed=1))
    assert told(templates(old, new)) == [
        ("beginning", "You are a clerk. Be short.", 0.0, 1.0),
        ("beginning", "You are a clerk. Be kind.", 1.0, 0.0),
    ]


def test_beginning_and_end_are_both_named():
    found = templates(asked(500), around("[INST] Be helpful. ", asked(100, seed=1), "\nYour answer:"))
    assert {(one.where, one.text) for one in found} == {
        ("beginning", "[INST] Be helpful."),
        ("end", "Your answer:"),
    }


def test_a_template_around_half_of_the_prompts_is_found_and_around_a_fifth_is_not():
    plain = asked(200, seed=1)
    half = around("Answer as a lawyer: ", plain[:100]) + plain[100:]
    fifth = around("Answer as a lawyer: ", plain[:40]) + plain[40:]
    assert told(templates(asked(2000), half)) == [("beginning", "Answer as a lawyer:", 0.0, 0.5)]
    assert templates(asked(2000), fifth) == ()


def test_questions_of_one_kind_are_no_template():
    """Medical questions all begin alike; five words that go on into the question are how people ask."""
    ill = [f"What are the symptoms of disease {number} ?" for number in range(200)]
    assert templates(asked(2000), [text.replace("disease ", "D") for text in ill]) == ()


def test_a_template_on_both_sides_is_no_change():
    assert templates(around("Answer as a lawyer: ", asked(500)), around("Answer as a lawyer: ", asked(99, 1))) == ()


def test_one_prompt_sent_over_and_over_is_no_template():
    """A probe that asks the same every minute."""
    window = ["Answer with the single word ready please now"] * 150 + asked(50, seed=1)
    assert templates(asked(500), window) == ()


@pytest.mark.parametrize("window", [[], ["Answer as a lawyer: why?"] * 3, ["", "  ", "\n"]])
def test_too_few_prompts_say_nothing(window):
    assert templates(asked(500), window) == ()
    assert templates(window, asked(500)) == ()


def test_of_long_templates_the_first_characters_are_read():
    template = " ".join(f"rule {number} holds" for number in range(100))
    (found,) = templates(asked(500), around(template + " ", asked(100, seed=1)))
    assert READ - 20 < found.characters == len(found.text) <= READ
    assert template.startswith(found.text)


def test_it_takes_little_time():
    """Some 20 ms for a baseline of 2,000 and a window of 200, on a machine that does other work too."""
    context = " ".join(f"fact {number}." for number in range(60))
    before, now = around(context, asked(2000)), around(context + " Be brief. ", asked(200, seed=1))
    took = []
    for _ in range(5):
        began = time.perf_counter()
        templates(before, now)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.15
