"""Root cause analyses made by hand."""

import msgspec

from drift.rca.records import (
    Action,
    Cause,
    Diagnosis,
    Fact,
    Recommendation,
    RootCause,
    Statement,
    Step,
    Suspect,
    Triage,
)
from drift.records import Severity
from proxy.rca.records import Run
from proxy.rca.views import AgenticView, agentic_view

HOSTILE = (
    "<script>alert(1)</script> [click](http://evil.example) ![x](http://evil.example/x.png) **bold** `code` | cell "
    "# head @everyone www.evil.example <!-- --> &lt; \x1b[31mred\x1b[0m [bold]x[/] [/nothing] $x^2$ \u202e ~~gone~~\n\n"
    "# A title\n- [ ] a task\n1. one\n```\ncode\n```\n<https://evil.example>"
)


def root_cause(words: str = "Answers are in French.", *, monitor: str = "m", evidence_id: str = "e1") -> RootCause:
    """A HIGH drift by a language switch, with `words` wherever users and models have theirs."""
    moved = Statement(text=f"{words} The share of French rose from 2 % to 90 %.", evidence=("feature:language",))
    longer = Statement(text="Answers are longer than before.", evidence=("feature:language",))
    return RootCause(
        evidence_id=evidence_id,
        monitor=monitor,
        evidence_at=1.8e9,
        baseline_id="b",
        baseline_samples=120,
        window_samples=60,
        triage=Triage(
            severity=Severity.HIGH,
            drift_severity=Severity.HIGH,
            operational_severity=Severity.LOW,
            confidence=0.99,
            reason="The worst detector is beyond its alarm line.",
            moved=(moved,),
        ),
        diagnosis=Diagnosis(
            cause=Cause.LANGUAGE_SWITCH,
            possible_cause=f"The model answers in another language: {words}",
            confidence=0.8,
            changed="model",
            summary=words,
            statements=(moved, Statement(text="The prompts are as before.", evidence=("verdict", "topic:2"))),
            suspects=(
                Suspect(cause=Cause.LANGUAGE_SWITCH, strength=0.9, statement=moved),
                Suspect(cause=Cause.MODEL_CHANGE, strength=0.3, statement=moved),
                Suspect(cause=Cause.VERBOSITY, strength=0.2, statement=longer),
            ),
        ),
        recommendation=Recommendation(
            actions=(
                Action(urgency="now", text=f"Look at an answer: {words}", evidence=("feature:language",)),
                Action(urgency="later", text="Set a baseline anew.", evidence=("severity",)),
            )
        ),
        steps=(
            Step(
                number=1,
                agent="triage",
                input="Evidence of 60 answers.",
                conclusion=f"HIGH: {words}",
                why="The ratio is 3.",
                evidence=("severity",),
                source="rules",
                milliseconds=1.25,
            ),
            Step(
                number=2,
                agent="diagnosis",
                input="1 statement.",
                conclusion="language switch",
                why=words,
                evidence=("feature:language", "verdict"),
                source="rules",
                milliseconds=0.5,
            ),
        ),
        facts=(
            Fact(id="severity", kind="severity", text="The ratio is 3.", figures={"ratio": 3.0}),
            Fact(id="feature:language", kind="feature", text=words, exchange_ids=("x1", "x2")),
            Fact(id="topic:2", kind="topic", text="A topic."),
            Fact(id="verdict", kind="verdict", text="The model changed."),
            Fact(id="pair:1", kind="pair", text=words),
        ),
    )


def view_of(report: RootCause) -> AgenticView:
    return agentic_view(report, status="ready", message="The answers have drifted.", run_id="run-1", at=1.8e9 + 1)


def run_of(number: int, *, monitor: str = "m", evidence_id: str = "e1", model: str = "") -> Run:
    report = root_cause(monitor=monitor, evidence_id=evidence_id)
    return Run(id=f"{monitor}-{number}", at=1.8e9 + number, model_asked=model, seconds=0.1, report=report)


def stable() -> RootCause:
    """Nothing moved."""
    report = root_cause("All is as before.")
    triage = msgspec.structs.replace(report.triage, severity=None, drift_severity=None, moved=())
    action = Action(urgency="later", text="Nothing to do.", evidence=("severity",))
    return msgspec.structs.replace(
        report,
        triage=triage,
        diagnosis=Diagnosis(
            cause=Cause.NONE,
            possible_cause="Nothing moved.",
            confidence=0.9,
            changed="nothing",
            summary="All is as before.",
            statements=(),
        ),
        recommendation=Recommendation(actions=(action,)),
    )
