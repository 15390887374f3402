"""No bytes raise, none are unpacked without bound, and every record can be stored."""

import gzip
import json
import random
import zlib
from typing import Any

import msgspec
import pytest

from drift.records import Exchange, Outcome
from proxy.wire import read
from tests.unit.captured import ASKED, STREAM, answered, asked, capture, delta, message, ndjson, sse


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(STREAM)),
        ("GZIP", gzip.compress(STREAM[:90]) + gzip.compress(STREAM[90:]) + b"\0\0"),
        ("deflate", zlib.compress(STREAM)),
        ("deflate", zlib.compress(STREAM, wbits=-15)),
        ("identity", STREAM),
    ],
)
def test_compressed_bodies_are_read(encoding: str, packed: bytes):
    """gzip also in members, deflate also without its header."""
    assert answered(packed, response_encoding=encoding) == answered(STREAM)


def test_a_small_body_that_holds_gigabytes_is_too_large():
    """In either direction it is not unpacked past the bound, and a million empty members take no time."""
    bomb = gzip.compress(b"{" + b" " * 40_000_000)
    assert answered(bomb, response_encoding="gzip").outcome is Outcome.TOO_LARGE
    assert read(capture(bomb, STREAM, request_encoding="gzip")).outcome is Outcome.TOO_LARGE
    assert answered(gzip.compress(b"") * 50_000, response_encoding="gzip").outcome is Outcome.TRUNCATED


@pytest.mark.parametrize("body", [b"{\n" * 100_000, b"data: {\n\n" * 100_000])
def test_broken_parts_are_given_up_after_a_hundred(body: bytes):
    exchange = answered(body)
    assert (exchange.outcome, exchange.error) == (Outcome.TRUNCATED, "response: 100 parts could not be read")


def test_an_encoding_that_cannot_be_read_is_not_scored():
    """No terminal marker can be read in it, so it is truncated, and the error names the encoding."""
    exchange = answered(b"\x1b\x00", response_encoding="br")
    assert (exchange.outcome, exchange.response) == (Outcome.TRUNCATED, "")
    assert exchange.error == "response: content-encoding br cannot be read"
    assert answered(b"not gzip", response_encoding="gzip").outcome is Outcome.TRUNCATED


@pytest.mark.parametrize(
    "request_body",
    [
        b'{"temperature": NaN, "seed": 1e999, "messages": [{"role": "user", "content": "a\\ud800b\\u0000c"}]}',
        b'{"messages": [{"role": "user", "content": "a\xffb\x00c"}]}',
        b'{"messages": [], "messages": [{"role": "user", "content": "a\\ud800b\\u0000c"}]}',
    ],
)
def test_text_that_no_store_takes_is_replaced(request_body: bytes):
    """NaN, infinity, lone surrogates, NUL, duplicate keys and bytes that are not UTF-8 are read."""
    exchange = asked(request_body)
    assert (exchange.prompt, exchange.sampling) == ("a�b�c", {})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(exchange), type=Exchange) == exchange


@pytest.mark.parametrize("size", [10**30, -1, True, "7", 1.5e300, None, [1]])
def test_counts_are_whole_numbers_that_a_store_can_hold(size: Any):
    exchange = answered(message(content="x") | {"usage": {"prompt_tokens": size}})
    assert (exchange.input_tokens, exchange.outcome) == (None, Outcome.COMPLETE)


def _mutations(body: bytes, draw: random.Random) -> bytes:
    mutable = bytearray(body)
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(mutable))
        span = draw.randrange(0, 12)
        mutable[at : at + span] = draw.choice(
            [
                b"",
                b"null",
                b"{}",
                b"[]",
                b"-1e9",
                b'"',
                b"\\ud83d",
                b"\xf0",
                b"\n\n",
                b"true",
                b"[[",
                bytes(draw.randbytes(3)),
            ]
        )
    return bytes(mutable) or b"{"


@pytest.mark.parametrize("endpoint", ["chat/completions", "completions", "api/chat", "api/generate"])
def test_no_bytes_raise(endpoint: str):
    """Thousands of damaged bodies of every kind become records that can be stored."""
    draw = random.Random(endpoint)
    request = json.dumps(
        ASKED | {"prompt": ["a"], "system": "s", "options": {"seed": 1}, "stop": ["x"], "tools": [{}], "user": "u"}
    ).encode()
    answers = [
        STREAM,
        sse(
            delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "{}"}}], function_call={"name": "g"})
        ),
        json.dumps(message(content=[{"text": "a"}], tool_calls=[{"function": {"arguments": {"a": [1]}}}])).encode(),
        ndjson({"message": {"content": "a", "thinking": "b"}, "response": "c"}, {"done": True, "eval_count": 3}),
    ]
    for _ in range(1500):
        fields = {
            "response_encoding": draw.choice(["", "", "gzip", "deflate", "\udcff"]),
            "status": draw.choice([200, 500]),
        }
        fields["response_type"] = draw.choice(["", "text/event-stream"])
        damaged = _mutations(draw.choice(answers), draw)
        exchange = read(capture(_mutations(request, draw), damaged, endpoint=endpoint, **fields))
        assert msgspec.json.decode(msgspec.json.encode(exchange), type=Exchange).id == "1"


@pytest.mark.parametrize("depth", range(150, 1050, 50))
def test_deep_nesting_is_read_or_refused(depth: int):
    """At no depth does what could be parsed fail to be written again."""
    nested = "[" * depth + "]" * depth
    call = f'{{"function": {{"name": "f", "arguments": {nested}}}}}'
    answered(f'{{"choices": [{{"message": {{"tool_calls": [{call}]}}}}], "error": {nested}}}'.encode())
