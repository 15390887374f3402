"""What `privacy.redact` names is masked in a capture before the log is written.

Bodies are read and written anew: encodings, escapes and the parts of a stream would
hide what is looked for. What cannot be read is not kept, for nobody knows what it holds.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from proxy.capture import Capture
from proxy.masking import Masking, Masks, TooSlow
from proxy.sse import Decoder
from proxy.wire_bytes import UnreadableError, decompress

_STREAM_STARTS = ("data:", "event:", "id:", "retry:", ":")
_UNREADABLE = b"{"
"""Stands for a part of a stream that cannot be read: readers count it as lost."""


class Redactor:
    """Masks matches of patterns. Raises ConfigError for a pattern that cannot be used."""

    def __init__(self, patterns: Sequence[str]):
        self._masks = Masks(patterns) if patterns else None

    def redact(self, capture: Capture) -> Capture | None:
        """The capture without what the patterns match; the same one where there are none.

        None when it cannot be read, or not in time: then log the entry without a capture.
        Bodies come back decompressed. A body that is neither JSON nor an event stream comes back empty.
        """
        if self._masks is None:
            return capture
        masking = self._masks.begin()
        try:
            return msgspec.structs.replace(
                capture,
                monitor=masking.text(capture.monitor) if capture.monitor is not None else None,
                error=masking.text(capture.error),
                request=_body(masking, capture.request, capture.request_encoding),
                request_encoding="",
                response=_body(masking, capture.response, capture.response_encoding),
                response_encoding="",
            )
        except (UnreadableError, TooSlow, RecursionError):
            return None


def _body(masking: Masking, body: bytes, encoding: str) -> bytes:
    text = decompress(body, encoding).decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    if "\x00" in text:
        raise UnreadableError("another character set than UTF-8")
    if text.startswith(("{", "[")):
        try:
            return _dumped(masking, masking.values([_loaded(text)])[0])
        except ValueError:
            return _lines(masking, text)
    if text.startswith(_STREAM_STARTS):
        return _events(masking, text)
    return b""


def _lines(masking: Masking, text: str) -> bytes:
    """A JSON value a line."""
    values = [_or_none(masking, line) for line in text.split("\n") if line.strip()]
    masking.values([value for value in values if value is not None])
    return b"".join((_UNREADABLE if value is None else _dumped(masking, value)) + b"\n" for value in values)


def _events(masking: Masking, text: str) -> bytes:
    decoder = Decoder()
    events = [(e.name.decode(), e.data.decode()) for e in (*decoder.feed(text.encode()), *decoder.close())]
    values = [
        _or_none(masking, data) if data.lstrip().startswith(("{", "[")) and data != "[DONE]" else data
        for _, data in events
    ]
    masking.values([value for value in values if isinstance(value, dict | list)])
    written: list[bytes] = []
    for (name, _), value in zip(events, values, strict=True):
        if isinstance(value, str):
            data = "\ndata: ".join(masking.text(value).split("\n")).encode()
        else:
            data = _UNREADABLE if value is None else _dumped(masking, value)
        written += (b"event: ", masking.word(name).encode(), b"\n") if name else ()
        written += (b"data: ", data, b"\n\n")
    return b"".join(written)


def _or_none(masking: Masking, text: str) -> Any:
    masking.in_time()
    try:
        value = _loaded(text)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def _loaded(text: str) -> Any:
    # As lenient as those who read the log: control characters in strings, lone surrogates.
    return json.loads(text, strict=False)


def _dumped(masking: Masking, value: Any) -> bytes:
    masking.in_time()
    return json.dumps(value).encode()
