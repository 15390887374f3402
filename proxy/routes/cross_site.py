"""What a page of another site makes its reader's browser send: refused, since that page may not act for its reader.

Two ways lead from a web page to a server on the reader's own machine. A page may send a form or a plain POST to it
without being able to read the answer; the browser says so in Sec-Fetch-Site or Origin. And a page may have its own name
resolve to 127.0.0.1 once it is loaded (DNS rebinding): then only the Host header tells.
"""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from litestar import Request

from proxy.routes.problems import Problem
from proxy.settings import Server

READS = ("GET", "HEAD", "OPTIONS")
PRIVATE = (".localhost", ".local", ".internal")
"""Names that nobody can register and so nobody's page can have."""

_Request = Request[Any, Any, Any]


def refuse_other_sites(server: Server) -> Callable[[_Request], None]:
    """What raises Problem for such a request. Clients that are no browsers are never meant."""
    ours = {origin.lower() for origin in (*server.cors_origins, _origin(server.public_url)) if origin}
    # With a token a page under a name of its own has nothing to send; elsewhere than here, names are chosen by others.
    named = is_loopback(server.host) and not server.admin_token
    names = {urlsplit(origin).hostname for origin in ours} | {server.host.lower()}

    def check(request: _Request) -> None:
        if named and not request.route_handler.opt.get("open"):
            _check_host(request, names)
        if request.method in READS or "*" in ours:
            return
        origin = request.headers.get("origin", "").lower()
        site = request.headers.get("sec-fetch-site", "")
        if site in ("same-origin", "none") or origin in ours:
            return
        # Browsers leave Sec-Fetch-Site out on plain HTTP to other machines, and Origin out of nothing that changes.
        if site or (origin and urlsplit(origin).netloc != request.headers.get("host", "").lower()):
            raise Problem(
                403,
                f"A page of {origin or 'another site'} sent this: add its origin to server.cors_origins if it may.",
            )

    return check


def _check_host(request: _Request, names: set[str | None]) -> None:
    given = request.headers.get("host")
    try:
        host = urlsplit(f"//{given or ''}").hostname or ""
    except ValueError:
        host = str(given)
    if not host or "." not in host or _is_address(host) or host in names or host.endswith(PRIVATE):
        return
    raise Problem(
        421,
        f"Host = {given!r}: Driftium listens on this machine alone, and goes by other names only where "
        "server.public_url or server.cors_origins has them, or a server.admin_token is set.",
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether what listens there is reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
