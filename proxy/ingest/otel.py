"""OpenTelemetry: GenAI spans as OTLP JSON lines, as the collector's file exporter writes them.

Where the content may lie, the newest convention first: the attributes gen_ai.input.messages, gen_ai.output.messages and
gen_ai.system_instructions, or the event and log record gen_ai.client.inference.operation.details with the same;
gen_ai.prompt.N.content and gen_ai.completion.N.content; gen_ai.prompt and gen_ai.completion, or the events
gen_ai.content.prompt and gen_ai.content.completion with them; the events gen_ai.user.message … gen_ai.choice.
Written after OpenTelemetry's semantic conventions for generative AI, 1.26 to 1.37, and the OTLP JSON encoding.
"""

import re
from typing import Any

from proxy.ingest.messages import choices_of, messages_of
from proxy.ingest.records import Known, Left, Read, Record, error_of, request_of, response_of
from proxy.ingest.values import moment, text_or_none, unfolded
from proxy.wire_values import as_object, as_objects, as_text

DETAILS = "gen_ai.client.inference.operation.details"
NO_CONTENT = (
    "the span has no messages: set OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT (SPAN_ONLY, or true for older "
    "instrumentations) where it is made"
)
_CHATS = ("chat", "text_completion", "generate_content", "completion")
_SETTINGS = ("temperature", "top_p", "top_k", "max_tokens", "seed", "presence_penalty", "frequency_penalty")
_INDEXED = re.compile(r"gen_ai\.(prompt|completion)\.(\d+)\.(.+)")


def read(line: dict[str, Any]) -> Read:
    """The exchanges of one line of OTLP JSON, or of one span."""
    found: Read = []
    for resource in as_objects(line.get("resourceSpans")):
        for scope in as_objects(resource.get("scopeSpans") or resource.get("instrumentationLibrarySpans")):
            found += [_span(span) for span in as_objects(scope.get("spans"))]
    for resource in as_objects(line.get("resourceLogs")):
        for scope in as_objects(resource.get("scopeLogs")):
            found += [_log(record) for record in as_objects(scope.get("logRecords"))]
    if "resourceSpans" not in line and "resourceLogs" not in line and "spanId" in line:
        found.append(_span(line))
    return found


def _value(value: Any) -> Any:
    """An AnyValue of OTLP as the value it holds."""
    if not isinstance(value, dict):
        return value
    if "arrayValue" in value:
        return [_value(one) for one in as_objects(as_object(value["arrayValue"]).get("values"))]
    if "kvlistValue" in value:
        return _attributes(as_object(value["kvlistValue"]).get("values"))
    if "intValue" in value:
        # 64-bit integers are text in JSON.
        return int(value["intValue"]) if re.fullmatch(r"-?\d{1,18}", str(value["intValue"])) else None
    return next(
        (value[name] for name in ("stringValue", "doubleValue", "boolValue", "bytesValue") if name in value), None
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    if isinstance(pairs, dict):
        return pairs
    return {as_text(pair.get("key")): _value(pair.get("value")) for pair in as_objects(pairs)}


def _log(record: dict[str, Any]) -> Record | Left:
    attributes = _attributes(record.get("attributes"))
    if DETAILS not in (record.get("eventName"), attributes.get("event.name")):
        return Left("skipped", "a log record that is no event of a model's answer")
    at = record.get("timeUnixNano") or record.get("observedTimeUnixNano")
    ids = as_text(record.get("traceId")) + as_text(record.get("spanId"))
    return _exchange(attributes, [], began=moment(at), ended=None, id=ids or None, failed=False)


def _span(span: dict[str, Any]) -> Record | Left:
    attributes = _attributes(span.get("attributes"))
    operation = as_text(attributes.get("gen_ai.operation.name")) or as_text(attributes.get("llm.request.type"))
    known = operation in _CHATS if operation else any(name.startswith("gen_ai.completion") for name in attributes)
    if not known:
        named = operation or "no operation of a model"
        return Left("skipped", f"a span of {named[:40]}")
    return _exchange(
        attributes,
        [
            (as_text(event.get("name")), _attributes(event.get("attributes")))
            for event in as_objects(span.get("events"))
        ],
        began=moment(span.get("startTimeUnixNano")),
        ended=moment(span.get("endTimeUnixNano")),
        id=(as_text(span.get("traceId")) + as_text(span.get("spanId"))) or None,
        failed=as_object(span.get("status")).get("code") in (2, "STATUS_CODE_ERROR"),
    )


def _exchange(
    attributes: dict[str, Any],
    events: list[tuple[str, dict[str, Any]]],
    *,
    began: float | None,
    ended: float | None,
    id: str | None,
    failed: bool,
) -> Record | Left:
    for name, told in events:
        if name in (DETAILS, "gen_ai.content.prompt", "gen_ai.content.completion"):
            attributes = attributes | told
    asked, choices = _content(attributes, events)
    kind = as_text(attributes.get("error.type"))
    model = text_or_none(attributes.get("gen_ai.request.model"))
    status, response = 200, {}
    if kind or failed:
        status = int(kind) if re.fullmatch(r"[45]\d\d", kind) else 200
        response = error_of(kind)
    elif choices is None:
        return Left("no_content", NO_CONTENT)
    else:
        answered = text_or_none(attributes.get("gen_ai.response.model")) or model
        response = response_of(
            choices, model=answered, tokens=(_tokens(attributes, "input"), _tokens(attributes, "output"))
        )
    session = text_or_none(attributes.get("gen_ai.conversation.id")) or text_or_none(attributes.get("session.id"))
    settings = {name: attributes.get(f"gen_ai.request.{name}") for name in _SETTINGS}
    known = Known(model=model, session=session, settings={k: v for k, v in settings.items() if v is not None})
    return Record(
        id=id,
        at=began,
        request=request_of(asked, known),
        response=response,
        status=status,
        duration_seconds=ended - began if began is not None and ended is not None and ended >= began else None,
    )


def _content(
    attributes: dict[str, Any], events: list[tuple[str, dict[str, Any]]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """(messages, choices) from where this convention has them."""
    reasons = attributes.get("gen_ai.response.finish_reasons")
    reason = text_or_none(reasons[0]) if isinstance(reasons, list) and reasons else text_or_none(reasons)
    indexed = _indexed(attributes)
    asked = messages_of(attributes.get("gen_ai.input.messages")) or indexed["prompt"]
    asked = asked or messages_of(attributes.get("gen_ai.prompt"))
    choices = choices_of(attributes.get("gen_ai.output.messages") or indexed["completion"], reason)
    choices = choices or choices_of(attributes.get("gen_ai.completion"), reason)
    told = attributes.get("gen_ai.system_instructions")
    if told:
        asked = [
            {**one, "role": "system"} for one in messages_of([{"role": "system", "parts": unfolded(told)}])
        ] + asked
    for name, body in events:
        role = name.removeprefix("gen_ai.").removesuffix(".message")
        content = body.get("content", body.get("message"))
        if name.endswith(".message") and role in ("system", "user", "assistant", "tool"):
            if content is not None:
                asked = [*asked, {"role": role, "content": content if isinstance(content, str) else unfolded(content)}]
        elif name == "gen_ai.choice" and choices is None:
            choices = choices_of(body.get("message", content), text_or_none(body.get("finish_reason")) or reason)
    return asked, choices


def _indexed(attributes: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Messages that are spread over attributes, by what they are of."""
    found: dict[str, dict[int, dict[str, Any]]] = {"prompt": {}, "completion": {}}
    for name, value in attributes.items():
        if match := _INDEXED.fullmatch(name):
            kind, index, field = match.groups()
            found[kind].setdefault(int(index), {"role": "user" if kind == "prompt" else "assistant"})[field] = value
    return {
        kind: messages_of([{"content": None} | one for _, one in sorted(told.items())])
        if kind == "prompt"
        else [{"content": None} | one for _, one in sorted(told.items())]
        for kind, told in found.items()
    }


def _tokens(attributes: dict[str, Any], kind: str) -> Any:
    older = "prompt" if kind == "input" else "completion"
    return attributes.get(f"gen_ai.usage.{kind}_tokens", attributes.get(f"gen_ai.usage.{older}_tokens"))
