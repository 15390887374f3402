"""Each cause is named from its figures, and what follows from it is not named beside it."""

from typing import Any

import msgspec
import pytest

from drift.evidence import Alteration, Evidence, Newcomers, Outcomes, Template, Verdict
from drift.rca.records import Brief, Cause, Mark
from drift.records import Severity
from tests.unit.incidents import behaviours, evidence, report


def cause(found: Evidence) -> Cause:
    return report(found).diagnosis.cause


def changed(share: float = 0.3, **fields: Any) -> Evidence:
    """An incident in which a share of the window's answers has these fields."""
    return evidence(behaviours(200, seed=2, share=share, **fields))


def altered(what: str, share: float = 1.0, before: str = "a", after: str = "b") -> Alteration:
    return Alteration(what=what, before=before, after=after, baseline_share=0.0, window_share=share, at=1.8e9)


SYMPTOMS: dict[Cause, dict[str, Any]] = {
    Cause.REFUSALS: {"refusal": True, "response_characters": 80},
    Cause.LANGUAGE_SWITCH: {"language": "fr"},
    Cause.TRUNCATION: {"truncated": True, "finish_reason": "length", "response_characters": 200},
    Cause.DEGENERATE_OUTPUT: {"repetition": 0.8, "truncated": True, "finish_reason": "length"},
    Cause.FORMAT_BREAK: {"list_share": 0.9, "markdown_share": 0.9},
    Cause.VERBOSITY: {"response_characters": lambda rng: int(rng.normal(2_500, 200))},
}


@pytest.mark.parametrize(("truth", "fields"), SYMPTOMS.items())
@pytest.mark.parametrize("share", [0.35, 0.6, 1.0])
def test_a_symptom_is_the_cause_where_nothing_else_was_seen_to_change(truth: Cause, fields: Any, share: float):
    assert cause(changed(share, **fields)) is truth


@pytest.mark.parametrize("fields", SYMPTOMS.values())
@pytest.mark.parametrize("what", ["response_model", "digest", "weights", "model"])
def test_a_model_that_was_seen_to_change_is_behind_every_symptom(what: str, fields: Any):
    window = behaviours(200, seed=2, share=0.5, **fields)
    assert cause(evidence(window, alterations=(altered(what),))) is Cause.MODEL_CHANGE


@pytest.mark.parametrize("fields", SYMPTOMS.values())
@pytest.mark.parametrize("what", ["system", "ollama_template", "ollama_parameters", "temperature"])
def test_instructions_that_were_seen_to_change_are_behind_every_symptom(what: str, fields: Any):
    window = behaviours(200, seed=2, share=0.5, **fields)
    assert cause(evidence(window, alterations=(altered(what),))) is Cause.INSTRUCTIONS_CHANGE


def test_a_new_digest_with_the_same_weights_is_a_change_of_the_instructions():
    """Ollama's digest covers template and parameters; the weights have a digest of their own."""
    found = evidence(alterations=(altered("digest"), altered("ollama_template")))
    assert cause(found) is Cause.INSTRUCTIONS_CHANGE
    found = evidence(alterations=(altered("digest"), altered("ollama_template"), altered("weights")))
    assert cause(found) is Cause.MODEL_CHANGE


def test_a_lowered_token_limit_is_truncation_and_not_a_change_of_instructions():
    window = behaviours(200, seed=2, share=0.8, truncated=True, finish_reason="length", response_characters=150)
    found = report(evidence(window, alterations=(altered("max_tokens", before="512", after="32"),))).diagnosis
    assert found.cause is Cause.TRUNCATION
    assert "512 -> 32" in found.possible_cause
    assert "setting:max_tokens" in found.statements[0].evidence


def test_answers_that_differ_while_prompts_do_not_are_another_model():
    assert cause(evidence(behaviours(200, seed=2))) is Cause.MODEL_CHANGE


def test_topics_that_grew_are_a_topic_shift_and_so_is_what_follows_from_them():
    moved = {"refund money": (0.02, 0.4), "login password": (0.3, 0.05)}
    longer = behaviours(200, seed=2, share=0.6, response_characters=2_000, list_share=0.9)
    for verdict in (Verdict.PROMPTS_CHANGED, Verdict.INSUFFICIENT_OVERLAP):
        found = report(evidence(longer, verdict=verdict, topics=moved)).diagnosis
        assert found.cause is Cause.TOPIC_SHIFT
        assert found.changed == "users"
        assert "refund, money" in found.possible_cause


def test_prompts_in_another_language_are_a_new_population_and_answers_in_it_follow():
    window = behaviours(200, seed=2, share=0.5, prompt_language="es", language="es")
    found = evidence(window, verdict=Verdict.INSUFFICIENT_OVERLAP, topics={"el la": (0.0, 0.5)})
    assert cause(found) is Cause.NEW_POPULATION


def test_users_who_were_not_there_before_are_a_new_population():
    new = Newcomers(expected_share=0.1, window_share=0.9)
    found = evidence(verdict=Verdict.PROMPTS_CHANGED, topics={"a b": (0.0, 0.4)}, newcomers=new)
    assert cause(found) is Cause.NEW_POPULATION


def test_the_same_words_around_every_prompt_are_a_template():
    template = Template(
        where="beginning", text="Answer as a lawyer:", characters=20, baseline_share=0.0, window_share=0.9
    )
    found = evidence(verdict=Verdict.PROMPTS_CHANGED, topics={"lawyer answer": (0.0, 0.9)}, templates=(template,))
    assert cause(found) is Cause.INSTRUCTIONS_CHANGE


def test_without_texts_a_template_is_seen_in_the_lengths_of_the_prompts():
    window = [row for row in behaviours(200, seed=2)]
    longer = behaviours(200, seed=2, share=1.0, prompt_characters=lambda rng: 180 + int(rng.normal(80, 20)))
    assert cause(evidence(window)) is not Cause.INSTRUCTIONS_CHANGE
    assert cause(evidence(longer, verdict=Verdict.PROMPTS_CHANGED)) is Cause.INSTRUCTIONS_CHANGE


FAILING = Outcomes(baseline={"scored": 400}, window={"scored": 200, "http_error": 60, "upstream_error": 10})
SLOW = {"first_chunk_seconds": 2.5, "duration_seconds": 20.0, "tokens_per_second": 12.0}


def test_failing_requests_are_the_provider_even_where_the_answers_have_not_drifted():
    found = report(evidence(severity=Severity.LOW, ratio=0.3, verdict=None, outcomes=FAILING))
    assert found.diagnosis.cause is Cause.PROVIDER_TROUBLE
    assert found.triage.severity is Severity.HIGH
    assert found.triage.drift_severity is Severity.LOW
    assert "60 http error" in found.diagnosis.possible_cause


def test_answers_that_come_late_are_the_provider():
    late = behaviours(200, seed=2, share=0.8, **SLOW)
    found = report(evidence(late, severity=Severity.LOW, ratio=0.3, verdict=None))
    assert found.diagnosis.cause is Cause.PROVIDER_TROUBLE
    assert found.diagnosis.changed == "operation"


def test_longer_answers_take_longer_and_are_no_trouble_of_the_provider():
    longer = behaviours(200, seed=2, share=1.0, response_characters=4_000, duration_seconds=8.5)
    assert cause(evidence(longer)) is Cause.VERBOSITY


def test_a_few_failures_are_chance():
    few = Outcomes(baseline={"scored": 400, "http_error": 2}, window={"scored": 200, "http_error": 5})
    assert cause(evidence(severity=Severity.LOW, ratio=0.3, verdict=None, outcomes=few)) is Cause.NONE


def test_empty_answers_are_degenerate():
    empty = Outcomes(baseline={"scored": 400}, window={"scored": 200, "empty": 80})
    assert cause(evidence(outcomes=empty)) is Cause.DEGENERATE_OUTPUT


@pytest.mark.parametrize("fields", [SYMPTOMS[Cause.REFUSALS], SYMPTOMS[Cause.DEGENERATE_OUTPUT]])
def test_users_on_one_side_and_a_grave_symptom_on_the_other_are_mixed(fields: Any):
    window = behaviours(200, seed=2, share=0.4, **fields)
    found = report(evidence(window, verdict=Verdict.BOTH, topics={"refund money": (0.02, 0.5)})).diagnosis
    assert found.cause is Cause.MIXED
    assert found.changed == "both"


def test_drift_of_which_nothing_tells_the_reason_is_unknown():
    found = report(evidence(severity=Severity.MEDIUM, ratio=1.2, verdict=Verdict.INSUFFICIENT_DATA)).diagnosis
    assert found.cause is Cause.UNKNOWN
    assert found.confidence == 0


@pytest.mark.parametrize("seed", range(20))
def test_a_stable_baseline_has_no_cause_and_nothing_urgent(seed: int):
    found = report(evidence(behaviours(200, seed=100 + seed), severity=Severity.LOW, ratio=0.4, verdict=None))
    assert found.diagnosis.cause is Cause.NONE
    assert {action.urgency for action in found.recommendation.actions} == {"later"}
    assert found.triage.moved == ()


def test_a_mark_of_another_model_is_cited_beside_the_setting():
    mark = Mark(at=1.8e9, kind="model", text="Answers come from b instead of a.")
    found = report(Brief(evidence=evidence(alterations=(altered("response_model"),)), marks=(mark,)))
    assert "mark:1" in found.diagnosis.statements[0].evidence


def test_what_is_fast_may_double_and_is_no_trouble():
    """The same answers, sent many at a time to a server that answers in a millisecond."""
    fast = {"first_chunk_seconds": 0.001, "duration_seconds": 0.01, "tokens_per_second": 80_000.0}
    busy = {"first_chunk_seconds": 0.02, "duration_seconds": 0.09, "tokens_per_second": 5_000.0}
    before, after = behaviours(400, seed=1, share=1.0, **fast), behaviours(200, seed=2, share=1.0, **busy)
    found = report(evidence(after, baseline=before, severity=Severity.LOW, ratio=0.3, verdict=None))
    assert found.diagnosis.cause is Cause.NONE
    assert found.triage.severity is Severity.LOW
    assert found.triage.moved == ()


def test_short_answers_have_few_tokens_a_second_and_are_no_trouble():
    window = behaviours(200, seed=2, share=1.0, refusal=True, response_characters=60, tokens_per_second=5.0)
    assert cause(evidence(window)) is Cause.REFUSALS


def test_too_large_an_exchange_had_its_answer():
    large = Outcomes(baseline={"scored": 400}, window={"scored": 200, "too_large": 200})
    assert cause(evidence(severity=Severity.LOW, ratio=0.3, verdict=None, outcomes=large)) is Cause.NONE


def test_wrong_requests_are_told_of_and_nobody_is_called_out_of_bed():
    wrong = Outcomes(baseline={"scored": 400}, window={"scored": 200, "http_error 400": 200})
    found = report(evidence(severity=Severity.LOW, ratio=0.3, verdict=None, outcomes=wrong))
    assert "refused as wrong" in found.diagnosis.possible_cause
    assert found.triage.severity is Severity.MEDIUM
    assert "now" not in {action.urgency for action in found.recommendation.actions}


def test_answers_without_a_character_are_degenerate_and_calls_of_tools_are_not():
    empty = behaviours(200, seed=2, share=0.8, response_characters=0, list_share=None, repetition=None)
    assert cause(evidence(empty)) is Cause.DEGENERATE_OUTPUT
    calls = behaviours(200, seed=2, share=0.8, response_characters=0, tool_call=True, repetition=None)
    assert cause(evidence(calls)) is Cause.FORMAT_BREAK


def test_without_a_severity_nobody_knows_and_nobody_is_told_that_all_is_well():
    found = report(evidence(severity=None, ratio=None, verdict=None))
    assert (found.diagnosis.cause, found.diagnosis.confidence) == (Cause.UNKNOWN, 0.0)
    assert "too few answers" in found.diagnosis.summary
    assert "no drift" not in found.diagnosis.summary
    failing = report(evidence(severity=None, ratio=None, verdict=None, outcomes=FAILING))
    assert failing.diagnosis.cause is Cause.PROVIDER_TROUBLE


def test_a_setting_that_few_requests_have_is_not_behind_what_most_answers_do():
    window = behaviours(200, seed=2, share=0.9, **SYMPTOMS[Cause.REFUSALS])
    assert cause(evidence(window, alterations=(altered("temperature", share=0.12),))) is Cause.REFUSALS


def test_users_and_provider_at_once_are_not_told_as_users_and_model():
    found = report(evidence(verdict=Verdict.PROMPTS_CHANGED, topics={"a b": (0.0, 0.5)}, outcomes=FAILING)).diagnosis
    assert (found.cause, found.changed) == (Cause.MIXED, "several")


def test_a_small_baseline_has_no_detector_of_behaviour_and_its_features_speak_for_themselves():
    """Provisional: the vectors hardly notice that every answer is a tenth as long."""
    short = behaviours(40, seed=2, share=1.0, response_characters=100)
    found = evidence(short, baseline=behaviours(40, seed=1), severity=Severity.LOW, ratio=0.6)
    mmd = found.detectors[:1]
    assert cause(msgspec.structs.replace(found, detectors=mmd)) is Cause.VERBOSITY


def test_longer_answers_do_not_explain_that_requests_fail():
    window = behaviours(200, seed=2, share=0.8, **SYMPTOMS[Cause.VERBOSITY])
    assert cause(evidence(window, outcomes=FAILING)) is Cause.MIXED
