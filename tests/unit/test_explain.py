from functools import cache

import msgspec
import numpy as np
import pytest

from drift.evidence import Evidence, Outcomes, Verdict
from drift.explain import baseline_topics, explain
from drift.features import Behaviour
from drift.monitor import Monitor
from drift.policy import Policy
from tests.unit.samples import baseline_of, behaviour, lined, samples_of, traffic, unit

POLICY = Policy(windows=(20, 80), witnesses=10)
CALM, CHANGED = 120, 80
"""Samples before the change, which is at the index CALM, and after it."""
WORDS = ["invoice", "password", "holiday", "python", "recipe", "poem", "tax", "train", "garden", "football"]
EVENLY = (0.1,) * 10


def matters(rng, count, *, weights=EVENLY, said=0.0):
    """Prompts on ten matters and answers that follow them."""
    places = 2 * np.random.default_rng(99).normal(size=(10, 16))
    which = rng.choice(10, count, p=weights)
    prompts = places[which] + rng.normal(size=(count, 16))
    responses = prompts + rng.normal(size=(count, 16))
    responses[:, 1] += said
    return (unit(prompts), unit(responses)), which


def text(matter, place):
    return f"how about {WORDS[matter]} {place}"


@cache
def model():
    """A baseline of 240 with lines, and its topics."""
    rng = np.random.default_rng(70)
    vectors, which = matters(rng, 240)
    settings = [{"response_model": "m-1", "seed": str(place)} for place in range(240)]
    samples = samples_of(*vectors, prefix="b", features=behaviour(rng, 240), settings=settings)
    baseline = lined(baseline_of(samples), POLICY, factor=4.0)
    return baseline, baseline_topics(baseline, [text(matter, place) for place, matter in enumerate(which)])


@cache
def explained(case):
    """(evidence, monitor, which matter each sample is on) of a stream that changes in one way, at CALM."""
    baseline, topics = model()
    rng = np.random.default_rng(71)
    weights = (0.55,) + (0.05,) * 9 if case == "prompts" else EVENLY
    before, which = matters(rng, CALM)
    after, later = matters(rng, CHANGED, weights=weights, said=2.5 if case == "answers" else 0.0)
    which = np.concatenate([which, later])
    features = behaviour(rng, CALM) + behaviour(rng, CHANGED, growth=2.5 if case == "answers" else 1.0)
    names = ["m-1"] * CALM + ["m-2" if case == "answers" else "m-1"] * CHANGED
    recent = samples_of(
        *(np.concatenate(sides) for sides in zip(before, after, strict=True)),
        features=features,
        settings=[{"response_model": name, "seed": str(1_000 + place)} for place, name in enumerate(names)],
    )
    monitor = Monitor("m", baseline, POLICY)
    list(monitor.observe_all(recent))
    texts = {sample.exchange_id: text(which[place], place) for place, sample in enumerate(recent)}
    evidence = explain(
        monitor,
        monitor.report(500.0),
        id="e1",
        recent=recent,
        topics=topics,
        texts=texts,
        asked=True,
        rng=np.random.default_rng(72),
    )
    return evidence, monitor, which


CASES = ("prompts", "answers", "nothing")


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        ("prompts", Verdict.PROMPTS_CHANGED),
        ("answers", Verdict.MODEL_CHANGED),
        ("nothing", Verdict.NO_CHANGE),
    ],
)
def test_the_verdict_says_whose_doing_it_was(case, verdict):
    evidence, _, _ = explained(case)
    assert evidence.attribution.verdict is verdict
    assert (evidence.attribution.baseline_samples, evidence.attribution.window_samples) == (240, 80)


@pytest.mark.parametrize("case", CASES)
def test_witnesses_and_topics_add_up_to_the_statistic_of_the_largest_window(case):
    evidence, monitor, _ = explained(case)
    assert evidence.witness_total == pytest.approx(monitor.detectors.statistic("mmd", 80), abs=1e-7)
    contributions = [topic.contribution for topic in evidence.topics.topics]
    assert sum(contributions) == pytest.approx(evidence.witness_total, abs=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_evidence_repeats_its_report(case):
    evidence, monitor, _ = explained(case)
    report = monitor.report(500.0)
    assert (evidence.id, evidence.monitor, evidence.at, evidence.baseline_id) == ("e1", "m", 500.0, "b")
    assert (evidence.severity, evidence.ratio, evidence.mmd2) == (report.severity, report.ratio, report.mmd2)
    assert evidence.detectors == report.detectors
    assert (evidence.baseline_samples, evidence.window_samples, evidence.notes) == (240, 80, ())


@pytest.mark.parametrize("case", CASES)
def test_evidence_survives_json(case):
    evidence, _, _ = explained(case)
    assert msgspec.json.decode(msgspec.json.encode(evidence), type=Evidence) == evidence


def test_the_beginning_is_found_near_where_it_was():
    evidence, _, _ = explained("answers")
    change = evidence.changed_at
    assert abs(change.at - CALM) <= 5
    assert change.earliest <= CALM <= change.latest
    assert change.exchange_id == f"x{change.at:.0f}"
    assert change.samples_ago == CALM + CHANGED - change.at


def test_without_an_alarm_nothing_began():
    evidence, _, _ = explained("nothing")
    assert evidence.ratio < 1
    assert evidence.changed_at is None
    assert not any(topic.moved for topic in evidence.topics.topics)
    assert evidence.alterations == ()


def test_the_matter_that_grew_is_named_with_its_words():
    evidence, _, which = explained("prompts")
    moved = [topic for topic in evidence.topics.topics if topic.moved]
    grown = max(moved, key=lambda topic: topic.window_share - topic.baseline_share)
    assert grown.words[0] == "invoice"
    assert grown.window_share - grown.baseline_share > 0.1
    assert all(which[int(example[1:])] == 0 for example in grown.examples)
    assert sum(topic.window_count for topic in evidence.topics.topics) == 80


def test_pairs_are_the_strongest_witnesses_with_the_baselines_nearest_prompts():
    evidence, monitor, _ = explained("answers")
    witnesses = [pair.witness for pair in evidence.pairs]
    assert len(witnesses) == 10
    assert witnesses == sorted(witnesses, reverse=True)
    window = {sample.exchange_id: sample for sample in monitor.detectors.recent}
    baseline = monitor.baseline
    for pair in evidence.pairs:
        cosines = baseline.prompts @ window[pair.exchange_id].prompt
        assert pair.baseline_exchange_id == baseline.exchange_ids[int(cosines.argmax())]
        assert pair.prompt_similarity == pytest.approx(cosines.max(), abs=1e-6)


def test_pairs_name_the_exchanges_that_came_from_elsewhere():
    """10 of a window of 80: they are the ten witnesses."""
    baseline, topics = model()
    (prompts, responses), _ = matters(np.random.default_rng(73), 80)
    responses[70:] = traffic(np.random.default_rng(74), 10, asked=12.0)[1]
    recent = samples_of(prompts, responses)
    monitor = Monitor("m", baseline, POLICY)
    list(monitor.observe_all(recent))
    evidence = explain(
        monitor,
        monitor.report(0.0),
        id="e",
        recent=recent,
        topics=topics,
        texts=None,
        asked=True,
        rng=np.random.default_rng(0),
    )
    assert {pair.exchange_id for pair in evidence.pairs} == {f"x{place}" for place in range(70, 80)}
    assert evidence.features == ()


def test_features_come_with_those_that_differ_most_first():
    evidence, _, _ = explained("answers")
    assert {column.name for column in evidence.features} == set(Behaviour.__struct_fields__)
    assert evidence.features[0].name == "response_characters"
    assert evidence.features[0].drifted
    tested = [column for column in evidence.features if column.p_adjusted is not None]
    drifted = [column.drifted for column in tested]
    assert drifted == sorted(drifted, reverse=True)
    assert not any(column.drifted for column in explained("nothing")[0].features)


def test_a_new_model_name_is_an_alteration():
    evidence, _, _ = explained("answers")
    (found,) = evidence.alterations
    assert (found.what, found.before, found.after, found.at) == ("response_model", "m-1", "m-2", 120.0)


@pytest.mark.parametrize("count", [0, 1])
def test_a_window_too_small_for_anything_says_so(count):
    baseline, topics = model()
    monitor = Monitor("m", baseline, POLICY)
    recent = samples_of(*matters(np.random.default_rng(75), count)[0])
    list(monitor.observe_all(recent))
    evidence = explain(
        monitor,
        monitor.report(0.0),
        id="e",
        recent=recent,
        topics=topics,
        texts={},
        baseline_texts={sample.exchange_id: "Please tell me." for sample in baseline.samples},
        outcomes=Outcomes(baseline={"scored": 240}, window={"http_error 503": 9}),
        asked=True,
        rng=np.random.default_rng(0),
    )
    assert evidence.outcomes == Outcomes(baseline={"scored": 240}, window={"http_error 503": 9})
    assert (evidence.templates, evidence.newcomers, evidence.alterations, evidence.features) == ((), None, (), ())
    assert any(note.startswith("witnesses: ") for note in evidence.notes)
    assert (evidence.witness_total, evidence.pairs, evidence.topics, evidence.changed_at) == (None, (), None, None)
    attribution = evidence.attribution
    assert attribution is None or attribution.verdict is Verdict.INSUFFICIENT_DATA
    assert msgspec.json.decode(msgspec.json.encode(evidence), type=Evidence) == evidence


def test_a_baseline_too_small_for_topics_has_none():
    rng = np.random.default_rng(76)
    baseline = baseline_of(samples_of(*matters(rng, 8)[0]))
    assert baseline_topics(baseline, None) is None
    recent = samples_of(*matters(rng, 12)[0])
    monitor = Monitor("m", baseline, POLICY)
    list(monitor.observe_all(recent))
    evidence = explain(
        monitor,
        monitor.report(0.0),
        id="e",
        recent=recent,
        topics=None,
        texts=None,
        asked=True,
        rng=np.random.default_rng(0),
    )
    assert evidence.topics is None
    assert evidence.witness_total is not None


@pytest.mark.parametrize("talkative", [10, 40])
def test_sessions_are_left_out_of_the_witnesses_as_they_are_of_the_statistic(talkative):
    """One user with an eighth and with half of the window; half is more than a name may have, and counts singly."""
    rng = np.random.default_rng(77)
    people = [f"u{place // 3}" for place in range(240)]
    baseline = lined(baseline_of(samples_of(*matters(rng, 240)[0], sessions=people)), POLICY)
    assert baseline.uses_sessions
    names = [f"v{place // 2}" for place in range(80 - talkative)] + ["ann"] * talkative
    recent = samples_of(*matters(rng, 80)[0], sessions=names)
    monitor = Monitor("m", baseline, POLICY)
    list(monitor.observe_all(recent))
    evidence = explain(
        monitor,
        monitor.report(0.0),
        id="e",
        recent=recent,
        topics=None,
        texts=None,
        asked=True,
        rng=np.random.default_rng(0),
    )
    assert evidence.witness_total == pytest.approx(monitor.detectors.statistic("mmd", 80), abs=1e-7)
