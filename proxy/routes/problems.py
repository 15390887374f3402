"""Errors of the control plane as application/problem+json (RFC 9457): what was wrong, and what to do."""

from collections.abc import Sequence
from http.client import responses
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import Empty
from litestar.utils.scope.state import ScopeState
from sqlalchemy.exc import SQLAlchemyError

from proxy.stores.faults import fault_of
from proxy.stores.history import MonitorRow
from proxy.wire_values import MAX_LABEL_CHARS, label

log = structlog.get_logger()


MOST_NAMED = 10


class Problem(HTTPException):
    """An answer that refuses, with a sentence that says what to do."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None):
        super().__init__(detail=detail, status_code=status, headers=headers)


def no_such_monitor(name: str, rows: Sequence[MonitorRow]) -> Problem:
    """Of a monitor that is not among these."""
    known = ", ".join(row.name for row in rows[:MOST_NAMED]) or "none yet"
    return Problem(404, f"monitor = {name!r}: there is no such monitor; there are: {known}")


def check_model_name(name: str | None) -> None:
    """Raises Problem for one that reports could not show as it is."""
    if name is not None and name != label(name):
        raise Problem(
            400, f"model = {label(name)!r}: expected one line of at most {MAX_LABEL_CHARS} printable characters"
        )


def _respond(status: int, detail: str, **more: Any) -> Response[dict[str, Any]]:
    # An upstream's status may be one that HTTP does not name, such as 529.
    title = responses.get(status, "Error")
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail} | more
    return Response(body, status_code=status, media_type="application/problem+json")


QUERY_NAMES = {"start": "from", "end": "to", "last_event_id": "Last-Event-ID"}
"""Parameters that Python cannot call what the client calls them."""


def refused(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    """Any 4xx. Validation errors name each field, its value and its rule."""
    if isinstance(error, ValidationException) and isinstance(error.extra, list) and error.extra:
        wrong = [_explain(request, item) for item in error.extra]
        return _respond(400, "; ".join(wrong), errors=wrong)
    response = _respond(error.status_code, error.detail)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def _explain(request: Request[Any, Any, Any], item: dict[str, Any]) -> str:
    """ "limit = 0: expected int >= 1"."""
    name, rule = str(item.get("key", "body")), str(item.get("message", "cannot be used"))
    rule = rule[:1].lower() + rule[1:].replace("`", "")
    if (name, rule) == ("data", "'data'"):
        return "body: is missing; send a JSON object"
    name = "body" if name == "data" else QUERY_NAMES.get(name, name)
    if item.get("source") == "body" or name == "body":
        body = ScopeState.from_scope(request.scope).json
        value = body.get(name, Empty) if isinstance(body, dict) else Empty
    else:
        value = request.query_params.get(name, Empty)
    return f"{name}: {rule}" if value is Empty else f"{name} = {value!r}: {rule}"


def database(_: Request[Any, Any, Any], error: SQLAlchemyError) -> Response[dict[str, Any]]:
    """The history or the log cannot be read: the data plane goes on without it."""
    fault = fault_of(error)
    log.error("the database cannot be used", error=fault.message)
    mend = {"mend": fault.mend} if fault.mend else {}
    return _respond(503, f"{fault.message} The traffic that is forwarded is not affected.", **mend)


def too_deep(request: Request[Any, Any, Any], _: RecursionError) -> Response[dict[str, Any]]:
    """A body whose arrays and objects hold each other so deeply that no decoder follows."""
    log.warning("a body was nested too deeply", path=request.url.path)
    return _respond(400, "body: its arrays and objects are nested too deeply to be read")


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    log.error("a route failed", path=request.url.path, exc_info=error)
    return _respond(500, "Driftium failed to answer; its log says why. The traffic it forwards is not affected.")


HANDLERS: Any = {HTTPException: refused, SQLAlchemyError: database, RecursionError: too_deep, Exception: unexpected}
