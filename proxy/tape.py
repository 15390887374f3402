"""The bytes and times of one exchange, as they pass. A tape copies references and knows no format."""

import time
from random import getrandbits

from drift.records import Outcome

TAPPED = {
    "/v1/chat/completions": "chat/completions",
    "/v1/completions": "completions",
    "/api/chat": "api/chat",
    "/api/generate": "api/generate",
}
"""Paths whose exchanges are monitored, and the endpoint names they go by."""


def exchange_id(now: float) -> str:
    """A UUIDv7 (RFC 9562) as 32 hex digits: unique, and in the order of time."""
    # Unique is enough, and costs no system call for each request; nobody's secrets hang on it.
    value = int(now * 1000) << 80 | 0x7 << 76 | getrandbits(12) << 64 | 0b10 << 62 | getrandbits(62)
    return f"{value:032x}"


class Tape:
    """Records one exchange. Past `max_bytes` of a direction it lets go of that direction's bytes and says so."""

    __slots__ = (
        "_max_bytes",
        "at",
        "client_seconds",
        "ended",
        "endpoint",
        "error",
        "first_chunk",
        "id",
        "monitor",
        "outcome",
        "request",
        "request_encoding",
        "request_size",
        "request_type",
        "response",
        "response_encoding",
        "response_size",
        "response_type",
        "skip",
        "source",
        "started",
        "status",
        "too_large",
        "upstream_seconds",
    )

    def __init__(self, path: str, max_bytes: int):
        self.at = time.time()
        self.started = time.perf_counter()
        self.id = exchange_id(self.at)
        self.endpoint = TAPPED.get(path, "")
        self.skip = not self.endpoint
        self.monitor: str | None = None
        self.source = "proxy"
        self.request: list[bytes] = []
        self.response: list[bytes] = []
        self.request_size = self.response_size = 0
        self.request_type = self.request_encoding = self.response_type = self.response_encoding = ""
        self.status = 0
        self.first_chunk = self.ended = 0.0
        self.upstream_seconds = self.client_seconds = 0.0
        self.outcome = Outcome.COMPLETE
        self.error = ""
        self.too_large = False
        self._max_bytes = max_bytes

    def sent(self, part: bytes) -> None:
        """A part of the request has passed."""
        self.request_size += len(part)
        if self.skip or self.request_size > self._max_bytes:
            self._let_go(self.request)
        else:
            self.request.append(part)

    def received(self, part: bytes) -> None:
        """A part of the answer has passed."""
        if not self.first_chunk:
            self.first_chunk = time.perf_counter()
        self.response_size += len(part)
        if self.skip or self.response_size > self._max_bytes:
            self._let_go(self.response)
        else:
            self.response.append(part)

    def _let_go(self, parts: list[bytes]) -> None:
        if not self.skip:
            self.too_large = True
        parts.clear()

    @property
    def size(self) -> int:
        """Bytes held."""
        if self.skip:
            return 0
        return sum(size for size in (self.request_size, self.response_size) if size <= self._max_bytes)
