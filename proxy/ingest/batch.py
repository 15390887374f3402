"""OpenAI's Batch API: the requests of output lines, which lie in another file.

Where an output line needs its request, the input files among the source's are looked through once, and remembered is
where each request lies; so memory stays small, and no text is kept.
"""

from collections.abc import Sequence
from typing import Any

from proxy.ingest.errors import IngestError
from proxy.ingest.files import DAMAGED, Found, opened
from proxy.ingest.lines import lines
from proxy.wire_bytes import UnreadableError, parse
from proxy.wire_values import as_object, as_text

MOST = 100_000
"""Requests that are remembered; a batch has at most half as many."""
_MARKS = (b'"custom_id"', b'"body"', b'"method"')


class Requests:
    """The requests of a source's input files, by custom_id."""

    def __init__(self, files: Sequence[Found], max_line_bytes: int):
        self._files = files
        self._max_line_bytes = max_line_bytes
        self._places: dict[str, tuple[int, int, int] | None] | None = None
        """{custom_id: (file, offset, length)}; None for an id that several requests have."""

    def joined(self, line: Any) -> Any:
        """An output line with the request that it answers, where that is found; any other line as it is."""
        if not isinstance(line, dict) or "custom_id" not in line or "response" not in line or "request" in line:
            return line
        asked = self._request(as_text(line["custom_id"]))
        return line | {"request": asked} if asked else line

    def _request(self, custom_id: str) -> dict[str, Any]:
        if self._places is None:
            self._places = {}
            for i in range(len(self._files)):
                self._look_through(i, self._places)
        place = self._places.get(custom_id)
        if place is None:
            return {}
        file, offset, length = place
        try:
            with opened(self._files[file]) as content:
                return as_object(as_object(parse(content.read_at(offset, length))).get("body"))
        except (IngestError, UnreadableError, OSError):
            return {}

    def _look_through(self, file: int, places: dict[str, tuple[int, int, int] | None]) -> None:
        try:
            with opened(self._files[file]) as content:
                content.go(0)
                for line in lines(content, offset=0, number=0, max_bytes=self._max_line_bytes):
                    if line.text is None or not all(mark in line.text for mark in _MARKS):
                        if line.number == 1:
                            # An input file has nothing but requests.
                            return
                        continue
                    custom_id = as_text(as_object(parse(line.text)).get("custom_id"))
                    if custom_id in places:
                        places[custom_id] = None
                    elif len(places) < MOST:
                        places[custom_id] = file, line.start, line.end - line.start
        except (IngestError, UnreadableError, OSError, *DAMAGED):
            # Whatever is wrong with it is said where it is read for its own sake.
            return
