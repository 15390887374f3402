"""An httpx transport for one origin on asyncio and httptools: a keep-alive pool, TLS, a timeout for each phase.

Chosen by measurement, one core, JSON at 64 connections, behind one ASGI application in one run: httpx's own transport
49 requests/s, httpx-aiohttp's called directly 1,618, one like this 3,233 (nginx 12,904; tests/benchmarks/RESULTS.md).
It also sends the target and the headers as they came, and tells faults exactly. HTTP/1.1, no redirects, no retries.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator

import httpx

from proxy.connection import Connection
from proxy.framing import FRAMING, LAST_CHUNK, chunk

Headers = list[tuple[bytes, bytes]]

IDLE_SECONDS = 4.0
"""Below the five seconds after which common servers close a connection that nobody uses."""


class Transport(httpx.AsyncBaseTransport):
    """Speaks to the one origin of `base`.

    The data plane calls `ask`; `handle_async_request` is the same for httpx's callers, whose objects cost as much
    again as the request itself. Both raise httpx's errors: ConnectError, ConnectTimeout, ReadTimeout,
    RemoteProtocolError, WriteError.
    """

    def __init__(self, base: httpx.URL, *, connect_seconds: float, first_byte_seconds: float, chunk_seconds: float):
        self._host = base.host
        self._port = base.port or (443 if base.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if base.scheme == "https" else None
        self._connect_seconds = connect_seconds
        self._first_byte_seconds = first_byte_seconds
        self._chunk_seconds = chunk_seconds
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()

    async def ask(self, method: str, target: bytes, headers: Headers, body: bytes | AsyncIterator[bytes]) -> Connection:
        """Send a request and wait for the head of its answer: `status`, `headers` and `reason` of the connection.

        `target` is sent as it is, and so is the body, which is framed as the headers say. Then `read` gives the
        answer's body until it is empty. Whoever asked must call `release`, wherever the reading ended.
        """
        head = [b"%b %b HTTP/1.1\r\n" % (method.encode("ascii"), target)]
        framed = b""
        for name, value in headers:
            head.append(b"%b: %b\r\n" % (name, value))
            if name.lower() in FRAMING:
                framed = name.lower()
                if framed == b"content-length" and isinstance(body, bytes) and int(value) != len(body):
                    # On a shared connection the next request would be read as the rest of this one's body.
                    raise httpx.LocalProtocolError(f"a body of {len(body)} bytes has the Content-Length {int(value)}")
        head.append(b"\r\n")
        chunked = framed == b"transfer-encoding"
        if isinstance(body, bytes) and framed:
            # A body that is already here leaves with the head, in one write.
            head.append(chunk(body) + LAST_CHUNK if chunked else body)
        connection = self._take()
        if connection:
            connection.upstream_seconds = 0.0
        else:
            began = time.perf_counter()
            connection = await self._connect()
            connection.upstream_seconds = time.perf_counter() - began
        try:
            connection.start(b"".join(head), head_only=method == "HEAD", chunk_seconds=self._chunk_seconds)
            if framed and not isinstance(body, bytes):
                connection.send(body, chunked=chunked)
            await connection.wait_for_head(self._first_byte_seconds)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """`ask` with httpx's types. `request.extensions["target"]` is the request target."""
        stream = request.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        connection = await self.ask(
            request.method, request.extensions["target"], request.headers.raw, stream.__aiter__()
        )
        return httpx.Response(
            connection.status,
            headers=connection.headers,
            stream=_Body(connection),
            extensions={"reason_phrase": connection.reason, "http_version": b"HTTP/1.1"},
        )

    def _take(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        # The newest is taken, so that after a burst the oldest wait here until they are closed.
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().abort()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and not connection.readable:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._idle, self._open), self._host, self._port, ssl=self._tls
                )
        except TimeoutError:
            raise httpx.ConnectTimeout(f"no connection within {self._connect_seconds:g} s") from None
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        return connection

    async def aclose(self) -> None:
        for connection in list(self._open):
            connection.abort()


class _Body(httpx.AsyncByteStream):
    def __init__(self, connection: Connection):
        self._connection: Connection | None = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert self._connection
        while data := await self._connection.read():
            yield data

    async def aclose(self) -> None:
        if self._connection:
            self._connection.release()
            self._connection = None
