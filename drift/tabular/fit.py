"""Whether a supposed fault explains a numeric column's drift: undo it, and see how much of the distance is left."""

from typing import NamedTuple

import numpy as np

from drift.tabular.ks import Doubles

_QUANTILES = 2_001
"""Of either sample in the trials: their distances are right to a thousandth."""
_LEFT = 4
"""An explanation leaves at most a quarter of the distance."""
_MOST_LEFT = 0.1
_MOST_CHANCE = 0.15
_KOLMOGOROV = 1.36
"""sqrt(nm / (n + m)) D of two samples of one population exceeds it with a chance of .05."""


class Pair(NamedTuple):
    """Two sorted samples, thinned, and how far apart they are."""

    reference: Doubles
    current: Doubles
    distance: float
    """Kolmogorov-Smirnov D."""
    sizes: tuple[int, int]
    """Values that the samples stand for, at least."""

    def explained(self, left: float, kept: tuple[float, float] = (1.0, 1.0), *, most: float = _MOST_LEFT) -> bool:
        """Whether a distance left after undoing a fault is next to nothing, or no more than chance.

        kept are the shares of either sample that were compared.
        """
        n, m = (max(1.0, size * share) for size, share in zip(self.sizes, kept, strict=True))
        chance = min(_MOST_CHANCE, _KOLMOGOROV * float(np.sqrt(1 / n + 1 / m)))
        return left <= max(min(self.distance / _LEFT, most), min(chance, self.distance / 2))


def pair(reference: Doubles, current: Doubles) -> Pair:
    """Two sorted finite samples, (n,) and (m,), neither empty."""
    a, b = thinned(reference), thinned(current)
    return Pair(a, b, distance(a, b), (len(reference), len(current)))


def thinned(ascending: Doubles, most: int = _QUANTILES) -> Doubles:
    """Evenly spaced order statistics, the smallest and the largest among them."""
    if len(ascending) <= most:
        return ascending
    places = np.linspace(0, len(ascending) - 1, most).round().astype(int)
    return np.asarray(ascending[places], dtype=np.float64)


def distance(first: Doubles, second: Doubles) -> float:
    """Kolmogorov-Smirnov D of two sorted samples."""
    at = np.concatenate([first, second])
    steps = np.searchsorted(first, at, "right") / len(first) - np.searchsorted(second, at, "right") / len(second)
    return float(np.abs(steps).max())


def distance_undone(reference: Doubles, undone: Doubles) -> float:
    """distance, of values that arithmetic has brought back and so differ from the reference's in the last digits."""
    step = 1e-9 * float(max(abs(reference[0]), abs(reference[-1])))
    if not 0 < step < np.inf:
        return distance(reference, undone)
    return distance(np.round(reference / step), np.round(undone / step))


def share_of(ascending: Doubles, value: float) -> float:
    """The share of a sorted sample that equals a value."""
    low, high = np.searchsorted(ascending, value, "left"), np.searchsorted(ascending, value, "right")
    return float(high - low) / len(ascending)


def on_grid(values: Doubles, step: float) -> float:
    """The share of values that are multiples of step."""
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = values / step
        return float((np.abs(ratio - np.round(ratio)) <= 1e-6 * np.clip(np.abs(ratio), 1.0, 1e4)).mean())


def fell(before: float, after: float, name: str = "D") -> str:
    """ "D 0.81 falls to 0.01"."""
    return f"{name} {before:.2f} falls to {after:.2f}"
