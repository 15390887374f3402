"""What the investigations said of the incidents, against what had happened: the tables."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from drift.rca.orchestrator import investigate
from drift.rca.records import Answer, Cause, Question, RootCause
from tests.benchmarks.rca_incidents import Kept

Ask = Callable[[Question], Answer]

_OPERATIONAL = (Cause.PROVIDER_TROUBLE, Cause.NONE)
"""What the drift's severity leaves out, and what has none."""


class Judged(NamedTuple):
    """An incident and the report on it."""

    kept: Kept
    report: RootCause
    seconds: float
    """Of the whole investigation, a model's answers included."""

    @property
    def said(self) -> Cause:
        return self.report.diagnosis.cause

    @property
    def right(self) -> bool:
        return self.said is self.kept.cause

    @property
    def seen(self) -> bool:
        """Whether there was an alarm, or can be none for such a cause."""
        return self.kept.severity not in (None, "LOW") or self.kept.cause in _OPERATIONAL

    @property
    def urgent(self) -> bool:
        return any(action.urgency == "now" for action in self.report.recommendation.actions)


def judge(kept: Kept, ask: Ask | None) -> Judged:
    """Investigate; with a model where there is one to ask."""
    began = time.perf_counter()
    steps = investigate(kept.brief, clock=time.perf_counter, ask_model=ask is not None)
    answer: Answer | None = None
    while True:
        try:
            found = steps.send(answer)
        except StopIteration as end:
            return Judged(kept, end.value, time.perf_counter() - began)
        answer = ask(found) if ask and isinstance(found, Question) else None


def print_accuracy(runs: Sequence[Judged]) -> None:
    """Top-1 by cause; "seen" are those with an alarm, and the operational and stable ones."""
    print(f"\n## Top-1 of {len(runs)} incidents, by rules\n")
    print("| cause | incidents | right | accuracy | seen | right | accuracy | said instead (of those seen) |")
    print("| --- " * 8 + "|")
    causes = [cause for cause in Cause if any(one.kept.cause is cause for one in runs)]
    for cause in causes:
        some = [one for one in runs if one.kept.cause is cause]
        seen = [one for one in some if one.seen]
        print(f"| {cause} | {_cells(some)} | {_cells(seen)} | {_counted(one.said for one in seen if not one.right)} |")
    drifted = [one for one in runs if one.kept.cause is not Cause.NONE]
    for name, some in (("all but none", drifted), ("all", list(runs))):
        print(f"| **{name}** | {_cells(some)} | {_cells([one for one in some if one.seen])} | |")
    mixed = [one for one in runs if one.kept.cause is Cause.MIXED and one.seen]
    partly = sum(one.right or one.said in one.kept.parts for one in mixed)
    print(f"\nmixed, seen: {partly} of {len(mixed)} were called mixed or by one of their causes")
    unseen = [one for one in drifted if not one.seen]
    said = _counted(one.said for one in unseen)
    print(f"without an alarm: {len(unseen)} incidents, of which were said: {said or 'none'}")


def print_strengths(runs: Sequence[Judged]) -> None:
    """By how much of the traffic changed."""
    print("\n| share of the answers changed | incidents | right | accuracy | seen | right | accuracy |")
    print("| --- " * 7 + "|")
    drifted = [one for one in runs if one.kept.cause is not Cause.NONE]
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.9), (0.9, 1.01)):
        some = [one for one in drifted if low <= one.kept.share < high]
        if some:
            bounds = f"{low:.0%} to {min(high, 1.0):.0%}"
            print(f"| {bounds} | {_cells(some)} | {_cells([one for one in some if one.seen])} |")


def print_promises(runs: Sequence[Judged]) -> None:
    """What must never be, and how long it took."""
    stable = [one for one in runs if one.kept.cause is Cause.NONE]
    false = [one for one in stable if not one.right]
    alarms = sum(one.kept.severity not in (None, "LOW") for one in stable)
    cited, known = 0, 0
    for one in runs:
        facts = {fact.id for fact in one.report.facts}
        for evidence in _citations(one.report):
            cited += 1
            known += bool(evidence) and facts.issuperset(evidence)
    milliseconds = sorted(1_000 * one.seconds for one in runs)
    late = milliseconds[min(len(runs) - 1, round(0.99 * len(runs)))]
    print("\n| promise | found |\n| --- | --- |")
    print(f"| false causes on stable baselines | {len(false)} of {len(stable)} ({_counted(o.said for o in false)}) |")
    print(f"| of which the monitor had raised an alarm | {alarms} of {len(stable)} |")
    print(f"| urgent actions on stable baselines | {sum(one.urgent for one in stable)} of {len(stable)} |")
    print(f"| statements, actions and steps whose citations exist | {known} of {cited} |")
    print(f"| milliseconds by rules, median and p99 | {statistics.median(milliseconds):.2f}, {late:.2f} |")


def print_model(runs: Sequence[Judged], asked: Sequence[Judged], questions: Sequence[float]) -> None:
    """The same incidents with a model beside without."""
    without = {one.kept.name: one for one in runs}
    pairs = [(without[one.kept.name], one) for one in asked]
    taken = [one for one in asked if one.report.diagnosis.source == "model"]
    seconds = [one.seconds for one in asked if one.said is not Cause.NONE]
    print(f"\n## With the embedded model, {len(asked)} incidents\n\n| figure | found |\n| --- | --- |")
    print(f"| questions asked | {len(questions)} |")
    print(f"| words taken | {len(taken)} of {sum(one.said is not Cause.NONE for one, _ in pairs)} that were asked |")
    print(f"| right without, with | {sum(a.right for a, _ in pairs)}, {sum(b.right for _, b in pairs)} |")
    changed = [(a, b) for a, b in pairs if a.said is not b.said]
    better, worse = sum(b.right for _, b in changed), sum(a.right for a, _ in changed)
    print(f"| causes replaced; became right, became wrong | {len(changed)}; {better}, {worse} |")
    print(f"| urgent actions on stable baselines | {sum(b.urgent for b in asked if b.kept.cause is Cause.NONE)} |")
    print(f"| seconds of an investigation, median and longest | {statistics.median(seconds or [0]):.1f}, ", end="")
    print(f"{max(seconds, default=0):.1f} |")
    print(f"| seconds of a question, median and longest | {statistics.median(questions or [0]):.1f}, ", end="")
    print(f"{max(questions, default=0):.1f} |\n\nwhy, of those asked:")
    whys = Counter(
        "taken" if step.source == "model" else _of_model(step.why)
        for one in asked
        for step in one.report.steps
        if step.agent == "diagnosis" and one.said is not Cause.NONE
    )
    for why, number in whys.most_common(12):
        print(f"- {number}: {why}")


def print_errors(runs: Iterable[Judged]) -> None:
    """One line for each that is wrong."""
    print("\n| incident | share | after | severity | said | suspects |\n" + "| --- " * 6 + "|")
    for one in runs:
        if not one.right:
            suspects = ", ".join(f"{s.cause} {s.strength:.2f}" for s in one.report.diagnosis.suspects)
            kept = one.kept
            print(f"| {kept.name} | {kept.share:.0%} | {kept.after} | {kept.severity} | {one.said} | {suspects} |")


def _citations(report: RootCause) -> list[tuple[str, ...]]:
    suspects = [one.statement for one in report.diagnosis.suspects]
    found = [one.evidence for one in (*report.triage.moved, *report.diagnosis.statements, *suspects)]
    found += [one.evidence for one in report.recommendation.actions]
    return found + [one.evidence for one in report.steps]


def _of_model(why: str) -> str:
    """What a step's reason says of words that were not taken."""
    place = why.find("The rules' words stand")
    return why[place:][:160] if place >= 0 else "nothing is said of them"


def _cells(some: Sequence[Judged]) -> str:
    right = sum(one.right for one in some)
    return f"{len(some)} | {right} | {right / len(some):.2f}" if some else "0 | | "


def _counted(causes: Iterable[Cause]) -> str:
    return ", ".join(f"{number} {cause}" for cause, number in Counter(causes).most_common())
