"""What passed on the wire is read into the same record whatever the dialect, with the outcome that its bytes show."""

import json

import pytest

from drift.records import Outcome
from proxy import capture as captures
from proxy.wire import read
from tests.unit.captured import STREAM, answered, capture, delta, message, ndjson, sse


def test_a_stream_and_a_whole_answer_are_the_same_exchange():
    """Text, reasoning, finish reason, usage and the answering model are read from both."""
    whole = {
        "model": "m-1",
        "choices": [
            {"index": 0, "message": {"content": "Rivers → 🌊", "reasoning": "Hm. "}, "finish_reason": "length"},
            {"index": 1, "message": {"content": "other"}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }
    exchange = answered(STREAM)
    assert exchange == answered(whole)
    assert exchange == answered(json.dumps(whole, indent=2).encode())
    assert (exchange.outcome, exchange.response, exchange.reasoning) == (Outcome.COMPLETE, "Rivers → 🌊", "Hm. ")
    assert (exchange.prompt, exchange.model, exchange.response_model) == ("Why is the sea salty?", "m", "m-1")
    assert (exchange.choices, exchange.finish_reason) == (2, "length")
    assert (exchange.input_tokens, exchange.output_tokens) == (7, 3)


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_comments_and_content_types_change_nothing(end: str):
    body = b": loading\n\nevent: message\n" + STREAM
    assert answered(body.replace(b"\n", end.encode()), response_type="text/plain") == answered(STREAM)


def test_a_stream_cut_anywhere_is_truncated_until_its_terminal_marker():
    """Before the last choice's finish_reason it is truncated and its text a prefix; after it, complete."""
    marker = STREAM.index(b'"finish_reason": "length"}]}') + len(b'"finish_reason": "length"}]}')
    full = answered(STREAM).response
    for cut in range(len(STREAM)):
        exchange = answered(STREAM[:cut], response_type="text/event-stream")
        assert full.startswith(exchange.response), cut
        if cut < marker:
            assert exchange.outcome is Outcome.TRUNCATED, cut
        elif not exchange.error:
            assert (exchange.outcome, exchange.response) == (Outcome.COMPLETE, full), cut


@pytest.mark.parametrize("end", ["", "data: [DONE]", "data: [DONE]\n\ndata: {broken\n\n"])
def test_a_finish_reason_ends_a_stream_with_or_without_done(end: str):
    """What follows [DONE] is not read."""
    exchange = answered(sse(delta(content="a"), delta(finish_reason="stop"), end=end))
    assert (exchange.outcome, exchange.response, exchange.error) == (Outcome.COMPLETE, "a", "")


def test_done_ends_a_stream_without_a_finish_reason():
    assert answered(sse(delta(content="a"))).outcome is Outcome.COMPLETE


def test_a_lost_chunk_makes_the_answer_truncated():
    """A chunk in the middle that cannot be read is a piece of the answer that is missing."""
    body = STREAM.replace(b'{"model"', b'{"model', 3)
    exchange = answered(body)
    assert exchange.outcome is Outcome.TRUNCATED
    assert "3 parts could not be read" in exchange.error


def test_words_that_keep_a_connection_alive_are_no_loss():
    assert answered(b"data: ping\n\ndata:\n\n" + STREAM) == answered(STREAM)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (b'data: {"error": {"message": "out of memory", "code": 500}}\n\n', "out of memory"),
        (b'data: {"error": "out of memory"}\n\n', "out of memory"),
        (b'data: {"object": "error", "message": "out of memory"}\n\n', "out of memory"),
        (b'event: error\ndata: {"message": "out of memory"}\n\n', "out of memory"),
        (b"event: error\ndata: out of memory\n\n", "out of memory"),
        (b'data: {"error": {"code": 500}}\n\n', '{"code":500}'),
    ],
)
def test_an_error_inside_a_stream_is_the_upstreams(error: bytes, text: str):
    """The text that came before is kept."""
    exchange = answered(sse(delta(content="Riv"), end="") + error + b"data: [DONE]\n\n")
    assert (exchange.outcome, exchange.response, exchange.error) == (Outcome.UPSTREAM_ERROR, "Riv", text)


def test_an_error_status_is_an_http_error_with_its_message():
    exchange = answered({"error": {"message": "no such model"}}, status=404)
    assert (exchange.outcome, exchange.status, exchange.error) == (Outcome.HTTP_ERROR, 404, "no such model")
    assert answered({"detail": "not found"}, status=404).error == "not found"
    assert answered(b"", status=502).error == "HTTP 502"
    assert answered(b"<html>Bad gateway</html>", status=502).outcome is Outcome.HTTP_ERROR


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"{}", b'{"choices": []}', b'["a"]', b'{"choices": 3}'])
def test_a_page_that_is_no_answer_is_an_upstream_error(body: bytes):
    exchange = answered(body)
    assert (exchange.outcome, exchange.response) == (Outcome.UPSTREAM_ERROR, "")
    assert exchange.error


@pytest.mark.parametrize("body", [b"", b"\n", b'{"choices": [{"message": {"content": "half'])
def test_a_body_cut_short_is_truncated(body: bytes):
    assert answered(body).outcome is Outcome.TRUNCATED


@pytest.mark.parametrize("outcome", [Outcome.UPSTREAM_ERROR, Outcome.TOO_LARGE, Outcome.TRUNCATED])
def test_what_the_relay_saw_stands(outcome: Outcome):
    """A body that reads well does not mend a broken connection, and the relay's words come first."""
    exchange = answered(STREAM, outcome=outcome, error="reset by peer")
    assert (exchange.outcome, exchange.error, exchange.response) == (outcome, "reset by peer", "Rivers → 🌊")


def test_a_client_that_left_after_the_terminal_marker_had_the_whole_answer():
    """Clients close at [DONE] without reading on; before it the exchange stays client_closed."""
    assert answered(STREAM, outcome=Outcome.CLIENT_CLOSED).outcome is Outcome.COMPLETE
    assert answered(STREAM[:300], outcome=Outcome.CLIENT_CLOSED).outcome is Outcome.CLIENT_CLOSED


def test_what_was_too_large_to_keep_is_not_called_malformed():
    exchange = read(capture(b"", b"", outcome=Outcome.TOO_LARGE))
    assert (exchange.outcome, exchange.error) == (Outcome.TOO_LARGE, "")


def test_tool_calls_are_assembled_by_index():
    """Fragments of two calls that come mixed are two calls; without indexes a name begins the next."""
    parts = [(0, "weather", '{"city":'), (1, "time", ""), (0, None, '"Oslo"}'), (1, None, "{}")]
    calls = [{"index": i, "function": {"name": name, "arguments": text}} for i, name, text in parts]
    streamed = answered(sse(*(delta(tool_calls=[call]) for call in calls), delta(finish_reason="tool_calls")))
    assert streamed.tool_calls == ('weather({"city":"Oslo"})', "time({})")
    whole = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "f", "arguments": ""}}]
    assert answered(message(content=None, tool_calls=whole)).tool_calls == ("f({})", "f()")
    assert answered(message(function_call={"name": "old", "arguments": "{}"})).tool_calls == ("old({})",)


def test_a_refusal_is_the_response_when_there_is_no_content():
    assert answered(message(content=None, refusal="I cannot help.")).response == "I cannot help."
    assert answered(sse(delta(refusal="I can"), delta(refusal="not."))).response == "I cannot."


def test_reasoning_sent_under_two_names_is_read_once():
    exchange = answered(sse(delta(reasoning="Hm", reasoning_content="Hm"), delta(content="Salt")))
    assert (exchange.reasoning, exchange.response) == ("Hm", "Salt")


def test_completions_answer_in_text():
    """Of several prompts the first is kept, since choice 0 answers it."""
    body = {"choices": [{"text": " blue", "index": 1}, {"text": " salty", "index": 0}]}
    exchange = read(capture({"prompt": ["The sea is", "The sky is"]}, body, endpoint="completions"))
    assert (exchange.prompt, exchange.response, exchange.choices) == ("The sea is", " salty", 2)
    assert read(capture({"prompt": [1, 2]}, body, endpoint="completions")).prompt == ""


def test_ollama_chat_streams_lines():
    """Text, thinking, tool calls and counts are read; done ends it, also without a last line end."""
    body = ndjson(
        {"model": "m:1", "message": {"role": "assistant", "content": "", "thinking": "Hm"}, "done": False},
        {"message": {"content": "Riv\u2028"}, "done": False},
        {"message": {"content": "ers", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}},
        {"message": {"content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 2},
    )
    exchange = answered(body.rstrip(), endpoint="api/chat")
    assert (exchange.outcome, exchange.response, exchange.reasoning) == (Outcome.COMPLETE, "Riv\u2028ers", "Hm")
    assert (exchange.tool_calls, exchange.finish_reason) == (('f({"a":1})',), "stop")
    assert (exchange.input_tokens, exchange.output_tokens, exchange.stream) == (9, 2, True)
    cut = answered(body[: body.rindex(b'{"message')], endpoint="api/chat")
    assert (cut.outcome, cut.response) == (Outcome.TRUNCATED, "Riv\u2028ers")


def test_ollama_generate_answers_whole_or_in_lines():
    request = {"model": "m", "system": "Be brief.", "prompt": "Why?", "stream": False}
    whole = {"model": "m", "response": "Salt.", "thinking": "Hm", "done": True, "done_reason": "stop"}
    lines = ndjson({"response": "Sa", "thinking": "Hm"}, {"model": "m", "response": "lt."} | {"done": True})
    exchange = read(capture(request, whole, endpoint="api/generate"))
    assert (exchange.system, exchange.prompt, exchange.stream) == ("Be brief.", "Why?", False)
    assert (exchange.response, exchange.reasoning, exchange.outcome) == ("Salt.", "Hm", Outcome.COMPLETE)
    assert read(capture(request, lines, endpoint="api/generate")).response == "Salt."


def test_an_error_inside_an_ollama_stream_is_the_upstreams():
    exchange = answered(ndjson({"message": {"content": "a"}}, {"error": "runner stopped"}), endpoint="api/chat")
    assert (exchange.outcome, exchange.error) == (Outcome.UPSTREAM_ERROR, "runner stopped")


def test_times_and_names_are_copied():
    exchange = answered(STREAM, monitor="shop", source="playground", first_chunk_seconds=0.1)
    assert (exchange.id, exchange.at, exchange.monitor, exchange.source) == ("1", 1.0, "shop", "playground")
    assert (exchange.duration_seconds, exchange.first_chunk_seconds) == (0.5, 0.1)


def test_a_capture_survives_the_log():
    original = capture(b"\xff\x00", STREAM, monitor="shop", first_chunk_seconds=0.1)
    assert captures.decode(captures.encode(original)) == original
