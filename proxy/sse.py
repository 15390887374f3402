"""Server-sent events from bytes, without I/O.

Source: WHATWG HTML, 9.2.6 "Interpreting an event stream". Two departures: an event
that the stream's end cut off from its blank line is given by `close`, since many
servers omit that line, and data stays bytes, since only a whole event is sure to
hold whole characters.
"""

import re
from typing import NamedTuple

# Not splitlines(): on text it would also split at U+2028, which JSON may hold as it is.
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event. `name` is empty when the stream gave none; lines of `data` are joined by LF."""

    name: bytes
    data: bytes


class Decoder:
    """Bytes in, events out. Where the stream is split makes no difference."""

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._after_cr = False
        self._first_line = True
        self._name = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes."""
        if not chunk:
            return []
        if self._after_cr and chunk[:1] == b"\n":
            # The second half of a CRLF whose CR has already ended the line.
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        head, *rest = _LINE_END.split(chunk)
        self._partial.append(head)
        events = []
        for start_of_next in rest:
            events += self._line(b"".join(self._partial))
            self._partial = [start_of_next]
        return events

    def close(self) -> list[Event]:
        """The event that the end of the stream left without its blank line, if any."""
        last_line = b"".join(self._partial)
        self._partial = []
        events = self._line(last_line) if last_line else []
        return events + self._dispatch()

    def _line(self, line: bytes) -> list[Event]:
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value
        return []

    def _dispatch(self) -> list[Event]:
        name, data = self._name, self._data
        self._name, self._data = b"", []
        return [Event(name, b"\n".join(data))] if data else []
