"""CSV and its kin, by pandas."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from drift.tabular.columns import Holds, content
from drift.tabular.values import Column, numbers
from proxy.tabular.checked import check
from proxy.tabular.files import Progress, open_bytes
from proxy.tabular.reading import Kinds
from proxy.tabular.records import Refused

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")
"""What stands for no value."""
_CHUNK_VALUES = 1_000_000
_CHUNK_BYTES = 32 * 2**20
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")


class DelimitedTable:
    """A text file with a delimiter, of which every row was checked."""

    def __init__(self, path: str, max_bytes: int, progress: Progress | None = None):
        with open_bytes(path, max_bytes, progress) as stream:
            checked = check(stream)
        self.names = checked.names
        self.rows = checked.rows
        self._path = path
        self._max_bytes = max_bytes
        self._delimiter = checked.delimiter
        self._row_bytes = checked.size / checked.rows
        fields = dict(zip(self.names, zip(*checked.sample, strict=True), strict=True))
        self._decimal = "," if self._delimiter != "," and any(map(_commas, fields.values())) else "."
        self.sample = {name: _typed(values, self._decimal) for name, values in fields.items()}

    def chunks(self, kinds: Kinds, progress: Progress | None = None) -> Iterator[Mapping[str, Any]]:
        """See Table. Numbers are read as such, everything else as the text it is: "007" stays a code."""
        # Not as categories: of those pandas makes numbers where it can.
        texts = {name: "str" for name, (kind, _) in kinds.items() if kind != "numeric"}
        rows = min(_CHUNK_VALUES / len(self.names), _CHUNK_BYTES / self._row_bytes)
        with (
            open_bytes(self._path, self._max_bytes, progress) as stream,
            pd.read_csv(
                stream,
                sep=self._delimiter,
                header=0,
                names=list(self.names),
                usecols=list(kinds),
                index_col=False,
                dtype=texts,
                na_values=list(MISSING),
                keep_default_na=False,
                decimal=self._decimal,
                chunksize=max(1, int(rows)),
                low_memory=False,
                encoding="utf-8-sig",
            ) as reader,
        ):
            try:
                for chunk in reader:
                    # Words among numbers are no numbers, even where a chunk has nothing but True and False.
                    words = {name: chunk[name].astype("str") for name in chunk if chunk[name].dtype == bool}
                    yield chunk.assign(**words) if words else chunk
            except pd.errors.ParserError as error:
                if "out of memory" in str(error):
                    raise MemoryError from None
                raise Refused(f"The CSV cannot be read: {error}.") from None


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
