"""Langfuse: observations of type GENERATION, from an export (JSON lines) or as either version of its API gives them.

Version 1 has input and output as JSON and `model`, `usage`; version 2 has them as raw text and `providedModelName`,
`usageDetails`. Written after Langfuse's published API description (ObservationsView, ObservationV2).
"""

from typing import Any

from proxy.ingest.messages import choices_of, messages_of
from proxy.ingest.records import Known, Left, Read, Record, error_of, request_of, response_of
from proxy.ingest.values import moment, seconds, text_or_none, unfolded
from proxy.wire_values import as_object, as_objects

_UNFINISHED = "it has not ended"


def read(line: dict[str, Any]) -> Read:
    """The exchanges of one line: an observation, a trace with its observations, or a page of the API."""
    for name in ("data", "observations"):
        if isinstance(line.get(name), list) and "output" not in as_object(line.get("data")):
            within = {"sessionId": line.get("sessionId"), "userId": line.get("userId")} if "id" in line else {}
            return [found for one in as_objects(line[name]) for found in read(within | one)]
    kind = line.get("type")
    if kind is not None and str(kind).upper() != "GENERATION":
        return [Left("skipped", f"an observation of type {str(kind)[:40]}")]
    return [_generation(line)]


def _generation(line: dict[str, Any]) -> Record | Left:
    began, ended = (moment(line.get(name) or line.get(snake)) for name, snake in _TIMES)
    asked, output = unfolded(line.get("input")), unfolded(line.get("output"))
    model = text_or_none(line.get("model")) or text_or_none(line.get("providedModelName"))
    settings = as_object(unfolded(line.get("modelParameters")))
    session = text_or_none(line.get("sessionId")) or text_or_none(line.get("userId"))
    if isinstance(asked, dict):
        settings = {name: asked[name] for name in ("tools", "response_format", "format") if name in asked} | settings
    response: Any
    if str(line.get("level")).upper() == "ERROR":
        response = error_of(text_or_none(line.get("statusMessage")) or "")
    else:
        choices = choices_of(output)
        if choices is None:
            if ended is None and began is not None:
                return Left("pending", _UNFINISHED)
            return Left("no_content", "the observation has no output")
        whole = isinstance(output, dict) and "choices" in output
        response = output if whole else response_of(choices, model=model, tokens=_tokens(line))
    took = seconds(line.get("latency"))
    if took is None and began is not None and ended is not None and ended >= began:
        took = ended - began
    first = moment(line.get("completionStartTime"))
    return Record(
        id=text_or_none(line.get("id")),
        at=began,
        request=request_of(messages_of(asked), Known(model=model, session=session, settings=settings)),
        response=response,
        duration_seconds=took,
        first_chunk_seconds=first - began
        if first and began and first >= began
        else seconds(line.get("timeToFirstToken")),
    )


_TIMES = (("startTime", "start_time"), ("endTime", "end_time"))


def _tokens(line: dict[str, Any]) -> tuple[Any, Any]:
    details, usage = as_object(unfolded(line.get("usageDetails"))), as_object(unfolded(line.get("usage")))
    given = (details.get("input"), usage.get("input"), usage.get("promptTokens"), line.get("inputUsage"))
    made = (details.get("output"), usage.get("output"), usage.get("completionTokens"), line.get("outputUsage"))
    return next(filter(None, given), None), next(filter(None, made), None)
