"""What else changed: model names, system prompts and sampling parameters that differ between baseline and window."""

from collections import Counter
from collections.abc import Sequence

from scipy.stats import fisher_exact

from drift.evidence import Alteration
from drift.policy import TABLE
from drift.samples import Sample

UNSET = "not set"

_ALWAYS_SET = (
    "model",
    "response_model",
    "digest",
    "weights",
    "ollama_parameters",
    "ollama_template",
    "ollama_system",
)
"""Without one of these it was not known, and not left out on purpose."""


def alterations(
    baseline: Sequence[Sample],
    window: Sequence[Sample],
    *,
    least: float = TABLE.effect_threshold,
    level: float = TABLE.p_threshold,
) -> tuple[Alteration, ...]:
    """Settings of which one value has gained a share of at least `least` in the window, the largest gain first.

    The value that gained most is named, beside the one that lost most. Fisher's exact test at `level`, Bonferroni over
    the values, keeps chance out. Values that differ with each exchange (a seed, a system prompt with a name in it) gain
    nothing. Samples whose settings were not recorded are left out.
    """
    found = []
    for what in sorted({name for sample in (*baseline, *window) for name in sample.settings}):
        before, after = _values(baseline, what), _values(window, what)
        if not before or not after:
            continue
        gains = {value: after[value] / after.total() - before[value] / before.total() for value in before | after}
        new = max(gains, key=lambda one: (gains[one], one))
        table = [[count[new], count.total() - count[new]] for count in (before, after)]
        if gains[new] < least or fisher_exact(table)[1] > level / len(gains):
            continue
        found.append(
            Alteration(
                what=what,
                before=min(gains, key=lambda one: (gains[one], one)),
                after=new,
                baseline_share=before[new] / before.total(),
                window_share=after[new] / after.total(),
                at=next(sample.at for sample in window if sample.settings.get(what, UNSET) == new),
            )
        )
    return tuple(sorted(found, key=lambda one: one.baseline_share - one.window_share))


def _values(samples: Sequence[Sample], what: str) -> Counter[str]:
    """How often each value of a setting occurs."""
    recorded = [sample.settings for sample in samples if sample.settings]
    if what in _ALWAYS_SET:
        recorded = [settings for settings in recorded if settings.get(what)]
    return Counter(settings.get(what, UNSET) for settings in recorded)
