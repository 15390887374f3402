"""Three agents in sequence, each step told, each claim cited."""

from typing import Any

import msgspec
import pytest

from drift.evidence import Alteration, Outcomes, Verdict
from drift.rca.orchestrator import Uncited, investigate
from drift.rca.records import Brief, Cause, PairTexts, RootCause, Statement, TableRow, Triage
from drift.records import Severity
from tests.unit.incidents import behaviours, evidence, report, run

FAILING = Outcomes(baseline={"scored": 400}, window={"scored": 200, "http_error": 90})


def incidents() -> list[Any]:
    refused = behaviours(200, seed=2, share=0.4, refusal=True, response_characters=90)
    topics = {"refund money": (0.02, 0.5)}
    swapped = Alteration(what="model", before="a", after="b", baseline_share=0.0, window_share=1.0, at=1.8e9)
    return [
        evidence(),
        evidence(refused),
        evidence(refused, verdict=Verdict.BOTH, topics=topics),
        evidence(verdict=Verdict.PROMPTS_CHANGED, topics=topics),
        evidence(alterations=(swapped,)),
        evidence(severity=Severity.LOW, ratio=0.2, verdict=None, outcomes=FAILING),
        evidence(severity=Severity.LOW, ratio=0.2, verdict=None),
        evidence(severity=None, ratio=None, verdict=None),
        evidence(severity=Severity.MEDIUM, ratio=1.1, verdict=Verdict.INSUFFICIENT_DATA),
    ]


def citations(record: object) -> set[str]:
    """Every id that a record cites, wherever in it."""
    if isinstance(record, dict):
        own = set(record["evidence"]) if isinstance(record.get("evidence"), list) else set()
        return own.union(*(citations(value) for value in record.values()))
    if isinstance(record, list):
        return set().union(*map(citations, record))
    return set()


@pytest.mark.parametrize("found", incidents())
def test_every_citation_in_a_report_is_one_of_its_facts(found: Any):
    made = report(found)
    plain = msgspec.json.decode(msgspec.json.encode(made))
    ids = [fact.id for fact in made.facts]
    assert len(ids) == len(set(ids))
    assert citations(plain) <= set(ids)


@pytest.mark.parametrize("found", incidents())
def test_the_agents_work_in_sequence_and_each_step_is_told_as_it_is_done(found: Any):
    made, steps, questions = run(Brief(evidence=found))
    assert tuple(steps) == made.steps
    assert [(step.number, step.agent) for step in steps] == [(1, "triage"), (2, "diagnosis"), (3, "recommendation")]
    assert all(step.evidence and step.source == "rules" and step.milliseconds >= 0 for step in steps)
    assert not questions


@pytest.mark.parametrize("found", incidents())
def test_a_report_survives_its_way_through_json(found: Any):
    made = report(found)
    assert msgspec.json.decode(msgspec.json.encode(made), type=RootCause) == made


@pytest.mark.parametrize("found", incidents())
def test_no_action_is_more_urgent_than_the_severity(found: Any):
    made = report(found)
    severity = made.triage.severity or Severity.LOW
    urgencies = {action.urgency for action in made.recommendation.actions}
    if severity is Severity.LOW:
        assert urgencies == {"later"}
    if severity is Severity.MEDIUM:
        assert "now" not in urgencies


def test_the_severity_is_the_worse_of_drift_and_operation_and_confidence_grows_with_the_ratio():
    failing = report(evidence(severity=Severity.LOW, ratio=0.2, verdict=None, outcomes=FAILING)).triage
    assert (failing.severity, failing.drift_severity) == (Severity.HIGH, Severity.LOW)
    sure = [report(evidence(ratio=ratio)).triage.confidence for ratio in (1.0, 2.0, 4.0)]
    assert sure == [0.5, 0.8, 0.941]


def test_the_same_evidence_gives_the_same_report():
    found = evidence(behaviours(200, seed=2, share=0.4, refusal=True))
    assert report(found) == report(found)


def test_drifted_columns_of_tables_and_pairs_are_facts():
    row = TableRow(dataset="crm", report_id="r", column="age", effect=0.4, direction="mean 40 -> 29")
    pair = PairTexts(exchange_id="x9", prompt="How?", baseline="So.", current="I cannot.")
    made = report(Brief(evidence=evidence(), tables=(row,), pairs=(pair,)))
    facts = {fact.id: fact for fact in made.facts}
    assert "mean 40 -> 29" in facts["table:1"].text
    assert facts["pair:1"].exchange_ids == ("x9",)


def test_without_texts_the_report_names_ids_and_numbers():
    """As with privacy.store_text = false: no pairs, no words of topics, no templates."""
    found = evidence(behaviours(200, seed=2, share=0.4, refusal=True, response_characters=90))
    made = report(Brief(evidence=found))
    assert made.diagnosis.cause is Cause.REFUSALS
    assert not [fact for fact in made.facts if fact.kind in ("pair", "template")]


def test_a_record_that_cites_what_is_no_fact_is_never_shown(monkeypatch: pytest.MonkeyPatch):
    invented = Triage(
        severity=Severity.LOW,
        drift_severity=Severity.LOW,
        operational_severity=Severity.LOW,
        confidence=0.1,
        reason="Said so.",
        moved=(Statement(text="Invented.", evidence=("feature:invented",)),),
    )
    monkeypatch.setattr("drift.rca.orchestrator.triage", lambda *_: invented)
    running = investigate(Brief(evidence=evidence()), clock=lambda: 0.0, ask_model=False)
    with pytest.raises(Uncited, match="invented"):
        next(running)
