"""A table cut into parts: what was seen of its files, and which rows each part has."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from drift.tabular.words import quoted
from proxy.tabular.dask_files import is_url
from proxy.tabular.records import Refused

_PART_BYTES = 256 * 2**20
"""Of a part, decoded: some seconds of work, and what is done again where a worker is lost."""
_PARTS_EACH = 4
"""Parts that each worker gets at least, where there are row groups enough: the last to finish is soon done."""
_NAMED = 3


class File(msgspec.Struct, frozen=True, kw_only=True):
    """What a first look at a file found."""

    path: str
    names: tuple[str, ...]
    holds: dict[str, str]
    """What each column holds by its type; "" where there is no value. Empty for CSV, which has no types."""
    groups: tuple[tuple[int, int], ...]
    """(rows, decoded bytes) of each row group; a CSV file is one."""
    delimited: Any = None
    """The checked DelimitedTable of a CSV file."""

    @property
    def rows(self) -> int:
        return sum(rows for rows, _ in self.groups)


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Row groups of one file that follow on each other."""

    path: str
    first: int
    groups: tuple[tuple[int, int], ...]
    delimited: Any = None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one task reads, a row group after the other."""

    pieces: tuple[Piece, ...]
    start: int
    """Rows of the table before it."""
    rows: int


def agreed(files: Sequence[File]) -> tuple[str, ...]:
    """The columns of the files together, in the first one's order. Raises Refused where two files differ."""
    full = [file for file in files if file.rows]
    if not full:
        raise Refused("The table has columns but no rows.")
    first = full[0]
    known: dict[str, tuple[str, str]] = {}
    for file in full:
        if (file.delimited is None) != (first.delimited is None):
            raise Refused(f"{file.path} and {first.path}: one is Parquet and one is CSV; name only one kind.")
        if differing := set(file.names) ^ set(first.names):
            lacking, having = (first, file) if differing & set(file.names) else (file, first)
            lost = [name for name in having.names if name in differing and name not in lacking.names]
            raise Refused(f"{lacking.path} lacks {_named(lost)} that {having.path} has: parts need the same columns.")
        for name, holds in file.holds.items():
            if not holds:
                continue
            before, where = known.setdefault(name, (holds, file.path))
            if before != holds:
                raise Refused(f"column {quoted(name)} holds {holds} in {file.path} and {before} in {where}.")
    return first.names


def cut(files: Iterable[File], workers: int) -> list[Part]:
    """The parts of a table, in order of its rows, of whole row groups."""
    full = [file for file in files if file.rows]
    total = sum(size for file in full for _, size in file.groups)
    most = min(_PART_BYTES, total // (_PARTS_EACH * workers))
    parts: list[Part] = []
    pieces: list[Piece] = []
    start = rows = held = 0
    for file in full:
        begun = 0
        for at, (count, size) in enumerate(file.groups):
            rows, held = rows + count, held + size
            if held > most:
                pieces.append(_piece(file, begun, at + 1))
                parts.append(Part(pieces=tuple(pieces), start=start, rows=rows))
                begun, pieces, start, rows, held = at + 1, [], start + rows, 0, 0
        if begun < len(file.groups):
            pieces.append(_piece(file, begun, len(file.groups)))
    return [*parts, Part(pieces=tuple(pieces), start=start, rows=rows)] if rows else parts


def in_batches(paths: Sequence[str], workers: int) -> list[Sequence[str]]:
    """The files as the first look takes them: one by one where they are few, at most 32 at once."""
    size = max(1, min(32, len(paths) // (_PARTS_EACH * workers)))
    return [paths[at : at + size] for at in range(0, len(paths), size)]


def refuse_remote_csv(path: str) -> None:
    """Raises Refused for a CSV file of an object store, which cannot be read in parts."""
    if is_url(path):
        raise Refused("This is no Parquet file: tables elsewhere are read as Parquet only.", 415)


def _piece(file: File, first: int, end: int) -> Piece:
    return Piece(path=file.path, first=first, groups=file.groups[first:end], delimited=file.delimited)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(quoted, names[:_NAMED])) + more
