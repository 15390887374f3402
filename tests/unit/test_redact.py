"""What privacy.redact names is masked before the log is written, however the bytes hold it."""

import gzip
import json
import random
import time
import zlib
from typing import Any

import msgspec
import pytest
import regex

from drift.records import Outcome
from proxy.capture import Capture
from proxy.config import load
from proxy.masking import Masking, Masks, TooSlow
from proxy.redaction import Redactor
from proxy.section import ConfigError
from proxy.wire import read
from tests.scripted import completion, events

EMAIL = r"[\w.]+@[\w.]+\w"
MASKED = Redactor([EMAIL, r"sk-[a-z0-9]{8,}"])


def capture(request: Any = None, response: bytes = b"", **more: Any) -> Capture:
    asked = request if isinstance(request, bytes) else json.dumps(request or {"model": "m", "messages": []}).encode()
    known = {"id": "x", "at": 1.0, "endpoint": "chat/completions", "status": 200, "duration_seconds": 1.0}
    return Capture(**known, outcome=Outcome.COMPLETE, request=asked, response=response, **more)


def redacted(one: Capture, redactor: Redactor = MASKED) -> Capture:
    found = redactor.redact(one)
    assert found is not None
    return found


def test_a_prompt_and_an_answer_are_masked_and_the_rest_is_read_as_before():
    asked = {
        "model": "m",
        "user": "ann@example.org",
        "messages": [{"role": "user", "content": "I am ann@example.org."}],
    }
    exchange = read(redacted(capture(asked, completion("Hello ann@example.org, your key is sk-abcdefgh12."))))
    assert exchange.prompt == "I am [redacted]."
    assert exchange.response == "Hello [redacted], your key is [redacted]."
    assert (exchange.model, exchange.outcome, exchange.output_tokens) == ("m", Outcome.COMPLETE, 6)
    assert "ann" not in str(msgspec.to_builtins(exchange))


def test_escapes_hide_nothing():
    asked = b'{"model": "m", "messages": [{"role": "user", "content": "I am ann\\u0040example.org"}]}'
    assert read(redacted(capture(asked))).prompt == "I am [redacted]"
    arguments = '{"to": "ann\\u0040example.org"}'
    asked = json.dumps({"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": arguments}}]}]})
    assert b"ann" not in redacted(capture(asked.encode())).request


@pytest.mark.parametrize("size", [1, 2, 3, 5, 40])
def test_a_stream_is_masked_across_its_parts(size: int):
    """Each part holds but a piece of what is looked for."""
    said = "Write to ann@example.org or to bob@example.org, please."
    parts = [said[i : i + size] for i in range(0, len(said), size)]
    stream = b""
    for part in parts:
        body = {"model": "replay", "choices": [{"index": 0, "delta": {"content": part}, "finish_reason": None}]}
        stream += b"data: " + json.dumps(body).encode() + b"\r\n\r\n"
    stream += events("")[-2] + b"data: [DONE]\n\n"
    exchange = read(redacted(capture(response=stream, response_type="text/event-stream")))
    assert exchange.response == "Write to [redacted] or to [redacted], please."
    assert exchange.outcome is Outcome.COMPLETE


def test_however_a_text_is_cut_its_whole_is_masked():
    random_numbers, masking = random.Random(1), Masks([EMAIL]).begin()
    for _ in range(50):
        said = "".join(random_numbers.choices([" ", "ann@example.org", "a@b.cc", "word", "x"], k=40))
        cuts = sorted(random_numbers.choices(range(len(said) + 1), k=30))
        pieces = [said[low:high] for low, high in zip([0, *cuts], [*cuts, len(said)], strict=True)]
        masked = masking.pieces(pieces)
        assert len(masked) == len(pieces)
        assert "".join(masked) == masking.text(said)


def test_masking_ends_when_its_time_is_over():
    masking = Masking([regex.compile(EMAIL)], time.monotonic() - 1)
    for late in (lambda: masking.text("a"), lambda: masking.values([{}])):
        with pytest.raises(TooSlow):
            late()


def test_choices_of_one_stream_are_texts_of_their_own():
    parts = [(0, "ann@exa"), (1, "bob@"), (0, "mple.org"), (1, "home no")]
    lines = [{"choices": [{"index": i, "delta": {"content": text}}]} for i, text in parts]
    stream = b"".join(b"data: " + json.dumps(line).encode() + b"\n\n" for line in lines)
    found = redacted(capture(response=stream)).response.decode()
    assert found.count("[redacted]") == 2
    assert " no" in found


def test_lines_of_json_are_masked_across_lines():
    lines = [{"message": {"content": c}, "done": False} for c in ("ann", "@ex", "ample.org")]
    body = b"\n".join(json.dumps(line).encode() for line in [*lines, {"message": {"content": ""}, "done": True}])
    exchange = read(redacted(_native(body)))
    assert exchange.response == "[redacted]"


def _native(body: bytes) -> Capture:
    return msgspec.structs.replace(capture(response=body), endpoint="api/chat")


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies_are_masked(name: str, pack: Any):
    packed = pack(completion("I am ann@example.org"))
    assert read(redacted(capture(response=packed, response_encoding=name))).response == "I am [redacted]"


@pytest.mark.parametrize(
    "more",
    [
        {"response": b"\x8b\x00ann@example.org", "response_encoding": "br"},
        {"response": b"no gzip: ann@example.org", "response_encoding": "gzip"},
        {"response": completion("ann@example.org").decode().encode("utf-16")},
        {"response": b"[" * 100_000},
    ],
)
def test_what_cannot_be_read_is_not_kept(more: dict[str, Any]):
    assert MASKED.redact(capture(**more)) is None


def test_what_is_cut_off_is_not_kept_unmasked():
    whole = completion("I am ann@example.org and no other")
    for end in range(0, len(whole), 7):
        assert b"ann@" not in redacted(capture(response=whole[:end])).response
    half = b'data: {"choices": [{"index": 0, "delta": {"content": "ann@example.org'
    exchange = read(redacted(capture(response=events("Yes")[0] + half)))
    assert "ann" not in exchange.response
    assert exchange.outcome is Outcome.TRUNCATED
    assert redacted(capture(response=b"<p>ann&#64;example.org</p>")).response == b""


def test_nothing_changes_where_nothing_is_to_be_masked():
    one = capture(response=b"\xff as it came")
    assert Redactor(()).redact(one) is one


def test_a_pattern_that_would_take_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("proxy.masking.SECONDS", 0.05)
    slow = Redactor([r"(a|aa)+$"])
    assert slow.redact(capture(response=completion("a" * 5_000 + "b"))) is None


@pytest.mark.parametrize(("pattern", "why"), [("(", "is no regular expression"), ("a*", "matches the empty text")])
def test_a_pattern_that_cannot_be_used_is_refused_at_the_start(pattern: str, why: str):
    with pytest.raises(ConfigError, match=rf"privacy\.redact = .*{why}"):
        load(None, environ={"DRIFTIUM_PRIVACY__REDACT": json.dumps([pattern])}, flags={})
