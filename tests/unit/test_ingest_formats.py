"""Each format of collected logs comes to the exchange that the proxy would have seen."""

import json
import random
from collections.abc import Iterator
from copy import copy
from typing import Any

import pytest

from drift.records import Exchange, Outcome
from proxy import capture, wire
from proxy.ingest import formats
from proxy.ingest.entries import Maker
from proxy.ingest.records import Left, Record
from proxy.ingest.settings import Fields
from proxy.ingest.values import at_path, moment
from proxy.redaction import Redactor

MAKER = Maker("s", "", 2**20, Redactor(()))
AT = 1_767_225_600.0
"""2026-01-01T00:00:00Z"""


def records(line: Any, format: str = "auto", **fields: str) -> list[Record | Left]:
    return formats.read(line, format, Fields(**fields))  # type: ignore[arg-type]


def exchange(line: Any, format: str = "auto", **fields: str) -> Exchange:
    """The one exchange that a line tells of, as the worker reads it from the log."""
    found = records(line, format, **fields)
    assert len(found) == 1, found
    assert isinstance(found[0], Record), found
    _, entry = MAKER.entry(found[0], "file:0:0")
    assert entry is not None
    assert entry.capture
    return wire.read(capture.decode(entry.capture))


def result(line: Any, format: str = "auto", **fields: str) -> str:
    (found,) = records(line, format, **fields)
    return found.result if isinstance(found, Left) else MAKER.entry(found, "file:0:0")[0]


ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi?"}], "temperature": 0.5, "user": "ann"}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": int(AT),
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}


def check(told: Exchange, *, prompt: str = "Hi?", response: str = "Hello.") -> None:
    assert (told.prompt, told.response, told.outcome) == (prompt, response, Outcome.COMPLETE)
    assert told.source == "ingest:s"


def test_a_logged_pair_of_openai_keeps_request_and_answer_as_they_were():
    told = exchange({"request": ASKED, "response": COMPLETION, "latency_ms": 250})
    check(told)
    assert (told.model, told.response_model, told.at, told.duration_seconds) == (
        "gpt-4o",
        COMPLETION["model"],
        AT,
        0.25,
    )
    assert (told.input_tokens, told.output_tokens, told.session, told.finish_reason) == (5, 2, "ann", "stop")
    assert told.sampling["temperature"] == 0.5


def test_a_pair_may_hold_json_texts_a_stream_or_a_status():
    check(exchange({"request": json.dumps(ASKED), "response": json.dumps(COMPLETION)}))
    chunks = [
        {"model": "m", "choices": [{"index": 0, "delta": {"content": part}, "finish_reason": None}]}
        for part in ("Hel", "lo.")
    ]
    check(exchange({"request": ASKED, "response": chunks}))
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    check(exchange({"request": ASKED, "response": text}))
    refused = {"request": ASKED, "response": {"error": {"message": "slow down"}}, "status_code": 429}
    told = exchange(refused)
    assert (told.outcome, told.status, told.error) == (Outcome.HTTP_ERROR, 429, "slow down")
    assert result(refused) == "failed"


def test_a_batch_output_line_is_an_answer_and_an_input_line_is_none():
    body = {"custom_id": "q-1", "id": "batch_req_1", "error": None}
    line = body | {"response": {"status_code": 200, "request_id": "r", "body": COMPLETION}}
    assert exchange(line).response == "Hello."
    assert records(line)[0].id == "batch_req_1"  # type: ignore[union-attr]
    assert exchange(line).at == AT
    failed = body | {"response": {"status_code": 400, "body": {"error": {"message": "no such model"}}}}
    assert exchange(failed).outcome is Outcome.HTTP_ERROR
    asked = {"custom_id": "q-1", "method": "POST", "url": "/v1/chat/completions", "body": ASKED}
    assert result(asked) == "skipped"


def test_stored_completions_are_read_one_a_line_or_as_the_api_lists_them():
    stored = COMPLETION | {"messages": ASKED["messages"], "metadata": {"session_id": "s-9"}, "temperature": 0}
    check(exchange(stored))
    assert exchange(stored).session == "s-9"
    assert len(records({"object": "list", "data": [stored, stored]})) == 2


def test_a_conversation_whose_last_message_is_the_answer_is_one():
    messages = [*ASKED["messages"], {"role": "assistant", "content": "Hello."}]  # type: ignore[misc]
    check(exchange({"model": "m", "messages": messages}))


def test_ollamas_answers_are_read_with_their_requests():
    chat = {
        "model": "llama3.2",
        "created_at": "2026-01-01T00:00:00.123456789Z",
        "message": {"role": "assistant", "content": "Hello."},
        "done": True,
        "done_reason": "stop",
        "total_duration": 1_500_000_000,
        "prompt_eval_count": 5,
        "eval_count": 2,
    }
    told = exchange({"request": ASKED, "response": chat})
    check(told)
    assert (told.endpoint, told.duration_seconds, told.output_tokens) == ("api/chat", 1.5, 2)
    assert told.at == pytest.approx(AT + 0.123456)
    generated = {k: v for k, v in chat.items() if k != "message"} | {"response": "Hello.", "prompt": "Hi?"}
    check(exchange(generated))
    parts = [{"model": "m", "response": "Hel", "done": False}, {"model": "m", "response": "lo.", "done": True}]
    check(exchange({"request": {"model": "m", "prompt": "Hi?"}, "response": parts}))
    assert exchange({"request": {"prompt": "Hi?"}, "response": parts[:1]}).outcome is Outcome.TRUNCATED


V1 = {
    "id": "obs-1",
    "traceId": "t-1",
    "type": "GENERATION",
    "startTime": "2026-01-01T00:00:00.000Z",
    "endTime": "2026-01-01T00:00:02.000Z",
    "completionStartTime": "2026-01-01T00:00:00.500Z",
    "model": "gpt-4o",
    "modelParameters": {"temperature": 0.5},
    "input": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi?"}],
    "output": {"role": "assistant", "content": "Hello."},
    "usage": {"input": 5, "output": 2, "total": 7, "unit": "TOKENS"},
    "level": "DEFAULT",
    "sessionId": "s-9",
}
V2 = V1 | {
    "model": None,
    "providedModelName": "gpt-4o",
    "input": json.dumps({"messages": V1["input"], "tools": []}),
    "output": json.dumps(V1["output"]),
    "usage": None,
    "usageDetails": {"input": 5, "output": 2},
}


@pytest.mark.parametrize("line", [V1, V2], ids=["version 1", "version 2"])
def test_langfuses_generations_are_read_as_either_version_of_its_api_gives_them(line: dict[str, Any]):
    told = exchange(line)
    check(told)
    assert (told.system, told.model, told.session) == ("Be kind.", "gpt-4o", "s-9")
    assert (told.at, told.duration_seconds, told.first_chunk_seconds) == (AT, 2.0, 0.5)
    assert (told.input_tokens, told.output_tokens) == (5, 2)


def test_langfuses_other_observations_failures_and_unfinished_ones_are_told_apart():
    assert result(V1 | {"type": "SPAN"}) == "skipped"
    assert result(V1 | {"output": None}) == "no_content"
    assert result(V1 | {"output": None, "endTime": None}) == "pending"
    assert result(V1 | {"level": "ERROR", "statusMessage": "overloaded", "output": None}) == "failed"
    assert len(records({"data": [V1, V1 | {"type": "EVENT"}], "meta": {"page": 1}})) == 2
    assert exchange({"id": "t", "sessionId": "s-1", "observations": [V1 | {"sessionId": None}]}).session is None


def test_langfuses_output_may_be_a_text_or_an_object_of_the_application():
    assert exchange(V1 | {"output": "Plain."}).response == "Plain."
    assert json.loads(exchange(V1 | {"output": {"score": 3, "why": "short"}}).response) == {"score": 3, "why": "short"}


SPEND = {
    "request_id": "chatcmpl-7",
    "call_type": "acompletion",
    "startTime": "2026-01-01 00:00:00",
    "endTime": "2026-01-01 00:00:02",
    "completionStartTime": "2026-01-01 00:00:02",
    "model": "openai/gpt-4o",
    "model_group": "gpt-4o",
    "prompt_tokens": 5,
    "completion_tokens": 2,
    "session_id": "s-9",
    "status": "success",
    "messages": "{}",
    "proxy_server_request": json.dumps(ASKED),
    "response": json.dumps(COMPLETION),
}


def test_a_row_of_litellms_spend_logs_is_read_where_its_texts_were_stored():
    told = exchange(SPEND)
    check(told)
    assert (told.model, told.session, told.at, told.duration_seconds) == ("gpt-4o", "s-9", AT, 2.0)
    assert told.first_chunk_seconds is None
    flat = SPEND | {"messages": ASKED["messages"], "proxy_server_request": "{}", "response": {"content": "Hello."}}
    check(exchange(flat))


def test_a_row_of_litellms_without_texts_says_how_to_have_them_stored():
    (left,) = records(SPEND | {"proxy_server_request": "{}", "response": "{}"})
    assert isinstance(left, Left)
    assert left.result == "no_content"
    assert "store_prompts_in_spend_logs" in left.why
    assert result(SPEND | {"call_type": "aembedding"}) == "skipped"
    assert result(SPEND | {"status": "failure", "response": "{}"}) == "failed"


def attributes(**values: Any) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue"}

    def any_value(value: Any) -> dict[str, Any]:
        if isinstance(value, list):
            return {"arrayValue": {"values": [any_value(one) for one in value]}}
        return {kinds[type(value)]: str(value) if isinstance(value, int) else value}

    return [{"key": key.replace("__", "."), "value": any_value(value)} for key, value in values.items()]


def otlp(*given: dict[str, Any], events: Any = (), **span: Any) -> dict[str, Any]:
    about = attributes(
        gen_ai__operation__name="chat",
        gen_ai__request__model="gpt-4o",
        gen_ai__response__model="gpt-4o-2024",
        gen_ai__usage__input_tokens=5,
        gen_ai__usage__output_tokens=2,
        gen_ai__response__finish_reasons=["stop"],
        gen_ai__conversation__id="s-9",
    )
    times = {"startTimeUnixNano": str(int(AT * 1e9)), "endTimeUnixNano": str(int((AT + 2) * 1e9))}
    ids = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "chat gpt-4o"}
    one = ids | times | {"attributes": [*about, *given], "events": list(events)} | span
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [one]}]}]}


PARTS = [{"role": "user", "parts": [{"type": "text", "content": "Hi?"}]}]
SAID = [{"role": "assistant", "parts": [{"type": "text", "content": "Hello."}], "finish_reason": "stop"}]

CONTENT = {
    "messages as JSON": otlp(
        *attributes(gen_ai__input__messages=json.dumps(PARTS), gen_ai__output__messages=json.dumps(SAID))
    ),
    "indexed": otlp(
        *attributes(
            gen_ai__prompt__0__role="user",
            gen_ai__prompt__0__content="Hi?",
            gen_ai__completion__0__role="assistant",
            gen_ai__completion__0__content="Hello.",
            gen_ai__completion__0__finish_reason="stop",
        )
    ),
    "older events": otlp(
        events=[
            {"name": "gen_ai.content.prompt", "attributes": attributes(gen_ai__prompt=json.dumps(ASKED["messages"]))},
            {
                "name": "gen_ai.content.completion",
                "attributes": attributes(gen_ai__completion=json.dumps([{"role": "assistant", "content": "Hello."}])),
            },
        ]
    ),
    "an event each": otlp(
        events=[
            {"name": "gen_ai.user.message", "attributes": attributes(content="Hi?")},
            {
                "name": "gen_ai.choice",
                "attributes": attributes(
                    index=0, finish_reason="stop", message=json.dumps({"role": "assistant", "content": "Hello."})
                ),
            },
        ]
    ),
    "details": otlp(
        events=[
            {
                "name": "gen_ai.client.inference.operation.details",
                "attributes": attributes(
                    gen_ai__input__messages=json.dumps(PARTS), gen_ai__output__messages=json.dumps(SAID)
                ),
            }
        ]
    ),
}


@pytest.mark.parametrize("line", CONTENT.values(), ids=CONTENT)
def test_a_genai_span_is_read_wherever_its_content_lies(line: dict[str, Any]):
    told = exchange(line)
    check(told)
    assert (told.model, told.response_model, told.session) == ("gpt-4o", "gpt-4o-2024", "s-9")
    assert (told.at, told.duration_seconds, told.input_tokens, told.output_tokens) == (AT, 2.0, 5, 2)
    assert told.finish_reason == "stop"


def test_structured_messages_with_tool_calls_and_instructions_are_read():
    call = {"type": "tool_call", "id": "c", "name": "weather", "arguments": '{"place":"Paris"}'}
    line = otlp(
        *attributes(
            gen_ai__system_instructions=json.dumps([{"type": "text", "content": "Be kind."}]),
            gen_ai__input__messages=json.dumps(PARTS),
            gen_ai__output__messages=json.dumps([{"role": "assistant", "parts": [call], "finish_reason": "tool_call"}]),
        )
    )
    told = exchange(line)
    assert (told.system, told.prompt, told.tool_calls) == ("Be kind.", "Hi?", ('weather({"place":"Paris"})',))


def test_spans_without_content_are_counted_and_other_spans_passed_over():
    (left,) = records(otlp())
    assert isinstance(left, Left)
    assert left.result == "no_content"
    assert "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT" in left.why
    assert result(otlp(attributes=attributes(http__request__method="GET"))) == "skipped"
    failed = otlp(*attributes(error__type="429"), status={"code": 2})
    assert (result(failed), exchange(failed).status) == ("failed", 429)


def test_a_log_record_with_the_details_of_an_inference_is_an_exchange():
    values = attributes(gen_ai__input__messages=json.dumps(PARTS), gen_ai__output__messages=json.dumps(SAID))
    record = {
        "timeUnixNano": str(int(AT * 1e9)),
        "eventName": "gen_ai.client.inference.operation.details",
        "attributes": [*values, *attributes(gen_ai__request__model="m")],
    }
    check(exchange({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}))


def test_fields_say_where_a_record_of_ones_own_has_what():
    line = {"q": {"text": "Hi?"}, "a": ["Hello."], "m": "own", "when": AT * 1000, "by": "ann", "took": "1.5", "n.o": 7}
    named = {"prompt": "q.text", "response": "a.0", "model": "m", "at": "when", "session": "by", "latency": "took"}
    told = exchange(line, "fields", **named, id="n.o")
    check(told)
    assert (told.model, told.at, told.session, told.duration_seconds) == ("own", AT, "ann", 1.5)
    assert records(line, "fields", **named, id="n.o")[0].id == "7"  # type: ignore[union-attr]
    assert result({"q": "Hi?"}, "fields", response="a") == "no_content"


def test_what_looks_like_no_format_says_what_to_do():
    (left,) = records({"question": "Hi?", "answer": "Hello."})
    assert isinstance(left, Left)
    assert left.result == "malformed"
    assert "fields" in left.why


@pytest.mark.parametrize(
    "value", [AT, AT * 1e3, AT * 1e6, str(AT * 1e9), "2026-01-01T00:00:00Z", "2026-01-01 01:00+01:00"]
)
def test_times_are_read_in_every_unit(value: Any):
    assert moment(value) == AT


@pytest.mark.parametrize("value", [0, -1, 1e300, float("nan"), True, "soon", "", None, [], "9999-99-99"])
def test_what_is_no_time_is_none(value: Any):
    assert moment(value) is None


def test_a_path_leads_through_objects_and_lists():
    value = {"a": [{"b.c": 1}], "d.e": 2}
    assert (at_path(value, "a.0.b.c"), at_path(value, "d.e"), at_path(value, "a.7.x"), at_path(1, "a")) == (
        1,
        2,
        None,
        None,
    )


def test_an_id_is_the_records_own_or_its_words_and_moment_or_its_place():
    def made(**changes: Any) -> str:
        known = {"id": None, "at": None, "request": {}, "response": COMPLETION} | changes
        entry = MAKER.entry(Record(**known), changes.pop("place", "f:0:0") if "place" in changes else "f:0:0")[1]
        assert entry
        return entry.id

    assert made(id="a") == made(id="a", at=AT)
    assert made(at=AT) != made(at=AT + 1)
    assert made() != made(at=AT)
    assert len(made(id="x" * 500)) == 32


JUNK: list[Any] = [
    None,
    True,
    -1,
    10**30,
    float("nan"),
    "",
    "{}",
    '[{"role": 1}]',
    "\ud800",
    [],
    {},
    [[]],
    [None],
    [{}],
]
JUNK += [{"choices": [1]}, {"kwargs": {"content": 1}, "id": []}, [{"type": ["tool_use"]}], {"parts": 3, "role": {}}]
LINES: list[Any] = [{"request": ASKED, "response": COMPLETION}, COMPLETION, V1, V2, SPEND, {"data": [V1]}]
LINES += [{"custom_id": "q", "id": "b", "response": {"status_code": 200, "body": COMPLETION}}, *CONTENT.values()]


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*before, key)
        yield from paths(child, (*before, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy(value)
    changed[path[0]] = put(value[path[0]], path[1:], new)
    return changed


def test_whatever_a_field_holds_it_stops_no_reader():
    """Raised, it would stop the source at that line for ever."""
    rng = random.Random(7)
    for _ in range(2_000):
        line = rng.choice(LINES)
        for _ in range(rng.randint(1, 3)):
            line = put(line, rng.choice(list(paths(line))), rng.choice(JUNK))
        for found in records(line) + records(line, rng.choice(list(formats.READERS))):
            if isinstance(found, Record):
                MAKER.entry(found, "file:0:0")
