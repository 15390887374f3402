"""multipart/form-data, read as it comes: files to disk, fields to memory."""

from collections.abc import AsyncIterator
from pathlib import Path

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header  # type: ignore[import-untyped]

from proxy.tabular.records import Refused, TableFile
from proxy.tabular.spool import Spool

MAX_FORM_BYTES = 64 * 1024
"""All of a form but its files."""
_MAX_PARTS = 16
_MAX_FIELD_BYTES = 1_000
_MAX_BOUNDARY = 200
"""RFC 2046 allows 70; it is searched for in every byte that comes."""
_MAX_NAME = 100


class Form:
    """Reads one form. `fields` holds its text fields once it is read."""

    def __init__(self, content_type: str, files: tuple[str, ...], fields: tuple[str, ...], max_bytes: int):
        """files and fields name the parts it may have; max_bytes is the most of each file. Raises Refused."""
        boundary = parse_options_header(content_type)[1].get("boundary", "")
        if not 0 < len(boundary) <= _MAX_BOUNDARY:
            raise Refused("Content-Type: a form needs a boundary; let the client's library set the header.", 415)
        self._boundary = boundary
        self._file_names = files
        self._field_names = fields
        self._max_bytes = max_bytes
        self.fields: dict[str, str] = {}

    async def read(self, parts: AsyncIterator[bytes], folder: Path) -> dict[str, TableFile]:
        """The files by name, written into folder. Raises Refused."""
        files: dict[str, TableFile] = {}
        spool: Spool | None = None
        text = bytearray()
        name = called = ""
        try:
            # Strict would refuse a line break after the form's end that comes in a packet of its own.
            with PushMultipartParser(self._boundary, max_segment_count=_MAX_PARTS) as parser:
                async for part in parts:
                    for event in parser.parse(part):
                        if isinstance(event, MultipartSegment):
                            name, called = event.name or "", event.filename or ""
                            is_file = self._is_file(event, {*files, *self.fields})
                            spool = Spool(folder / name, self._max_bytes) if is_file else None
                            text.clear()
                        elif event and spool:
                            await spool.add(event)
                        elif event:
                            text += event
                            if len(text) > _MAX_FIELD_BYTES:
                                raise Refused(f"{name}: longer than {_MAX_FIELD_BYTES} bytes")
                        elif spool:
                            whole, spool = spool, None
                            await whole.close()
                            if whole.size:
                                files[name] = TableFile(path=str(whole.path), name=_called(called))
                            elif called:
                                raise Refused(f"{name}: {_called(called)} is empty")
                        else:
                            self.fields[name] = _decoded(name, text)
        except MultipartError as error:
            raise Refused(f"The form cannot be read: {error}.") from None
        finally:
            if spool:
                await spool.close()
        if "file" not in files:
            raise Refused(
                f"file: there is no such part, or it is empty; the form has {_listed([*files, *self.fields])}"
            )
        return files

    def _is_file(self, part: MultipartSegment, seen: set[str]) -> bool:
        """Whether a part is a file, not a field. Raises Refused for one that has no place."""
        name = part.name or ""
        if name in seen:
            raise Refused(f"{name}: given twice")
        # "reference" may be either: a stored one's name, or a file.
        if name in self._file_names and (part.filename is not None or name not in self._field_names):
            return True
        if name not in self._field_names:
            known = _listed(dict.fromkeys((*self._file_names, *self._field_names)))
            raise Refused(f"{_called(name)}: no such part; a form has {known}")
        return False


def _decoded(name: str, text: bytes | bytearray) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise Refused(f"{name}: must be UTF-8 text") from None


def _called(name: str) -> str:
    """A file's name, fit to be shown."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c if c.isprintable() else "?" for c in last)[:_MAX_NAME] or "the upload"


def _listed(names: object) -> str:
    return ", ".join(map(_called, names)) or "none"  # type: ignore[call-overload]
