"""What a fault in a few rows leaves in a numeric column: too little for the effect, too much for chance."""

import numpy as np

from drift.tabular.ks import Doubles
from drift.tabular.result import Pattern
from drift.tabular.words import amount, percentage

_FEWEST = 20
_SHARE = 0.005
_TIMES = 10.0
_ATOM = 0.02
_ATOM_TIMES = 5.0
"""Chance alone leaves m / (n + 1) of m values beyond n others, and lets the share of one value vary by its root."""


def outlying(reference: Doubles, current: Doubles, n: int, m: int) -> Pattern | None:
    """The values that lie beyond all of the reference's, or the one value that has become common, if any.

    reference and current are sorted and finite, and stand for n and m values. Beyond: at least 20, .5 % of the
    current values and ten times what chance leaves there. Common: a share that grew by 2 points and to five times
    what it was.
    """
    below = np.searchsorted(current, reference[0], "left") / len(current)
    above = 1 - np.searchsorted(current, reference[-1], "right") / len(current)
    share, word, edge, far = max(
        (float(below), "below", reference[0], current[0]), (float(above), "above", reference[-1], current[-1])
    )
    if share >= max(_SHARE, _FEWEST / m, _TIMES / (n + 1)):
        lowest = "lowest" if word == "below" else "highest"
        return Pattern(
            name="outlying",
            text=f"{percentage(share)} of the values are {word} {amount(edge)}, the {lowest} of the reference, "
            f"up to {amount(far)}".replace("up to", "down to" if word == "below" else "up to"),
            figures={"share": share, "edge": float(edge), "farthest": float(far)},
        )
    values, counts = np.unique(current, return_counts=True)
    at = int(np.argmax(counts))
    after = float(counts[at] / len(current))
    before = float(
        (np.searchsorted(reference, values[at], "right") - np.searchsorted(reference, values[at])) / len(reference)
    )
    if after - before >= max(_ATOM, _FEWEST / m) and after >= _ATOM_TIMES * before:
        return Pattern(
            name="outlying",
            text=f"{amount(values[at])} has become common: {percentage(before)} -> {percentage(after)} of the values",
            figures={"share": after, "value": float(values[at])},
        )
    return None
