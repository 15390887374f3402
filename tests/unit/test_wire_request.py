"""What was asked is read from every request format."""

import pytest

from drift.records import CONVERSATION, Outcome
from proxy.wire import read, request_model
from tests.unit.captured import ASKED, STREAM, asked, capture


def test_the_last_user_message_is_the_prompt():
    """Content may be null, text or parts; system and developer messages are one text."""
    parts = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {}},
        {"type": "text", "text": "who?"},
    ]
    request = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "user", "content": parts},
            {"role": "tool", "content": "42"},
        ]
    }
    exchange = asked(request)
    assert (exchange.system, exchange.prompt) == ("Be brief.\nBe kind.", "Look:\nwho?")


def test_the_turns_of_a_conversation_share_a_session():
    """Later turns carry the first one's digest; a single question is its own session."""
    start = [{"role": "system", "content": "s"}, {"role": "user", "content": "one"}]
    later = [*start, {"role": "assistant", "content": "a"}, {"role": "user", "content": "two"}]
    assert asked({"messages": start}).session is None
    second = asked({"messages": later}).session
    third = asked({"messages": [*later, {"role": "user", "content": "three"}]}).session
    assert second == third
    assert second is not None
    assert len(second) == len(CONVERSATION) + 16
    assert second.startswith(CONVERSATION), "nobody named it"
    assert asked({"messages": [start[0], {"role": "user", "content": "else"}, *later[2:]]}).session != second


def test_a_named_session_wins():
    assert asked(ASKED | {"user": "ada"}).session == "ada"
    assert asked(ASKED | {"metadata": {"session_id": "s1"}}).session == "s1"
    assert asked(ASKED | {"user": 7, "metadata": "none"}).session is None


def test_sampling_keeps_what_changes_answers():
    openai = ASKED | {
        "temperature": 0.2,
        "seed": 7,
        "stop": ["a", "b"],
        "max_completion_tokens": 5,
        "response_format": {"type": "json_object"},
        "tools": [{"type": "function"}],
        "logit_bias": {"1": 2},
        "top_p": None,
    }
    assert asked(openai).sampling == {
        "temperature": 0.2,
        "seed": 7,
        "stop": ["a", "b"],
        "max_completion_tokens": 5,
        "response_format": "json_object",
        "tools": 1,
    }
    native = {
        "prompt": "p",
        "options": {"num_predict": 5, "temperature": 0},
        "format": {"type": "object"},
        "think": True,
    }
    assert asked(native, endpoint="api/generate").sampling == {
        "num_predict": 5,
        "temperature": 0,
        "response_format": "json_schema",
        "think": True,
    }


def test_the_names_of_options_are_names():
    """Whatever else a client calls an option would stand in reports."""
    kept = {f"o{place}": place for place in range(60)}
    hostile = {"a b": 1, "<b>": 1, "x\n": 1, "": 1, "1st": 1, "é": 1, "n" * 61: 1, "[x](y)": 1}
    found = asked({"prompt": "p", "options": hostile | kept}, endpoint="api/generate").sampling
    assert found == dict(list(kept.items())[:50])
    named = {"num_ctx": 1, "mirostat.tau": 2, "top-k": 3, "_x": 4, "n" * 60: 5}
    assert asked({"prompt": "p", "options": named}, endpoint="api/generate").sampling == named


@pytest.mark.parametrize("request_body", [b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"messages": 3, "model": {}}'])
def test_a_request_that_cannot_be_read_costs_its_own_fields_only(request_body: bytes):
    exchange = read(capture(request_body, STREAM))
    assert (exchange.prompt, exchange.response, exchange.outcome) == ("", "Rivers → 🌊", Outcome.COMPLETE)


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (b'{"messages": [], "model": "llama3.2:1b", "n": 1}', "llama3.2:1b"),
        (b'{"model": "a\\nb\\u0000\\u2028"}', "a\ufffdb\ufffd\ufffd"),
        (b'{"model": "' + b"x" * 999 + b'"}', "x" * 200),
        (b'{"model": 7}', ""),
        (b'{"model": null}', ""),
        (b"{}", ""),
        (b"[]", ""),
        (b"", ""),
        (b'{"model": "\xff"}', ""),
        (b"[" * 100_000, ""),
    ],
)
def test_the_model_of_a_request_is_fit_for_a_label(body: bytes, model: str):
    assert request_model(body) == model
