"""Which of the suspects is the cause.

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
from drift.rca.records import USERS, Cause, Suspect

OPERATION = Cause.PROVIDER_TROUBLE

GRAVE = (Cause.DEGENERATE_OUTPUT, Cause.LANGUAGE_SWITCH, Cause.REFUSALS, Cause.TRUNCATION)
"""Symptoms that other prompts do not bring about."""
FORM = (Cause.FORMAT_BREAK, Cause.VERBOSITY)
"""Symptoms that other prompts bring about too, and that follow from the grave ones."""

EXPLAINS = {
    Cause.MODEL_CHANGE: (*GRAVE, *FORM, OPERATION),
    Cause.INSTRUCTIONS_CHANGE: (*GRAVE, *FORM, OPERATION),
    Cause.DEGENERATE_OUTPUT: (Cause.TRUNCATION, Cause.LANGUAGE_SWITCH, Cause.MODEL_CHANGE, *FORM, OPERATION),
    Cause.LANGUAGE_SWITCH: (Cause.MODEL_CHANGE, Cause.DEGENERATE_OUTPUT, *FORM),
    Cause.REFUSALS: (Cause.MODEL_CHANGE, *FORM, OPERATION),
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
    if users and model:
        users, model = _apart(reading, users, model)
    found = sorted([*users, *model], key=lambda one: -one.strength)
    if users and model:
        least = max(CAUSE.least_beside, CAUSE.across * found[0].strength)
        found = [one for one in found if one.strength >= least] or found[:1]
    if operation and operation.strength >= CAUSE.least_beside:
        # Longer answers come later; that requests fail is explained by nothing else.
        late = operation.statement.evidence[0] != "outcomes"
        explained = late and any(OPERATION in EXPLAINS[one.cause] for one in found)
        found = found if explained else [*found, operation]
    if not found:
        return Cause.UNKNOWN, ()
    return (found[0].cause if len(found) == 1 else Cause.MIXED), tuple(found)


def _apart(reading: Reading, users: list[Suspect], model: list[Suspect]) -> tuple[list[Suspect], list[Suspect]]:
    """Users and model, less the one that the other accounts for."""
    inferred = all(one.cause is Cause.MODEL_CHANGE and one.strength <= CAUSE.inferred for one in model)
    if not _moved(users):
        # A difference of all prompts, without a topic that moved, is too little to stand beside what was found.
        return (users, []) if inferred else ([], model)
    form = all(not was_seen(one) and one.cause not in GRAVE and not _breaks_contract(reading, one) for one in model)
    if form and model[0].strength <= users[0].strength + CAUSE.follows:
        # Other questions have answers of another form.
        return users, []
    return users, model


def _quiet(
    reading: Reading, known: dict[Cause, Suspect], operation: Suspect | None
) -> tuple[Cause, tuple[Suspect, ...]]:
    """The cause while the severity is LOW: what was seen to change is named, and not what one test suspects."""
    seen = _beside([one for one in known.values() if was_seen(one) and one.strength >= CAUSE.least_beside])
    for one in _users(reading, known):
        others = one.statement.evidence[0] == "sessions" and one.strength >= CAUSE.most
        tested = reading.rejected("prompts") and _moved([one]) and one.strength >= CAUSE.inferred
        seen += [one] if others or tested else []
    found = [*([operation] if operation else []), *seen]
    if not found:
        # Without a severity nobody can know.
        return (Cause.NONE if reading.evidence.severity else Cause.UNKNOWN), ()
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
    seen = sorted((one for one in settings if was_seen(one)), key=lambda one: -one.strength)
    grave = [known[cause] for cause in GRAVE if cause in known and not _answers_users(known, known[cause])]
    grave += [one for one in (known.get(Cause.FORMAT_BREAK),) if one and _breaks_contract(reading, one)]
    # A setting that changed in a tenth of the requests is not behind what happens in most of the answers.
    if seen and all(one.strength <= seen[0].strength / CAUSE.beside + CAUSE.least_beside for one in grave):
        return _beside(seen) or seen[:1]
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


def _breaks_contract(reading: Reading, one: Suspect) -> bool:
    """Whether JSON or calls of tools came or went, or JSON is wrapped in code: other programs rely on them."""
    first = one.statement.evidence[0]
    json = reading.shares("json", "true")[0] >= CAUSE.contract
    return first.startswith(("feature:json", "feature:tool_call")) or (first == "feature:code_share" and json)


def _of_prompts(one: Suspect) -> bool:
    """Whether what changed are words around the prompts."""
    return one.statement.evidence[0].startswith(("template:", "feature:prompt"))


def _answers_users(known: dict[Cause, Suspect], one: Suspect) -> bool:
    """Whether answers in another language are those to prompts in it, but for some short ones."""
    users = known.get(Cause.NEW_POPULATION)
    if users is None or one.cause is not Cause.LANGUAGE_SWITCH:
        return False
    return one.strength < CAUSE.beside * users.strength


def was_seen(one: Suspect) -> bool:
    """Whether a name, a setting, a template or a canary's answers were seen to change, rather than inferred."""
    return one.statement.evidence[0].startswith(("setting:", "canary:", "template:", "feature:prompt_characters"))


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
        # Loops run to the limit, so somewhat more answers may be cut than were called loops.
        if any(
            one.cause in EXPLAINS[other.cause] and other.strength >= CAUSE.nearly * one.strength
            for other in kept
            if other is not one
        ):
            kept.remove(one)
    return _beside(kept) or kept[:1]


def _form(reading: Reading, found: list[Suspect]) -> list[Suspect]:
    """Length, layout, or a model that changed in all of it.

    A text that is cut or laid out otherwise says the same: behaviour stands out, and the vectors follow at a distance.
    """
    known = {one.cause: one for one in found}
    layout, length, model = (known.get(one) for one in (Cause.FORMAT_BREAK, Cause.VERBOSITY, Cause.MODEL_CHANGE))
    behaviour = reading.ratio("behaviour")
    # A small baseline's only detector is of the vectors.
    form = behaviour >= CAUSE.dominant * reading.ratio("mmd", "residual_mmd") if behaviour else True
    if layout and (form or not model) and (not length or layout.strength >= CAUSE.alike * length.strength):
        return [layout]
    if length and (form or not model):
        return [length]
    return [model] if model else found[:1]
