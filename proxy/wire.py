"""From a capture to an exchange: with its wire_ siblings the only code that knows the OpenAI and Ollama formats.

wire_bytes makes objects of bytes, wire_request and wire_answer make fields of objects,
wire_values takes what it can from each field; here the outcome is decided.
"""

import msgspec

from drift.records import Exchange, Outcome
from proxy.capture import Capture
from proxy.wire_answer import Answer, read_answer
from proxy.wire_bytes import Framed, UnreadableError, decompress, frame, parse_object
from proxy.wire_request import Request, read_request
from proxy.wire_values import error_text, label, storable


def read(capture: Capture) -> Exchange:
    """The exchange that `capture` holds. Never raises: what cannot be read stays empty and `error` says why.

    The relay's outcome stands, but for these. A complete one becomes HTTP_ERROR from status
    400, UPSTREAM_ERROR when the upstream reported an error or sent no answer of the API,
    TOO_LARGE when a body decompresses past its bound, and TRUNCATED when no terminal marker
    could be read, which is also said of a content encoding that cannot be read. A client
    that left after the terminal marker had the whole answer: CLIENT_CLOSED becomes COMPLETE.
    """
    errors = [capture.error]
    request, answer = Request(), Answer()
    request_too_large = False
    try:
        # Without bytes there is nothing to blame: the tape lets go of what is too large.
        if capture.request:
            asked = parse_object(decompress(capture.request, capture.request_encoding))
            request = read_request(asked, capture.endpoint)
    except UnreadableError as error:
        request_too_large = error.outcome is Outcome.TOO_LARGE
        errors.append(f"request: {error}")
    try:
        framed = frame(decompress(capture.response, capture.response_encoding), capture.response_type)
        answer = read_answer(framed.objects, capture.endpoint)
        found = _found(capture, framed, answer)
        errors.append(_error(capture, framed, answer))
    except UnreadableError as error:
        found = error.outcome
        errors.append(f"response: {error}")
    outcome = _outcome(capture, Outcome.TOO_LARGE if request_too_large else found)
    return _exchange(capture, request, answer, outcome=outcome, error="; ".join(filter(None, errors)))


def request_model(body: bytes) -> str:
    """The model that a request names, fit for a label; empty when there is none or the body is unreadable."""
    try:
        return label(msgspec.json.decode(body, type=_Named).model)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


class _Named(msgspec.Struct):
    model: str = ""


def _found(capture: Capture, framed: Framed, answer: Answer) -> Outcome:
    """How the answer's own bytes say that it ended."""
    if answer.error:
        return Outcome.UPSTREAM_ERROR
    native = capture.endpoint.startswith("api/")
    finished = answer.done if native else answer.finished or framed.done or framed.whole
    if not finished or framed.lost:
        return Outcome.TRUNCATED
    return Outcome.COMPLETE if answer.choices else Outcome.UPSTREAM_ERROR


def _outcome(capture: Capture, found: Outcome) -> Outcome:
    if capture.outcome is Outcome.COMPLETE:
        return Outcome.HTTP_ERROR if capture.status >= 400 else found
    if capture.outcome is Outcome.CLIENT_CLOSED and capture.status < 400 and found is Outcome.COMPLETE:
        return Outcome.COMPLETE
    return capture.outcome


def _error(capture: Capture, framed: Framed, answer: Answer) -> str:
    if answer.error:
        return answer.error
    if capture.status >= 400:
        return error_text(framed.objects[0]) if framed.objects else f"HTTP {capture.status}"
    if framed.lost:
        return f"response: {framed.lost} parts could not be read"
    return "" if answer.choices or not framed.objects else "response: no choices"


def _exchange(capture: Capture, request: Request, answer: Answer, *, outcome: Outcome, error: str) -> Exchange:
    choice = answer.first
    texts = storable(
        {
            "monitor": capture.monitor,
            "model": request.model,
            "response_model": answer.model,
            "system": request.system,
            "prompt": request.prompt,
            "response": choice.response,
            "reasoning": choice.reasoning,
            "tool_calls": choice.tool_calls,
            "finish_reason": choice.finish_reason,
            "session": request.session,
            "sampling": request.sampling,
            "error": error,
        }
    )
    return Exchange(
        id=capture.id,
        at=capture.at,
        endpoint=capture.endpoint,
        outcome=outcome,
        choices=max(1, len(answer.choices)),
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        duration_seconds=capture.duration_seconds,
        first_chunk_seconds=capture.first_chunk_seconds,
        stream=request.stream,
        status=capture.status,
        source=capture.source,
        **texts,
    )
