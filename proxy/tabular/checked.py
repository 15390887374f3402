"""The first look at a CSV: every row is checked, and an even sample of them kept to tell what the columns hold."""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

import msgspec
import numpy as np

from proxy.tabular.records import Refused

MOST_COLUMNS = 2_000
_SAMPLED_ROWS, _SAMPLED_VALUES, _SAMPLED_CHARACTERS = 20_000, 500_000, 32 * 2**20
"""What is kept, from which the kinds of the columns are told; twice as much before it is halved."""
_FIELD_CHARACTERS = 256
DELIMITERS = (",", ";", "\t", "|")
_BLOCK = 4 * 2**20
_LONGEST_ROW = 16 * 2**20
_HEADER_ROWS = 50
"""Rows that choose the delimiter."""
_CURL = "curl keeps line ends with --data-binary and -F file=@NAME only."
_BOM = b"\xef\xbb\xbf"


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A CSV whose every row has as many fields as its header."""

    names: tuple[str, ...]
    delimiter: str
    rows: int
    size: int
    """Bytes, decompressed."""
    sample: list[list[str]]
    """Rows, evenly spread over the file."""


class _Sample:
    """Every so many-th row; each time twice too many are held, every second one is let go."""

    def __init__(self, width: int) -> None:
        self.rows: list[list[str]] = []
        self.every = 1
        self._most = sampled_rows(width)
        self._characters = 0

    def take(self, row: list[str]) -> None:
        self.rows.append([field[:_FIELD_CHARACTERS] for field in row])
        self._characters += sum(map(len, self.rows[-1]))
        if len(self.rows) >= 2 * self._most or (self._characters > 2 * _SAMPLED_CHARACTERS and len(self.rows) % 2 == 0):
            del self.rows[1::2]
            self.every *= 2
            self._characters = sum(len(field) for row in self.rows for field in row)


def sampled_rows(columns: int) -> int:
    """How many rows of a table tell what its columns hold."""
    return max(250, min(_SAMPLED_ROWS, _SAMPLED_VALUES // columns))


def check_names(names: tuple[str, ...]) -> None:
    """Raises Refused where two columns share a name, or there are too many."""
    if len(names) > MOST_COLUMNS:
        lost = f" Or did it lose its line ends? {_CURL}" if any(map(_a_value, names)) else ""
        raise Refused(
            f"The table has {len(names):,} columns; at most {MOST_COLUMNS:,} can be compared: send fewer.{lost}"
        )
    first: dict[str, int] = {}
    for at, name in enumerate(names):
        if name in first:
            what = f"Is the header line missing? {_CURL}" if _a_value(name) else "Rename one."
            places = f"the {_th(first[name] + 1)} and the {_th(at + 1)}"
            raise Refused(f"Two columns are called {name!r:.80}, {places}. {what}")
        first[name] = at


def check(stream: BinaryIO) -> Checked:
    """Look at a CSV from its first byte to its last, holding some MiB of it.

    Raises Refused with the row and the column at fault: not UTF-8, fields too many or too few, a quote that is never
    closed, names twice, no rows.
    """
    block = stream.read(_BLOCK).removeprefix(_BOM)
    delimiter, names, header_lines = _header(_decode(block, 0, cut=len(block) >= _BLOCK - 3))
    sample = _Sample(len(names))
    rows = 0
    counted = _Counted(stream, len(block))
    rest = block
    skip = header_lines
    while rest:
        if b'"' in rest or _lone_return(rest):
            rows = _by_reader(rest, counted, delimiter, names, sample, rows, skip)
            break
        following = counted.read(_BLOCK)
        end = rest.rfind(b"\n") + 1 if following else len(rest)
        if not end and following:
            if len(rest) > _LONGEST_ROW:
                raise Refused(f"Row {rows + 1} is longer than {_LONGEST_ROW:,} bytes: are line ends missing?")
            rest += following
            continue
        rows = _by_lines(rest[:end], delimiter, names, sample, rows, skip)
        skip = 0
        rest = rest[end:] + following
    if not rows:
        raise Refused(f"The table has a header but no rows. {_CURL}")
    return Checked(names=names, delimiter=delimiter, rows=rows, size=counted.size, sample=sample.rows)


class _Counted:
    """A stream that counts what was read of it."""

    def __init__(self, stream: BinaryIO, size: int):
        self._stream = stream
        self.size = size

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self.size += len(block)
        return block


def _header(text: str) -> tuple[str, tuple[str, ...], int]:
    """(delimiter, column names, lines that the header takes)."""
    start = "\n".join(text[: 2**20].split("\n", _HEADER_ROWS)[:_HEADER_ROWS])
    delimiter = max(DELIMITERS, key=lambda one: _fit(start, one))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = next((row for row in reader if not _blank(row)), None)
    except csv.Error as error:
        raise Refused(f"The header line cannot be read: {error}.") from None
    if header is None:
        raise Refused("The file is empty: a table has a header line and rows.")
    names = tuple(name.strip() or f"column_{at}" for at, name in enumerate(header, 1))
    check_names(names)
    return delimiter, names, reader.line_num


def _fit(start: str, delimiter: str) -> int:
    """How well a delimiter cuts the first rows: fields of the header, times the rows that have as many."""
    widths = []
    try:
        for row in csv.reader(io.StringIO(start, newline=""), delimiter=delimiter):
            widths += [] if _blank(row) else [len(row)]
    except csv.Error:
        pass
    return widths.count(widths[0]) * widths[0] if widths and widths[0] > 1 else 0


def _by_lines(block: bytes, delimiter: str, names: tuple[str, ...], sample: _Sample, rows: int, skip: int) -> int:
    """Check whole lines without any quotes, all at once; returns how many rows there are by now."""
    text = _decode(block, rows)
    if len(text) == len(block):
        codes = np.frombuffer(block, dtype=np.uint8)
    else:
        codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    ends = np.flatnonzero(codes == 10)
    if not len(ends) or ends[-1] != len(codes) - 1:
        ends = np.append(ends, len(codes))
    starts = np.concatenate([[0], ends[:-1] + 1])
    full = ends - starts > (codes[np.maximum(ends - 1, 0)] == 13)
    full[:skip] = False
    marks = np.flatnonzero(codes == ord(delimiter))
    widths = 1 + np.searchsorted(marks, ends) - np.searchsorted(marks, starts)
    for at in np.flatnonzero(full & (widths == 1)):
        full[at] = not _blank([text[starts[at] : ends[at]].rstrip("\r")])
    wrong = np.flatnonzero(full & (widths != len(names)))
    if len(wrong):
        at = wrong[0]
        row = text[starts[at] : ends[at]].rstrip("\r").split(delimiter)
        raise _ragged(rows + int(full[:at].sum()) + 1, row, names)
    lines = np.flatnonzero(full)
    taken = -rows % sample.every
    while taken < len(lines):
        at = lines[taken]
        sample.take(text[starts[at] : ends[at]].rstrip("\r").split(delimiter))
        # Taking it may have halved the sample.
        taken += sample.every - (rows + taken) % sample.every
    return rows + len(lines)


def _by_reader(
    rest: bytes, stream: _Counted, delimiter: str, names: tuple[str, ...], sample: _Sample, rows: int, skip: int
) -> int:
    """Check row by row from here on: quotes may hide delimiters and line ends."""
    csv.field_size_limit(_LONGEST_ROW)
    reader = csv.reader(_lines(rest, stream, rows), delimiter=delimiter, strict=True)
    width = len(names)
    try:
        for row in reader:
            if _blank(row) or reader.line_num <= skip:
                continue
            if len(row) != width:
                raise _ragged(rows + 1, row, names)
            if rows % sample.every == 0:
                sample.take(row)
            rows += 1
    except csv.Error as error:
        raise Refused(f"Row {rows + 1} cannot be read: {error}. Is a quote never closed?") from None
    return rows


def _lines(rest: bytes, stream: _Counted, rows: int) -> Iterator[str]:
    """The lines of what is left, split as csv.reader wants them."""
    line = 0
    for block in _blocks(rest, stream):
        text = _decode(block, rows + line)
        for one in io.StringIO(text, newline=""):
            line += 1
            yield one


def _blocks(rest: bytes, stream: _Counted) -> Iterator[bytes]:
    """Blocks that end at a line's end."""
    while following := stream.read(_BLOCK):
        end = rest.rfind(b"\n") + 1
        if end:
            yield rest[:end]
        rest = rest[end:] + following
        if len(rest) > _LONGEST_ROW + 2 * _BLOCK:
            raise Refused(f"A line is longer than {_LONGEST_ROW:,} bytes: are line ends missing?")
    yield rest


def _blank(row: list[str]) -> bool:
    """Whether a line holds nothing, or only spaces: pandas skips both."""
    # A field of its own that is empty was in quotes.
    return not row or (len(row) == 1 and row[0] != "" and not row[0].strip(" "))


def _decode(block: bytes, rows: int, *, cut: bool = False) -> str:
    """The text of a block. cut: its end may lie inside a character."""
    if b"\0" in block:
        raise Refused(f"There is a NUL byte after row {rows}: the file is binary, or damaged.", 415)
    try:
        return block.decode("utf-8")
    except UnicodeDecodeError as error:
        if cut and error.start > len(block) - 4:
            return block[: error.start].decode("utf-8")
        row = rows + block[: error.start].count(b"\n")
        start = block.rfind(b"\n", 0, error.start) + 1
        around = block[start : error.start + 20].decode("cp1252", "replace").partition("\n")[0].strip()[-60:]
        raise Refused(
            f"The text is not UTF-8: byte {block[error.start]:#04x} near row {max(1, row)} (read as Windows-1252: "
            f"{around!r}). Save it as UTF-8, or convert it with iconv -f WINDOWS-1252 -t UTF-8."
        ) from None


def _lone_return(block: bytes) -> bool:
    return block.count(b"\r") != block.count(b"\r\n") + block.endswith(b"\r")


def _ragged(row: int, found: list[str], names: tuple[str, ...]) -> Refused:
    if len(found) < len(names):
        missing = names[len(found)]
        return Refused(
            f"Row {row} has {len(found)} fields, the header {len(names)}: from column {len(found) + 1} ({missing!r}) "
            "on nothing is there. Is a line broken in two, or a delimiter missing?"
        )
    extra = found[len(names)][:60]
    return Refused(
        f"Row {row} has {len(found)} fields, the header {len(names)}: after column {len(names)} ({names[-1]!r}) comes "
        f"{extra!r}. Put quotes around values that hold the delimiter."
    )


def _a_value(name: str) -> bool:
    """Whether a column's name looks like a value."""
    return name.strip().lower() in ("true", "false", "yes", "no", "na", "nan", "null", "none") or not any(
        c.isalpha() for c in name
    )


def _th(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
