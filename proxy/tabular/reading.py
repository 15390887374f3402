"""Tables as chunks of columns: CSV by pandas, Parquet by pyarrow, never the whole at once."""

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from drift.tabular.columns import Holds, content
from drift.tabular.values import Column, column, numbers
from proxy.tabular.checked import SAMPLED, Checked, check
from proxy.tabular.files import Progress, is_parquet, open_bytes
from proxy.tabular.records import Refused, TableFile

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")
"""What stands for no value in a CSV."""
_CHUNK_VALUES = 1_000_000
_PARQUET_ROWS = 65_536
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")

Kinds = Mapping[str, tuple[str, str]]


class Table(Protocol):
    """A table that was looked at once and can be read."""

    names: tuple[str, ...]
    rows: int
    sample: dict[str, Column]
    """Of every column the same rows, evenly spread."""

    def chunks(self, kinds: Kinds, progress: Progress | None = None) -> Iterator[Mapping[str, Any]]:
        """The columns named in kinds, some rows at a time, in order."""


def open_table(file: TableFile, max_bytes: int, progress: Progress | None = None) -> Table:
    """Look at a table as a whole. Raises Refused."""
    if is_parquet(file.path):
        return ParquetTable(file.path, max_bytes, progress)
    with open_bytes(file.path, max_bytes, progress) as stream:
        return CsvTable(file.path, max_bytes, check(stream))


class CsvTable:
    """A CSV, checked."""

    def __init__(self, path: str, max_bytes: int, checked: Checked):
        self.names = checked.names
        self.rows = checked.rows
        self._path = path
        self._max_bytes = max_bytes
        self._delimiter = checked.delimiter
        fields = dict(zip(self.names, zip(*checked.sample, strict=True), strict=True))
        self._decimal = "," if self._delimiter == ";" and any(map(_commas, fields.values())) else "."
        self.sample = {name: _typed(values, self._decimal) for name, values in fields.items()}

    def chunks(self, kinds: Kinds, progress: Progress | None = None) -> Iterator[Mapping[str, Any]]:
        """See Table. Numbers are read as such, everything else as the text it is: "007" stays a code."""
        as_text = {name: "category" for name, (kind, _) in kinds.items() if kind != "numeric"}
        with (
            open_bytes(self._path, self._max_bytes, progress) as stream,
            pd.read_csv(
                stream,
                sep=self._delimiter,
                header=0,
                names=list(self.names),
                usecols=list(kinds),
                index_col=False,
                dtype=as_text,
                na_values=list(MISSING),
                keep_default_na=False,
                decimal=self._decimal,
                chunksize=max(1_000, _CHUNK_VALUES // len(self.names)),
                low_memory=False,
                encoding="utf-8-sig",
            ) as reader,
        ):
            try:
                yield from reader
            except pd.errors.ParserError as error:
                raise Refused(f"The CSV cannot be read: {error}.") from None


class ParquetTable:
    """A Parquet file."""

    def __init__(self, path: str, max_bytes: int, progress: Progress | None = None):
        try:
            # Only those who bring Parquet have it.
            parquet = importlib.import_module("pyarrow.parquet")
        except ImportError:
            raise Refused("Reading Parquet needs pyarrow: pip install 'driftium[parquet]', or send CSV.", 415) from None
        try:
            self._file = parquet.ParquetFile(path)
        except (OSError, ValueError) as error:
            raise Refused(f"The Parquet file cannot be read: {error}.") from None
        self._bytes = Path(path).stat().st_size
        groups = self._file.metadata
        size = sum(groups.row_group(i).total_byte_size for i in range(groups.num_row_groups))
        if size > max_bytes:
            raise Refused(
                f"The table is larger than {max_bytes:,} bytes, the limit of tabular.max_bytes: send fewer rows, or "
                "raise it.",
                413,
            )
        self.names = tuple(self._file.schema_arrow.names)
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise Refused(f"Two columns are called {twice!r}: rename one.")
        self.rows = groups.num_rows
        if not self.rows:
            raise Refused("The table has a header but no rows.")
        every = max(1, self.rows // SAMPLED)
        at = 0
        parts = []
        for frame in self._frames(list(self.names), progress):
            parts.append(frame.iloc[-at % every :: every])
            at += len(frame)
        sampled = pd.concat(parts, ignore_index=True)
        self.sample = {name: _any_column(sampled[name]) for name in self.names}

    def chunks(self, kinds: Kinds, progress: Progress | None = None) -> Iterator[Mapping[str, Any]]:
        """See Table."""
        yield from self._frames(list(kinds), progress)

    def _frames(self, names: list[str], progress: Progress | None) -> Iterator[pd.DataFrame]:
        try:
            for batch in self._file.iter_batches(batch_size=_PARQUET_ROWS, columns=names):
                if progress:
                    progress(self._bytes * batch.num_rows // self.rows)
                yield batch.to_pandas()
        except (OSError, ValueError) as error:
            raise Refused(f"The Parquet file cannot be read: {error}.") from None


def _any_column(values: Any) -> Column:
    try:
        return column(values)
    except (TypeError, ValueError):
        # Lists and records: what cannot be compared says so in its own row.
        return np.array([None if value is None else str(value) for value in values], dtype=object)


def _typed(fields: tuple[str, ...], decimal: str) -> Column:
    """A column of texts as what they stand for: numbers as floats, else the texts, None where nothing is."""
    gone = set(MISSING)
    values = np.empty(len(fields), dtype=object)
    values[:] = [None if text in gone else text for text in fields]
    if decimal == ",":
        pointed = np.array([v.replace(",", ".") if v and _DECIMAL_COMMA.fullmatch(v) else v for v in values], object)
        if content(pointed).holds is Holds.NUMBERS:
            values = pointed
    return numbers(values)[0] if content(values).holds is Holds.NUMBERS else values


def _commas(fields: tuple[str, ...]) -> bool:
    """Whether a column holds numbers with a decimal comma."""
    some = [text for text in fields if text not in MISSING]
    with_comma = sum(bool(_DECIMAL_COMMA.fullmatch(text)) for text in some)
    return with_comma > 0 and with_comma + sum(text.strip().lstrip("+-").isdigit() for text in some) == len(some)
