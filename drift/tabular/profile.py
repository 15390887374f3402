"""What is kept of a column: enough to compare it, mergeable, and bounded for tables larger than memory.

A profile takes rows a chunk at a time, in order; two profiles of parts of a table merge into that of the whole.
Up to a bound they hold every value, and what is found is exact. Past it numbers live on in a KLL sketch of quantiles,
whose rank error is stated (Karnin, Lang and Liberty 2016; a sketch draws random bits of its own, so that its last
digits differ from run to run), and labels in groups by their hash.
"""

import math
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import datasketches
import numpy as np

from drift.tabular.values import Column, Doubles, absent, column, missing, numbers, seconds, tally, tally_coded

SKETCH_K = 16_384
"""Half a megabyte a column; rank error .00018 at 99 % confidence, in a third more time than k = 4,096."""
QUANTILES = 50_000
"""Evenly spaced quantiles that stand for a sketched sample: the spacing adds .00001 to the error."""
MOST_LABELS = 1_000_000
"""Of all columns of a table together, but for the least that each may have."""
_LEAST_LABELS = 10_000
_GROUPS = 4_096


class NumberProfile:
    """Numbers, or dates as unix seconds: every finite value, or their quantiles past exact_up_to of them."""

    def __init__(self, *, dates: bool = False, exact_up_to: int | None = None):
        self._dates = dates
        self._exact_up_to = exact_up_to
        self._chunks: list[Doubles] = []
        self._sketch: Any = None
        self._first = self._last = math.nan
        self._rises = self._falls = True
        self._changes = 0
        self._mean = self._squares = 0.0
        self.rows = self.strays = self.infinite = self.count = 0
        self.stray = ""
        """The first value that is no number, or no date."""
        self.low, self.high = math.inf, -math.inf

    def add(self, values: Column) -> None:
        """Take the next rows, shape (n,)."""
        read, strays = (seconds if self._dates else numbers)(values)
        kept = np.isfinite(read)
        finite = read if kept.all() else read[kept]
        self.rows += len(read)
        self.strays += strays
        if strays and not self.stray:
            unread = (value for value, number in zip(values, read, strict=True) if number != number)
            self.stray = next(str(value) for value in unread if not missing(value))
        self.infinite += int(np.isinf(read).sum()) if len(finite) < len(read) else 0
        if not len(finite):
            return
        self._follow(float(finite[0]), float(finite[-1]), *_order(finite))
        with np.errstate(all="ignore"):
            mean = float(finite.mean())
            self._pool(len(finite), mean, float(finite.var() * len(finite)))
        self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
        self._hold([finite])

    def merge(self, other: "NumberProfile") -> None:
        """Take the rows of another profile, which come after this one's."""
        self.rows += other.rows
        self.strays += other.strays
        self.stray = self.stray or other.stray
        self.infinite += other.infinite
        if not other.count:
            return
        self._follow(other._first, other._last, other._rises, other._falls, other._changes)
        self._pool(other.count, other._mean, other._squares)
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        if other._sketch is not None:
            self._to_sketch()
            self._sketch.merge(other._sketch)
        self._hold(other._chunks)

    @property
    def missing(self) -> int:
        return self.rows - self.count

    @property
    def exact(self) -> bool:
        return self._sketch is None

    @property
    def rank_error(self) -> float:
        """Largest error of a share of values below a point, at 99 % confidence; 0 when every value is held."""
        return 0.0 if self.exact else float(self._sketch.normalized_rank_error(False)) + 0.5 / QUANTILES

    @property
    def mean(self) -> float:
        return self._mean

    @property
    def std(self) -> float:
        return math.sqrt(self._squares / self.count) if self.count else math.nan

    @property
    def in_order(self) -> bool:
        """Whether the values rise or fall throughout, and most differ from the one before: as a clock or counter."""
        # A sorted column of a few values is a sorted table, not a clock.
        return (self._rises or self._falls) and self._changes + 1 > self.count / 2

    def values(self) -> Doubles:
        """The finite values, shape (count,): in the order of the rows; where sketched, ascending quantiles."""
        if self._sketch is not None:
            return np.asarray(self._sketch.get_quantiles((np.arange(QUANTILES) + 0.5) / QUANTILES), dtype=np.float64)
        if len(self._chunks) > 1:
            self._chunks = [np.concatenate(self._chunks)]
        return self._chunks[0] if self._chunks else np.empty(0)

    def _follow(self, first: float, last: float, rises: bool, falls: bool, changes: int) -> None:
        if self.count:
            rises &= first >= self._last
            falls &= first <= self._last
            changes += first != self._last
        else:
            self._first = first
        self._last = last
        self._rises &= rises
        self._falls &= falls
        self._changes += changes

    def _pool(self, count: int, mean: float, squares: float) -> None:
        """Mean and sum of squares about it, of both parts. Source: Chan, Golub and LeVeque (1979)."""
        total = self.count + count
        apart = mean - self._mean
        self._mean += apart * count / total
        self._squares += squares + apart * apart * self.count * count / total
        self.count = total

    def _hold(self, chunks: list[Doubles]) -> None:
        if self._exact_up_to is not None and self.count > self._exact_up_to:
            self._to_sketch()
        if self._sketch is None:
            self._chunks.extend(chunks)
        else:
            self._feed(chunks)

    def _to_sketch(self) -> None:
        if self._sketch is None:
            self._sketch = datasketches.kll_doubles_sketch(SKETCH_K)
            self._feed(self._chunks)
            self._chunks = []

    def _feed(self, chunks: list[Doubles]) -> None:
        for chunk in chunks:
            # The sketch refuses arrays that are read-only, as those of pandas are, or strided.
            self._sketch.update(np.require(chunk, requirements=["C", "W"]))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_sketch": self._sketch and self._sketch.serialize()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state
        if self._sketch is not None:
            self._sketch = datasketches.kll_doubles_sketch.deserialize(self._sketch)


class LabelProfile:
    """How often each label occurs; past `most` of them, how often each group of labels does."""

    def __init__(self, *, truth: bool = False, most: int | None = None):
        self._truth = truth
        self._most = most
        self.counts: Counter[str] = Counter()
        self.rows = self.missing = 0
        self.grouped = False

    def add(self, values: Any) -> None:
        """Take the next rows, shape (n,): a Column, or a pandas series."""
        found, gone = tally_coded(values, truth=self._truth) or tally(column(values), truth=self._truth)
        self.rows += len(values)
        self.missing += gone
        self._count(found)

    def merge(self, other: "LabelProfile") -> None:
        """Take the rows of another profile."""
        self.rows += other.rows
        self.missing += other.missing
        if other.grouped:
            self._group()
            self.counts.update(other.counts)
        else:
            self._count(other.counts)

    def in_groups(self) -> Counter[str]:
        """Counts of groups of labels. A coarser table is a valid one: what is found in it is there."""
        return self.counts if self.grouped else _by_hash(self.counts)

    def _group(self) -> None:
        self.counts, self.grouped = self.in_groups(), True

    def _count(self, found: Mapping[str, int]) -> None:
        self.counts.update(_by_hash(found) if self.grouped else found)
        if self._most is not None and len(self.counts) > self._most and not self.grouped:
            self._group()


class PresenceProfile:
    """Only how many values are missing: of identifiers and free text."""

    def __init__(self) -> None:
        self.rows = self.missing = 0

    def add(self, values: Any) -> None:
        """Take the next rows, shape (n,): a Column, or a pandas series."""
        self.rows += len(values)
        self.missing += int(values.isna().sum()) if hasattr(values, "isna") else absent(column(values))

    def merge(self, other: "PresenceProfile") -> None:
        """Take the rows of another profile."""
        self.rows += other.rows
        self.missing += other.missing


ColumnProfile = NumberProfile | LabelProfile | PresenceProfile


def profile_for(kind: str, *, exact_up_to: int | None = None, most_labels: int | None = None) -> ColumnProfile:
    """An empty profile for a column of a kind (ColumnResult.kind), by default without bounds."""
    if kind in ("numeric", "date"):
        return NumberProfile(dates=kind == "date", exact_up_to=exact_up_to)
    return PresenceProfile() if kind in ("id", "text") else LabelProfile(truth=kind == "boolean", most=most_labels)


class TableProfile:
    """The profiles of a table's columns. kinds maps each column's name to (kind, reason); see columns.kind_of.

    exact_values bounds the numbers held of all columns together, 8 bytes each, and MOST_LABELS then the labels; None:
    all are held.
    """

    def __init__(self, kinds: Mapping[str, tuple[str, str]], *, exact_values: int | None = None):
        self.kinds = dict(kinds)
        each = labels = None
        if exact_values is not None:
            each = exact_values // max(1, len(self.kinds))
            labels = max(_LEAST_LABELS, MOST_LABELS // max(1, len(self.kinds)))
        self.columns = {
            name: profile_for(kind, exact_up_to=each, most_labels=labels) for name, (kind, _) in self.kinds.items()
        }
        self.faults: dict[str, str] = {}
        """Why a column cannot be read, of those that cannot: they fail nothing else."""
        self.rows = 0

    def add(self, rows: Mapping[str, Any]) -> None:
        """Take the next rows: every column of kinds, all of one length."""
        size = 0
        for name, profile in self.columns.items():
            size = len(rows[name])
            if name in self.faults:
                continue
            try:
                profile.add(column(rows[name]) if isinstance(profile, NumberProfile) else rows[name])
            except (TypeError, ValueError, ArithmeticError, LookupError) as error:
                self.faults[name] = f"{type(error).__name__}: {error}"
        self.rows += size

    def merge(self, other: "TableProfile") -> None:
        """Take the rows of another profile of the same kinds, which come after this one's."""
        for name, profile in self.columns.items():
            profile.merge(other.columns[name])  # type: ignore[arg-type]
        self.faults |= other.faults
        self.rows += other.rows


def _order(finite: Doubles) -> tuple[bool, bool, int]:
    """Whether values (n,) rise, whether they fall, and, if either, how often one differs from the one before."""
    rises = falls = True
    # A few rows settle it for nearly every column.
    for some in (finite[:1_000], finite):
        rises, falls = bool((some[1:] >= some[:-1]).all()), bool((some[1:] <= some[:-1]).all())
        if not (rises or falls):
            return False, False, 0
    return rises, falls, int((finite[1:] != finite[:-1]).sum())


def _by_hash(counts: Mapping[str, int]) -> Counter[str]:
    grouped: Counter[str] = Counter()
    for label, count in counts.items():
        grouped[f"group {zlib.crc32(label.encode('utf-8', 'surrogatepass')) % _GROUPS}"] += count
    return grouped
