"""OpenAI's shapes, and those of servers that speak like it.

- Pairs that applications log: {"request": {…}, "response": {…}}, the answer whole, as a list of its chunks or as the
  text of the stream; or flat, {"messages": […], "response": …}; or a conversation whose last message is the answer.
- Batch API: output lines (custom_id, response.status_code, response.body); input lines only hold the requests.
- Stored chat completions, one a line or as the API lists them ({"object": "list", "data": […]}).
Written after OpenAI's published API description (BatchRequestOutput, CreateChatCompletionResponse).
"""

from typing import Any

from proxy.ingest.messages import choices_of, messages_of
from proxy.ingest.records import Known, Left, Read, Record, error_of, request_of, response_of
from proxy.ingest.values import moment, seconds, text_or_none, unfolded
from proxy.wire_values import as_object, as_objects, as_text, json_text

TIMES = ("at", "timestamp", "time", "created_at", "start_time", "started_at", "created", "date")
_SECONDS = ("duration_seconds", "latency_seconds", "latency", "duration", "elapsed", "response_time")
_MILLISECONDS = ("duration_ms", "latency_ms", "elapsed_ms", "response_time_ms")


def read(line: dict[str, Any]) -> Read:
    """The exchanges of one line."""
    if isinstance(line.get("data"), list) and "choices" not in line:
        return [found for one in as_objects(line["data"]) for found in read(one)]
    if "custom_id" in line and "response" not in line and "body" in line:
        return [Left("skipped", "a request of the Batch API, whose answer lies in the output file")]
    if "custom_id" in line:
        return [_batch(line)]
    if "response" in line or "request" in line:
        return [_pair(line)]
    if "choices" in line:
        return [_stored(line)]
    messages = messages_of(line.get("messages"))
    if messages and messages[-1]["role"] == "assistant":
        known = Known(model=text_or_none(line.get("model")))
        answer = response_of(choices_of([messages[-1]]) or [], model=known.model)
        return [Record(**timed(line), id=own_id(line), request=request_of(messages[:-1], known), response=answer)]
    return [Left("malformed", "neither response nor choices: no answer of OpenAI's")]


def own_id(line: dict[str, Any], *more: Any) -> str | None:
    """The first of the line's ids, else of `more`."""
    named = (line.get("id"), line.get("request_id"), line.get("exchange_id"), *more)
    return next(filter(None, map(text_or_none, named)), None)


def timed(line: dict[str, Any], created: Any = None) -> dict[str, Any]:
    """`at` and `duration_seconds` under the names that logs use."""
    times = (moment(line.get(name)) for name in TIMES)
    whole = (seconds(line.get(name)) for name in _SECONDS)
    parts = (seconds(line.get(name)) for name in _MILLISECONDS)
    lasted = next((one for one in whole if one is not None), None)
    short = next((one / 1e3 for one in parts if one is not None), None)
    at = next((one for one in times if one is not None), moment(created))
    return {"at": at, "duration_seconds": short if lasted is None else lasted}


def streamed(response: Any) -> Any:
    """An answer that was logged as the list of its chunks, as the bytes of the stream it was."""
    if isinstance(response, list) and any("delta" in one for c in as_objects(response) for one in _choices(c)):
        return "".join(f"data: {json_text(chunk)}\n\n" for chunk in as_objects(response)).encode() + b"data: [DONE]\n\n"
    if isinstance(response, str) and response.lstrip()[:5] == "data:":
        return response.encode("utf-8", "replace")
    return response


def _choices(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    return as_objects(chunk.get("choices"))


def _pair(line: dict[str, Any]) -> Record | Left:
    asked = unfolded(line.get("request"))
    asked = as_object(asked) or {name: line[name] for name in ("model", "messages", "prompt", "user") if name in line}
    asked = as_object(asked.get("body")) or asked
    answer = streamed(unfolded(line.get("response")))
    status = line.get("status_code", line.get("status"))
    if isinstance(answer, dict) and isinstance(answer.get("body"), dict | str) and "choices" not in answer:
        status = answer.get("status_code", status)
        answer = streamed(unfolded(answer["body"]))
    status = status if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599 else 200
    if status >= 400 or (line.get("error") and not answer):
        said: Any = as_object(answer) if as_object(answer).get("error") else error_of(_told(line.get("error")))
        created = None
    elif answer is None or answer in ("", [], {}):
        return Left("no_content", "the answer is missing")
    else:
        created = as_object(answer).get("created")
        said = answer if isinstance(answer, bytes) or "choices" in as_object(answer) else _whole(answer, asked)
        if said is None:
            return Left("no_content", "the answer is missing")
    legacy = "prompt" in asked and "messages" not in asked
    return Record(
        id=own_id(line, as_object(answer).get("id")),
        request=asked,
        response=said,
        status=status,
        endpoint="completions" if legacy else "chat/completions",
        **timed(line, created),
    )


def _whole(answer: Any, asked: dict[str, Any]) -> dict[str, Any] | None:
    choices = choices_of(answer)
    model = as_text(as_object(answer).get("model")) or text_or_none(asked.get("model"))
    return response_of(choices, model=model) if choices else None


def _told(error: Any) -> str:
    return as_text(error) or as_text(as_object(error).get("message"))


def _batch(line: dict[str, Any]) -> Record | Left:
    outer = as_object(line.get("response"))
    body, status = as_object(outer.get("body")), outer.get("status_code")
    request = as_object(line.get("request"))
    model = text_or_none(request.get("model")) or text_or_none(body.get("model"))
    failed = status if isinstance(status, int) and 400 <= status <= 599 else 500 if line.get("error") else 0
    if failed:
        body = body if body.get("error") else error_of(_told(line.get("error")))
    elif "choices" not in body:
        choices = choices_of(body)
        if not choices:
            return Left("no_content", "the answer is missing")
        body = response_of(choices, model=model) | {"created": body.get("created_at")}
    return Record(
        # A custom_id may come again in another batch, the id does not.
        id=text_or_none(line.get("id")) or text_or_none(outer.get("request_id")) or text_or_none(line["custom_id"]),
        request=request or request_of([], Known(model=model)),
        response=body,
        status=failed or 200,
        endpoint="completions" if body.get("object") == "text_completion" else "chat/completions",
        **timed({}, body.get("created")),
    )


def _stored(line: dict[str, Any]) -> Record:
    metadata = as_object(line.get("metadata"))
    session = text_or_none(metadata.get("session_id")) or text_or_none(line.get("user"))
    names = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "response_format", "tools")
    known = Known(
        model=text_or_none(line.get("model")),
        session=session,
        settings={name: line[name] for name in names if line.get(name) is not None},
    )
    messages = messages_of(line.get("messages") or line.get("input"))
    return Record(id=own_id(line), request=request_of(messages, known), response=line, **timed(line))
