"""The files of a source: found by a glob or in a folder, opened, known again when they were renamed or compressed."""

import contextlib
import glob
import gzip
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2s
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from proxy.ingest.checkpoints import Checkpoint
from proxy.ingest.errors import IngestError
from proxy.ingest.lines import Line

HEAD_BYTES = 1024
_GZIP = b"\x1f\x8b"
_FOREIGN = {b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip", b"PAR1": "Parquet"}
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a gzip file raises that is damaged, or not complete yet."""
_WIDE = (b"\xff\xfe", b"\xfe\xff")


class Found(NamedTuple):
    """A file as it was found."""

    path: str
    place: str
    """Device and inode, or its URL."""
    version: str
    """Its size and when it changed."""
    size: int
    changed_at: float
    open: Callable[[], BinaryIO]
    known_only: bool = False
    """It is read only where it goes on with a file that was read before."""


def listed(path: str) -> list[Found]:
    """The files of a glob or folder, the one that changed last at the end."""
    if "://" in path:
        from proxy.ingest.remote import listed as listed_remotely

        return listed_remotely(path)
    pattern = os.path.expanduser(path)
    if os.path.isdir(pattern):
        names = [entry.path for entry in _entries(pattern) if not entry.name.startswith(".")]
    else:
        names = [pattern] if os.path.lexists(pattern) else glob.glob(pattern, recursive=True)
    return in_order(found for name in names if (found := find(name)))


def in_order(files: Iterable[Found]) -> list[Found]:
    return sorted(files, key=lambda one: (one.changed_at, one.path))


def find(path: str) -> Found | None:
    """A local file; None where there is none, or something else than a file."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    if not os.path.isfile(path):
        return None
    version = f"{stat.st_size}:{stat.st_mtime_ns}"
    return Found(path, f"{stat.st_dev}:{stat.st_ino}", version, stat.st_size, stat.st_mtime, lambda: _open(path))


def rotated(known: list[Checkpoint], files: list[Found]) -> list[Found]:
    """Files beside those that were read, under names that are not asked for, to which they may have been rotated."""
    seen = {one.place for one in files}
    inodes = {one.place.rpartition(":")[2] for one in known}
    beside: dict[str, Found] = {}
    for folder, names in _by_folder(known).items():
        for entry in _entries(folder):
            if str(entry.inode()) not in inodes and not entry.name.startswith(tuple(names)):
                continue
            found = find(entry.path)
            if found and found.place not in seen:
                beside[found.place] = found._replace(known_only=True)
    return in_order(beside.values())


def _by_folder(known: list[Checkpoint]) -> dict[str, set[str]]:
    folders: dict[str, set[str]] = {}
    for one in known:
        if "://" not in one.path and one.path:
            path = Path(one.path)
            folders.setdefault(str(path.parent), set()).add(path.name)
    return folders


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _open(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise IngestError(f"cannot be opened: {error.strerror}") from None


class Content:
    """The bytes of a file, decompressed, and how it is known again."""

    def __init__(self, raw: BinaryIO):
        magic = raw.read(6)
        raw.seek(0)
        kind = next((name for start, name in _FOREIGN.items() if magic.startswith(start)), None)
        if kind:
            raise IngestError(f"is a {kind} file; JSON lines are read as they are, or compressed with gzip")
        if magic.startswith(_WIDE):
            raise IngestError("is UTF-16; make it UTF-8 first: iconv -f UTF-16 -t UTF-8 FILE > FILE.jsonl")
        self.compressed = magic.startswith(_GZIP)
        self._raw = raw
        self._stream: BinaryIO = gzip.GzipFile(fileobj=raw) if self.compressed else raw  # type: ignore[assignment]
        self._at = 0
        self._first = self._stream.read(HEAD_BYTES)
        # What comes after the first line may change; that line does not, once it is whole.
        self._head = self._first.partition(b"\n")[0]

    @property
    def head(self) -> str:
        return digest(self._head)

    def read(self, size: int, /) -> bytes:
        """The next bytes; none any more where the file was cut off, or written anew, under the reader."""
        if not self.compressed and self._was_replaced():
            return b""
        chunk = self._stream.read(size)
        self._at += len(chunk)
        return chunk

    def read_compressed(self) -> int:
        """How many bytes of the file itself were read."""
        return self._raw.tell()

    def read_at(self, offset: int, size: int) -> bytes:
        """Bytes from somewhere else, after which nothing is read on."""
        self._stream.seek(offset)
        return self._stream.read(size)

    def _was_replaced(self) -> bool:
        try:
            number = self._raw.fileno()
        except (OSError, AttributeError):
            return False
        if os.fstat(number).st_size < self._at:
            return True
        return os.pread(number, len(self._head), 0) != self._head

    def resume(self, found: Found, known: list[Checkpoint]) -> Checkpoint:
        """Go to where the file was left, or to its beginning; returns the checkpoint from which it goes on."""
        place, digests = self._place(found), dict[int, str]()
        for one in sorted(known, key=lambda row: row.place != place):
            size = one.head_bytes
            if size > len(self._first) or digests.setdefault(size, digest(self._first[:size])) != one.head:
                continue
            self.go(one.offset - one.tail_bytes)
            tail = self._stream.read(one.tail_bytes)
            if len(tail) == one.tail_bytes and digest(tail) == one.tail:
                self._at = one.offset
                return msgspec.structs.replace(one, place=place, path=found.path)
        self.go(0)
        return Checkpoint(place=place, head=self.head, head_bytes=len(self._head), path=found.path)

    def _place(self, found: Found) -> str:
        """Where the open file lies: another one may have come to its name since it was found."""
        try:
            stat = os.fstat(self._raw.fileno())
        except (OSError, AttributeError):
            return found.place
        return f"{stat.st_dev}:{stat.st_ino}" if ":" in found.place and "://" not in found.place else found.place

    def go(self, offset: int) -> None:
        """Read on from there."""
        self._stream.seek(offset)
        self._at = offset


@contextlib.contextmanager
def opened(found: Found) -> Iterator[Content]:
    """The content of a file. Raises IngestError where it cannot be read."""
    with contextlib.closing(found.open()) as raw:
        try:
            yield Content(raw)
        except DAMAGED as error:
            raise IngestError(f"is not complete, or damaged: {error}") from None


def digest(data: bytes) -> str:
    return blake2s(data, digest_size=16).hexdigest()


def after(checkpoint: Checkpoint, line: Line) -> Checkpoint:
    """The checkpoint behind a line."""
    return msgspec.structs.replace(
        checkpoint,
        offset=line.end,
        line=line.number,
        tail=digest(line.tail),
        tail_bytes=len(line.tail),
        version="",
    )
