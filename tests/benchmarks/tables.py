"""The tables of tests/benchmarks/drift.py: what each detector found, and whom the verdict blames."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import poisson

from drift.policy import Policy
from tests.benchmarks.streams import Outcome, Stream, Tally

DRIFTIUM, ALWAYS = "Driftium", "always alarms"
_EXPECTED = {
    "no_drift": ("no_change",),
    "drift": ("model_changed",),
    # A wholly new topic: nobody can tell what the old model would have answered.
    "input_drift": ("prompts_changed", "insufficient_overlap"),
}
"""Truth -> the right verdicts; none is wrong about a weak drift."""
_ENOUGH = 250
"""Responses on either side from which a changed model must be found and named."""


class Run(NamedTuple):
    """One stream, what each detector made of it, and the verdict at the alarm and at the end."""

    stream: Stream
    outcomes: dict[str, Outcome]
    at_alarm: str
    at_end: str

    @property
    def right(self) -> bool:
        return self.at_end in _EXPECTED.get(self.stream.case.truth, (self.at_end,))


def print_cases(runs: Sequence[Run], policy: Policy) -> None:
    """One line per case."""
    print(f"run length {policy.expected_run_length}; n, no drift, change: responses in the baseline and the two phases")
    head = "case, truth, what changed, n, no drift, change, detected, median delay, false alarms per 10 000"
    print(f"| {head.replace(', ', ' | ')} | verdict at the alarm | verdict at the end |")
    print("| --- " * 11 + "|")
    for case in dict.fromkeys(one.stream.case.id for one in runs):
        some = [one for one in runs if one.stream.case.id == case]
        stream, tally = some[0].stream, tally_of(some, DRIFTIUM)
        sizes = f"{len(stream.baseline)} | {len(stream.quiet)} | {len(stream.changed)}"
        found = f"{tally.found}/{len(tally.delays)}" if tally.delays else ""
        delay = shown(tally.median_delay)
        alarms, ends = (counted(one.at_alarm for one in some), counted(one.at_end for one in some))
        print(
            f"| {case} | {stream.case.truth} | {stream.case.what_changed} | {sizes} | {found} | {delay} "
            f"| {tally.per_10_000:.0f} ({tally.false_alarms} in {tally.quiet}) | {alarms} | {ends} |"
        )


def print_detectors(runs: Sequence[Run]) -> None:
    """All detectors on the streams that all of them have seen."""
    names = max((list(one.outcomes) for one in runs), key=len)
    common = [one for one in runs if set(names) <= set(one.outcomes)]
    cases = len({one.stream.case.id for one in common})
    print(f"\nside by side: {len(common)} streams of {cases} cases")
    print("| detector | false alarms per 10,000 | model changes found | median delay | prompt changes found ", end="")
    print("| median delay |")
    print("| --- " * 6 + "|")
    for name in names:
        every = tally_of(common, name)
        cells = [f"{every.per_10_000:.0f} ({every.false_alarms} in {every.quiet})"]
        for truth in ("drift", "input_drift"):
            tally = tally_of((one for one in common if one.stream.case.truth == truth), name)
            cells += [f"{tally.found}/{len(tally.delays)}", shown(tally.median_delay)]
        print(f"| {name} | {' | '.join(cells)} |")
    if len(names) > 2:
        print("\n| case | " + " | ".join(names) + " |\n" + "| --- " * (len(names) + 1) + "|")
        for case in dict.fromkeys(one.stream.case.id for one in common):
            some = [one for one in common if one.stream.case.id == case]
            cells = []
            for name in names:
                tally = tally_of(some, name)
                found = f"{tally.found}/{len(tally.delays)}, {shown(tally.median_delay)}; " if tally.delays else ""
                cells.append(f"{found}{tally.false_alarms} false")
            print(f"| {case} | {' | '.join(cells)} |")


def print_summary(runs: Sequence[Run], policy: Policy) -> None:
    """What the page of statistics asks for."""
    quiet = tally_of((one for one in runs if one.stream.case.truth == "no_drift"), DRIFTIUM)
    every = tally_of(runs, DRIFTIUM)
    print()
    for name, tally in (("cases without drift", quiet), ("all responses before a change", every)):
        expected = tally.quiet / policy.expected_run_length
        bound = int(poisson.ppf(0.975, expected))
        print(
            f"{name}: {tally.false_alarms} false alarms in {tally.quiet} responses; {expected:.1f} expected at most, "
            f"97.5 % of Poisson {bound}: {'within' if tally.false_alarms <= bound else 'ABOVE'}"
        )
    models = [
        one
        for one in runs
        if one.stream.case.truth == "drift" and min(len(one.stream.baseline), len(one.stream.changed)) >= _ENOUGH
    ]
    found = sum(one.outcomes[DRIFTIUM].delay is not None for one in models)
    print(f"model changes with {_ENOUGH} on either side: detected {found} of {len(models)}, ", end="")
    print(f"right verdict at the end {sum(one.right for one in models)} of {len(models)}")
    for truth in ("no_drift", "input_drift"):
        some = [one for one in runs if one.stream.case.truth == truth]
        print(f"{truth}: right verdict at the end {sum(one.right for one in some)} of {len(some)}")
    tenth = tally_of((one for one in runs if one.stream.case.id == "Q08_10"), DRIFTIUM)
    print(f"contamination of 10 %: detected {tenth.found} of {len(tenth.delays)}")


def tally_of(runs: Iterable[Run], detector: str) -> Tally:
    return Tally.of((one.outcomes[detector], bool(one.stream.changed)) for one in runs)


def counted(verdicts: Iterable[str]) -> str:
    return ", ".join(f"{number} {verdict}" for verdict, number in Counter(filter(None, verdicts)).most_common())


def shown(delay: float) -> str:
    return "" if np.isnan(delay) else "-" if np.isinf(delay) else f"{delay:.0f}"
