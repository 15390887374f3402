"""The data plane: a raw ASGI application that forwards bytes and copies them to a tape.

Nothing here parses a body, and nothing awaits between the upstream's bytes and the
client except the sending itself.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx
import msgspec
from litestar.types import Receive, Scope, Send

from drift.records import Outcome
from proxy.config import Settings
from proxy.connection import Connection
from proxy.metrics import Metrics
from proxy.tap import Tap
from proxy.tape import Tape
from proxy.transport import Transport
from proxy.upstream import HOP_BY_HOP, Headers, answer_headers, failure, named_by_connection

WATCH_AFTER_SECONDS = 0.05
"""An exchange that lasts longer is watched for its client's leaving. Most of a fast model server's do not."""


class Relay:
    """Forwards a request as it is and streams the answer back as it comes."""

    def __init__(self, settings: Settings, base: httpx.URL, transport: Transport, tap: Tap, metrics: Metrics):
        self._base = base
        self._host = base.netloc
        self._prefix = base.raw_path.rstrip(b"/")
        self._url = settings.upstream.url
        self._transport = transport
        self._tap = tap
        self._metrics = metrics
        self._max_request_bytes = settings.server.max_request_bytes
        self._max_tape_bytes = settings.tap.max_bytes
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request. Offers its tape whatever happens."""
        # `path` is percent-decoded; `raw_path` is what the client sent.
        tape = self.tape(scope["raw_path"].decode("latin-1"))
        tape.started = scope["state"].get("arrived", tape.started)
        await self.forward(scope, receive, send, tape)

    def tape(self, path: str) -> Tape:
        """A fresh tape for a request to `path`."""
        return Tape(path, self._max_tape_bytes)

    async def forward(self, scope: Any, receive: Receive, send: Send, tape: Tape) -> None:
        if scope["method"] != "POST":
            tape.skip, tape.endpoint = True, ""
        exchange = _Exchange(self, scope, receive, send, tape)
        self._metrics.started(tape)
        try:
            await exchange.run()
        finally:
            # Synchronous: the client may be gone, and an await before this could lose the tape.
            tape.ended = time.perf_counter()
            if exchange.connection:
                tape.upstream_seconds = exchange.connection.upstream_seconds
                exchange.connection.release()
            self._metrics.finished(tape)
            self._tap.offer(tape)


class _Exchange:
    """One request on its way. Whoever ends it releases `connection`, from which the answer is read."""

    def __init__(self, relay: Relay, scope: Any, receive: Receive, send: Send, tape: Tape):
        self._relay = relay
        self._scope = scope
        self._receive = receive
        self._send = send
        self._tape = tape
        self._gone = False
        self._task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        self._watcher: asyncio.Task[None] | None = None
        self._uploaded: asyncio.Event | None = None
        self.connection: Connection | None = None

    async def run(self) -> None:
        tape, relay = self._tape, self._relay
        if relay.draining:
            await self._refuse(503, "draining", "Driftium is shutting down; send the request again in a moment.")
            return
        if _climbs(self._scope["raw_path"]):
            await self._refuse(400, "invalid_path", "A path must not climb with '..'.")
            return
        headers, length = self._request_headers()
        if length > relay._max_request_bytes:
            await self._too_large()
            return
        first: Any = await self._receive()
        if first["type"] == "http.disconnect":
            tape.outcome = Outcome.CLIENT_CLOSED
            return
        part = first.get("body", b"")
        if len(part) > relay._max_request_bytes:
            await self._too_large()
            return
        tape.sent(part)
        body: bytes | AsyncIterator[bytes] = part
        if first.get("more_body", False):
            body, self._uploaded = self._upload(part), asyncio.Event()
        timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._start_watch)
        try:
            await self._exchange(headers, body)
        except asyncio.CancelledError:
            tape.outcome = Outcome.CLIENT_CLOSED
            if not self._gone:
                raise
            self._task.uncancel()
        finally:
            timer.cancel()
            if self._watcher:
                self._watcher.cancel()

    def _request_headers(self) -> tuple[Headers, int]:
        """One pass: what goes on to the upstream, what the tape needs, and the declared length."""
        tape, length, request_id = self._tape, 0, False
        given: Headers = self._scope["headers"]
        own = named_by_connection(given)
        kept: Headers = [(b"Host", self._relay._host)]
        for name, value in given:
            if name in HOP_BY_HOP or name in own or name == b"host" or name == b"expect":
                continue
            if name.startswith(b"x-driftium-"):
                if name == b"x-driftium-monitor":
                    tape.monitor = value.decode("utf-8", "replace")
                elif name == b"x-driftium-skip" and value.strip() == b"1":
                    tape.skip = True
                continue
            if name == b"content-length":
                length = int(value)
            elif name == b"content-type":
                tape.request_type = value.decode("latin-1")
            elif name == b"content-encoding":
                tape.request_encoding = value.decode("latin-1")
            elif name == b"x-request-id":
                request_id = True
            kept.append((name, value))
        if not request_id:
            kept.append((b"x-request-id", tape.id.encode()))
        return kept, length

    async def _exchange(self, headers: Headers, body: bytes | AsyncIterator[bytes]) -> None:
        tape, relay, scope, send = self._tape, self._relay, self._scope, self._send
        asked = time.perf_counter()
        target = relay._prefix + scope["raw_path"]
        if scope["query_string"] or scope["state"].get("empty_query"):
            target += b"?" + scope["query_string"]
        try:
            connection = self.connection = await relay._transport.ask(scope["method"], target, headers, body)
        except asyncio.CancelledError:
            tape.upstream_seconds = time.perf_counter() - asked
            raise
        except _TooLarge:
            await self._too_large()
            return
        except httpx.TransportError as error:
            status, code, message = failure(error, relay._url)
            tape.outcome, tape.upstream_seconds = Outcome.UPSTREAM_ERROR, time.perf_counter() - asked
            await self._refuse(status, code, message)
            return
        tape.status = connection.status
        for name, value in connection.headers:
            low = name.lower()
            if low == b"content-type":
                tape.response_type = value.decode("latin-1")
            elif low == b"content-encoding":
                tape.response_encoding = value.decode("latin-1")
        passed = answer_headers(connection.headers, tape.status, tape.id)
        await send({"type": "http.response.start", "status": tape.status, "headers": passed})
        more = True
        try:
            while more:
                part = await connection.read()
                # The last part, when it is known to be the last, ends the answer in one step.
                more = bool(part) and not connection.ended
                if part:
                    tape.received(part)
                await send({"type": "http.response.body", "body": part, "more_body": more})
        except httpx.TransportError as error:
            tape.outcome, tape.error = Outcome.UPSTREAM_ERROR, str(error)
            # The client's stream must break as the upstream's did: the server cuts off an application that raises.
            raise UpstreamBroke(str(error)) from None
        if tape.status >= 400:
            tape.outcome = Outcome.HTTP_ERROR
        elif tape.too_large:
            tape.outcome = Outcome.TOO_LARGE

    def _start_watch(self) -> None:
        self._watcher = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        """End the exchange as soon as its client has left."""
        if self._uploaded:
            await self._uploaded.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        self._gone = True
        self._task.cancel()

    async def _upload(self, part: bytes) -> AsyncIterator[bytes]:
        """The rest of a request body, as it comes."""
        total, more = len(part), True
        try:
            yield part
            while more:
                message: Any = await self._receive()
                if message["type"] == "http.disconnect":
                    self._leave()
                    # Not a return: that would end a chunked request as if it were whole.
                    raise _ClientLeft
                part, more = message.get("body", b""), message.get("more_body", False)
                total += len(part)
                self._tape.sent(part)
                if total > self._relay._max_request_bytes:
                    raise _TooLarge
                yield part
        finally:
            # From here on the watch alone reads what the client does.
            assert self._uploaded
            self._uploaded.set()

    async def _too_large(self) -> None:
        limit = self._relay._max_request_bytes
        self._tape.outcome, self._tape.too_large = Outcome.TOO_LARGE, True
        await self._refuse(
            413, "request_too_large", f"The request body is larger than server.max_request_bytes = {limit} bytes."
        )

    async def _refuse(self, status: int, code: str, message: str) -> None:
        """Our own answer, in OpenAI's shape; only ever before the upstream's answer has begun."""
        tape = self._tape
        tape.status, tape.error = status, message
        if tape.outcome is Outcome.COMPLETE:
            tape.outcome = Outcome.HTTP_ERROR
        kind = "invalid_request_error" if status < 500 else "api_error"
        body = msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-driftium-exchange-id", tape.id.encode()),
        ]
        if status == 413:
            headers.append((b"connection", b"close"))  # the rest of the body will not be read
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


class UpstreamBroke(Exception):
    """The upstream broke off inside its answer."""


class _TooLarge(Exception):
    """The upload is larger than the settings allow."""


class _ClientLeft(Exception):
    """The client left inside its upload."""


_CUT = re.compile(rb"[;?#\0\s]")
"""What some server ends a segment of a path at."""


def _climbs(path: bytes) -> bool:
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
