"""Categorical columns whose labels were renamed, swallowed, flooded or filtered."""

from collections.abc import Mapping

import numpy as np

from drift.tabular.fit import fell
from drift.tabular.labels import MOVED, Indices, Labels, labelled, most_frequent
from drift.tabular.result import Pattern
from drift.tabular.spelling import respellings, unknown_label
from drift.tabular.words import listed, percentage, quoted, verbatim

_RISES = 0.05
_LOST = 0.8
"""Share of its rows that a label lost when another took them over."""
_OTHERS = 0.1
"""Share of the reference's rows in labels that stayed: with fewer, every change looks like an exchange."""
_FEWEST_ROWS = 100
"""On either side; below, that other labels kept their shares could be chance."""
_SURELY = 7.0
"""Rows expected where there are none: e^-7 are so by chance."""


def relabelled(reference: Mapping[str, int], current: Mapping[str, int]) -> list[Pattern]:
    """The patterns of two samples of labels, either with at least one row, that explain most of the change."""
    found: list[Pattern] = []
    reference, current = most_frequent(reference, current)
    spelt, current = _respelled(reference, current)
    labels = labelled(reference, current)
    if spelt:
        found.append(spelt)
        if labels.effect < _RISES:
            return found
    if (pattern := _stuck(labels) or _recoded(labels)) is not None:
        return [*found, pattern]
    if labels.sizes.min() >= _FEWEST_ROWS:
        tried = (_swapped(labels), _flooded(labels), _filtered(labels), _exchanged(labels))
        if fitting := [pattern for pattern in tried if pattern is not None]:
            return [*found, min(fitting, key=lambda pattern: pattern.figures["effect_left"])]
    return found + _new_and_vanished(labels)


def _respelled(reference: Mapping[str, int], current: Mapping[str, int]) -> tuple[Pattern | None, Mapping[str, int]]:
    """The pattern, and the current counts under the reference's spellings."""
    new = [label for label, count in current.items() if count and not reference.get(label)]
    known = [label for label, count in reference.items() if count]
    spelt, how = respellings(known, new)
    rows, every = sum(current[label] for label in spelt), sum(current.values())
    if rows < MOVED * every:
        return None, current
    counts = {label: count for label, count in current.items() if label not in spelt}
    for label, as_before in spelt.items():
        counts[as_before] = counts.get(as_before, 0) + current[label]
    before, after = labelled(reference, current).effect, labelled(reference, counts).effect
    examples = sorted(spelt, key=lambda label: -current[label])[:3]
    pairs = listed([f"{verbatim(spelt[label])} is now {verbatim(label)}" for label in examples])
    text = (
        f"{_count(len(spelt))}, in {percentage(rows / every)} of the rows, now written {how}: {pairs} "
        f"({fell(before, after, 'V')} when they count as the same)"
    )
    figures = {"labels": float(len(spelt)), "share": rows / every, "effect_left": after}
    return Pattern(name="respelled", text=text, figures=figures), counts


def _stuck(labels: Labels) -> Pattern | None:
    left = np.flatnonzero(labels.after)
    if len(left) > 1 or np.count_nonzero(labels.before) < 2:
        return None
    before = float(labels.before[left[0]])
    text = f"every current value is {labels.said(left)}, which {percentage(before)} of the reference's values are"
    return Pattern(name="stuck", text=text, figures={"reference_share": before})


def _swapped(labels: Labels) -> Pattern | None:
    if len(labels.names) != 2 or abs(float(labels.change[0])) < 0.5:
        return None
    left = labels.explained(np.stack([labels.counts[:, 0], labels.counts[::-1, 1]], axis=1))
    if left is None:
        return None
    text = (
        f"{quoted(labels.names[0])} and {quoted(labels.names[1])} have exchanged their shares, "
        f"{percentage(float(labels.before[0]))} and {percentage(float(labels.before[1]))}: as if their meanings had "
        f"been swapped ({fell(labels.effect, left, 'V')} once undone)"
    )
    return Pattern(name="swapped", text=text, figures={"effect_left": left})


def _recoded(labels: Labels) -> Pattern | None:
    """Not one label in common; by the shares the new ones may be the old ones under other names."""
    if float(np.minimum(labels.before, labels.after).sum()) > MOVED:
        return None
    old, new = (-np.sort(-labels.counts[:, side][labels.counts[:, side] > 0]) for side in (0, 1))
    text = f"none of the reference's {_count(len(old))} is left; there are {len(new):,} others"
    if len(old) == 1:
        text = f"the reference's only label, {labels.said(np.flatnonzero(labels.before))}, is gone"
        only = labels.names[int(np.argmax(labels.before))]
        text += ", as if the column were filled only now" if unknown_label(only) else ""
        text += f"; there {'is' if len(new) == 1 else 'are'} {labels.said(labels.first(labels.after > 0, 1))}"
    if len(old) == len(new) > 1 and (left := labels.explained(np.stack([old, new], axis=1))) is not None:
        first, then = (quoted(labels.names[int(np.argmax(labels.counts[:, side]))]) for side in (0, 1))
        return Pattern(
            name="recoded",
            text=f"{text}, and as many, with the same shares ({fell(labels.effect, left, 'V')} when matched by "
            f"share): as if each had been renamed, {first} perhaps to {then}",
            figures={"labels": float(len(new)), "effect_left": left},
        )
    return Pattern(name="replaced", text=text, figures={"labels": float(len(new))})


def _flooded(labels: Labels) -> Pattern | None:
    i = int(np.argmax(labels.change))
    before, after = float(labels.before[i]), float(labels.after[i])
    others = np.delete(labels.counts, i, axis=0)
    special = unknown_label(labels.names[i]) or before == 0
    if after - before < (_RISES if special else 2 * _RISES) or len(others) < (2 if special else 5):
        return None
    if not others.sum(axis=0).all() or (not special and labels.sizes.min() < 3 * _FEWEST_ROWS):
        return None
    if (left := labels.explained(others)) is None:
        return None
    taken = (after - before) / (1 - before)
    return Pattern(
        name="flooded",
        text=f"{quoted(labels.names[i])} rose from {percentage(before)} to {percentage(after)} of the values and the "
        f"others shrank alike, as if {percentage(taken)} of them had been overwritten; without it the column has "
        f"hardly changed ({fell(labels.effect, left, 'V')})",
        figures={"reference_share": before, "current_share": after, "overwritten": taken, "effect_left": left},
    )


def _filtered(labels: Labels) -> Pattern | None:
    gone = (labels.after == 0) & (labels.before * labels.sizes[1] > _SURELY)
    share = float(labels.before[gone].sum())
    kept = np.flatnonzero(labels.after)
    if share < _RISES or len(kept) < 2 or (left := labels.explained(labels.counts[labels.after > 0])) is None:
        return None
    order = kept[np.argsort(-labels.before[kept], kind="stable")]
    whose = f"with {labels.said(order)}" if len(order) < gone.sum() else f"without {labels.said(labels.first(gone))}"
    return Pattern(
        name="filtered",
        text=f"as if only rows {whose} had been taken, {percentage(1 - share)} of the reference "
        f"({fell(labels.effect, left, 'V')} against those alone)",
        figures={"reference_kept": 1 - share, "effect_left": left},
    )


def _exchanged(labels: Labels) -> Pattern | None:
    """Some labels lost what others gained, and the rest kept their shares."""
    losers = np.flatnonzero(labels.moved & (labels.change < 0))
    gainers = np.flatnonzero(labels.moved & (labels.change > 0))
    stayed = float(labels.before[~labels.moved].sum())
    wavered = float(np.abs(labels.change[~labels.moved]).sum()) / 2
    lost, gained = -float(labels.change[losers].sum()), float(labels.change[gainers].sum())
    if min(lost, gained) < _RISES or stayed < _OTHERS or wavered > gained / 4:
        return None
    nearly_all = bool((labels.after[losers] < (1 - _LOST) * labels.before[losers]).all())
    vanished = bool((labels.after[losers] == 0).all())
    new = bool((labels.before[gainers] == 0).all())
    if len(gainers) == len(losers) and vanished and new:
        return _renamed(labels, losers, gainers)
    together = np.concatenate([losers, gainers])
    merged = np.vstack([np.delete(labels.counts, together, axis=0), labels.counts[together].sum(axis=0)])
    if (left := labels.explained(merged)) is None:
        return None
    figures = {"share": gained, "effect_left": left}
    if len(losers) == 1 and vanished and new:
        parts = labels.said(labels.by_change(gainers))
        text = f"{_fall(labels, int(losers[0]))} and the new labels {parts} have as much: as if it had been split"
        return Pattern(name="split", text=text, figures=figures)
    if len(gainers) != 1:
        return None
    into = int(gainers[0])
    if not nearly_all and not (len(losers) == 1 and (unknown_label(labels.names[into]) or new)):
        return None
    falls = listed(
        [_fall(labels, i) for i in labels.by_change(losers)[:3]] + (["others too"] if len(losers) > 3 else [])
    )
    text = (
        f"{falls}, and {quoted(labels.names[into])} rose by as much, from {percentage(float(labels.before[into]))} to "
        f"{percentage(float(labels.after[into]))}; the others kept their shares"
    )
    return Pattern(name="swallowed", text=text, figures=figures)


def _renamed(labels: Labels, losers: Indices, gainers: Indices) -> Pattern | None:
    old, new = labels.by_change(losers), labels.by_change(gainers)
    mapped = labels.counts.copy()
    mapped[old, 1] = labels.counts[new, 1]
    if (left := labels.explained(np.delete(mapped, new, axis=0))) is None:
        return None
    pairs = [
        f"{quoted(labels.names[a])} ({percentage(float(labels.before[a]))}) is gone and {quoted(labels.names[b])} "
        f"({percentage(float(labels.after[b]))}) is new"
        for a, b in zip(old[:3], new[:3], strict=True)
    ]
    text = f"{listed(pairs)}, with nearly the same share; the others kept theirs: as if renamed"
    return Pattern(name="renamed", text=text, figures={"labels": float(len(new)), "effect_left": left})


def _new_and_vanished(labels: Labels) -> list[Pattern]:
    found = []
    for name, here, there, side, verb in (
        ("new_category", labels.after, labels.before, 1, "hold"),
        ("vanished_category", labels.before, labels.after, 0, "held"),
    ):
        only = (there == 0) & (here * labels.sizes[1 - side] > _SURELY)
        share = float(here[only].sum())
        if share < _RISES:
            continue
        count = int(only.sum())
        what = f"{_count(count)} {'not in the reference' if side else 'now gone'}"
        chosen = labels.said(labels.first(only, side))
        ending = "s" if count == 1 and side else ""
        text = f"{what} {verb}{ending} {percentage(share)} of the {'values' if side else 'reference'}: {chosen}"
        found.append(Pattern(name=name, text=text, figures={"labels": float(count), "share": share}))
    return sorted(found, key=lambda pattern: -pattern.figures["share"])


def _fall(labels: Labels, i: int) -> str:
    return f"{quoted(labels.names[i])} fell from {percentage(labels.before[i])} to {percentage(labels.after[i])}"


def _count(labels: int) -> str:
    return "1 label" if labels == 1 else f"{labels:,} labels"
