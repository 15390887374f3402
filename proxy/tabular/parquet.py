"""Parquet, by pyarrow."""

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drift.tabular.values import Column, column
from proxy.tabular.checked import check_names, sampled_rows
from proxy.tabular.files import Progress, too_large
from proxy.tabular.reading import Kinds
from proxy.tabular.records import Refused

_BATCH_ROWS = 65_536
_BATCH_BYTES = 32 * 2**20
_INDEX = re.compile(r"__index_level_\d+__")
"""An index that pandas wrote beside the columns: row numbers, and no column of the table."""
FAULTS = (OSError, ValueError, KeyError, NotImplementedError)
"""What pyarrow raises on a file that it cannot read."""


class ParquetTable:
    """A Parquet file."""

    def __init__(self, path: str, max_bytes: int, progress: Progress | None = None):
        parquet = pyarrow_parquet()
        try:
            # Buffered before it is read, the whole file would be held.
            self._file = parquet.ParquetFile(path, pre_buffer=False)
        except FAULTS as error:
            raise Refused(f"The Parquet file cannot be read: {error}.") from None
        groups = self._file.metadata
        size = sum(groups.row_group(i).total_byte_size for i in range(groups.num_row_groups))
        if size > max_bytes:
            raise too_large(max_bytes)
        self.names = column_names(self._file.schema_arrow.names)
        self.rows = groups.num_rows
        if not self.rows:
            raise Refused("The table has columns but no rows.")
        self._bytes = Path(path).stat().st_size
        self._batch = batch_rows(self.rows, size)
        every = max(1, self.rows // sampled_rows(len(self.names)))
        at = 0
        parts = []
        for frame in self._frames(list(self.names), progress):
            # A view would hold all of the chunk.
            parts.append(frame.iloc[-at % every :: every].copy())
            at += len(frame)
        sampled = pd.concat(parts, ignore_index=True)
        self.sample = {name: any_column(sampled[name]) for name in self.names}

    def chunks(self, kinds: Kinds, progress: Progress | None = None) -> Iterator[Mapping[str, Any]]:
        """See Table."""
        yield from self._frames(list(kinds), progress)

    def _frames(self, names: list[str], progress: Progress | None) -> Iterator[pd.DataFrame]:
        try:
            for batch in self._file.iter_batches(batch_size=self._batch, columns=names):
                if progress:
                    progress(self._bytes * batch.num_rows // self.rows)
                # Without pandas' own notes in the file, which would make a column the index.
                yield batch.to_pandas(ignore_metadata=True)
        except FAULTS as error:
            raise Refused(f"The Parquet file cannot be read: {error}.") from None


def pyarrow_parquet() -> Any:
    """pyarrow.parquet, which only those have who bring Parquet. Raises Refused."""
    try:
        return importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise Refused("Reading Parquet needs pyarrow: pip install 'driftium[parquet]', or send CSV.", 415) from None


def column_names(found: Iterable[str]) -> tuple[str, ...]:
    """The columns of a file's schema, without an index of pandas. Raises Refused for names that cannot be."""
    names = tuple(name for name in found if not _INDEX.fullmatch(name))
    check_names(names)
    return names


def batch_rows(rows: int, size: int) -> int:
    """How many rows to read at once of `rows` that take size bytes."""
    return max(1, min(_BATCH_ROWS, int(_BATCH_BYTES * rows / max(1, size))))


def any_column(values: Any) -> Column:
    """A series as the kinds are told from."""
    try:
        return column(values)
    except (TypeError, ValueError):
        # Lists and records: what cannot be compared says so in its own row.
        return np.array([None if value is None else str(value) for value in values], dtype=object)
