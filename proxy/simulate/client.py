"""One connection of the load: asks, reads the answer whole, and notes how long it took."""

import asyncio
from collections.abc import Callable
from time import perf_counter

import httptools
import msgspec

from proxy.simulate.upstream import TOOK

_TOOK = TOOK.encode()
_END = b"data: [DONE]"


class Request(msgspec.Struct):
    """What is asked, and what became of it. Times are seconds of this process's clock."""

    due: float
    data: bytes
    streamed: bool
    target: int
    """Which proxy; -1: the upstream itself."""
    wrong: str = ""
    first: float | None = None
    """From when it was due to the answer's first byte, without what the upstream took."""
    whole: float | None = None
    """Of an answer that is no stream: to its last byte, without what the upstream took."""


class Client(asyncio.Protocol):
    """Asks one thing at a time; `ended` is told of each, and whether the connection can be used again."""

    def __init__(self, ended: Callable[["Client", Request, bool], None], lost: Callable[["Client"], None]):
        self._ended = ended
        self._lost = lost
        self._request: Request | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._parser = httptools.HttpResponseParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._lost(self)
        self._finish("the connection was lost")

    def ask(self, request: Request) -> None:
        self._request = request
        self._upstream_ms, self._tail = 0.0, b""
        self._first: float | None = None
        if self.transport is None:
            self._finish("the connection was lost")
            return
        self.transport.write(request.data)

    def data_received(self, data: bytes) -> None:
        self._now = perf_counter()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._finish("the answer is no HTTP")

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == _TOOK:
            self._upstream_ms = float(value)

    def on_body(self, data: bytes) -> None:
        if self._first is None:
            self._first = self._now
        self._tail = (self._tail + data)[-len(_END) - 4 :]

    def on_message_complete(self) -> None:
        status, request = self._parser.get_status_code(), self._request
        if request is None:
            return
        if status != 200:
            self._finish(f"status {status}")
        elif request.streamed and _END not in self._tail:
            self._finish("the stream broke off")
        else:
            since = request.due + self._upstream_ms / 1000
            if self._first is not None:
                request.first = self._first - since
            if not request.streamed:
                request.whole = self._now - since
            self._finish("")

    def _finish(self, wrong: str) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.wrong = wrong
            keep = self.transport is not None and self._parser.should_keep_alive()
            # What broke off inside a message cannot be read on.
            self._ended(self, request, keep and (not wrong or wrong.startswith("status")))
