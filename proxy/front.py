"""The server's side of a client's connection: uvicorn's protocol, where a proxy must be stricter or more complete."""

import socket
import struct
import time
from functools import partial
from typing import Any

import httptools
from litestar.types import ASGIApp, HTTPScope, Receive
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 2**20
"""Of one request's line and headers, a hundred times what real ones have; without it a client could fill the memory."""


class Front(HttpToolsProtocol):
    """One client's connection.

    Refuses heads that two servers could read in two ways. In the scope's state it notes when a request's bytes
    `arrived` (they are parsed, and wait their turn, after that) and whether the target ends with an
    `empty_query`, which the parser leaves out.
    """

    _answering: RequestResponseCycle | None = None
    _in_head = False
    _head_bytes = 0
    """Of a head whose end has not come."""

    def data_received(self, data: bytes) -> None:
        self._arrived = time.perf_counter()
        self._unset_keepalive_if_required()
        try:
            if self._head_bytes > MAX_HEAD_BYTES:
                raise httptools.HttpParserError("a head without an end")
            self.parser.feed_data(data)
            if self._in_head:
                self._head_bytes += len(data)
        except httptools.HttpParserUpgrade as stopped:
            self._decline(data[stopped.args[0] :])
        except httptools.HttpParserError:
            answering = self._answering
            if answering and answering.response_started and not answering.response_complete:
                self.transport.abort()  # a 400 here would be read as a part of the answer
            else:
                self.send_400_response("Invalid HTTP request received.")

    def _decline(self, rest: bytes) -> None:
        """Read a request that offers to change the protocol as if it did not.

        The parser takes what follows such a head for the new protocol's. It is the request's body: whoever
        forwarded the request without it would have the next client's request read as this one's body.
        """
        line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"".join((line, *kept, b"\r\n", rest)))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        state: dict[str, Any] = self.scope["state"]
        state["arrived"] = self._arrived

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        hosts = 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding" and value.lower() != b"chunked":
                raise ValueError("a transfer coding that the next server may read otherwise")
        # Whatever is raised here becomes an HttpParserError, and a 400.
        if self.parser.get_method() == b"CONNECT":
            raise ValueError("a tunnel is not a request to forward")
        if hosts != 1 and (hosts or self.parser.get_http_version() != "1.0"):
            raise ValueError("it is not said for whom the request is")
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        if self.url.endswith(b"?") and not self.scope["query_string"]:
            self.scope["state"]["empty_query"] = True
        # Trailers come as headers do, and must not join the head.
        self.headers = []

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        if cycle.scope["http_version"] == "1.0":
            app = partial(_unchunked, app, cycle)
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        # Uvicorn tells only the last of pipelined requests; it is the first that is being answered.
        if self._answering and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
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
        if cycle.response_started and not cycle.disconnected:
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        raise
