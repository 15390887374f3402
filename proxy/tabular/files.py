"""A table's file: what it is by its first bytes, and its bytes, decompressed and bounded."""

import gzip
import io
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proxy.tabular.records import Refused

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
_OTHERS = {
    rb"PK\x03\x04": "a ZIP archive or an Excel workbook: save the sheet as CSV (UTF-8), or send the file inside",
    rb"\xd0\xcf\x11\xe0": "an old Excel workbook: save the sheet as CSV (UTF-8)",
    rb"%PDF-": "a PDF",
    rb"(?i)\s*<(!doctype|html)": "a web page: was the download a login page?",
    rb'\s*(\{\s*"|\[\s*\{)': "JSON: save it as CSV or Parquet",
    rb"\x89PNG|\xff\xd8\xff|GIF8[79]a": "a picture",
    rb"BZh[1-9]1AY&SY": "compressed with bzip2: use gzip or none",
    rb"\xfd7zXZ": "compressed with xz: use gzip or none",
    rb"\x28\xb5\x2f\xfd": "compressed with zstd: use gzip or none",
    rb"\xff\xfe|\xfe\xff": "UTF-16: save it as UTF-8, or convert it with iconv -f UTF-16 -t UTF-8",
}
"""First bytes of what people take for a table, as patterns."""

Progress = Callable[[int], None]
"""Takes how many bytes of the file were read since the last call."""


def is_parquet(path: str) -> bool:
    """Whether a file is Parquet. Raises Refused for what is no table: other formats, nothing, a folder."""
    try:
        if not Path(path).is_file() and Path(path).exists():
            raise Refused(f"{path} is no file: save the table as one first.")
        with Path(path).open("rb") as file:
            start = file.read(16)
            file.seek(-min(4, len(start)), os.SEEK_END)
            end = file.read(4)
    except FileNotFoundError:
        raise Refused(f"There is no file {path}.") from None
    except (OSError, ValueError) as error:
        raise Refused(f"{path} cannot be read: {error}.") from None
    if not start:
        raise Refused("The file is empty: a table has a header line and rows.")
    for first, what in _OTHERS.items():
        if re.match(first, start):
            raise Refused(f"This is no CSV but {what}.", 415)
    if start.startswith(PARQUET) and end != PARQUET and min(start) < ord("\t"):
        raise Refused("The Parquet file is cut short: its end is missing.")
    return start.startswith(PARQUET) and end == PARQUET


def too_large(max_bytes: int) -> Refused:
    """What a table past the limit is told."""
    return Refused(
        f"The table is larger than {max_bytes:,} bytes, the limit of tabular.max_bytes: send fewer rows, or raise it.",
        413,
    )


class Bytes(io.RawIOBase):
    """The bytes of a file, decompressed, at most max_bytes of them. Reading raises Refused."""

    def __init__(self, path: str, max_bytes: int, progress: Progress | None = None):
        file = Path(path).open("rb")  # noqa: SIM115 - closed with this
        self._file = file
        self._progress = progress
        self._at = self._given = 0
        self._max_bytes = max_bytes
        self._source: io.BufferedReader | gzip.GzipFile = file
        if file.peek(2)[:2] == GZIP:
            self._source = gzip.GzipFile(fileobj=file)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            count = self._source.readinto(buffer)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise Refused(f"The gzip compression is broken ({error}): compress the file again.") from None
        self._given += count
        if self._given > self._max_bytes:
            raise too_large(self._max_bytes)
        if self._progress:
            at = self._file.tell()
            self._progress(at - self._at)
            self._at = at
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def open_bytes(path: str, max_bytes: int, progress: Progress | None = None) -> io.BufferedReader:
    """The bytes of a CSV file, decompressed."""
    return io.BufferedReader(Bytes(path, max_bytes, progress), 2**20)
