"""A canary tells whose doing a drift is where nothing else can."""

from typing import Any

import msgspec
import pytest

from drift.evidence import Verdict
from drift.rca.records import Brief, CanarySaid, Cause
from drift.records import Severity
from tests.unit.incidents import BEGAN, evidence, report

CHANGED = CanarySaid(
    name="basics",
    model="m",
    changed=True,
    at=BEGAN + 500,
    reference_at=BEGAN - 86_400,
    since=BEGAN + 100,
    prompts=20,
    p_value=0.0005,
    distance=0.4,
    usual=0.2,
)
SAME = msgspec.structs.replace(CHANGED, changed=False, since=None, p_value=0.43, distance=0.2)
TOPIC = {"refunds": (0.05, 0.9), "photosynthesis": (0.95, 0.1)}


def told(canary: CanarySaid | None, **more: Any):
    return report(Brief(evidence=evidence(**more), canaries=(canary,) if canary else ()))


def test_a_changed_model_is_found_where_the_users_changed_too_and_no_test_can_tell():
    """The verdict is insufficient_overlap; the canary asks what it always asked."""
    blind = told(None, verdict=Verdict.INSUFFICIENT_OVERLAP, topics=TOPIC)
    assert blind.diagnosis.changed == "users"
    seen = told(CHANGED, verdict=Verdict.INSUFFICIENT_OVERLAP, topics=TOPIC)
    assert (seen.diagnosis.cause, seen.diagnosis.changed) == (Cause.MIXED, "both")
    assert any("canary:basics" in one.evidence for one in seen.diagnosis.statements)
    assert "other ones since" in seen.diagnosis.possible_cause


def test_alone_it_names_the_model():
    seen = told(CHANGED, verdict=Verdict.INSUFFICIENT_OVERLAP)
    assert seen.diagnosis.cause is Cause.MODEL_CHANGE
    assert "canary:basics" in seen.diagnosis.statements[0].evidence


def test_below_the_alarm_line_it_is_named_and_nothing_is_urgent():
    seen = told(CHANGED, severity=Severity.LOW, ratio=0.4, verdict=None)
    assert seen.diagnosis.cause is Cause.MODEL_CHANGE
    assert "now" not in {action.urgency for action in seen.recommendation.actions}


@pytest.mark.parametrize("topics", [TOPIC, None], ids=["another topic", "no topic"])
def test_one_that_is_answered_as_ever_speaks_against_a_model_that_was_only_inferred(topics: Any):
    seen = told(SAME, verdict=Verdict.INSUFFICIENT_OVERLAP, topics=topics)
    assert seen.diagnosis.cause is not Cause.MODEL_CHANGE
    assert any(one.evidence == ("canary:basics",) for one in seen.diagnosis.statements)


def test_every_citation_is_a_fact():
    seen = told(CHANGED, topics=TOPIC)
    known = {fact.id for fact in seen.facts}
    assert all(set(one.evidence) <= known for one in (*seen.diagnosis.statements, *seen.recommendation.actions))
