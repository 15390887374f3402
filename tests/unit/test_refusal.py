import gzip
import json
from pathlib import Path

import pytest

from drift.refusal import is_refusal

LABELLED = Path(__file__).parents[1] / "data" / "refusals.jsonl.gz"


def counts(half):
    """(true positives, false positives, false negatives) on a half of the labelled answers."""
    with gzip.open(LABELLED, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found = [(row["refusal"], is_refusal(row["text"])) for row in rows if row["half"] == half]
    return found.count((True, True)), found.count((False, True)), found.count((True, False))


@pytest.mark.parametrize("half", ["rule", "held_out"])
def test_refusals_are_found_and_other_answers_are_left_alone(half):
    """Precision of .95 and recall of .90 at least, on the texts the rule was made with and on those kept back."""
    hits, false_alarms, misses = counts(half)
    assert hits >= 40
    assert hits / (hits + false_alarms) >= 0.95
    assert hits / (hits + misses) >= 0.90


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that.",
        "I\N{RIGHT SINGLE QUOTATION MARK}m sorry, I can\N{RIGHT SINGLE QUOTATION MARK}t help with this request.",
        "As an AI language model, I do not have personal opinions.",
        "I must respectfully decline.",
        "That request goes against my content policy, so I won't be continuing.",
        "This question is subjective and depends on the individual's personal beliefs.",
        "**I cannot provide instructions for that.**",
    ],
)
def test_plain_refusals(text):
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I can't recommend this enough!",
        "I can't wait to help you plan the trip.",
        "I cannot stress enough how important backups are.",
        "I'm sorry to hear that your parcel is late. Please follow these steps:\n1. Log in.\n2. Open the order.",
        "If you are unable to log in, reset your password on the sign-in page.",
        "You cannot divide by zero, so the function is undefined at x = 0.",
        "We can't see dark matter directly, but we know that it is there.",
        "Dear Ms Hale,\n\nI apologize for the delay of your order. It will arrive on Monday.",
        "The password could not be verified because the clock of the server is wrong.",
    ],
)
def test_answers_that_only_sound_like_refusals(text):
    assert not is_refusal(text)


def test_an_inability_that_introduces_the_help_is_no_refusal():
    help_given = "\n1. Install the package.\n2. Open the page.\n" + "3. Read the table into a list of rows.\n" * 12
    opening = "As an AI language model, I cannot open web pages. However, I can show you how to do it:"
    assert not is_refusal(opening + help_given)
    assert is_refusal("As an AI language model, I cannot open web pages.")


def test_an_answer_declines_at_its_beginning_or_not_at_all():
    story = "The robot looked at the door for a long time and thought about what it had been asked to do. " * 4
    assert not is_refusal(story + "I cannot do that, it said.")


@pytest.mark.parametrize(
    "text",
    [
        "Es tut mir leid, aber ich kann Ihnen dabei nicht helfen.",
        "Als KI-Sprachmodell habe ich keine persönliche Meinung.",
        "Je suis désolé, mais je ne peux pas vous aider avec cette demande.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "Mi dispiace, ma non posso fornire queste informazioni.",
        "Desculpe, mas não posso ajudar com isso.",
        "Het spijt me, maar ik kan u daar niet bij helpen.",
        "К сожалению, я не могу помочь с этим запросом.",  # noqa: RUF001
        "抱歉, 我无法提供这方面的帮助。",
        "申し訳ありませんが、そのご要望にはお応えできません。",
    ],
)
def test_the_commonest_forms_in_other_languages(text):
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "Ich kann Ihnen gern helfen: Öffnen Sie zuerst die Einstellungen.",
        "Je peux vous aider. Ouvrez d'abord les paramètres, puis le menu Compte.",
        "No hay problema, puedo ayudarte con tu pedido.",
        "Non c'è problema, posso aiutarti.",
        "Claro, posso ajudar com isso. Não se preocupe.",
        "Natuurlijk kan ik u daarmee helpen.",
        "Конечно, я могу помочь с этим.",  # noqa: RUF001
        "当然, 我可以帮助你。",
        "はい、お手伝いできます。",
    ],
)
def test_help_in_other_languages_is_no_refusal(text):
    assert not is_refusal(text)


@pytest.mark.parametrize("piece", ["I cannot ", "as an ai ", "sorry ", "\ud800", "\0", "this ", " ", "ich kann ", "i "])
def test_hostile_texts_are_read_in_bounded_time(piece):
    """A million characters cost what their first thousand do."""
    assert is_refusal(piece * (1_000_000 // len(piece))) in (True, False)
