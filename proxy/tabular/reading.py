"""Tables as chunks of columns, never the whole at once."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from drift.tabular.values import Column
from proxy.tabular.files import Progress, is_parquet
from proxy.tabular.records import TableFile

Kinds = Mapping[str, tuple[str, str]]
"""{column: (kind, reason)}"""
EXACT_VALUES = 20_000_000
"""Numbers held of one table: 160 MB. A larger one is compared by quantiles."""


class Seen(Protocol):
    """A table that was looked at once."""

    names: tuple[str, ...]
    rows: int
    sample: dict[str, Column]
    """Of every column the same rows, evenly spread."""


class Table(Seen, Protocol):
    """A table that can be read here."""

    def chunks(self, kinds: Kinds, progress: Progress | None = None) -> Iterator[Mapping[str, Any]]:
        """The columns named in kinds, some rows at a time, in order."""


def open_table(file: TableFile, max_bytes: int, progress: Progress | None = None) -> Table:
    """Look at a table as a whole. Raises Refused."""
    if is_parquet(file.path):
        from proxy.tabular.parquet import ParquetTable

        return ParquetTable(file.path, max_bytes, progress)
    from proxy.tabular.delimited import DelimitedTable

    return DelimitedTable(file.path, max_bytes, progress)
