"""Profiles of parts of a table, made one by one and anywhere, as the profile of the whole."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from drift.tabular.profile import TableProfile

T = TypeVar("T")


def part_profile(
    kinds: Mapping[str, tuple[str, str]], rows: int, total_rows: int, *, exact_values: int
) -> TableProfile:
    """An empty profile for `rows` of a table's total_rows, with its share of the numbers held of the whole.

    All parts together hold no more than the whole may, and a table that is held as a whole is held in parts.
    """
    return TableProfile(kinds, exact_values=exact_values * rows // max(1, total_rows))


def merged(first: TableProfile, second: TableProfile, *, exact_values: int) -> TableProfile:
    """A new profile of the rows of both, the second's after the first's; neither of them changes.

    It may be made again of the same two after a fault. exact_values is the bound of the whole table.
    """
    both = TableProfile(first.kinds, exact_values=exact_values)
    both.merge(first)
    both.merge(second)
    return both


def in_pairs(parts: Sequence[T], merge: Callable[[T, T], T]) -> T:
    """Neighbours merged, and their results, until one is left: in order, and log2(n) merges deep.

    Raises ValueError where there is no part.

    >>> in_pairs("abcde", lambda first, second: f"({first}{second})")
    '(((ab)(cd))e)'
    """
    if not parts:
        raise ValueError("no parts to merge")
    while len(parts) > 1:
        pairs = [merge(first, second) for first, second in zip(parts[::2], parts[1::2], strict=False)]
        parts = [*pairs, *parts[2 * len(pairs) :]]
    return parts[0]
