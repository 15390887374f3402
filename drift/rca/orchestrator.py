"""The order in which the agents work. No I/O: a language model's answer is sent into the generator."""

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import msgspec

from drift.rca import checks, wording
from drift.rca.diagnosis import diagnose
from drift.rca.facts import facts_of
from drift.rca.reading import Reading
from drift.rca.recommendation import recommend
from drift.rca.records import Answer, Brief, Cause, Diagnosis, Fact, Question, RootCause, Step, Triage
from drift.rca.rules import suspects
from drift.rca.triage import triage
from drift.tabular.words import counted

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
_Record = TypeVar("_Record", bound=msgspec.Struct)


class Uncited(ValueError):
    """A report that cites what is not among its facts: a fault in Driftium, and never shown."""


def investigate(
    brief: Brief, *, clock: Callable[[], float], ask_model: bool
) -> Generator[Step | Question, Answer | None, RootCause]:
    """Triage, diagnosis, recommendation; returns the report.

    Yields each step when it is done, and questions, to each of which the caller sends the answer; with ask_model false
    there are none. clock gives seconds, for the steps' durations. Raises Uncited, msgspec.ValidationError.
    """
    evidence, reading = brief.evidence, Reading(brief.evidence)
    steps: list[Step] = []
    began = clock()
    facts = facts_of(brief, reading)
    found = suspects(reading, facts)
    triaged = _validated(triage(reading, facts, found), facts)
    steps.append(_triage_step(triaged, facts, began, clock()))
    yield steps[-1]

    began = clock()
    diagnosis = diagnose(reading, facts, found, triaged)
    why = ""
    if ask_model and diagnosis.cause is not Cause.NONE and evidence.severity:
        diagnosis, why = yield from _in_words(reading, triaged, diagnosis, facts)
    diagnosis = _validated(diagnosis, facts)
    steps.append(_diagnosis_step(diagnosis, triaged, facts, why, began, clock()))
    yield steps[-1]

    began = clock()
    recommendation = _validated(recommend(triaged, diagnosis, facts), facts)
    cited = tuple(dict.fromkeys(one for action in recommendation.actions for one in action.evidence))
    steps.append(
        Step(
            number=3,
            agent="recommendation",
            input=f"Severity {triaged.severity or 'none'}, cause: {diagnosis.cause.label}.",
            conclusion=recommendation.actions[0].text,
            why=f"{counted(len(recommendation.actions), 'action')} for the cause, no more urgent than the severity "
            f"{triaged.severity or 'LOW'} allows.",
            evidence=cited,
            source="rules",
            milliseconds=_milliseconds(began, clock()),
        )
    )
    yield steps[-1]
    return RootCause(
        evidence_id=evidence.id,
        monitor=evidence.monitor,
        evidence_at=evidence.at,
        baseline_id=evidence.baseline_id,
        baseline_samples=evidence.baseline_samples,
        window_samples=evidence.window_samples,
        triage=triaged,
        diagnosis=diagnosis,
        recommendation=recommendation,
        steps=tuple(steps),
        facts=facts,
    )


def _in_words(
    reading: Reading, triaged: Triage, diagnosis: Diagnosis, facts: Sequence[Fact]
) -> Generator[Question, Answer | None, tuple[Diagnosis, str]]:
    """The diagnosis with a model's words where they hold, and a sentence about why they do or do not."""
    asked, shown = wording.question(triaged, diagnosis, facts)
    answer = (yield asked) or Answer(failure="no model was asked")
    name = answer.model or "the model"
    if answer.failure:
        return diagnosis, f"The rules' words stand: {answer.failure}."
    try:
        written = checks.read(answer.content)
    except _UNREADABLE:
        return diagnosis, f"The rules' words stand: {name} did not answer in the form that was asked for."
    if why := checks.objection(written, triaged, diagnosis, shown):
        return diagnosis, f"The rules' words stand, those of {name} were not taken: {why}."
    if written.cause is not diagnosis.cause:
        # A choice that turns with the order of the list was made by the list.
        asked, _ = wording.question(triaged, diagnosis, facts, reverse=True)
        second = (yield asked) or Answer(failure="no second answer came")
        if not _agrees(second, written.cause):
            return diagnosis, f"The rules' words stand: {name} chose {written.cause}, and not when asked again."
        why = f"{name} chose {written.cause.label} twice, where the rules found {diagnosis.cause.label}."
        diagnosis = diagnose(reading, facts, diagnosis.suspects, triaged, chosen=written.cause)
        return wording.told(diagnosis, written.summary, written.diagnosis, name), why
    why = f"The words are those of {name}: severity, cause, figures and citations were checked against the evidence."
    return wording.told(diagnosis, written.summary, written.diagnosis, name), why


def _agrees(answer: Answer, cause: Cause) -> bool:
    if answer.failure:
        return False
    try:
        return checks.read(answer.content).cause is cause
    except _UNREADABLE:
        return False


def _triage_step(triaged: Triage, facts: Sequence[Fact], began: float, ended: float) -> Step:
    moved = f"{counted(len(triaged.moved), 'thing')} moved"
    cited = tuple(dict.fromkeys(one for said in triaged.moved for one in said.evidence)) or ("severity",)
    return Step(
        number=1,
        agent="triage",
        input=f"{counted(len(facts), 'fact')}.",
        conclusion=f"Severity {triaged.severity or 'not known'}, confidence {triaged.confidence:.0%}; {moved}.",
        why=triaged.reason,
        evidence=cited,
        source="rules",
        milliseconds=_milliseconds(began, ended),
    )


def _diagnosis_step(
    diagnosis: Diagnosis, triaged: Triage, facts: Sequence[Fact], why: str, began: float, ended: float
) -> Step:
    others = [one.cause.label for one in diagnosis.suspects if one.cause is not diagnosis.cause]
    weighed = f"Something also speaks for: {', '.join(others)}." if others else "Nothing speaks for another cause."
    cited = tuple(dict.fromkeys(one for said in diagnosis.statements for one in said.evidence))
    return Step(
        number=2,
        agent="diagnosis",
        input=f"Severity {triaged.severity or 'not known'}, {counted(len(facts), 'fact')}, "
        f"{counted(len(diagnosis.suspects), 'suspect')}.",
        conclusion=f"Cause: {diagnosis.cause.label}, confidence {diagnosis.confidence:.0%}.",
        why=" ".join(part for part in (_reason(diagnosis), weighed, why) if part),
        evidence=cited or ("severity",),
        source=diagnosis.source,
        milliseconds=_milliseconds(began, ended),
    )


def _reason(diagnosis: Diagnosis) -> str:
    return diagnosis.statements[0].text if diagnosis.statements else ""


def _milliseconds(began: float, ended: float) -> float:
    return round(1_000 * (ended - began), 3)


def _validated(record: _Record, facts: Sequence[Fact]) -> _Record:
    """The record, once its types and bounds hold and each of its citations is a fact's."""
    plain = msgspec.to_builtins(record)
    msgspec.convert(plain, type(record))
    known = {fact.id for fact in facts}
    for one in _citations(plain):
        if one not in known:
            raise Uncited(f"{type(record).__name__} cites {one!r}, which is no fact")
    return record


def _citations(plain: object) -> list[str]:
    if isinstance(plain, dict):
        own = list(plain["evidence"]) if isinstance(plain.get("evidence"), (list, tuple)) else []
        return own + [one for value in plain.values() for one in _citations(value)]
    if isinstance(plain, (list, tuple)):
        return [one for value in plain for one in _citations(value)]
    return []
