"""From a body's bytes to JSON objects: content encoding, framing, and JSON that is nearly right."""

import json
import zlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

from drift.records import Outcome
from proxy.sse import Decoder, Event

MAX_PLAIN_BYTES = 16 * 1024 * 1024
"""A small compressed body can hold gigabytes; text past this says nothing more about drift."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAX_MEMBERS = 16
_MAX_LOST = 100
_EVENT_STREAM_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")


class UnreadableError(Exception):
    """The bytes do not hold what they should; the message says why, and `outcome` what that makes of an answer."""

    def __init__(self, why: str, outcome: Outcome = Outcome.UPSTREAM_ERROR):
        super().__init__(why)
        self.outcome = outcome


@dataclass(slots=True)
class Framed:
    """The JSON objects of an answer in their order."""

    objects: list[dict[str, Any]] = field(default_factory=list)
    whole: bool = False
    """The body was one JSON object, not a stream."""
    done: bool = False
    """The stream said [DONE]."""
    lost: int = 0
    """Objects of the stream that could not be read; the rest is not tried after 100."""


def decompress(body: bytes, encoding: str) -> bytes:
    """`body` without its Content-Encoding; what a compressed body was cut short of is missing.

    Raises UnreadableError: TOO_LARGE past MAX_PLAIN_BYTES, TRUNCATED for an encoding that the
    standard library cannot read (br, zstd), since no terminal marker can be read in it.
    """
    name = encoding.strip().lower()
    if not body or name in ("", "identity"):
        return body
    if name not in ("gzip", "x-gzip", "deflate"):
        raise UnreadableError(f"content-encoding {encoding[:40]} cannot be read", Outcome.TRUNCATED)
    try:
        # 32: zlib and gzip tell themselves apart by their headers.
        return _inflate(body, 32 + zlib.MAX_WBITS)
    except zlib.error:
        if name != "deflate":
            raise UnreadableError(f"the body is not {name}", Outcome.TRUNCATED) from None
    try:
        # Some servers send deflate without the zlib header that RFC 9110 asks for.
        return _inflate(body, -zlib.MAX_WBITS)
    except zlib.error:
        raise UnreadableError("the body is not deflate", Outcome.TRUNCATED) from None


def _inflate(body: bytes, window_bits: int) -> bytes:
    plain = b""
    # A gzip body may have members, one after the other; a million empty ones would take hours.
    for _ in range(_MAX_MEMBERS):
        member = zlib.decompressobj(window_bits)
        try:
            plain += member.decompress(body, MAX_PLAIN_BYTES + 1 - len(plain))
        except zlib.error:
            if not plain:
                raise
            break
        if len(plain) > MAX_PLAIN_BYTES:
            raise UnreadableError(f"more than {MAX_PLAIN_BYTES} bytes when decompressed", Outcome.TOO_LARGE)
        body = member.unused_data
        if not body:
            break
    return plain


def parse(text: bytes) -> Any:
    """The JSON value of `text`; bytes that are not UTF-8 become U+FFFD.

    What msgspec refuses and others write is read too: NaN, lone surrogates, control
    characters in strings. Raises UnreadableError.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(text.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        raise UnreadableError("not JSON") from None


def parse_object(text: bytes) -> dict[str, Any]:
    """The JSON object of `text`. Raises UnreadableError when it is another value or none."""
    value = parse(text.removeprefix(_BYTE_ORDER_MARK))
    if not isinstance(value, dict):
        raise UnreadableError("not a JSON object")
    return value


def frame(body: bytes, content_type: str) -> Framed:
    """The objects of an answer: one JSON object, one a line (NDJSON), or one an event (SSE).

    What the body looks like decides, since an error to a stream is often plain JSON and
    content types are often wrong. Raises UnreadableError when it looks like none of the three.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if not text:
        return Framed()
    if text.startswith(b"{"):
        try:
            return Framed([parse_object(text)], whole=True)
        except UnreadableError:
            return _frame_lines(text)
    if "event-stream" in content_type.lower() or text.startswith(_EVENT_STREAM_STARTS):
        return _frame_events(body)
    raise UnreadableError("neither JSON nor an event stream")


def _frame_lines(text: bytes) -> Framed:
    framed = Framed()
    for line in text.split(b"\n"):
        if line.strip():
            _add(framed, line)
        if framed.lost == _MAX_LOST:
            break
    return framed


def _frame_events(body: bytes) -> Framed:
    framed = Framed()
    decoder = Decoder()
    for event in (*decoder.feed(body), *decoder.close()):
        data = event.data.strip()
        if data == b"[DONE]":
            framed.done = True
        if framed.done or framed.lost == _MAX_LOST:
            break
        if event.name == b"error":
            framed.objects.append(_error_event(event))
        elif data.startswith(b"{"):
            _add(framed, data)
        # Anything else is a word that keeps the connection alive: nothing of the answer is lost.
    return framed


def _add(framed: Framed, text: bytes) -> None:
    try:
        framed.objects.append(parse_object(text))
    except UnreadableError:
        framed.lost += 1


def _error_event(event: Event) -> dict[str, Any]:
    try:
        value = parse_object(event.data)
    except UnreadableError:
        return {"error": event.data.decode("utf-8", "replace") or "an error event"}
    return value if value.get("error") else {"error": value or "an error event"}
