"""The values of a column as the tests take them: numbers with NaN for what is missing, or counts of labels."""

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Column = NDArray[Any]
"""A column's values, shape (n,): a float array with NaN, or objects with None or NaN, where a value is missing."""

_DECIMAL = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?")
_FIRST = 2_000
_PLAIN = {int, float, str, bool, type(None)}
_TAKEN = "biufMOSUT"
"""numpy's letters for booleans, numbers, dates, objects and text."""
_WORDS = {"true": "true", "1": "true", "false": "false", "0": "false"}
_LABEL_CHARACTERS = 500


def column(values: Any) -> Column:
    """A sequence, numpy array or pandas series as an array of shape (n,), without a copy where numpy has a type.

    Durations become seconds. Raises ValueError when it has more than one dimension, as where two columns of a
    frame share a name, and TypeError for complex numbers and records.
    """
    if (dimensions := getattr(values, "ndim", 1)) != 1:
        raise ValueError(f"{dimensions} dimensions; a column has one (are there two columns of this name?)")
    dtype = getattr(values, "dtype", None)
    if dtype is not None and not isinstance(dtype, np.dtype) and hasattr(values, "to_numpy"):
        # pandas' own types: nullable numbers, dates with a time zone, categories, strings.
        kind = getattr(dtype, "kind", "O")
        if kind in "iuf":
            array: Column = values.to_numpy(dtype=np.float64, na_value=np.nan)
        elif kind == "M":
            array = values.to_numpy(dtype="datetime64[ns]")
        elif hasattr(values, "factorize") and _repeats(values):
            # A string for each category instead of each row: half the time, and no memory worth naming.
            codes, different = values.factorize()
            known = np.empty(len(different) + 1, dtype=object)
            known[:-1] = different
            array = known[codes]
        else:
            array = values.to_numpy(dtype=object)
    elif isinstance(values, np.ndarray) or dtype is not None:
        array = np.asarray(values)
    else:
        # An array of mixed values would turn numbers into text.
        found = list(values)
        array = np.empty(len(found), dtype=object)
        array[:] = found
    if array.dtype.kind == "m":
        return np.where(np.isnat(array), np.nan, array / np.timedelta64(1, "s"))
    if array.dtype.kind not in _TAKEN:
        raise TypeError(f"values of type {array.dtype} have neither an order nor categories")
    return array


def _repeats(values: Any) -> bool:
    """Whether a pandas series holds few different values, by its first rows."""
    some = values[:_FIRST]
    return bool(2 * some.nunique() <= len(some))


def missing(value: object) -> bool:
    """None, NaN, NaT, pandas.NA."""
    try:
        return value is None or bool(value != value)
    except TypeError:
        # pandas.NA refuses to be true or false.
        return True
    except ValueError:
        # An array has as many answers as values.
        return False


def present(values: Column, most: int) -> list[Any]:
    """Up to most values that are not missing, from rows chosen at random; from all rows when those have none."""
    if len(values) <= most:
        return _present(values.tolist())
    # The same ones each time. Evenly spaced rows would all be alike in a table that repeats itself.
    spread = values[np.unique(np.random.default_rng(len(values)).integers(0, len(values), most))]
    return _present(spread.tolist()) or _present(values.tolist())[:most]


def absent(values: Column) -> int:
    """How many values are missing."""
    if values.dtype.kind == "O":
        return len(values) - len(_present(values.tolist()))
    if values.dtype.kind in "fM":
        return int((values != values).sum())
    return 0


def _present(values: list[Any]) -> list[Any]:
    if set(map(type, values)) <= _PLAIN:
        # A call of missing() for each value would take most of the time of a small table.
        return [value for value in values if value is not None and value == value]
    return [value for value in values if not missing(value)]


def numeric_text(text: str) -> bool:
    """Whether a text is a number and no code: "00123" loses its zeros when it is read as one."""
    stripped = text.strip().lstrip("+-")
    return bool(_DECIMAL.fullmatch(text)) and not (len(stripped) > 1 and stripped[0] == "0" and stripped[1].isdigit())


def date_text(text: str) -> bool:
    """Whether a text is an ISO 8601 date."""
    return bool(_ISO_DATE.fullmatch(text.strip()))


def numbers(values: Column) -> tuple[Doubles, int]:
    """The column as float64, shape (n,), with NaN where there is no number, and how many values are no number."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64, copy=False), 0
    if values.dtype.kind == "O":
        try:
            # Reads None as NaN, and text that is a number.
            return values.astype(np.float64), 0
        except (TypeError, ValueError, OverflowError):
            pass
    return _each(values, _number)


def seconds(values: Column) -> tuple[Doubles, int]:
    """A column of dates as unix seconds, UTC where no zone is given; otherwise as numbers()."""
    if values.dtype.kind == "M":
        since = values.astype("datetime64[us]")
        return np.where(np.isnat(since), np.nan, since.astype(np.int64) / 1e6), 0
    return _each(values, _second)


def tally(values: Column, *, truth: bool = False) -> tuple[Counter[str], int]:
    """How often each value occurs, by label, and how many are missing. truth reads 1, 0 and words as true, false."""
    by_label: Counter[str] = Counter()
    if values.dtype.kind in "biufM":
        gone = np.isnat(values) if values.dtype.kind == "M" else np.isnan(values.astype(np.float64, copy=False))
        found, counts = np.unique(values[~gone], return_counts=True)
        counted: Iterable[tuple[Any, int]] = zip(found.tolist(), counts.tolist(), strict=True)
        nothing = int(gone.sum())
    else:
        every = Counter(values.tolist())
        # A million different strings are their own labels.
        other = {value: count for value, count in every.items() if truth or type(value) is not str}
        for value in other:
            del every[value]
        nothing = sum(count for value, count in other.items() if missing(value))
        counted = ((value, count) for value, count in other.items() if not missing(value))
        by_label = every
    for value, count in counted:
        by_label[label(value, truth=truth)] += count
    return by_label, nothing


def tally_coded(values: Any, *, truth: bool = False) -> tuple[Counter[str], int] | None:
    """tally of a pandas series by its codes, without an object for each row; None for any other column."""
    if not hasattr(values, "factorize"):
        return None
    codes, different = values.factorize()
    # The code of a missing value is -1.
    gone, *counts = np.bincount(codes + 1, minlength=len(different) + 1).tolist()
    by_label: Counter[str] = Counter()
    for value, count in zip(column(different).tolist(), counts, strict=True):
        by_label[label(value, truth=truth)] += count
    return by_label, gone


def label(value: object, *, truth: bool = False) -> str:
    """A category's name; a whole number reads alike from an integer and a float column."""
    if truth:
        word = str(value).strip().lower()
        return _WORDS.get(word, _WORDS.get(re.sub(r"[.,]0+$", "", word), str(value)))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    if len(text) > _LABEL_CHARACTERS:
        # Told apart by more than is kept of them.
        return f"{text[:_LABEL_CHARACTERS]}… {zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"
    return text


def _each(values: Column, read: Any) -> tuple[Doubles, int]:
    every = values.tolist()
    strays = 0
    known: dict[Any, float] = {}
    # Each different value is read once: a column of days has few.
    for value, count in Counter(every).items():
        try:
            known[value] = math.nan if missing(value) else read(value)
        except (TypeError, ValueError, OverflowError):
            known[value] = math.nan
            strays += count
    return np.array([known[value] for value in every], dtype=np.float64), strays


def _number(value: Any) -> float:
    if isinstance(value, (str, int, float, Decimal, np.generic)):
        return float(value)
    raise TypeError(type(value).__name__)


def _second(value: Any) -> float:
    when = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    if isinstance(when, datetime):
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    if isinstance(when, date):
        return datetime(when.year, when.month, when.day, tzinfo=UTC).timestamp()
    raise TypeError(type(value).__name__)
