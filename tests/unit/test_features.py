import json
import math

import msgspec
import pytest

from drift.features import ALARMED, BOOLEAN, CATEGORICAL, NUMERIC, SHOWN, Behaviour, behaviour, table
from drift.formats import asks_for_json, holds_json, is_json, repetition, shares
from drift.records import Exchange, Outcome


def exchange(response="", prompt="Hello there, how are you?", **fields):
    fixed = {"id": "1", "at": 0.0, "endpoint": "chat/completions", "outcome": Outcome.COMPLETE}
    return Exchange(**fixed, prompt=prompt, response=response, **fields)


def test_every_field_has_one_kind_and_either_may_alarm_or_may_not():
    """And each says why."""
    fields = sorted(Behaviour.__struct_fields__)
    assert sorted((*NUMERIC, *BOOLEAN, *CATEGORICAL)) == fields
    assert sorted((*ALARMED, *SHOWN)) == fields
    assert all({**ALARMED, **SHOWN}.values())


def test_a_row_can_be_stored_and_read_again():
    row = behaviour(
        exchange("The answer is in the second chapter of the book.", finish_reason="stop", output_tokens=11)
    )
    assert msgspec.json.decode(msgspec.json.encode(row), type=Behaviour) == row


def test_rows_become_columns():
    rows = [behaviour(exchange("one")), behaviour(exchange("three"))]
    columns = table(rows)
    assert columns["response_characters"] == [3, 5]
    assert list(columns) == list(Behaviour.__struct_fields__)
    assert table([])["refusal"] == []


def test_speed_of_a_stream_is_counted_from_its_first_chunk():
    """The first token comes with the first chunk, the other 20 in the two seconds after it."""
    row = behaviour(exchange("text", output_tokens=21, duration_seconds=3.0, first_chunk_seconds=1.0, stream=True))
    assert row.tokens_per_second == pytest.approx(10)


def test_speed_of_an_answer_in_one_piece_is_counted_from_the_request():
    row = behaviour(exchange("text", output_tokens=21, duration_seconds=3.0, first_chunk_seconds=2.9))
    assert row.tokens_per_second == pytest.approx(7)


@pytest.mark.parametrize(
    "fields",
    [
        {"output_tokens": None, "duration_seconds": 1.0},
        {"output_tokens": 5, "duration_seconds": None},
        {"output_tokens": 0, "duration_seconds": 1.0},
        {"output_tokens": 5, "duration_seconds": 0.0},
        {"output_tokens": 5, "duration_seconds": math.nan},
        {"output_tokens": 5, "duration_seconds": math.inf},
        {"output_tokens": 1, "duration_seconds": 2.0, "first_chunk_seconds": 1.0, "stream": True},
        {"output_tokens": 5, "duration_seconds": 1.0, "first_chunk_seconds": 1.0, "stream": True},
        {"output_tokens": 5, "duration_seconds": 1.0, "first_chunk_seconds": 2.0, "stream": True},
    ],
)
def test_a_speed_that_cannot_be_known_is_none(fields):
    assert behaviour(exchange("text", **fields)).tokens_per_second is None


def test_an_empty_answer_has_no_form():
    row = behaviour(exchange(""))
    assert (row.response_characters, row.refusal, row.tool_call) == (0, False, False)
    assert {row.language, row.code_share, row.list_share, row.markdown_share, row.json, row.repetition} == {None}


def test_an_answer_of_calls_only_is_a_call_and_nothing_else():
    """It breaks no promise of JSON either."""
    call = exchange("", tool_calls=("search({})",), finish_reason="tool_calls", sampling={"response_format": "json"})
    row = behaviour(call)
    assert (row.tool_call, row.refusal, row.truncated) == (True, False, False)
    assert {row.json, row.json_valid, row.code_share} == {None}


REASONS = [("length", True), ("MAX_TOKENS", True), ("stop", False), ("", None)]


@pytest.mark.parametrize(("reason", "truncated"), REASONS)
def test_truncated_says_what_the_finish_reason_says(reason, truncated):
    assert behaviour(exchange("text", finish_reason=reason)).truncated is truncated


def test_languages_of_both_sides():
    row = behaviour(exchange("Das Treffen findet am Donnerstag statt.", prompt="When does the meeting take place?"))
    assert (row.language, row.prompt_language) == ("de", "en")


def test_layout_worked_by_hand():
    """Of six lines outside the block two are items and two are marked."""
    text = "# Title\nSome **bold** text\n- first item\n2. second item\n```\nx = 1\ny = 22\n```\n\nlast line\nthe end\n"
    layout = shares(text)
    block = len("```\nx = 1\ny = 22\n```\n")
    assert layout.code == pytest.approx(block / len(text))
    assert (layout.lists, layout.markdown) == pytest.approx((2 / 6, 2 / 6))


def test_a_block_without_an_end_runs_to_the_end():
    assert shares("```\n- x\n- y").code == 1
    assert shares("```\n- x\n- y").lists == 0


def test_numbers_and_dashes_inside_sentences_are_no_lists():
    assert shares("2024 was a good year.\n-5 degrees\n3.5 metres").lists == 0


@pytest.mark.parametrize("text", ['{"a": 1}', " [1, 2]\n", '{"a": [{"b": null}]}'])
def test_json_is_an_object_or_an_array_and_nothing_else(text):
    assert is_json(text)
    assert holds_json(f"Here it is:\n```json\n{text}\n```\nDone.")


@pytest.mark.parametrize("text", ["", "1", '"a"', "{a: 1}", "[Note] see below [1]", '{"a": 1} and more', "{", "[NaN]"])
def test_what_only_looks_like_json(text):
    assert not is_json(text)
    assert not holds_json(text)


def test_json_is_valid_or_not_only_where_it_was_asked_for():
    """A request's format promises bare JSON to a parser; words allow the block."""
    fenced = '```json\n{"a": 1}\n```'
    for kind in ("json", "json_object", "json_schema"):
        sampling = {"response_format": kind}
        assert behaviour(exchange('{"a": 1}', sampling=sampling)).json_valid is True
        assert behaviour(exchange(fenced, sampling=sampling)).json_valid is False
    assert behaviour(exchange(fenced, prompt="Answer in JSON.")).json_valid is True
    assert behaviour(exchange("Sure!", system="Reply only with valid JSON.")).json_valid is False
    assert behaviour(exchange('{"a": 1}')).json_valid is None
    assert behaviour(exchange("", sampling={"response_format": "json"})).json_valid is False


@pytest.mark.parametrize(
    "prompt", ["What is JSON?", "Write a function that reads a JSON file.", "Convert this JSON to YAML"]
)
def test_a_question_about_json_does_not_ask_for_it(prompt):
    assert not asks_for_json("", prompt)


def test_repetition_worked_by_hand():
    """One word 24 times has 21 groups of four, all the same."""
    assert repetition("no " * 24) == pytest.approx(1 - 1 / 21)
    assert repetition(" ".join(f"word{i}" for i in range(50))) == 0
    assert repetition("too short to say") is None


def test_repetition_is_seen_without_spaces():
    assert repetition("我" * 500) > 0.9
    assert repetition("".join(chr(0x4E00 + i) for i in range(500))) == 0


HOSTILE = [
    "a" * 1_000_000,
    " " * 1_000_000,
    "\ud800" * 1_000,
    "\0" * 1_000,
    "```" * 300_000,
    "```json" + " " * 1_000_000,
    "[" * 1_000_000,
    "[" * 90_000 + "]" * 90_000,
    '{"a":' * 30_000 + "1" + "}" * 30_000,
    '["\ud800"]',
    "answer in " * 100_000,
    "**" * 400_000,
    "| " * 400_000,
    "json " * 200_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:7]))
def test_hostile_texts_give_a_row_that_can_be_stored(text):
    """On every side of the exchange, and in time that does not explode."""
    row = behaviour(exchange(text, prompt=text, system=text))
    assert row.response_characters == len(text)
    assert json.loads(msgspec.json.encode(row))["prompt_characters"] == len(text)


def test_hostile_answers_are_not_taken_for_json():
    """Brackets nested past what a parser follows, and strings that no encoding holds."""
    assert not is_json("[" * 90_000 + "]" * 90_000)
    assert not is_json('["\ud800"]')
