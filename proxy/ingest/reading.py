"""The files of a source, line by line, into a sink."""

from collections.abc import Callable
from typing import Any

import msgspec

from proxy.ingest import formats
from proxy.ingest.batch import Requests
from proxy.ingest.checkpoints import Checkpoint
from proxy.ingest.errors import IngestError
from proxy.ingest.files import DAMAGED, Content, Found, after, opened
from proxy.ingest.lines import Line, lines
from proxy.ingest.records import Left, Read
from proxy.ingest.settings import Ingest
from proxy.ingest.sink import Sink, Stopped
from proxy.wire_bytes import UnreadableError, parse

DOCUMENT = "is one JSON document over many lines; make it an object a line: jq -c '.[]' FILE > FILE.jsonl"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Reader:
    """Reads files into `sink`. `unfinished` names last lines that break off and are left for later."""

    def __init__(self, source: Ingest, sink: Sink, stop: Callable[[], bool], requests: Requests):
        self._source = source
        self._sink = sink
        self._stop = stop
        self._requests = requests
        self.unfinished: list[str] = []

    def read(self, found: Found, known: list[Checkpoint]) -> Checkpoint | None:
        """What a file holds after its checkpoint; None where there is nothing to remember of it.

        Raises IngestError where it cannot be read to its end, and Stopped.
        """
        with opened(found) as content:
            checkpoint = content.resume(found, known)
            if found.known_only and not checkpoint.offset:
                return None
            checkpoint, broken = self._lines(content, checkpoint)
            if broken is None and checkpoint.offset:
                checkpoint = msgspec.structs.replace(checkpoint, version=found.version)
            self._sink.commit(self._saves(checkpoint) if checkpoint.offset else None)
            if broken is not None:
                raise IngestError(f"is not complete, or damaged: {broken}")
            return checkpoint if checkpoint.offset else None

    def _saves(self, checkpoint: Checkpoint) -> Callable[[Any], None]:
        return lambda db: self._sink.checkpoints.write_file(db, checkpoint)

    def _lines(self, content: Content, checkpoint: Checkpoint) -> tuple[Checkpoint, Exception | None]:
        read = content.read_compressed()
        limit = self._source.max_line_bytes
        try:
            for line in lines(content, offset=checkpoint.offset, number=checkpoint.line, max_bytes=limit):
                if not self._line(line, checkpoint, closed=content.compressed):
                    self.unfinished.append(f"{checkpoint.path}:{line.number}")
                    break
                checkpoint = after(checkpoint, line)
                now = content.read_compressed()
                if self._sink.passed(now - read):
                    self._sink.commit(self._saves(checkpoint))
                read = now
                if self._stop():
                    self._sink.commit(self._saves(checkpoint))
                    raise Stopped("it was told to stop")
        except DAMAGED as error:
            return checkpoint, error
        return checkpoint, None

    def _line(self, line: Line, checkpoint: Checkpoint, *, closed: bool) -> bool:
        """Take a line. False where it has to be waited for."""
        file, number = checkpoint.path, line.number
        if line.text is None:
            if not line.whole and not closed:
                return False
            why = f"longer than max_line_bytes = {self._source.max_line_bytes}"
            self._sink.note("too_large", why, file=file, line=number)
            return True
        text = line.text.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line.text
        if not text.strip():
            return line.whole or closed
        if number == 1 and text.strip() in (b"[", b"{"):
            raise IngestError(DOCUMENT)
        try:
            value = parse(text)
        except UnreadableError:
            # No beginning of a JSON object is one itself: one that is whole needs no line's end.
            if not line.whole and not closed:
                return False
            self._sink.note(
                "malformed", "not JSON" if line.whole else "not JSON: it breaks off", file=file, line=number
            )
            return True
        if not line.whole and not closed and not isinstance(value, dict):
            return False
        for i, found in enumerate(read_value(self._requests.joined(value), self._source)):
            self._sink.take(found, file=file, line=number, place=f"{checkpoint.head}:{line.start}:{i}")
        return True


def read_value(value: Any, source: Ingest) -> Read:
    """The records of a JSON value: an object, or a list of objects."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return [found for one in value for found in read_value(one, source)]
    if not isinstance(value, dict):
        return [Left("malformed", "not a JSON object")]
    try:
        return formats.read(value, source.format, source.fields)
    except Exception as error:
        # One record that nobody thought of must not keep the ones behind it for ever.
        return [Left("malformed", f"could not be read as {source.format} ({type(error).__name__})")]
