"""The second agent: the cause, weighed from everything that speaks for one.

A cause explains the symptoms that follow from it: cut answers are shorter, answers that decline hold no lists, and
another model may do any of it. So the suspects are asked in the order in which one can be behind another: what was
seen to change (names, digests, prompts), then what users ask, then the gravest symptom. What that one leaves
unexplained, on the other side, makes it mixed.
"""

from collections.abc import Sequence

import msgspec

from drift.evidence import Verdict
from drift.policy import CAUSE
from drift.rca.reading import Reading
from drift.rca.records import USERS, Cause, Changed, Diagnosis, Fact, Statement, Suspect, Triage, side
from drift.tabular.words import day, quoted

OPERATION = Cause.PROVIDER_TROUBLE

GRAVE = (Cause.DEGENERATE_OUTPUT, Cause.LANGUAGE_SWITCH, Cause.REFUSALS, Cause.TRUNCATION)
"""Symptoms that other prompts do not bring about."""
FORM = (Cause.FORMAT_BREAK, Cause.VERBOSITY)
"""Symptoms that other prompts bring about too, and that follow from the grave ones."""

EXPLAINS = {
    Cause.MODEL_CHANGE: (*GRAVE, *FORM, OPERATION),
    Cause.INSTRUCTIONS_CHANGE: (*GRAVE, *FORM, OPERATION),
    Cause.DEGENERATE_OUTPUT: (Cause.TRUNCATION, Cause.LANGUAGE_SWITCH, Cause.MODEL_CHANGE, *FORM, OPERATION),
    Cause.LANGUAGE_SWITCH: (Cause.MODEL_CHANGE, *FORM),
    Cause.REFUSALS: (Cause.MODEL_CHANGE, *FORM),
    Cause.TRUNCATION: (Cause.MODEL_CHANGE, *FORM, OPERATION),
    Cause.FORMAT_BREAK: (Cause.MODEL_CHANGE, Cause.VERBOSITY, OPERATION),
    Cause.VERBOSITY: (Cause.MODEL_CHANGE, OPERATION),
    Cause.TOPIC_SHIFT: (*FORM, Cause.NEW_POPULATION),
    Cause.NEW_POPULATION: (Cause.TOPIC_SHIFT, *FORM),
}
"""What follows from a cause, and is no further one beside it."""


def weigh(reading: Reading, suspects: Sequence[Suspect]) -> tuple[Cause, tuple[Suspect, ...]]:
    """The cause, and the suspects that it stands for, the strongest first; several when it is mixed."""
    known = {one.cause: one for one in suspects}
    operation = known.pop(OPERATION, None)
    if not reading.moved:
        return _quiet(reading, known, operation)
    users, model = _users(reading, known), _model(reading, known)
    if model and not _moved(users):
        # A difference of prompts without a topic that moved is too little to stand beside what was found.
        users = []
    found = sorted([*users, *model], key=lambda one: -one.strength)
    if users and model:
        least = max(CAUSE.least_beside, CAUSE.across * found[0].strength)
        found = [one for one in found if one.strength >= least] or found[:1]
    if operation and operation.strength >= CAUSE.least_beside:
        explained = any(OPERATION in EXPLAINS[one.cause] for one in found)
        found = found if explained else [*found, operation]
    if not found:
        return Cause.UNKNOWN, ()
    return (found[0].cause if len(found) == 1 else Cause.MIXED), tuple(found)


def _quiet(
    reading: Reading, known: dict[Cause, Suspect], operation: Suspect | None
) -> tuple[Cause, tuple[Suspect, ...]]:
    """The cause while the severity is LOW: what was seen to change is named, and not what one test suspects."""
    seen = _beside([one for one in known.values() if _was_seen(one) and one.strength >= CAUSE.least_beside])
    users = _users(reading, known) if reading.rejected("prompts") else []
    seen += [one for one in users if _moved([one]) and one.strength >= CAUSE.inferred]
    found = [*([operation] if operation else []), *seen]
    if not found:
        return Cause.NONE, ()
    return (found[0].cause if len(found) == 1 else Cause.MIXED), tuple(found)


def _moved(users: list[Suspect]) -> bool:
    """Whether a topic, a language or the users themselves moved, and not only the test of all prompts."""
    return any(one.statement.evidence[0].startswith(("topic:", "feature:", "sessions")) for one in users)


def _weaker(one: Suspect, factor: float) -> Suspect:
    return msgspec.structs.replace(one, strength=one.strength * factor)


def _users(reading: Reading, known: dict[Cause, Suspect]) -> list[Suspect]:
    """What speaks for the users, at most one cause."""
    found = [known[cause] for cause in USERS if cause in known]
    template = known.get(Cause.INSTRUCTIONS_CHANGE)
    if template and _of_prompts(template):
        # The same words around every prompt move all prompts: nobody asks about anything else.
        return []
    if reading.verdict is Verdict.MODEL_CHANGED:
        found = [_weaker(one, CAUSE.doubted) for one in found]
    if len(found) == 2 and found[1].strength >= CAUSE.beside * found[0].strength:
        # Another language is another topic to an encoder.
        found = found[1:]
    return found[:1]


def _model(reading: Reading, known: dict[Cause, Suspect]) -> list[Suspect]:
    """What speaks for the model or how it is asked: one cause, or several where none explains the others."""
    settings = [one for one in (known.get(Cause.MODEL_CHANGE), known.get(Cause.INSTRUCTIONS_CHANGE)) if one]
    seen = [one for one in settings if _was_seen(one)]
    if seen:
        return _beside(seen)
    grave = [known[cause] for cause in GRAVE if cause in known]
    grave += [one for one in (known.get(Cause.FORMAT_BREAK),) if one and _breaks_contract(one)]
    if grave:
        return _unexplained(grave)
    factor = {
        Verdict.PROMPTS_CHANGED: 0.0,
        Verdict.INSUFFICIENT_OVERLAP: 0.0 if any(cause in known for cause in USERS) else 1.0,
        Verdict.INSUFFICIENT_DATA: CAUSE.beside,
    }.get(reading.verdict or Verdict.NO_CHANGE, 1.0)
    form = [_weaker(known[cause], factor) for cause in (*FORM, Cause.MODEL_CHANGE) if cause in known]
    form = [one for one in form if one.strength >= CAUSE.least_beside]
    return _form(reading, form)


def _breaks_contract(one: Suspect) -> bool:
    """Whether JSON or calls of tools came or went, on which other programs rely."""
    return one.statement.evidence[0].startswith(("feature:json", "feature:tool_call"))


def _of_prompts(one: Suspect) -> bool:
    """Whether what changed are words around the prompts."""
    return one.statement.evidence[0].startswith(("template:", "feature:prompt"))


def _was_seen(one: Suspect) -> bool:
    """Whether a name, a digest, a setting or a template was seen to change, rather than inferred."""
    return one.statement.evidence[0].startswith(("setting:", "template:", "feature:prompt_characters"))


def _beside(found: list[Suspect]) -> list[Suspect]:
    """The strongest, and those that are not much weaker."""
    ranked = sorted(found, key=lambda one: -one.strength)
    return [one for one in ranked if one.strength >= max(CAUSE.least_beside, CAUSE.beside * ranked[0].strength)]


def _unexplained(found: list[Suspect]) -> list[Suspect]:
    """The strongest, and those that it does not explain."""
    ranked = sorted(found, key=lambda one: -one.strength)
    kept: list[Suspect] = []
    for one in ranked:
        if not any(one.cause in EXPLAINS[other.cause] for other in kept):
            kept.append(one)
    for one in list(kept):
        # Loops run to the limit, so more answers may be cut than were called loops.
        if any(one.cause in EXPLAINS[other.cause] for other in kept if other is not one):
            kept.remove(one)
    return _beside(kept)


def _form(reading: Reading, found: list[Suspect]) -> list[Suspect]:
    """Length, layout, or a model that changed in all of it.

    A text that is cut or laid out otherwise says the same: behaviour stands out, and the vectors follow at a distance.
    """
    known = {one.cause: one for one in found}
    layout, length, model = (known.get(one) for one in (Cause.FORMAT_BREAK, Cause.VERBOSITY, Cause.MODEL_CHANGE))
    if layout and (not length or layout.strength >= CAUSE.dominant * length.strength):
        return [layout] if not model or layout.strength >= CAUSE.plain else [model]
    if length and (not model or reading.ratio("behaviour") >= CAUSE.dominant * reading.ratio("mmd", "residual_mmd")):
        return [length]
    return [model] if model else found[:1]


def diagnose(reading: Reading, facts: Sequence[Fact], suspects: Sequence[Suspect], triaged: Triage) -> Diagnosis:
    """The cause in words, with what it rests on."""
    cause, behind = weigh(reading, suspects)
    possible = _possible(cause, behind)
    return Diagnosis(
        cause=cause,
        possible_cause=possible,
        confidence=_confidence(cause, behind, triaged),
        changed=_changed(cause, behind),
        summary=_summary(reading, cause, possible, triaged),
        statements=_statements(cause, behind, facts),
        suspects=tuple(suspects),
    )


def _possible(cause: Cause, behind: Sequence[Suspect]) -> str:
    if cause is Cause.NONE:
        return "Nothing has drifted: there is no cause to look for."
    if cause is Cause.UNKNOWN:
        return "The answers drifted, and nothing that is measured says why."
    said = " ".join(one.statement.text for one in behind[:3])
    return f"{cause.label[0].upper()}{cause.label[1:]}. {said}"


def _changed(cause: Cause, behind: Sequence[Suspect]) -> Changed:
    if cause is not Cause.MIXED:
        return side(cause)
    sides = {side(one.cause) for one in behind}
    if len(sides) == 1:
        return sides.pop()
    return "both" if "users" in sides else "model" if "model" in sides else "application"


def _confidence(cause: Cause, behind: Sequence[Suspect], triaged: Triage) -> float:
    if cause is Cause.NONE:
        return round(1.0 - triaged.confidence, 3)
    if cause is Cause.UNKNOWN:
        return 0.0
    sure = 0.9 if any(_was_seen(one) for one in behind) else 0.7
    return round(triaged.confidence * sure * (0.7 if cause is Cause.MIXED else 1.0), 3)


def _summary(reading: Reading, cause: Cause, possible: str, triaged: Triage) -> str:
    evidence = reading.evidence
    name = quoted(evidence.monitor)
    if cause is Cause.NONE:
        return f"Monitor {name} shows no drift ({triaged.reason.rstrip('.')}). Nothing needs to be done."
    if not triaged.severity or not triaged.severity.rank:
        return f"Monitor {name} is below its alarm line, and something was seen to change: {possible}"
    begun = evidence.changed_at
    since = f" since about {day(begun.at)} UTC ({begun.samples_ago} answers ago)" if begun else ""
    said = f"{triaged.severity}: monitor {name} has changed{since}. Likely cause: {possible[0].lower()}{possible[1:]}"
    attribution = evidence.attribution
    return f"{said} {attribution.message}" if attribution and attribution.tests else said


def _statements(cause: Cause, behind: Sequence[Suspect], facts: Sequence[Fact]) -> tuple[Statement, ...]:
    """What the cause rests on, then the verdict and the time."""
    known = {fact.id: fact for fact in facts}
    shown = ["verdict", "since"]
    if cause in (Cause.NONE, Cause.UNKNOWN):
        shown.insert(0, "severity")
    elif any(side(one.cause) == "model" for one in behind):
        # What a witness says is an example of what the model does now.
        shown.append("pair:1")
    around = [Statement(text=known[name].text, evidence=(name,)) for name in shown if name in known]
    return (*(one.statement for one in behind), *around)
