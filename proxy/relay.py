"""The data plane: a raw ASGI application that forwards bytes and copies them to a tape."""

import time
from typing import Any

import httpx
from litestar.types import Receive, Scope, Send

from proxy.exchange import Exchange, Route
from proxy.metrics import Metrics
from proxy.settings import Settings
from proxy.tap import Tap
from proxy.tape import Tape
from proxy.transport import Transport


class Relay:
    """Forwards a request as it is and streams the answer back as it comes."""

    def __init__(self, settings: Settings, base: httpx.URL, transport: Transport, tap: Tap, metrics: Metrics):
        self._route = Route(
            host=base.netloc,
            prefix=base.raw_path.rstrip(b"/"),
            url=settings.upstream.url,
            transport=transport,
            max_request_bytes=settings.server.max_request_bytes,
        )
        self._tap = tap
        self._metrics = metrics
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
        exchange = Exchange(self._route, scope, receive, send, tape)
        self._metrics.started(tape)
        try:
            if self.draining:
                await exchange.refuse(503, "draining", "Driftium is shutting down; send the request again in a moment.")
            else:
                await exchange.run()
        finally:
            # Synchronous: the client may be gone, and an await before this could lose the tape.
            tape.ended = time.perf_counter()
            if exchange.connection:
                tape.upstream_seconds = exchange.connection.upstream_seconds
                exchange.connection.release()
            self._metrics.finished(tape)
            self._tap.offer(tape)
