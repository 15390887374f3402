"""One HTTP/1.1 connection to the upstream as an asyncio protocol: sends a request, collects its answer."""

import asyncio
import select
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import cast

import httptools
import httpx

from proxy.framing import FRAMING, LAST_CHUNK, chunk

HIGH_WATER = 256 * 1024
"""Bytes of one answer that may wait for a slow client before reading from the upstream pauses."""


class Connection(asyncio.Protocol):
    """One connection to the upstream and the answer that is being read from it."""

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    ended: bool
    """Whether the whole answer has come; true also while there is none to come."""
    upstream_seconds: float
    """How long the upstream was waited for: until its bytes came, not until they were looked at."""

    def __init__(self, idle: "deque[Connection]", opened: "set[Connection]"):
        self._idle = idle
        self._opened = opened
        self._waiter: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None
        self._head_only = False
        self._timer: asyncio.TimerHandle | None = None
        self._news = select.poll()
        self.sending: asyncio.Future[None] | None = None
        self.idle_since = 0.0
        self.upstream_seconds = 0.0

    # -- asyncio.Protocol ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are no subclass
        self._loop = asyncio.get_running_loop()
        self._news.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._opened.add(self)
        self.parts: list[bytes] = []
        self._buffered = 0
        self.error: httpx.TransportError | None = None
        self.ended = True
        self._heard_at = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard_at = time.perf_counter()
        self._transport = None
        self._opened.discard(self)
        if self in self._idle:
            self._idle.remove(self)
        self._writable.set()
        if not self.ended and self.error is None:
            if self._until_eof and self.status and exc is None:
                self.ended = True
            else:
                self.error = httpx.RemoteProtocolError(
                    "the upstream closed the connection before its answer was complete"
                )
        self._wake()

    def data_received(self, data: bytes) -> None:
        self._heard_at = time.perf_counter()
        if self.ended:
            # Bytes that nobody asked for: the next answer on this connection could not be trusted.
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # What follows a complete answer does not spoil it; the connection is of no more use.
            if not self.ended:
                self.error = httpx.RemoteProtocolError(f"the upstream's answer is not HTTP: {error}")
            self.abort()
        if self._buffered > HIGH_WATER and self._transport and not self.ended:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- httptools' callbacks ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.ended:
            raise ValueError("a second answer to one request")

    def on_status(self, reason: bytes) -> None:
        self.reason = reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            return
        if not 200 <= status < 600:
            raise ValueError(f"status {status}")
        codings = [value.lower() for name, value in self.headers if name.lower() == b"transfer-encoding"]
        if codings not in ([], [b"chunked"]):
            # No other was asked for, and without its name the client could not read it.
            raise ValueError("a transfer coding other than chunked")
        self.status = status
        self._keep = self._parser.should_keep_alive()
        names = {name.lower() for name, _ in self.headers}
        self._until_eof = not names.intersection(FRAMING) and status not in (204, 304)
        if self._head_only:
            # The parser does not know that an answer to HEAD has no body.
            self.ended, self._keep = True, False

    def on_body(self, data: bytes) -> None:
        if self.ended:  # a body that HEAD must not have
            return
        self.parts.append(data)
        self._buffered += len(data)

    def on_message_complete(self) -> None:
        if self.status:
            self.ended = True
        else:  # an interim answer (1xx) is over; the real one follows
            self.headers = []

    # -- one request ---------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def readable(self) -> bool:
        """Whether the socket has news that the loop has not yet seen: bytes, or its end."""
        return self._transport is not None and bool(self._news.poll(0))

    def start(self, head: bytes, *, head_only: bool, chunk_seconds: float) -> None:
        """Send the head of a request. `chunk_seconds` is how long its answer may pause once it has begun."""
        self._parser = httptools.HttpResponseParser(self)
        self._waiting_since, self._paused = 0.0, False
        self.headers, self.parts, self._buffered = [], [], 0
        self.status, self.reason, self.error, self.sending = 0, b"", None, None
        self.ended = self._keep = self._until_eof = False
        self._head_only = head_only
        self._chunk_seconds = chunk_seconds
        self._write(head)

    def _write(self, data: bytes) -> None:
        if self._transport is None:
            raise httpx.WriteError("the upstream closed the connection")
        self._transport.write(data)

    def send(self, body: AsyncIterator[bytes], *, chunked: bool) -> None:
        """Send the body while the answer is awaited: the upstream may answer before it has read all."""
        self.sending = asyncio.ensure_future(self._send(body, chunked))
        self.sending.add_done_callback(self._wake)

    async def _send(self, body: AsyncIterator[bytes], chunked: bool) -> None:
        async for part in body:
            if self.readable:
                # An answer before the end of the upload: read it first, a failed write would discard it.
                await asyncio.sleep(0)
            self._write(chunk(part) if chunked else part)
            await self._writable.wait()
            self._sent_at = self._loop.time()
        if chunked:
            self._write(LAST_CHUNK)

    async def wait_for_head(self, seconds: float) -> None:
        waiting_from = time.perf_counter()
        self._sent_at = self._loop.time()
        self._expect_head(seconds)
        try:
            while not self.status:
                self._raise_error()
                await self._wait()
        finally:
            self._stop_timer()
            self._waited(waiting_from)

    def _expect_head(self, seconds: float) -> None:
        # The upstream's time runs from the last part that it took: a client may be long about its upload.
        left = self._sent_at + seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._expect_head, seconds)
        else:
            self._expire(f"no answer within {seconds:g} s")

    async def read(self) -> bytes:
        """The bytes that have come since the last call; b"" at the end of the answer."""
        if not (self.parts or self.ended or self.error):
            self._waiting_since = self._loop.time()
            if self._timer is None:
                self._expect_part()
            waiting_from = time.perf_counter()
            try:
                while not (self.parts or self.ended or self.error):
                    await self._wait()
            finally:
                self._waited(waiting_from)
        # The timer runs on: one for the whole answer costs less than one for each part.
        self._waiting_since = 0.0
        if self.parts:
            data = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
            self.parts, self._buffered = [], 0
            if self._paused and self._transport:
                self._paused = False
                self._transport.resume_reading()
            return data
        self._raise_error()
        return b""

    def _expect_part(self) -> None:
        # While nobody waits for a part, it is the client that is slow.
        since = self._waiting_since or self._loop.time()
        left = since + self._chunk_seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._expect_part)
        else:
            self._expire(f"the answer paused for more than {self._chunk_seconds:g} s")

    def _waited(self, since: float) -> None:
        # Whoever gave up waiting has heard nothing.
        until = self._heard_at if self._heard_at > since else time.perf_counter()
        self.upstream_seconds += until - since

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _raise_error(self) -> None:
        if self.error:
            raise self.error
        if not self.status and (failed := self._upload_failure()):
            raise failed

    def _upload_failure(self) -> BaseException | None:
        if self.sending is None or not self.sending.done() or self.sending.cancelled():
            return None
        return self.sending.exception()

    def _expire(self, message: str) -> None:
        self.error = httpx.ReadTimeout(message)
        self.abort()
        self._wake()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self, _: object = None) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def release(self) -> None:
        """Give the connection back if its answer was read to the end, else close it.

        Once for each request: afterwards the connection may be another's. Synchronous, so that it
        also runs where an await would be cancelled.
        """
        self._stop_timer()
        # After half a request the next one would be read as its other half.
        sent = self.sending is None or (self.sending.done() and not self._upload_failure())
        if self.ended and self._keep and sent and self.usable and not self._paused and not self._unsent:
            self.idle_since = self._loop.time()
            self._idle.append(self)
        else:
            self.abort()

    @property
    def _unsent(self) -> int:
        """Bytes of the request that the upstream has not taken."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    def abort(self) -> None:
        self._stop_timer()
        if self.sending and not self.sending.cancel():
            self._upload_failure()  # looked at here, so that asyncio does not call it forgotten
        if self._transport:
            self._transport.abort()
