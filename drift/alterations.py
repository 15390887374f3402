"""What else changed: model names, system prompts and sampling parameters that differ between baseline and window."""

from collections import Counter
from collections.abc import Sequence

from drift.evidence import Alteration
from drift.samples import Sample

UNSET = "not set"


def alterations(baseline: Sequence[Sample], window: Sequence[Sample], *, least: float = 0.1) -> tuple[Alteration, ...]:
    """Settings of which one value has at least a share `least` more of the window than of the baseline.

    The value that gained most is named, and the one that lost most; the largest gain first. Values that differ with
    each exchange (a seed, a system prompt with a name in it) gain nothing.
    """
    found = []
    for what in sorted({name for sample in (*baseline, *window) for name in sample.settings}):
        before = Counter(sample.settings.get(what, UNSET) for sample in baseline)
        after = Counter(sample.settings.get(what, UNSET) for sample in window)
        gains = {value: count / len(window) - before[value] / len(baseline) for value, count in after.items()}
        value = max(gains, key=lambda one: (gains[one], one))
        if gains[value] < least:
            continue
        found.append(
            Alteration(
                what=what,
                before=min(before, key=lambda one: (gains.get(one, -before[one] / len(baseline)), one)),
                after=value,
                baseline_share=before[value] / len(baseline),
                window_share=after[value] / len(window),
                at=next(sample.at for sample in window if sample.settings.get(what, UNSET) == value),
            )
        )
    return tuple(sorted(found, key=lambda one: one.baseline_share - one.window_share))
