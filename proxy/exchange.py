"""One request on its way to the upstream, and its answer on the way back.

Nothing here parses a body, and nothing awaits between the upstream's bytes and the
client except the sending itself.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
from litestar.types import Receive, Send

from drift.records import Outcome
from proxy.connection import Connection
from proxy.tape import Tape
from proxy.transport import Transport
from proxy.upstream import HOP_BY_HOP, Headers, answer_headers, climbs, failure, named_by_connection

WATCH_AFTER_SECONDS = 0.05
"""An exchange that lasts longer is watched for its client's leaving. Most of a fast model server's do not."""

SLOW_CLIENT_SECONDS = 0.005
"""A sending that takes longer is waiting for a client that does not read."""


@dataclass(frozen=True)
class Route:
    """Where requests go, and how large they may be."""

    host: bytes
    prefix: bytes
    url: str
    transport: Transport
    max_request_bytes: int


class Exchange:
    """One request on its way. Whoever ends it releases `connection`, from which the answer is read."""

    def __init__(self, route: Route, scope: Any, receive: Receive, send: Send, tape: Tape):
        self._route = route
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
        tape, limit = self._tape, self._route.max_request_bytes
        if climbs(self._scope["raw_path"]):
            await self.refuse(400, "invalid_path", "A path must not climb with '..'.")
            return
        headers, length = self._request_headers()
        if length > limit:
            await self._too_large()
            return
        asked_client = time.perf_counter()
        first: Any = await self._receive()
        tape.client_seconds = time.perf_counter() - asked_client
        if first["type"] == "http.disconnect":
            tape.outcome = Outcome.CLIENT_CLOSED
            return
        part = first.get("body", b"")
        if len(part) > limit:
            await self._too_large()
            return
        tape.sent(part)
        body: bytes | AsyncIterator[bytes] = part
        if first.get("more_body", False):
            body, self._uploaded = self._upload(part), asyncio.Event()
        # The server says at once that a connection is lost; the watch also sees it where something lies between.
        self._scope["state"]["leave"] = self._leave
        timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._start_watch)
        try:
            await self._exchange(headers, body)
        except asyncio.CancelledError:
            if not self._gone:
                tape.outcome, tape.error = Outcome.TRUNCATED, "cut off as Driftium ended"
                raise
            tape.outcome = Outcome.CLIENT_CLOSED
            self._task.uncancel()
        finally:
            self._scope["state"].pop("leave", None)
            timer.cancel()
            if self._watcher:
                self._watcher.cancel()

    def _request_headers(self) -> tuple[Headers, int]:
        """One pass: what goes on to the upstream, what the tape needs, and the declared length."""
        tape, length, request_id = self._tape, 0, False
        given: Headers = self._scope["headers"]
        own = named_by_connection(given)
        kept: Headers = [(b"Host", self._route.host)]
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
        tape, route, scope = self._tape, self._route, self._scope
        asked = time.perf_counter()
        target = route.prefix + scope["raw_path"]
        if scope["query_string"] or scope["state"].get("empty_query"):
            target += b"?" + scope["query_string"]
        try:
            connection = self.connection = await route.transport.ask(scope["method"], target, headers, body)
        except asyncio.CancelledError:
            tape.upstream_seconds = time.perf_counter() - asked
            raise
        except _TooLarge:
            tape.upstream_seconds = time.perf_counter() - asked
            await self._too_large()
            return
        except httpx.TransportError as error:
            status, code, message = failure(error, route.url)
            tape.outcome, tape.upstream_seconds = Outcome.UPSTREAM_ERROR, time.perf_counter() - asked
            await self.refuse(status, code, message)
            return
        tape.status = connection.status
        for name, value in connection.headers:
            low = name.lower()
            if low == b"content-type":
                tape.response_type = value.decode("latin-1")
            elif low == b"content-encoding":
                tape.response_encoding = value.decode("latin-1")
        passed = answer_headers(connection.headers, tape.status, tape.id)
        await self._send({"type": "http.response.start", "status": tape.status, "headers": passed})
        more = True
        try:
            while more:
                part = await connection.read()
                # The last part, when it is known to be the last, ends the answer in one step.
                more = bool(part) and not connection.ended
                if part:
                    tape.received(part)
                sending_since = time.perf_counter()
                await self._send({"type": "http.response.body", "body": part, "more_body": more})
                took = time.perf_counter() - sending_since
                if took > SLOW_CLIENT_SECONDS:
                    tape.client_seconds += took
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
        # Several may say it; a second cancelling would not be taken back.
        if not self._gone:
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
                if total > self._route.max_request_bytes:
                    raise _TooLarge
                yield part
        finally:
            # From here on the watch alone reads what the client does.
            assert self._uploaded
            self._uploaded.set()

    async def _too_large(self) -> None:
        limit = self._route.max_request_bytes
        self._tape.outcome, self._tape.too_large = Outcome.TOO_LARGE, True
        await self.refuse(
            413, "request_too_large", f"The request body is larger than server.max_request_bytes = {limit} bytes."
        )

    async def refuse(self, status: int, code: str, message: str) -> None:
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
        if status == 413 and any(name == b"expect" for name, _ in self._scope["headers"]):
            # Such a client will not send its body, and its next request would be taken for that.
            headers.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


class UpstreamBroke(Exception):
    """The upstream broke off inside its answer."""


class _TooLarge(Exception):
    """The upload is larger than the settings allow."""


class _ClientLeft(Exception):
    """The client left inside its upload."""
