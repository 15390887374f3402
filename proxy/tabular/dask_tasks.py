"""What a worker of Dask does for a comparison of tables: each task holds a chunk of rows at a time, and its result."""

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drift.tabular.merging import merged, part_profile
from drift.tabular.profile import TableProfile
from proxy.tabular.dask_files import is_url
from proxy.tabular.dask_parts import File, Part, Piece, refuse_remote_csv
from proxy.tabular.delimited import DelimitedTable
from proxy.tabular.files import PARQUET, is_parquet
from proxy.tabular.parquet import batch_rows, column_names, pyarrow_parquet
from proxy.tabular.reading import EXACT_VALUES, Kinds
from proxy.tabular.records import Refused

_UNBOUNDED = 2**62
_LARGE_GROUP = 512 * 2**20
_BUFFER = 4 * 2**20
"""Read at once of each column of a large row group, which is otherwise held as it lies in the file."""
_CHARACTERS = 1_000
"""Kept of a text in the sample."""


def look(paths: Sequence[str], files: int) -> list[File]:
    """What these of a table's files hold: the end of a Parquet file, every row of a CSV. Raises Refused."""
    return [_look(path, files) for path in paths]


def sample(part: Part, names: Sequence[str], every: int) -> pd.DataFrame:
    """Those of the part's rows that are every so many-th of the table."""
    at, kept = part.start, []
    for batch in _batches(part, names):
        chosen = np.arange(-at % every, batch.num_rows, every)
        at += batch.num_rows
        if len(chosen):
            # A view would hold all of the batch.
            kept.append(_shortened(batch.to_pandas(ignore_metadata=True).iloc[chosen].copy()))
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=list(names), dtype=object)


def profile(part: Part, kinds: Kinds, total_rows: int) -> TableProfile:
    """The part's profile. Raises Refused."""
    found = part_profile(kinds, part.rows, total_rows, exact_values=EXACT_VALUES)
    for chunk in _chunks(part, kinds):
        found.add(chunk)
    if found.rows != part.rows:
        raise Refused(f"{part.pieces[0].path}: was written to while it was read: start again once it is whole.")
    return found


def merge(first: TableProfile, second: TableProfile) -> TableProfile:
    """The profile of both parts; those of the parts stay, since a lost result is made of them again."""
    return merged(first, second, exact_values=EXACT_VALUES)


def _look(path: str, files: int) -> File:
    with _named(path):
        if not (_is_parquet(path) if is_url(path) else is_parquet(path)):
            refuse_remote_csv(path)
            table = DelimitedTable(path, _UNBOUNDED)
            # Together the samples of many files are to be one.
            step = max(1, files // 2)
            table.sample = {name: values[::step] for name, values in table.sample.items()}
            size = Path(path).stat().st_size
            return File(path=path, names=table.names, holds={}, groups=((table.rows, size),), delimited=table)
        with _opened(path) as file:
            schema, groups = file.schema_arrow, file.metadata
            names = column_names(schema.names)
            sizes = [groups.row_group(i) for i in range(groups.num_row_groups)]
            return File(
                path=path,
                names=names,
                holds={name: _holds(schema.field(name).type) for name in names},
                groups=tuple((group.num_rows, group.total_byte_size) for group in sizes),
            )


def _chunks(part: Part, kinds: Kinds) -> Iterator[Mapping[str, Any]]:
    if part.pieces[0].delimited is None:
        for batch in _batches(part, list(kinds)):
            yield batch.to_pandas(ignore_metadata=True)
        return
    for piece in part.pieces:
        with _named(piece.path):
            yield from piece.delimited.chunks(kinds)


def _batches(part: Part, names: Sequence[str]) -> Iterator[Any]:
    for piece in part.pieces:
        with _named(piece.path), _opened(piece.path, large=_has_large(piece)) as file:
            for at, (rows, size) in enumerate(piece.groups, piece.first):
                # The cores are the workers': one thread each.
                yield from file.iter_batches(
                    batch_size=batch_rows(rows, size), row_groups=[at], columns=list(names), use_threads=False
                )


def _has_large(piece: Piece) -> bool:
    return any(size > _LARGE_GROUP for _, size in piece.groups)


@contextlib.contextmanager
def _opened(path: str, *, large: bool = False) -> Iterator[Any]:
    """A Parquet file. A row group elsewhere is fetched in few requests, unless it is large."""
    parquet, buffer = pyarrow_parquet(), _BUFFER if large else 0
    if not is_url(path):
        with parquet.ParquetFile(path, buffer_size=buffer, pre_buffer=False) as file:
            yield file
        return
    with _bytes(path) as stream, parquet.ParquetFile(stream, buffer_size=buffer, pre_buffer=not large) as file:
        yield file


def _bytes(url: str) -> Any:
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    store, path = url_to_fs(url)
    # Parquet knows which bytes it needs: what a store would read ahead is thrown away.
    return store.open(path, "rb", cache_type="none")


def _is_parquet(url: str) -> bool:
    with _bytes(url) as stream:
        return bool(stream.read(4) == PARQUET)


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Faults of reading, which each store and library raises its own of, as one that names the file."""
    try:
        yield
    except Refused as refused:
        raise Refused(refused.detail if path in refused.detail else f"{path}: {refused.detail}") from None
    except MemoryError:
        raise
    except FileNotFoundError:
        raise Refused(f"{path}: there is no such file on {socket.gethostname()}, where a worker runs.") from None
    except PermissionError as error:
        raise Refused(f"{path}: may not be read on {socket.gethostname()}: {error}.") from None
    except Exception as error:
        raise Refused(f"{path}: cannot be read: {type(error).__name__}: {str(error)[:300]}.") from None


def _shortened(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with their texts cut: a sample of long ones would fill the memory."""
    long = [name for name in rows if isinstance(rows[name].dtype, pd.StringDtype)]
    return rows.assign(**{name: rows[name].str.slice(0, _CHARACTERS) for name in long}) if long else rows


def _holds(of: Any) -> str:
    """What a column of a type of pyarrow holds, by words that let int and float be one."""
    import pyarrow.types as types

    if types.is_dictionary(of):
        return _holds(of.value_type)
    if types.is_null(of):
        return ""
    if types.is_integer(of) or types.is_floating(of) or types.is_decimal(of):
        return "numbers"
    if types.is_timestamp(of) or types.is_date(of):
        return "dates"
    if types.is_string(of) or types.is_large_string(of):
        return "strings"
    return "booleans" if types.is_boolean(of) else str(of)
