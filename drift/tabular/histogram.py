"""What a person sees of a column: the shares of its values on either side, as bars."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drift.tabular.ks import Doubles, Integers
from drift.tabular.result import Share
from drift.tabular.words import amount

_BARS = 15
_INTEGER_BARS = 20
"""Whole numbers that span no more than this get a bar each."""
_TAIL = 0.01
"""The bars divide the reference between these quantiles, so that one outlier does not empty the picture."""
_CATEGORIES = 12
_LABEL_CHARACTERS = 60


def clip_label(label: str) -> str:
    """A category's label, short enough for a picture."""
    return label if len(label) <= _LABEL_CHARACTERS else label[: _LABEL_CHARACTERS - 1] + "…"


def numeric_shares(reference: Doubles, current: Doubles, *, word: Callable[[float], str] = amount) -> tuple[Share, ...]:
    """Bars of two sorted finite samples, (n,) and (m,), neither empty.

    Equal widths between the reference's 1 % and 99 % quantiles; the end bars also hold what lies beyond them.
    word makes a label of an edge.
    """
    low, high = reference[[int(_TAIL * (len(reference) - 1)), int(np.ceil((1 - _TAIL) * (len(reference) - 1)))]]
    shown = reference
    if low == high:
        # The reference hardly varies: show where the current sample went.
        low, high, shown = min(low, current[0]), max(high, current[-1]), np.sort(np.concatenate([reference, current]))
    inner = shown[np.searchsorted(shown, low) : np.searchsorted(shown, high, "right")]
    if high / 2 - low / 2 < _INTEGER_BARS / 2 and bool((inner == np.floor(inner)).all()) and word is amount:
        edges = np.arange(np.floor(low) + 1, np.ceil(high) + 1)
        labels = [amount(value) for value in np.arange(np.floor(low), np.ceil(high) + 1)]
        if len(labels) > 1:
            labels[0] = f"<= {labels[0]}" if min(reference[0], current[0]) < low else labels[0]
            labels[-1] = f">= {labels[-1]}" if max(reference[-1], current[-1]) >= high + 1 else labels[-1]
    else:
        # By halves: the width of the largest doubles overflows.
        edges = 2 * np.linspace(low / 2, high / 2, _BARS + 1)[1:-1]
        words = _distinct(edges, word)
        between = [f"{a} to {b}" for a, b in pairwise(words)]
        labels = [f"< {words[0]}", *between, f">= {words[-1]}"]
    before, after = bin_shares(reference, edges), bin_shares(current, edges)
    return tuple(
        Share(label=label, reference=float(p), current=float(q))
        for label, p, q in zip(labels, before, after, strict=True)
    )


def bin_counts(ascending: Doubles, edges: Doubles) -> Integers:
    """How many of the values (n,), sorted, fall below, between and from the inner edges (b,) on: shape (b + 1,)."""
    cuts = np.concatenate([[0], np.searchsorted(ascending, edges, "left"), [len(ascending)]])
    return np.asarray(np.diff(cuts), dtype=np.int64)


def bin_shares(ascending: Doubles, edges: Doubles) -> Doubles:
    """bin_counts as shares of all."""
    return np.asarray(bin_counts(ascending, edges) / len(ascending), dtype=np.float64)


def category_shares(
    labels: Sequence[str], reference: NDArray[np.int64], current: NDArray[np.int64]
) -> tuple[Share, ...]:
    """Bars of the 12 categories with the largest shares, either side counting as much, and one of the others.

    labels, and counts of shape (k,) for either side.
    """
    before, after = reference / max(1, reference.sum()), current / max(1, current.sum())
    order = np.argsort(-(before + after), kind="stable")
    shown, others = order[:_CATEGORIES], order[_CATEGORIES:]
    bars = [Share(label=clip_label(labels[i]), reference=float(before[i]), current=float(after[i])) for i in shown]
    if len(others):
        name = f"{len(others):,} others"
        bars.append(Share(label=name, reference=float(before[others].sum()), current=float(after[others].sum())))
    return tuple(bars)


def _distinct(edges: Doubles, word: Callable[[float], str]) -> list[str]:
    """The edges in words; with more digits where four make two edges read alike."""
    words = [word(edge) for edge in edges]
    if word is amount and len(set(words)) < len(words):
        return [f"{edge:.10g}" for edge in edges]
    return words
