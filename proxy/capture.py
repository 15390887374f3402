"""What the tap hands to the log: the bytes and times of one exchange, still in its wire format."""

import msgspec

from drift.records import Outcome


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange as it passed. `at` is in unix seconds, durations are in seconds."""

    id: str
    at: float
    endpoint: str
    """"chat/completions", "completions", "api/chat" or "api/generate"."""
    monitor: str | None = None
    """What the client named."""
    source: str = "proxy"
    status: int
    """0 when there was no answer."""
    request_type: str = ""
    """Content-Type; the next is Content-Encoding."""
    request_encoding: str = ""
    request: bytes
    response_type: str = ""
    response_encoding: str = ""
    response: bytes
    duration_seconds: float | None
    """None where a collected log does not say."""
    first_chunk_seconds: float | None = None
    upstream_seconds: float | None = None
    """Until the upstream's headers came."""
    outcome: Outcome
    """As the relay saw it: complete means that the bytes ended cleanly."""
    error: str = ""


def encode(capture: Capture) -> bytes:
    """A capture as the log keeps it."""
    return msgspec.msgpack.encode(capture)


def decode(blob: bytes) -> Capture:
    """Inverse of `encode`. Raises msgspec.DecodeError when the blob is none of ours."""
    return msgspec.msgpack.decode(blob, type=Capture)
