"""The server's side of a client's connection: uvicorn's protocol, where a proxy must be stricter or more complete."""

import asyncio
import socket
import struct
import time
from functools import partial
from typing import Any

import httptools
from litestar.types import ASGIApp, HTTPScope, Receive
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 2**17
"""Of a head, or of trailers, ten times what real ones have; without a bound one client could fill the memory."""

MAX_HEADERS = 2_000
"""Each costs its share of time wherever the request is read."""

MAX_PIPELINED = 16

LINGER_SECONDS = 30.0
"""How long the rest of an upload is read that was answered before its end: a close would take the answer with it."""

LATE = b"The head of the request took too long."
TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n"
)


class Front(HttpToolsProtocol):
    """One client's connection.

    Refuses heads that two servers could read in two ways. In the scope's state a request finds when its bytes
    `arrived` (they are parsed, and wait their turn, after that) and whether its target ends with an
    `empty_query`, which the parser leaves out; it may leave there what to call when the client `leave`s.
    A head has `head_seconds` to come.
    """

    _answering: RequestResponseCycle | None = None
    _arrived = _answered_at = 0.0
    _unread_bytes = 0
    """What the parser has taken since it gave something on."""
    _head_since = 0.0
    """When the head began that is still to come; 0 while none is."""
    _inside = False
    """Whether a head is there whose message has not ended."""

    def __init__(self, *args: Any, head_seconds: float = 30.0, **more: Any):
        super().__init__(*args, **more)
        self._head_seconds = head_seconds

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_since = time.perf_counter()
        self._watch_head()

    def _watch_head(self) -> None:
        # One timer for the connection: one for each request would cost every request.
        self._watch = self.loop.call_later(self._head_seconds / 2, self._watch_head)
        now = time.perf_counter()
        if not self._head_since or now - self._head_since < self._head_seconds:
            return
        if self._answering and not self._answering.response_complete:
            self._head_since = now  # the connection is not read while requests wait their turn
            return
        if self._arrived:  # else it was opened ahead of need: nothing is asked, nothing is answered
            self.transport.write(TOO_SLOW % len(LATE) + LATE)
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        self._arrived = time.perf_counter()
        if not self._inside and not self._head_since:
            self._head_since = self._arrived
        self._unset_keepalive_if_required()
        rest: bytes | memoryview = data
        try:
            while rest:
                if self._unread_bytes > MAX_HEAD_BYTES:
                    raise httptools.HttpParserError("a head without an end")
                self._unread_bytes += len(rest)
                try:
                    self.parser.feed_data(rest)
                    return
                except httptools.HttpParserUpgrade as stopped:
                    rest = memoryview(rest)[stopped.args[0] :]
                    self._decline()
        except httptools.HttpParserError:
            self._refuse()

    def _decline(self) -> None:
        """Read the head of a request that offers to change the protocol as if it did not.

        The parser takes what follows such a head for the new protocol's. It is the request's body: whoever
        forwarded the request without it would have the next client's request read as this one's body.
        """
        line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"".join((line, *kept, b"\r\n")))

    def _refuse(self) -> None:
        """What has come is not HTTP."""
        answering = self._answering
        if answering is None or answering.response_complete:
            self.send_400_response("Invalid HTTP request received.")
        elif not answering.more_body:
            # What follows a whole request does not spoil it: it is answered, and nothing after it.
            answering.keep_alive = False
            self.pipeline.clear()
            self.cycle = answering
        elif answering.response_started:
            self.transport.abort()  # a 400 here would be read as a part of the answer
        else:
            self.send_400_response("Invalid HTTP request received.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._unread_bytes = 0
        self._head_since = self._head_since or self._arrived
        state: dict[str, Any] = self.scope["state"]
        state["arrived"] = self._arrived

    def on_headers_complete(self) -> None:
        self._unread_bytes = 0
        self._head_since, self._inside = 0.0, True
        version = self.parser.get_http_version()
        # Whatever is raised here becomes an HttpParserError, and a 400.
        if version not in ("1.0", "1.1"):
            raise ValueError("a version that is not spoken here")
        if len(self.headers) > MAX_HEADERS:
            raise ValueError("more headers than anybody means")
        hosts = 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding" and (value.lower() != b"chunked" or version == "1.0"):
                raise ValueError("a transfer coding that the next server may read otherwise")
        if hosts != 1 and (hosts or version != "1.0"):
            raise ValueError("it is not said for whom the request is")
        if self.parser.get_method() == b"CONNECT" or b"#" in self.url:
            raise ValueError("a tunnel, or a fragment, is not a target to forward to")
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        if self.url.endswith(b"?") and not self.scope["query_string"]:
            self.scope["state"]["empty_query"] = True
        # Trailers come as headers do, and must not join the head.
        self.headers = []
        if 0 < len(self.pipeline) < MAX_PIPELINED:
            # A connection that is not read does not tell that its client has left.
            self.flow.resume_reading()

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        if self.cycle.response_complete and self._arrived - self._answered_at > LINGER_SECONDS:
            self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread_bytes = 0
        self._inside = False
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        self._answered_at = time.perf_counter()
        if self._head_since:  # of a head that waited its turn, unread
            self._head_since = self._answered_at
        if self.pipeline:
            # What the next one waited for its turn is nobody's but its client's.
            self.pipeline[-1][0].scope["state"]["arrived"] = time.perf_counter()
        super().on_response_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        if cycle.scope["http_version"] == "1.0":
            cycle.waiting_for_100_continue = False  # such a client would take it for the answer
            app = partial(_unchunked, app, cycle)
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.cancel()
        # Uvicorn tells only the last of pipelined requests; it is the first that is being answered.
        if self._answering and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
            if leave := self._answering.scope["state"].get("leave"):
                leave()
        self.pipeline.clear()
        super().connection_lost(exc)


async def _unchunked(app: ASGIApp, cycle: RequestResponseCycle, scope: HTTPScope, receive: Receive, _: object) -> None:
    """An answer to HTTP/1.0, which knows no chunks: it ends with the connection, and a break is a reset."""
    transport = cycle.transport

    async def send(message: Any) -> None:
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        if message["type"] == "http.response.start":
            cycle.response_started = True
            kept = [b"%b: %b\r\n" % header for header in message["headers"] if header[0].lower() != b"connection"]
            transport.write(b"".join((STATUS_LINE[message["status"]], *kept, b"connection: close\r\n\r\n")))
            return
        if scope["method"] != "HEAD":
            transport.write(message.get("body", b""))
        if not message.get("more_body", False):
            cycle.response_complete = True
            cycle.message_event.set()
            transport.close()

    try:
        await app(scope, receive, send)
    except BaseException:
        if cycle.response_started and not (cycle.response_complete or cycle.disconnected):
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        raise
