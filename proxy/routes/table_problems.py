"""What can go wrong with tables, as problem+json."""

from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from proxy.leaving import ClientLeft
from proxy.routes.problems import refused
from proxy.tabular.jobs import JobFailed
from proxy.tabular.records import Refused
from proxy.tabular.references import UnknownReference, UnreadableReference
from proxy.tabular.uploads import Busy

log = structlog.get_logger()

RETRY_SECONDS = 30
CLIENT_LEFT = 499
"""Nobody reads it."""

_Request = Request[Any, Any, Any]


def _answer(request: _Request, status: int, detail: str, **headers: str) -> Response[dict[str, Any]]:
    if "expect" in request.headers and not request.scope["state"].get("reading"):
        # Such a client will not send its body, and its next request would be taken for that.
        headers["connection"] = "close"
    return refused(request, HTTPException(detail=detail, status_code=status, headers=headers))


def _table(request: _Request, error: Refused | JobFailed) -> Response[dict[str, Any]]:
    return _answer(request, error.status, error.detail)


def _unknown(request: _Request, error: UnknownReference) -> Response[dict[str, Any]]:
    known = ", ".join(error.known)
    return _answer(request, 404, f"reference = {error.name!r}: there is no such table; there are {known}")


def _unreadable(request: _Request, error: UnreadableReference) -> Response[dict[str, Any]]:
    log.error("a stored reference cannot be used", name=error.name, error=str(error))
    which = f"reference = {error.name!r}" if error.name else "references"
    detail = (
        f"{which}: {error.folder} cannot be used ({error.why}). "
        "Nothing in it was changed: check the disk and its permissions, or store the table again under this name."
    )
    return _answer(request, 503, detail)


def _busy(request: _Request, _: Busy) -> Response[dict[str, Any]]:
    detail = "Too many comparisons wait already. Send it again in a moment."
    return _answer(request, 503, detail, **{"retry-after": str(RETRY_SECONDS)})


def _left(request: _Request, _: ClientLeft) -> Response[dict[str, Any]]:
    return _answer(request, CLIENT_LEFT, "The client left.")


HANDLERS: Any = {
    Refused: _table,
    JobFailed: _table,
    UnknownReference: _unknown,
    UnreadableReference: _unreadable,
    Busy: _busy,
    ClientLeft: _left,
}
