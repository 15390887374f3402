"""A canary tells whose doing a drift is where nothing else can."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from drift.evidence import Verdict
from drift.rca.records import Brief, CanarySaid, Cause
from drift.records import Severity
from drift.rounds import CanaryComparison
from proxy.rca.brief import brief_of
from proxy.stores.canaries import Body, Round, write_round
from proxy.stores.history import open_history
from proxy.stores.runs import Runs
from tests.integration.rca_history import AT, drifted_history
from tests.integration.rca_history import evidence as drift
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


def compared(number: int, at: float, *, differs: bool, is_changed: bool, **body: Any) -> Round:
    comparison = CanaryComparison(
        p_value=0.001 if differs else 0.4,
        statistic=3.0,
        prompts=20,
        reference_answers=120,
        answers=60,
        distance=0.4,
        usual=0.2,
        effect=0.2,
        identical=False,
        differs=differs,
    )
    about = {"digest": "d", "model": "model-of-m", "prompts": 20, "reference_at": AT - 1_000} | body
    return Round(
        canary="basics",
        number=number,
        at=at,
        status="compared",
        p_value=comparison.p_value,
        effect=0.2,
        changed=is_changed,
        body=Body(comparison=comparison, **about),
    )


def said(folder: Path, rounds: list[Round]) -> tuple[CanarySaid, ...]:
    """What the brief of a drift that was seen at AT + 100 holds of them."""
    drifted_history(folder, drift("last"))
    history = open_history(folder)
    try:
        for one in rounds:
            write_round(history.engine, one)
        runs = Runs(history.engine, keep=10, max_datasets=10)
        return brief_of(history, runs, drift("last"), until=AT + 500).canaries
    finally:
        history.close()


def test_a_change_since_the_baseline_is_evidence_for_the_monitors_it_names(tmp_path: Path):
    rounds = [
        compared(3, AT + 10, differs=True, is_changed=False, monitors=("m",)),
        compared(4, AT + 20, differs=True, is_changed=True, monitors=("m",)),
    ]
    (found,) = said(tmp_path, rounds)
    assert (found.name, found.changed, found.since) == ("basics", True, AT + 10)


@pytest.mark.parametrize(
    "rounds",
    [
        [compared(4, AT + 20, differs=True, is_changed=True, monitors=("other",))],
        [compared(4, AT + 20, differs=True, is_changed=True)],
        [compared(4, AT - 20, differs=True, is_changed=True, monitors=("m",))],
        [compared(4, AT - 20, differs=False, is_changed=False, monitors=("m",))],
        [compared(4, AT + 900, differs=True, is_changed=True, monitors=("m",))],
    ],
    ids=["another monitor's", "another model's", "before the baseline", "last asked before it", "of later"],
)
def test_what_says_nothing_of_this_drift_is_left_out(tmp_path: Path, rounds: list[Round]):
    assert said(tmp_path, rounds) == ()


def test_differences_from_an_earlier_reference_do_not_date_a_change(tmp_path: Path):
    rounds = [
        compared(4, AT + 10, differs=True, is_changed=True, monitors=("m",), reference_at=AT - 2_000),
        compared(8, AT + 40, differs=True, is_changed=False, monitors=("m",)),
        compared(9, AT + 50, differs=True, is_changed=True, monitors=("m",)),
    ]
    (found,) = said(tmp_path, rounds)
    assert found.since == AT + 40
