import msgspec
import numpy as np
import pytest
from scipy.stats import binomtest

from drift.baseline import make_baseline
from drift.errors import BaselineTooSmall, EncoderMismatch, TooFewSamples
from drift.monitor import Monitor
from drift.policy import Policy
from drift.records import Report, RunLength, Severity
from drift.samples import Sample
from drift.semantic.calibration import Calibration
from drift.semantic.mmd import mmd2

QUICK = Policy(provisional_permutations=999)
LOW, MEDIUM, HIGH, CRITICAL = Severity


def sphere(rng, count, shift=0.0, dimension=16):
    vectors = rng.normal(size=(count, dimension))
    vectors[:, 0] += shift
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def samples_of(vectors, start=0):
    return [
        Sample(exchange_id=f"x{start + place}", at=float(start + place), response=vector, prompt=vector)
        for place, vector in enumerate(vectors)
    ]


def baseline_of(n, seed=0, calibrated=False):
    vectors = sphere(np.random.default_rng(seed), n)
    ids = [f"b{place}" for place in range(n)]
    baseline = make_baseline(
        id=f"b-{seed}", encoder="e", created_at=0.0, exchange_ids=ids, responses=vectors, prompts=vectors
    )
    return baseline.with_calibration(thresholds_for(n)) if calibrated else baseline


def thresholds_for(n, factor=4.0):
    sizes = Policy().window_sizes(n)
    return Calibration(
        baseline_samples=n,
        windows=sizes,
        factors=(factor,) * len(sizes),
        scale=0.12,
        run_length=RunLength(expected=10_000, realised=9_900.0, realised_stderr=400.0, paths=400),
    )


def feed(monitor, vectors, start=0):
    return [monitor.observe(sample) for sample in samples_of(vectors, start)]


def severities(monitor, vectors):
    seen = []
    for sample in samples_of(vectors):
        monitor.observe(sample)
        seen.append(monitor.severity)
    return seen


def assert_same_report(one, other):
    for a, b in zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True):
        if isinstance(a, float):
            assert a == pytest.approx(b, abs=1e-9)
        elif isinstance(a, tuple):
            for x, y in zip(a, b, strict=True):
                assert msgspec.structs.astuple(x) == pytest.approx(msgspec.structs.astuple(y), abs=1e-9)
        else:
            assert a == b


def test_a_shift_at_300_is_found_within_a_window_and_not_before():
    rng = np.random.default_rng(1)
    monitor = Monitor("m", baseline_of(400, calibrated=True), Policy())
    seen = severities(monitor, np.concatenate([sphere(rng, 300), sphere(rng, 100, shift=3.0)]))
    assert set(seen[9:300]) == {LOW}
    first = next(place for place, severity in enumerate(seen) if severity not in (None, LOW))
    assert 300 <= first < 350
    assert seen[-1] is CRITICAL


def test_observe_tells_when_the_severity_changed():
    rng = np.random.default_rng(2)
    monitor = Monitor("m", baseline_of(400, calibrated=True), Policy())
    before = None
    for sample in samples_of(np.concatenate([sphere(rng, 100), sphere(rng, 60, shift=3.0)])):
        assert monitor.observe(sample) == (monitor.severity is not before)
        before = monitor.severity
    assert before is CRITICAL


def test_the_report_is_the_statistic_of_the_last_samples():
    rng = np.random.default_rng(3)
    baseline, stream = baseline_of(400, calibrated=True), sphere(rng, 333, shift=0.8)
    monitor = Monitor("m", baseline, Policy())
    feed(monitor, stream)
    report = monitor.report(at=12.0)
    for detector in report.detectors:
        exact = mmd2(baseline.responses, stream[-detector.window :], bandwidth=baseline.bandwidth)
        assert detector.statistic == pytest.approx(exact, abs=1e-7)
        assert detector.ratio == pytest.approx(max(0, detector.statistic) / detector.threshold)
    assert report.ratio == max(detector.ratio for detector in report.detectors)
    assert report.health_index == pytest.approx(100 / (1 + report.ratio**2))
    assert (report.observed, report.window_samples, report.at) == (333, 100, 12.0)
    assert report.run_length.realised == 9_900.0
    assert not report.provisional
    assert report.missing == 0
    assert 0 < report.centroid_mmd2 < report.centroid_distance


def test_before_the_first_score_the_report_counts_down():
    monitor = Monitor("m", baseline_of(400, calibrated=True), Policy())
    assert monitor.report(0.0).message == "10 more answers until the first score."
    feed(monitor, sphere(np.random.default_rng(4), 9))
    report = monitor.report(0.0)
    assert (report.severity, report.ratio, report.health_index) == (None, None, None)
    assert (report.missing, report.missing_from) == (1, "window")
    assert report.message == "1 more answer until the first score."
    assert report.mmd2 is not None


def test_a_baseline_of_seven_gives_no_severity_and_says_that_three_are_missing():
    monitor = Monitor("m", baseline_of(7), QUICK)
    feed(monitor, sphere(np.random.default_rng(5), 40, shift=9.0))
    report = monitor.report(0.0)
    assert report.severity is None
    assert (report.missing, report.missing_from) == (3, "baseline")
    assert report.mmd2 > 0


def test_a_baseline_of_two_is_accepted_and_of_one_refused():
    feed(Monitor("m", baseline_of(2), QUICK), sphere(np.random.default_rng(6), 12))
    with pytest.raises(BaselineTooSmall):
        baseline_of(1)


def test_a_small_baseline_is_judged_once_per_completed_window():
    """40 answers: windows of 10. The severity can change at every tenth sample and at no other."""
    monitor = Monitor("m", baseline_of(40), QUICK)
    rng = np.random.default_rng(7)
    changes = feed(monitor, np.concatenate([sphere(rng, 30), sphere(rng, 30, shift=6.0)]))
    assert {place + 1 for place, changed in enumerate(changes) if changed} <= {10, 20, 30, 40, 50, 60}
    report = monitor.report(0.0)
    assert report.provisional
    assert report.severity in (HIGH, CRITICAL)
    assert "Provisional" in report.message


def test_ten_answers_against_ten_others_can_raise_an_alarm():
    """The smallest baseline that has a severity, and a window of four."""
    monitor = Monitor("m", baseline_of(10), Policy())
    feed(monitor, sphere(np.random.default_rng(8), 4, shift=30.0))
    assert monitor.severity is not LOW
    assert monitor.report(0.0).provisional


def test_provisional_false_alarms_stay_at_one_in_a_thousand_windows():
    rng = np.random.default_rng(9)
    tested = alarms = 0
    for seed in range(60):
        monitor = Monitor("m", baseline_of(40, seed=100 + seed), QUICK)
        for _ in range(10):
            feed(monitor, sphere(rng, 10))
            tested += 1
            alarms += monitor.report(0.0).ratio >= 1
    assert binomtest(alarms, tested, 0.001).pvalue > 0.001


@pytest.mark.parametrize("n", [40, 400])
@pytest.mark.parametrize("stopped_at", [3, 25, 57, 130, 250])
@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("behind", [0, 7])
def test_a_restart_changes_nothing(n, stopped_at, calibrated, behind):
    """Rebuilt from the last samples and a report, which may be some samples old: equal to 1e-9 from there on."""
    rng = np.random.default_rng(10)
    stream = samples_of(np.concatenate([sphere(rng, 120), sphere(rng, 80, shift=1.0), sphere(rng, 140)]))
    baseline = baseline_of(n, calibrated=calibrated)
    lasting, report = Monitor("m", baseline, QUICK), None
    for place, sample in enumerate(stream[:stopped_at]):
        if place == stopped_at - behind:
            report = lasting.report(0.0)
        lasting.observe(sample)
    report = report or (lasting.report(0.0) if behind == 0 else Monitor("m", baseline, QUICK).report(0.0))
    report = msgspec.json.decode(msgspec.json.encode(report), type=Report)
    rebuilt = Monitor("m", baseline, QUICK, resume=report)
    rebuilt.restore(stream[max(0, report.observed - lasting.window_sizes[-1]) : stopped_at], stopped_at)
    assert_same_report(rebuilt.report(1.0), lasting.report(1.0))
    for sample in stream[stopped_at:]:
        assert rebuilt.observe(sample) == lasting.observe(sample)
        assert_same_report(rebuilt.report(1.0), lasting.report(1.0))


def test_a_report_on_another_baseline_is_not_resumed():
    monitor = Monitor("m", baseline_of(400, calibrated=True), Policy())
    feed(monitor, sphere(np.random.default_rng(11), 60, shift=3.0))
    fresh = Monitor("m", baseline_of(400, seed=1, calibrated=True), Policy(), resume=monitor.report(0.0))
    assert fresh.severity is None
    assert fresh.report(0.0).observed == 0


def test_calibrated_thresholds_take_over():
    monitor = Monitor("m", baseline_of(400), QUICK)
    feed(monitor, sphere(np.random.default_rng(12), 60))
    assert monitor.needs_calibration
    assert monitor.report(0.0).provisional
    monitor.set_calibration(thresholds_for(400, factor=1e-3))
    report = monitor.report(0.0)
    assert not report.provisional
    assert not monitor.needs_calibration
    assert report.calibration_progress == 1
    with pytest.raises(ValueError, match="windows"):
        monitor.set_calibration(thresholds_for(800))


def test_a_calibration_for_other_windows_is_made_again():
    monitor = Monitor("m", baseline_of(400, calibrated=True), Policy(windows=(20,)))
    assert monitor.needs_calibration


def test_witnesses_name_the_exchanges_that_came_from_elsewhere():
    rng = np.random.default_rng(13)
    monitor = Monitor("m", baseline_of(400, calibrated=True), Policy())
    stream = sphere(rng, 150)
    stream[140:] = sphere(rng, 10, shift=9.0)
    feed(monitor, stream)
    witnesses = monitor.witnesses(10)
    assert {witness.exchange_id for witness in witnesses} == {f"x{place}" for place in range(140, 150)}
    assert [witness.phi for witness in witnesses] == sorted((witness.phi for witness in witnesses), reverse=True)
    assert all(f"x{50 + witness.position}" == witness.exchange_id for witness in witnesses)


def test_the_p_value_on_demand():
    monitor = Monitor("m", baseline_of(400, calibrated=True), Policy())
    with pytest.raises(TooFewSamples):
        monitor.test(np.random.default_rng(0))
    rng = np.random.default_rng(14)
    feed(monitor, sphere(rng, 100))
    assert monitor.test(np.random.default_rng(0)) > 0.01
    feed(monitor, sphere(rng, 100, shift=3.0))
    assert monitor.test(np.random.default_rng(0)) == 0.001


def test_vectors_of_another_encoder_are_refused():
    monitor = Monitor("m", baseline_of(40), Policy())
    with pytest.raises(EncoderMismatch, match="new baseline"):
        feed(monitor, sphere(np.random.default_rng(15), 1, dimension=8))


def test_equal_answers_do_not_drift_and_another_answer_does():
    rng = np.random.default_rng(16)
    one, other = sphere(rng, 1), sphere(rng, 1)
    ids = [str(place) for place in range(40)]
    same = np.repeat(one, 40, axis=0)
    baseline = make_baseline(id="s", encoder="e", created_at=0.0, exchange_ids=ids, responses=same, prompts=same)
    monitor = Monitor("m", baseline, QUICK)
    feed(monitor, np.repeat(one, 20, axis=0))
    assert monitor.severity is LOW
    feed(monitor, np.repeat(other, 10, axis=0))
    assert monitor.severity is not LOW
