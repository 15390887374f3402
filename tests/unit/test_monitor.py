from functools import cache

import msgspec
import numpy as np
import pytest
from scipy.stats import binomtest

from drift.errors import BaselineTooSmall, EncoderMismatch, TooFewSamples
from drift.monitor import Monitor
from drift.policy import Policy, health_index
from drift.records import Report, Severity
from drift.semantic.mmd import mmd2
from tests.unit.samples import baseline_of, behaviour, calibrated, lined, samples_of, traffic

QUICK = Policy(provisional_permutations=999)
SMALL = Policy(
    windows=(20, 60),
    expected_run_length=500,
    calibration_paths=80,
    validation_paths=20,
    provisional_permutations=999,
    waiting_permutations=199,
    recompute_every=100,
)
"""Small windows, and lines that are simulated in a second."""
LOW, MEDIUM, HIGH, CRITICAL = Severity


def vectors_of(rng, *parts):
    """Prompts and responses of several stretches of traffic, each (count, shift of the answers)."""
    sides = zip(*(traffic(rng, count, said=said) for count, said in parts), strict=True)
    return [np.concatenate(side) for side in sides]


def plain(n, seed=0, **settings):
    """A baseline without behaviour and sessions."""
    return baseline_of(samples_of(*traffic(np.random.default_rng(seed), n), prefix="b"), id=f"b-{seed}", **settings)


def conversations(rng, count, *, said=0.0, refusals=0.02, start=0):
    """Samples with behaviour, some of them in sessions of neighbours that resemble each other."""
    names = [None if rng.random() < 0.4 else f"s{(start + place) // 4}" for place in range(count)]
    features = behaviour(rng, count, refusals=refusals)
    return samples_of(*traffic(rng, count, said=said), start=start, features=features, sessions=names)


@cache
def rich():
    """200 samples with behaviour and sessions, calibrated for the small policy."""
    return calibrated(baseline_of(conversations(np.random.default_rng(50), 200)), SMALL)


def feed(monitor, vectors, start=0):
    return list(monitor.observe_all(samples_of(*vectors, start=start)))


def severities(monitor, vectors):
    return [monitor.severity for _ in monitor.observe_all(samples_of(*vectors))]


def assert_same_report(one, other):
    """Equal but for the rounding of single precision products, which differ with how many are made at once."""
    for a, b in zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True):
        if isinstance(a, float):
            assert a == pytest.approx(b, rel=1e-5, abs=1e-5)
        elif isinstance(a, tuple):
            for x, y in zip(a, b, strict=True):
                assert (x.name, x.window, x.samples, x.detail) == (y.name, y.window, y.samples, y.detail)
                for field in ("statistic", "threshold", "ratio", "health_index"):
                    known, expected = getattr(x, field), getattr(y, field)
                    close = None if expected is None else pytest.approx(expected, rel=1e-5, abs=1e-5)
                    assert known == close
        else:
            assert a == b


def test_a_shift_at_300_is_found_within_a_window_and_not_before():
    rng = np.random.default_rng(1)
    monitor = Monitor("m", lined(plain(400)), Policy())
    seen = severities(monitor, vectors_of(rng, (300, 0.0), (100, 4.0)))
    assert set(seen[:9]) == {None}
    assert set(seen[9:300]) == {LOW}
    first = next(place for place, severity in enumerate(seen) if severity not in (None, LOW))
    assert 300 <= first < 350
    assert seen[-1] is CRITICAL


def test_observe_tells_when_the_severity_changed():
    rng = np.random.default_rng(2)
    monitor = Monitor("m", lined(plain(400)), Policy())
    before = None
    for sample in samples_of(*vectors_of(rng, (100, 0.0), (60, 4.0))):
        assert monitor.observe(sample) == (monitor.severity is not before)
        before = monitor.severity
    assert before is CRITICAL


def test_samples_observed_together_are_observed_one_by_one():
    rng = np.random.default_rng(2)
    stream = samples_of(*vectors_of(rng, (100, 0.0), (60, 4.0)))
    together, alone = (Monitor("m", lined(plain(400)), Policy()) for _ in range(2))
    for sample, changed in zip(stream, together.observe_all(stream), strict=True):
        assert alone.observe(sample) == changed
    assert_same_report(together.report(1.0), alone.report(1.0))


def test_the_report_is_the_statistic_of_the_last_samples():
    rng = np.random.default_rng(3)
    baseline, (prompts, responses) = lined(plain(400)), vectors_of(rng, (333, 0.8))
    monitor = Monitor("m", baseline, Policy())
    feed(monitor, (prompts, responses))
    report = monitor.report(at=12.0)
    names = ["mmd_50", "mmd_200", "residual_mmd_50", "residual_mmd_200", "alignment_200"]
    assert [detector.name for detector in report.detectors] == names
    for detector in report.detectors:
        if detector.name.startswith("mmd"):
            reference, vectors = baseline.responses, responses
        elif detector.name.startswith("residual"):
            reference, vectors = baseline.residuals, baseline.ridge.residuals(prompts, responses)
        else:
            continue
        exact = mmd2(reference.vectors, vectors[-detector.window :], bandwidth=reference.bandwidth)
        assert detector.statistic == pytest.approx(exact, abs=1e-6)
    worst = max(report.detectors, key=lambda detector: detector.ratio)
    assert (report.ratio, report.detector, report.health_index) == (worst.ratio, worst.name, worst.health_index)
    said = max(report.detectors[:2], key=lambda detector: detector.ratio)
    assert (report.mmd2, report.threshold) == (said.statistic, said.threshold)
    assert (report.observed, report.window_samples, report.at) == (333, 200, 12.0)
    assert report.run_length.realised == 9_900.0
    assert not report.provisional
    assert report.missing == 0
    assert 0 < report.centroid_mmd2 < report.centroid_distance
    cosine = float((prompts * responses).sum(axis=1)[-200:].mean())
    assert report.alignment == pytest.approx(cosine, abs=1e-6)
    assert report.alignment_ratio == pytest.approx(cosine / baseline.alignments.mean(), abs=1e-6)
    assert report.detectors[-1].statistic == pytest.approx(1 - report.alignment_ratio, abs=1e-6)


def test_every_detector_has_its_part_of_the_health_index():
    """100 / (1 + ratio^2) each; the report's is the lowest."""
    monitor = Monitor("m", rich(), SMALL)
    list(monitor.observe_all(conversations(np.random.default_rng(51), 80, said=0.6)))
    report = monitor.report(0.0)
    kinds = {detector.name.rpartition("_")[0] for detector in report.detectors}
    assert kinds == {"mmd", "residual_mmd", "behaviour", "alignment"}
    assert len(report.detectors) == 7
    for detector in report.detectors:
        assert detector.ratio == pytest.approx(max(0, detector.statistic) / detector.threshold)
        assert detector.health_index == health_index(detector.ratio)
    assert report.health_index == min(detector.health_index for detector in report.detectors)


def test_refusals_in_a_fifth_of_the_answers_raise_an_alarm_although_no_vector_moved():
    """The behaviour is named in the report; nothing before the refusals does."""
    rng = np.random.default_rng(52)
    monitor = Monitor("m", rich(), SMALL)
    list(monitor.observe_all(conversations(rng, 120)))
    assert monitor.severity is LOW
    list(monitor.observe_all(conversations(rng, 60, refusals=0.2, start=120)))
    report = monitor.report(0.0)
    assert monitor.severity is not LOW
    assert report.detector.startswith("behaviour")
    for detector in report.detectors:
        if detector.name.startswith("behaviour"):
            continue
        assert detector.ratio < 1
        assert detector.detail == ""
    worst = next(detector for detector in report.detectors if detector.name == report.detector)
    assert "refusal" in worst.detail
    assert worst.detail in report.message


def test_the_same_prompts_answered_otherwise_raise_an_alarm_of_the_residual():
    """A small shift of the answers: their residuals are farther beyond their line than they themselves."""
    monitor = Monitor("m", rich(), SMALL)
    list(monitor.observe_all(conversations(np.random.default_rng(53), 120, said=1.2)))
    ratios = {detector.name: detector.ratio for detector in monitor.report(0.0).detectors}
    assert ratios["residual_mmd_60"] > 1
    assert ratios["residual_mmd_60"] > 1.3 * ratios["mmd_60"]


def test_before_the_first_score_the_report_counts_down():
    monitor = Monitor("m", lined(plain(400)), Policy())
    assert monitor.report(0.0).message == "10 more answers until the first score."
    feed(monitor, traffic(np.random.default_rng(4), 9))
    report = monitor.report(0.0)
    assert (report.severity, report.ratio, report.health_index, report.detector) == (None, None, None, "")
    assert (report.missing, report.missing_from) == (1, "window")
    assert report.message == "1 more answer until the first score."
    assert report.mmd2 is not None


def test_a_baseline_of_seven_gives_no_severity_and_says_that_three_are_missing():
    monitor = Monitor("m", plain(7), QUICK)
    feed(monitor, traffic(np.random.default_rng(5), 40, said=9.0))
    report = monitor.report(0.0)
    assert report.severity is None
    assert (report.missing, report.missing_from) == (3, "baseline")
    assert report.mmd2 > 0


def test_a_baseline_of_two_is_accepted_and_of_one_refused():
    feed(Monitor("m", plain(2), QUICK), traffic(np.random.default_rng(6), 12))
    with pytest.raises(BaselineTooSmall):
        plain(1)


def test_a_small_baseline_is_judged_once_per_completed_window():
    """40 answers: windows of 10 and 20. The severity can change at every tenth sample and at no other."""
    monitor = Monitor("m", plain(40), msgspec.structs.replace(QUICK, windows=(10, 20)))
    changes = feed(monitor, vectors_of(np.random.default_rng(7), (30, 0.0), (30, 6.0)))
    assert {place + 1 for place, changed in enumerate(changes) if changed} <= {10, 20, 30, 40, 50, 60}
    report = monitor.report(0.0)
    assert report.provisional
    assert report.severity in (HIGH, CRITICAL)
    assert "Provisional" in report.message
    assert [detector.name for detector in report.detectors] == ["mmd_10", "mmd_20"]


def test_ten_answers_against_ten_others_can_raise_an_alarm():
    """The smallest baseline that has a severity, and a window of four."""
    monitor = Monitor("m", plain(10), Policy())
    feed(monitor, traffic(np.random.default_rng(8), 4, said=30.0))
    assert monitor.severity is not LOW
    assert monitor.report(0.0).provisional


def test_provisional_false_alarms_stay_at_one_in_a_thousand_windows():
    """Each completed window of either size."""
    rng = np.random.default_rng(9)
    tested = alarms = 0
    for seed in range(30):
        monitor = Monitor("m", plain(40, seed=100 + seed), msgspec.structs.replace(QUICK, windows=(10, 20)))
        for _ in range(10):
            feed(monitor, traffic(rng, 10))
            for detector in monitor.report(0.0).detectors:
                completed = detector.ratio is not None and monitor.detectors.observed % detector.window == 0
                tested += completed
                alarms += completed and detector.ratio >= 1
    assert tested == 30 * 15
    assert binomtest(alarms, tested, 0.001).pvalue > 0.001


@pytest.mark.parametrize("named", [True, False])
def test_one_talkative_user_is_no_provisional_drift(named):
    """Six near-duplicates of one conversation in a window of fifteen: no alarm once the session has a name."""
    rng = np.random.default_rng(60)
    alarms = 0
    for _ in range(10):
        people = samples_of(*traffic(rng, 60), sessions=[f"u{place}" for place in range(60)] if named else None)
        monitor = Monitor("m", baseline_of(people), SMALL)
        said = [np.concatenate([side, np.repeat(side[:1], 5, axis=0)]) for side in traffic(rng, 10)]
        names = [*(f"v{place}" for place in range(10)), *["v0"] * 5]
        list(monitor.observe_all(samples_of(*said, sessions=names if named else None)))
        assert monitor.report(0.0).provisional
        alarms += monitor.severity is not LOW
    assert alarms == 0 if named else alarms >= 5


@pytest.mark.parametrize("calibration", [False, True])
@pytest.mark.parametrize("stopped_at", [3, 57, 130, 215])
@pytest.mark.parametrize("behind", [0, 7])
def test_a_restart_changes_nothing(stopped_at, calibration, behind):
    """With sessions and behaviour, from twice the window and a report that may be some samples old."""
    rng = np.random.default_rng(10)
    stream = conversations(rng, 120) + conversations(rng, 60, said=1.0, start=120) + conversations(rng, 80, start=180)
    baseline = rich() if calibration else msgspec.structs.replace(rich(), calibration=None)
    lasting = Monitor("m", baseline, SMALL)
    report = lasting.report(0.0)
    for place, _ in enumerate(lasting.observe_all(stream[:stopped_at])):
        if place + 1 == stopped_at - behind:
            report = lasting.report(0.0)
    report = msgspec.json.decode(msgspec.json.encode(report), type=Report)
    rebuilt = Monitor("m", baseline, SMALL, resume=report)
    rebuilt.restore(stream[max(0, report.observed - 2 * lasting.window_sizes[-1]) : stopped_at], stopped_at)
    assert_same_report(rebuilt.report(1.0), lasting.report(1.0))
    rest = stream[stopped_at:]
    for place, (one, other) in enumerate(zip(rebuilt.observe_all(rest), lasting.observe_all(rest), strict=True)):
        assert one == other
        if place % 9 == 0:
            assert_same_report(rebuilt.report(1.0), lasting.report(1.0))


@pytest.mark.parametrize("stopped_at", [25, 130])
def test_a_small_baselines_restart_changes_nothing(stopped_at):
    stream = samples_of(*vectors_of(np.random.default_rng(10), (60, 0.0), (40, 1.0), (70, 0.0)))
    lasting = Monitor("m", plain(40), QUICK)
    list(lasting.observe_all(stream[:stopped_at]))
    rebuilt = Monitor("m", plain(40), QUICK, resume=lasting.report(0.0))
    rebuilt.restore(stream[max(0, stopped_at - 40) : stopped_at], stopped_at)
    for sample in stream[stopped_at:]:
        assert_same_report(rebuilt.report(1.0), lasting.report(1.0))
        assert rebuilt.observe(sample) == lasting.observe(sample)


def test_a_report_on_another_baseline_is_not_resumed():
    monitor = Monitor("m", lined(plain(400)), Policy())
    feed(monitor, traffic(np.random.default_rng(11), 60, said=3.0))
    fresh = Monitor("m", lined(plain(400, seed=1)), Policy(), resume=monitor.report(0.0))
    assert fresh.severity is None
    assert fresh.report(0.0).observed == 0


def test_calibrated_thresholds_take_over():
    monitor = Monitor("m", plain(400), QUICK)
    feed(monitor, traffic(np.random.default_rng(12), 60))
    assert monitor.needs_calibration
    assert monitor.report(0.0).provisional
    monitor.set_calibration(lined(plain(400), factor=1e-3).calibration)
    report = monitor.report(0.0)
    assert not report.provisional
    assert not monitor.needs_calibration
    assert report.calibration_progress == 1
    assert report.severity is not LOW
    with pytest.raises(ValueError, match="windows"):
        monitor.set_calibration(lined(plain(100)).calibration)
    with pytest.raises(ValueError, match="windows"):
        monitor.set_calibration(lined(plain(800)).calibration)


def test_a_calibration_for_other_windows_is_made_again():
    assert Monitor("m", lined(plain(400)), Policy(windows=(20,))).needs_calibration
    assert not Monitor("m", plain(99), Policy()).needs_calibration


def test_the_p_value_on_demand():
    monitor = Monitor("m", lined(plain(400)), Policy())
    with pytest.raises(TooFewSamples):
        monitor.test(np.random.default_rng(0))
    rng = np.random.default_rng(14)
    feed(monitor, traffic(rng, 200))
    assert monitor.test(np.random.default_rng(0)) > 0.01
    feed(monitor, traffic(rng, 200, said=3.0), start=200)
    assert monitor.test(np.random.default_rng(0)) == 0.001


def test_vectors_of_another_encoder_are_refused():
    monitor = Monitor("m", plain(40), Policy())
    with pytest.raises(EncoderMismatch, match="new baseline"):
        feed(monitor, traffic(np.random.default_rng(15), 1, dimension=8))


def test_equal_answers_do_not_drift_and_another_answer_does():
    rng = np.random.default_rng(16)
    (one, other), _ = traffic(rng, 2)
    same = np.repeat(one[None], 40, axis=0)
    monitor = Monitor("m", baseline_of(samples_of(same, same)), QUICK)
    feed(monitor, (same[:20], same[:20]))
    assert monitor.severity is LOW
    moved = np.repeat(other[None], 10, axis=0)
    feed(monitor, (moved, moved), start=20)
    assert monitor.severity is not LOW
