"""A stream of bytes as lines, each with its place. Memory is bounded by the longest line that is taken."""

from collections.abc import Iterator
from typing import Protocol

import msgspec

TAIL_BYTES = 1024
_CHUNK_BYTES = 256 * 2**10


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Line(msgspec.Struct, frozen=True):
    """One line without its end. `text` is None where it is longer than may be taken."""

    number: int
    """Counted from 1."""
    start: int
    end: int
    """Offsets in bytes, the latter after the line's end."""
    text: bytes | None
    tail: bytes
    """Its last bytes, at most TAIL_BYTES, with the line's end."""
    whole: bool
    """False: there was no line's end, more of it may come."""


def lines(stream: Readable, *, offset: int, number: int, max_bytes: int) -> Iterator[Line]:
    """The lines of a stream whose next byte is at `offset`, after `number` lines. The last one may not be whole."""
    kept = bytearray()
    length, start = 0, offset
    """Of the line that is being read; what is kept of it is less where it is too long."""
    while chunk := stream.read(_CHUNK_BYTES):
        at = 0
        while (end := chunk.find(b"\n", at)) >= 0:
            _keep(kept, chunk, at, end + 1, max_bytes)
            length += end + 1 - at
            number += 1
            yield _line(kept, number, start, length, max_bytes, whole=True)
            start, length, at = start + length, 0, end + 1
            kept.clear()
        _keep(kept, chunk, at, len(chunk), max_bytes)
        length += len(chunk) - at
    if length:
        yield _line(kept, number + 1, start, length, max_bytes, whole=False)


def _keep(kept: bytearray, chunk: bytes, at: int, end: int, max_bytes: int) -> None:
    kept += chunk[at:end]
    if len(kept) > max_bytes + TAIL_BYTES:
        # Its length says that it is too long: of what it holds only the end is wanted.
        del kept[: len(kept) - TAIL_BYTES]


def _line(kept: bytearray, number: int, start: int, length: int, max_bytes: int, *, whole: bool) -> Line:
    text = bytes(kept).removesuffix(b"\n").removesuffix(b"\r") if length <= max_bytes + 2 else None
    if text is not None and len(text) > max_bytes:
        text = None
    return Line(number, start, start + length, text, bytes(kept[-TAIL_BYTES:]), whole)
