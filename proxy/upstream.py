"""The upstream server: which headers pass in either direction, and what its failures are called."""

import re
from urllib.parse import unquote_to_bytes

import httpx

from proxy.settings import Upstream as UpstreamSettings
from proxy.transport import Transport

Headers = list[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"upgrade",
    )
)
"""RFC 9110, 7.6.1: they belong to one connection. Transfer-Encoding is made anew on each side."""

FRAMING = frozenset((b"content-length", b"transfer-encoding", b"host"))
"""Where a message ends and whom it is for: without these the next server would read another message."""


def connect(settings: UpstreamSettings) -> tuple[httpx.URL, Transport]:
    """The upstream's base URL and a transport to it."""
    base = httpx.URL(settings.url)
    return base, Transport(
        base,
        connect_seconds=settings.connect_seconds,
        first_byte_seconds=settings.first_byte_seconds,
        chunk_seconds=settings.between_chunks_seconds,
    )


def named_by_connection(headers: Headers) -> frozenset[bytes]:
    """The headers that a Connection header declares to be its connection's own; never those that frame the message."""
    values = [value for name, value in headers if name.lower() == b"connection"]
    if not values:
        return frozenset()
    return frozenset(token.strip().lower() for token in b",".join(values).split(b",")) - FRAMING


def answer_headers(headers: Headers, status: int, exchange_id: str) -> Headers:
    """The upstream's headers as the client gets them."""
    own = named_by_connection(headers)
    # The length in a 204 or 304 is that of a body that does not follow, which the server would insist on.
    framing = (b"transfer-encoding", b"content-length") if status in (204, 304) else (b"transfer-encoding",)
    kept = [
        (name, value)
        for name, value in headers
        if (low := name.lower()) not in HOP_BY_HOP and low not in own and low not in framing
    ]
    kept.append((b"x-driftium-exchange-id", exchange_id.encode()))
    return kept


def failure(error: Exception, url: str) -> tuple[int, str, str]:
    """Status, code and message for an upstream that did not begin to answer."""
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return 502, "upstream_unreachable", f"No model server answers at {url}: {error}. Start it, or set upstream.url."
    if isinstance(error, httpx.TimeoutException):
        return 504, "upstream_timeout", f"The model server at {url} sent nothing: {error}."
    return 502, "upstream_unreachable", f"The model server at {url} broke off before it answered: {error}."


_CUT = re.compile(rb"[;?#\0\s]")
"""What some server ends a segment of a path at."""


def climbs(path: bytes) -> bool:
    """Whether a segment is ".." to some server: coded, coded twice, or followed by what some cut off."""
    if b"." not in path and b"%" not in path:
        return False
    decoded = path
    for _ in range(4):
        if (plain := unquote_to_bytes(decoded)) == decoded:
            break
        decoded = plain
    else:
        return True  # nobody codes a path that often but to hide something
    return any(_CUT.split(segment, 1)[0] == b".." for segment in decoded.replace(b"\\", b"/").split(b"/"))
