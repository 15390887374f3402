"""What kind of column it is, and why: that decides how it is compared."""

import re
from collections import Counter
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from drift.tabular.values import Column, date_text, label, missing, numbers, numeric_text, present, tally

_LOOKED_AT = 300
"""Values that decide what a column holds: one stray in twenty is told from one in ten."""
_A_FEW = 10
"""Different values that settle that a column is no constant."""
_FIRST = 2_000
"""Rows whose repeated values settle that a column holds no identifiers."""
_MOSTLY = 0.95
"""Share of values that makes a rule: a few stray words do not turn numbers into text."""
_FEWEST_IDENTIFIERS = 20
"""Below this, being all different is no sign of anything."""
_FEWEST_COUNTERS = 50
_BIRTHDAY = 20
"""Whole numbers drawn from a range under n^2 / 20 are all different with a chance below exp(-10)."""
_TEXT_WORDS = 5
"""Mean number of words from which mostly different strings are prose and no codes."""
_IDENTIFIER_NAME = re.compile(r"(?i:(^|[_\s.-])(id|uuid|guid|key)$)|[a-z]I[Dd]$")


class Holds(StrEnum):
    """What the values of a column are."""

    NOTHING = "no values"
    NUMBERS = "numbers"
    BOOLEANS = "booleans"
    DATES = "dates"
    STRINGS = "strings"


class Content(NamedTuple):
    holds: Holds
    as_text: bool
    """Written as text: "12" and not 12."""


def content(values: Column) -> Content:
    """What a column (n,) holds, by its type or, for objects, by up to some hundreds of its values."""
    kind = values.dtype.kind
    if not len(values) or (kind == "f" and not np.isfinite(values).any()):
        return Content(Holds.NOTHING, False)
    if kind in "biuf":
        return Content(Holds.BOOLEANS if kind == "b" else Holds.NUMBERS, False)
    if kind == "M":
        return Content(Holds.NOTHING if bool(np.isnat(values).all()) else Holds.DATES, False)
    some = present(values, _LOOKED_AT)
    if not some:
        return Content(Holds.NOTHING, False)
    types = Counter(map(type, some))
    texts = Counter([value for value in some if isinstance(value, str)] if any(map(_is_text, types)) else [])
    each: Counter[Holds] = Counter()
    for of_type, count in types.items():
        each[_type_holds(of_type)] += count
    for text, count in texts.items():
        each[_text_holds(text)] += count
    as_text = 2 * texts.total() > len(some)
    for holds in (Holds.BOOLEANS, Holds.NUMBERS, Holds.DATES):
        if each[holds] >= _MOSTLY * len(some):
            return Content(holds, as_text)
    return Content(Holds.STRINGS, as_text)


def kind_of(reference: Column, current: Column, name: str) -> tuple[str, str]:
    """(kind, reason) of a column with values (n,) and (m,); see ColumnResult.kind.

    Decided from the reference, unless it has no values or a single one: then the current sample has a say.
    """
    basis, side = reference, "the reference"
    found = content(reference)
    if found.holds is Holds.NOTHING:
        basis, side, found = current, "the current sample", content(current)
    if found.holds is Holds.NOTHING:
        return "constant", "no values on either side"
    if (only := _only_value(reference, current)) is not None:
        return "constant", f"always {only}"
    written = f"{found.holds}{' written as text' if found.as_text and found.holds is not Holds.STRINGS else ''}"
    if found.holds is Holds.BOOLEANS:
        return "boolean", f"{written} in {side}"
    if found.holds is Holds.DATES:
        return "date", f"{written} in {side}"
    if found.holds is Holds.STRINGS:
        return _kind_of_strings(basis, side)
    return _kind_of_numbers(basis, current, name, f"{written} in {side}")


def retyped(reference: Column, current: Column) -> str | None:
    """ "numbers -> strings" when the two sides hold different things, else None."""
    before, after = content(reference), content(current)
    if before.holds is after.holds or Holds.NOTHING in (before.holds, after.holds):
        return None
    if before.holds is Holds.STRINGS and after.as_text:
        # The codes "a" and "1": a window may hold only "1".
        return None
    if {before.holds, after.holds} == {Holds.BOOLEANS, Holds.NUMBERS}:
        numeric = numbers(reference if before.holds is Holds.NUMBERS else current)[0]
        if _zero_or_one(numeric[np.isfinite(numeric)]):
            return None
    return f"{before.holds} -> {after.holds}"


def _type_holds(of: type) -> Holds:
    if issubclass(of, (bool, np.bool_)):
        return Holds.BOOLEANS
    if issubclass(of, (int, float, Decimal, np.number)):
        return Holds.NUMBERS
    if issubclass(of, (date, np.datetime64)):
        return Holds.DATES
    # Of a text, see _text_holds.
    return Holds.NOTHING if _is_text(of) else Holds.STRINGS


def _is_text(of: type) -> bool:
    return issubclass(of, str)


def _text_holds(value: str) -> Holds:
    if value.strip().lower() in ("true", "false"):
        return Holds.BOOLEANS
    if numeric_text(value):
        return Holds.NUMBERS
    return Holds.DATES if date_text(value) else Holds.STRINGS


def _only_value(reference: Column, current: Column) -> str | None:
    """The one value that both sides have, if so."""
    seen: set[str] = set()
    for values in (reference, current):
        # A look at a few rows settles nearly every column.
        seen |= {label(value) for value in list(set(values[:_LOOKED_AT].tolist()))[:_A_FEW] if not missing(value)}
        if len(seen) > 1:
            return None
    for values in (reference, current):
        seen |= set(tally(values)[0])
    return next(iter(seen)) if len(seen) == 1 else None


def _zero_or_one(finite: Column) -> bool:
    return bool(((finite == 0) | (finite == 1)).all())


def _kind_of_numbers(basis: Column, current: Column, name: str, reason: str) -> tuple[str, str]:
    values = numbers(basis)[0]
    finite = values[np.isfinite(values)]
    if _zero_or_one(finite):
        other = numbers(current)[0]
        if finite.min() != finite.max() or _zero_or_one(other[np.isfinite(other)]):
            return "boolean", f"{reason}, all 0 or 1"
    if (why := _identifying_numbers(finite, name)) is not None:
        return "id", why
    return "numeric", reason


def _identifying_numbers(finite: Column, name: str) -> str | None:
    n = len(finite)
    if n < _FEWEST_IDENTIFIERS or not bool((finite == np.floor(finite)).all()):
        return None
    first = finite[:_FIRST]
    if len(np.unique(first)) < _MOSTLY * len(first):
        return None
    different = len(np.unique(finite))
    if _IDENTIFIER_NAME.search(name) and different >= _MOSTLY * n:
        return f"whole numbers, {different:,} different in {n:,} rows, and the name of an identifier"
    width = float(finite.max() - finite.min()) + 1
    if n >= _FEWEST_COUNTERS and different == n and width < n * n / _BIRTHDAY:
        consecutive = "consecutive" if width == n else "whole"
        return f"{consecutive} numbers, all {n:,} different, as only a counter's are in so narrow a range"
    return None


def _kind_of_strings(basis: Column, side: str) -> tuple[str, str]:
    some = present(basis, _LOOKED_AT)
    words = sum(len(str(value).split()) for value in some) / len(some)
    if words >= _TEXT_WORDS and len({str(value) for value in some}) > len(some) / 2:
        return "text", f"{words:.0f} words on average, mostly different: free text is not compared as categories"
    if len(some) >= _FEWEST_IDENTIFIERS and len({str(value) for value in some}) >= _MOSTLY * len(some):
        every = tally(basis)[0]
        rows = every.total()
        if len(every) >= _MOSTLY * rows:
            return "id", f"strings, {len(every):,} different in {rows:,} rows of {side}"
    return "categorical", f"strings in {side}"
