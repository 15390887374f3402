"""Two samples of labels side by side, and whether a supposed fault explains their difference."""

import heapq
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from drift.tabular.categorical import Counts, cramers_v
from drift.tabular.ks import Doubles
from drift.tabular.words import listed, quoted

Indices = NDArray[np.intp]

MOST_LABELS = 1_000
"""The most frequent; the others together are one more."""
MOVED = 0.01
"""Share of rows by which a label moves, at least; below it nothing is said of it."""


class Labels:
    """Counts of labels, shape (k, 2), and their shares."""

    def __init__(self, names: list[str], counts: Counts):
        self.names, self.counts = names, counts
        self.sizes: Doubles = counts.sum(axis=0).astype(np.float64)
        self.before, self.after = (counts / self.sizes).T
        self.effect = cramers_v(counts)[0]
        self.change: Doubles = self.after - self.before
        pooled = counts.sum(axis=1) / counts.sum()
        chance = 3 * np.sqrt(pooled * (1 - pooled) * (1 / self.sizes).sum())
        self.moved = np.abs(self.change) > np.maximum(MOVED, chance)

    def said(self, chosen: Indices, most: int = 4) -> str:
        named = [quoted(self.names[i]) for i in chosen[:most]]
        return listed(named if len(chosen) <= most else [*named, f"{len(chosen) - most} more"])

    def explained(self, counts: Counts) -> float | None:
        """The effect left in counts that a supposed fault was undone in, when that is next to nothing."""
        left = cramers_v(counts)[0]
        rows = float(2 / (1 / np.maximum(1, counts.sum(axis=0))).sum())
        # Phi squared of two samples of one population has this deviation.
        chance = (1.65 * (2 * max(1, len(counts) - 1)) ** 0.5 / rows) ** 0.5 / 2
        return left if left <= max(min(self.effect / 4, 0.1), min(chance, 0.1, self.effect / 2)) else None

    def by_change(self, chosen: Indices) -> Indices:
        return chosen[np.argsort(-np.abs(self.change[chosen]), kind="stable")]

    def first(self, chosen: NDArray[np.bool_], side: int = 0) -> Indices:
        """The chosen labels, the most frequent of a side first."""
        at = np.flatnonzero(chosen)
        return at[np.argsort(-self.counts[at, side], kind="stable")]


def labelled(reference: Mapping[str, int], current: Mapping[str, int]) -> Labels:
    """Of labels -> counts; either side has a row."""
    names = list(dict.fromkeys([*reference, *current]))
    counts = np.array([[reference.get(name, 0), current.get(name, 0)] for name in names], dtype=np.int64)
    used = counts.sum(axis=1) > 0
    return Labels([name for name, is_used in zip(names, used, strict=True) if is_used], counts[used])


def most_frequent(
    reference: Mapping[str, int], current: Mapping[str, int]
) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Both with the rare labels as one, where there are more than MOST_LABELS."""
    names = reference.keys() | current.keys()
    if len(names) <= MOST_LABELS:
        return reference, current
    n, m = sum(reference.values()), sum(current.values())
    share = {name: reference.get(name, 0) / n + current.get(name, 0) / m for name in names}
    kept = heapq.nlargest(MOST_LABELS - 1, names, key=lambda name: (share[name], name))
    rare = f"{len(names) - len(kept):,} rare labels"
    sides = []
    for counts, size in ((reference, n), (current, m)):
        side = {name: counts.get(name, 0) for name in kept}
        sides.append(side | {rare: size - sum(side.values())})
    return sides[0], sides[1]
