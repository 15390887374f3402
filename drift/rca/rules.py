"""For each cause a rule: what speaks for it, and how strongly.

A strength is about the share of the window's exchanges that the cause accounts for, 0 to 1: the rise of a share (of
refusals, of a topic, of a new model's name), or the Kolmogorov-Smirnov distance of a number (lengths, seconds), which
is the least share of exchanges that must have changed. A rule only speaks of what differs beyond chance; which of
several causes is behind the others is weighed in diagnosis.py.
"""

from collections.abc import Callable, Iterable

import msgspec

from drift.evidence import Template, Verdict
from drift.policy import CAUSE, VERDICT
from drift.rca import symptoms
from drift.rca.facts import altered, named, setting_id
from drift.rca.reading import Reading, gain
from drift.rca.records import Cause, Fact, Suspect
from drift.rca.settings import instruction_settings, model_settings
from drift.rca.symptoms import LAYOUT, Facts, suspect
from drift.tabular.words import listed, percentage, quoted

_ENDS = (*".:!?]}>#", "\u3002", "\uff1a", "\uff01", "\uff1f")
"""What ends, or begins, words that stand around a prompt rather than in it."""


def suspects(reading: Reading, facts: Iterable[Fact]) -> tuple[Suspect, ...]:
    """Every cause that something speaks for, the strongest first."""
    known = {fact.id: fact for fact in facts}
    found = [one for rule in RULES for one in [rule(reading, known)] if one]
    return tuple(sorted(found, key=lambda one: -one.strength))


def model_change(reading: Reading, facts: Facts) -> Suspect | None:
    """Another model answers: its name or weights say so, or like prompts are answered differently."""
    own = model_settings(reading)
    one = reading.setting(*own)
    marks = [fact.id for fact in facts.values() if fact.kind == "mark" and "instead of" in fact.text]
    changed = _canaries(facts, changed=True)
    if one and gain(one) >= CAUSE.least:
        cites = [setting_id(name) for name in own]
        return suspect(Cause.MODEL_CHANGE, gain(one), f"{altered(one)}.", [*cites, *changed, *marks, "verdict"], facts)
    if changed:
        cites = [*changed, *(setting_id(name) for name in own), *marks, "verdict", *_layout(facts)]
        strength = max(CAUSE.canary, _answers_moved(reading))
        return suspect(Cause.MODEL_CHANGE, strength, facts[changed[0]].text, cites, facts)
    found = _inferred_change(reading, facts)
    if found and _canaries(facts, changed=False):
        # The same prompts are answered as ever: what was inferred is behind something else, most likely.
        return msgspec.structs.replace(found, strength=found.strength * CAUSE.doubted)
    return found


def _canaries(facts: Facts, *, changed: bool) -> list[str]:
    """The ids of canaries that say so."""
    return [one.id for one in facts.values() if one.kind == "canary" and bool(one.figures["changed"]) is changed]


def _inferred_change(reading: Reading, facts: Facts) -> Suspect | None:
    """Nothing was seen to change, and like prompts are answered differently."""
    test = reading.test("conditional")
    if reading.verdict in (Verdict.MODEL_CHANGED, Verdict.BOTH) and test:
        if test.rejected:
            text = f"Like prompts are answered differently (p = {test.p_adjusted:.3f}), though the model kept its name."
        else:
            text = "The answers changed while the prompts did not, though the model kept its name."
        return suspect(Cause.MODEL_CHANGE, _answers_moved(reading), text, ["verdict", *_layout(facts)], facts)
    return _unlike(reading, facts)


def _unlike(reading: Reading, facts: Facts) -> Suspect | None:
    """The vectors alarm while the prompts are not even suspect: like prompts must be answered differently."""
    prompts, evidence = reading.test("prompts"), reading.evidence
    worst = max(evidence.detectors, key=lambda one: one.ratio or 0.0, default=None)
    if not reading.drifted or prompts is None or prompts.p_value <= VERDICT.unsuspected or worst is None:
        return None
    if not worst.name.startswith(("mmd", "residual_mmd")):
        return None
    text = (
        f"The answers moved to {worst.ratio or 0.0:.2f} times the alarm line ({worst.name}), and the prompts did "
        f"not (p = {prompts.p_value:.2f}), though the model kept its name."
    )
    return suspect(Cause.MODEL_CHANGE, CAUSE.inferred, text, [f"detector:{worst.name}", "verdict"], facts)


def _answers_moved(reading: Reading) -> float:
    """How far the answers' behaviour moved at most; at least CAUSE.inferred, since the test has found something."""
    return max(CAUSE.inferred, *(reading.effect(name) for name in ("response_characters", *LAYOUT)))


def _layout(facts: Facts) -> list[str]:
    return [f"feature:{name}" for name in ("response_characters", *LAYOUT) if f"feature:{name}" in facts]


def instructions_change(reading: Reading, facts: Facts) -> Suspect | None:
    """The system prompt, the template or the parameters of requests differ."""
    own = instruction_settings(reading)
    one = reading.setting(*own)
    template = _template(reading)
    wrapped = abs(template.window_share - template.baseline_share) if template else 0.0
    if one and gain(one) >= max(CAUSE.least, wrapped):
        cites = [setting_id(name) for name in own]
        return suspect(Cause.INSTRUCTIONS_CHANGE, gain(one), f"{altered(one)}.", cites, facts)
    if template and wrapped >= CAUSE.least_template:
        number = reading.evidence.templates.index(template) + 1
        fact = facts[f"template:{number}"]
        return suspect(Cause.INSTRUCTIONS_CHANGE, wrapped, fact.text, [fact.id, "feature:prompt_characters"], facts)
    column = reading.feature("prompt_characters")
    if column and (moved := next((p for p in column.patterns if p.name == "offset"), None)):
        text = f"Every prompt has grown or shrunk alike: {moved.text}."
        return suspect(
            Cause.INSTRUCTIONS_CHANGE, reading.effect("prompt_characters"), text, ["feature:prompt_characters"], facts
        )
    return None


def _template(reading: Reading) -> Template | None:
    """The template whose share changed most.

    Once a topic moved, only words that came and end by themselves count: "What are the causes of" is how its questions
    begin, and a template that is in fewer prompts than before was not in the new ones.
    """
    found = reading.evidence.topics
    plain = reading.evidence.templates
    if found and any(one.moved for one in found.topics):
        plain = tuple(
            one
            for one in plain
            if one.window_share > one.baseline_share and (one.text[-1:] in _ENDS or one.text[:1] in _ENDS)
        )
    return max(plain, key=lambda one: abs(one.window_share - one.baseline_share), default=None)


def topic_shift(reading: Reading, facts: Facts) -> Suspect | None:
    """Users ask about other things."""
    found = reading.evidence.topics
    grown = [one for one in found.topics if one.moved and one.window_share > one.baseline_share] if found else []
    shrunk = [one for one in found.topics if one.moved and one.window_share < one.baseline_share] if found else []
    rise = sum(one.window_share - one.baseline_share for one in grown)
    fall = sum(one.baseline_share - one.window_share for one in shrunk)
    cites = [*(fact.id for fact in facts.values() if fact.kind == "topic"), "verdict"]
    cites += _canaries(facts, changed=False)
    if max(rise, fall) >= CAUSE.least_topics:
        words = listed([named(one) for one in (grown or shrunk)[:3]])
        said, moved = ("more", f"gained {percentage(rise)}") if grown else ("less", f"lost {percentage(fall)}")
        text = f"Users ask {said} about {words}: the topics that moved {moved} of the prompts."
        return suspect(Cause.TOPIC_SHIFT, max(rise, fall), text, cites, facts)
    test = reading.test("prompts")
    if test and test.rejected:
        text = f"Users ask differently (p = {test.p_adjusted:.3f}), without one topic that grew or shrank by itself."
        return suspect(Cause.TOPIC_SHIFT, CAUSE.inferred, text, cites, facts)
    return None


def new_population(reading: Reading, facts: Facts) -> Suspect | None:
    """Users write in another language, or are others than before."""
    gains = reading.gains("prompt_language")
    label = max(gains, key=lambda one: gains[one], default="")
    if label and gains[label] >= CAUSE.least:
        before, after = reading.shares("prompt_language", label)
        text = f"{percentage(after)} of the prompts are in {quoted(label)}, where {percentage(before)} were."
        cites = ["feature:prompt_language", "feature:language", "sessions", "verdict"]
        return suspect(Cause.NEW_POPULATION, gains[label], text, cites, facts)
    new = reading.evidence.newcomers
    if new and new.window_share - new.expected_share >= CAUSE.least_newcomers:
        text = (
            f"{percentage(new.window_share)} of the exchanges are of users who are not in the baseline, where "
            f"{percentage(new.expected_share)} are usual."
        )
        return suspect(
            Cause.NEW_POPULATION, new.window_share - new.expected_share, text, ["sessions", "verdict"], facts
        )
    return None


RULES: tuple[Callable[[Reading, Facts], Suspect | None], ...] = (
    model_change,
    instructions_change,
    topic_shift,
    new_population,
    symptoms.refusals,
    symptoms.language_switch,
    symptoms.truncation,
    symptoms.degenerate_output,
    symptoms.format_break,
    symptoms.verbosity,
    symptoms.provider_trouble,
)
