"""Who may use the control plane, where server.admin_token is set: whoever sends it."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request

from proxy.routes.cross_site import refuse_other_sites
from proxy.routes.problems import Problem
from proxy.settings import Settings

OPEN = {"open": True}
"""Of a route: it needs no token."""
METRICS = {"open": "metrics"}
"""Of a route: it needs one only with metrics.require_token."""

_Request = Request[Any, Any, Any]


def guard(settings: Settings) -> Callable[[_Request], Awaitable[None]]:
    """What is called before each request; refuses those that another site's page sent, or without a set token."""
    check_site = refuse_other_sites(settings.server)
    expected = settings.server.admin_token.encode()

    async def check(request: _Request) -> None:
        check_site(request)
        if not expected:
            return
        need = request.route_handler.opt.get("open")
        if need is True or (need == "metrics" and not settings.metrics.require_token) or request.method == "OPTIONS":
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # Compared in a time that does not tell how much of it is right.
        right = hmac.compare_digest(given.strip().encode("latin-1", "replace"), expected)
        if scheme.lower() == "bearer" and right:
            return
        wrong = "is not the right one" if given else "is missing"
        headers = {"www-authenticate": "Bearer"}
        if "expect" in request.headers:
            # Such a client will not send its body, and its next request would be taken for that.
            headers["connection"] = "close"
        raise Problem(
            401,
            f"The token {wrong}: send Authorization: Bearer TOKEN with the server.admin_token of this Driftium.",
            headers,
        )

    return check
