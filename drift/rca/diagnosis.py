"""The second agent: the cause in words, with what it rests on."""

from collections.abc import Sequence

from drift.evidence import Verdict
from drift.rca.reading import Reading
from drift.rca.records import Cause, Changed, Diagnosis, Fact, Statement, Suspect, Triage, side
from drift.rca.weighing import was_seen, weigh
from drift.tabular.words import counted, day, quoted


def diagnose(
    reading: Reading,
    facts: Sequence[Fact],
    suspects: Sequence[Suspect],
    triaged: Triage,
    *,
    chosen: Cause | None = None,
) -> Diagnosis:
    """The cause that the rules find, or the suspect that was chosen where they left it open."""
    cause, behind = weigh(reading, suspects)
    if chosen and chosen is not cause:
        cause, behind = chosen, tuple(one for one in suspects if one.cause is chosen)
    possible = _possible(reading, cause, behind)
    return Diagnosis(
        cause=cause,
        possible_cause=possible,
        confidence=_confidence(reading, cause, behind, triaged),
        changed=_changed(cause, behind),
        summary=_summary(reading, cause, possible, triaged),
        statements=_statements(cause, behind, facts),
        suspects=tuple(suspects),
    )


def _possible(reading: Reading, cause: Cause, behind: Sequence[Suspect]) -> str:
    if cause is Cause.NONE:
        return "Nothing has drifted: there is no cause to look for."
    if cause is Cause.UNKNOWN:
        if reading.evidence.severity is None:
            return "There are too few answers to tell whether anything drifted."
        return "The answers drifted, and nothing that is measured says why."
    said = " ".join(one.statement.text for one in behind[:3])
    return f"{cause.label[0].upper()}{cause.label[1:]}. {said}"


def _changed(cause: Cause, behind: Sequence[Suspect]) -> Changed:
    if cause is not Cause.MIXED:
        return side(cause)
    sides = {side(one.cause) for one in behind}
    if len(sides) == 1:
        return sides.pop()
    return "both" if sides == {"users", "model"} else "several"


def _confidence(reading: Reading, cause: Cause, behind: Sequence[Suspect], triaged: Triage) -> float:
    """A rank, not a probability: how sure it is that something moved, times how plainly this cause was seen."""
    if cause is Cause.UNKNOWN:
        return 0.0
    # A small baseline has one detector, and tests each window once.
    provisional = all(one.name.startswith("mmd_") for one in reading.evidence.detectors)
    most = 0.7 if provisional else 0.95
    if cause is Cause.NONE:
        return round(min(most, 1.0 - triaged.confidence), 3)
    sure = 0.95 if any(was_seen(one) for one in behind) else most if provisional else 0.8
    return round(triaged.confidence * sure * (0.7 if cause is Cause.MIXED else 1.0), 3)


def _summary(reading: Reading, cause: Cause, possible: str, triaged: Triage) -> str:
    evidence = reading.evidence
    name = quoted(evidence.monitor)
    if cause is Cause.NONE:
        return f"Monitor {name} shows no drift ({triaged.reason.rstrip('.')}). Nothing needs to be done."
    if evidence.severity is None and cause is Cause.UNKNOWN:
        return f"Monitor {name}: {possible[0].lower()}{possible[1:]} Send more answers."
    if not triaged.severity or not triaged.severity.rank:
        return f"Monitor {name} is below its alarm line, and something was seen to change: {possible}"
    begun = evidence.changed_at
    since = f" since about {day(begun.at)} UTC ({counted(begun.samples_ago, 'answer')} ago)" if begun else ""
    said = f"{triaged.severity}: monitor {name} has changed{since}. Likely cause: {possible[0].lower()}{possible[1:]}"
    attribution = evidence.attribution
    # Where the operation is the cause, a test that found nothing in the answers says nothing about it.
    told = attribution and attribution.tests and attribution.verdict is not Verdict.NO_CHANGE
    return f"{said} {attribution.message}" if attribution and told else said


def _statements(cause: Cause, behind: Sequence[Suspect], facts: Sequence[Fact]) -> tuple[Statement, ...]:
    """What the cause rests on, then the verdict and the time, then an example."""
    known = {fact.id: fact for fact in facts}
    shown = ["verdict", "since"]
    sides = {side(one.cause) for one in behind}
    if cause in (Cause.NONE, Cause.UNKNOWN):
        shown.insert(0, "severity")
    if "model" in sides:
        # What a witness says is an example of what the model does now.
        shown.append("pair:1")
    if "users" in sides:
        # Who uses the application is often in its tables too.
        shown.append("table:1")
    shown += [fact.id for fact in facts if fact.kind == "canary"]
    around = [Statement(text=known[name].text, evidence=(name,)) for name in shown if name in known]
    return (*(one.statement for one in behind), *around)
