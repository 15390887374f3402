import msgspec
import numpy as np
import pytest

from drift.monitor import Monitor
from drift.policy import Policy
from drift.semantic.calibration import (
    ALIGNMENT,
    BEHAVIOUR,
    MMD,
    RESIDUAL,
    Calibration,
    calibrate,
    deviation,
    responses_per_alarm,
    u_centred,
)
from drift.semantic.mmd import median_distance, mmd2, null_deviation, rbf
from drift.semantic.simulation import Paths, Resampled
from tests.unit.samples import baseline_of, behaviour, calibrated, finish, row, samples_of, sphere, traffic

LINES = {(detector, size) for detector in (MMD, RESIDUAL, BEHAVIOUR) for size in (10, 25)} | {(ALIGNMENT, 25)}
QUICK = Policy(
    windows=(10, 25),
    minimum_window_samples=8,
    expected_run_length=200,
    calibration_paths=120,
    validation_paths=20,
)


def baseline_like(seed=0, n=100, features=True):
    rng = np.random.default_rng(seed)
    return baseline_of(samples_of(*traffic(rng, n, dimension=12), features=behaviour(rng, n) if features else None))


def calibration(baseline, seed=0, **settings):
    settings = {"expected_run_length": 200, "fitting_paths": 100, "validation_paths": 20} | settings
    return finish(
        calibrate(
            baseline.sources(),
            windows=(10, 25),
            minimum_samples=(8, 10),
            rng=np.random.default_rng(seed),
            **settings,
        )
    )


def people(rng, count):
    """Samples in conversations of three on one matter, with their behaviour."""
    prompts, responses = traffic(rng, count // 3, dimension=12)
    noise = 0.1 * rng.normal(size=(2, count, 12))
    sides = [np.repeat(side, 3, axis=0) + wobble for side, wobble in zip((prompts, responses), noise, strict=True)]
    prompts, responses = ((side / np.linalg.norm(side, axis=1, keepdims=True)).astype(np.float32) for side in sides)
    names = [str(name) for name in np.repeat(rng.integers(10**9, size=count // 3), 3)]
    return samples_of(prompts, responses, features=behaviour(rng, count), sessions=names)


def first_alarm(monitor, stream):
    """Time of the first ratio at or beyond 1, infinite if none."""
    for time, _ in enumerate(monitor.observe_all(stream), start=1):
        if monitor.severity is not None and monitor.severity.rank > 0:
            return time
    return np.inf


@pytest.mark.parametrize("stream", ["single", "people"])
def test_fresh_streams_run_as_long_as_stated(stream):
    """The whole monitor, with behaviour: 6 baselines of 120, 5 streams each that no line has seen; stated: 200.

    The mean is the stated one but for its error and a quarter, what baselines of that size are known to be short of.
    """
    rng = np.random.default_rng(0)
    horizon, times = 600, []

    def drawn(count):
        if stream == "people":
            return people(rng, count)
        return samples_of(*traffic(rng, count, dimension=12), features=behaviour(rng, count))

    for seed in range(6):
        baseline = calibrated(baseline_of(drawn(120)), QUICK, seed)
        times += [first_alarm(Monitor("m", baseline, QUICK), drawn(horizon)) for _ in range(5)]
    length, stderr = responses_per_alarm(np.array(times), 200)
    assert stderr < 80
    assert abs(length - 200) < 2 * stderr + 50


def test_paths_that_fitted_nothing_run_as_long_as_expected():
    found, _ = calibration(baseline_like(1), fitting_paths=400, validation_paths=200)
    # The fit has an error of its own, from twice as many paths.
    assert abs(found.run_length.realised - 200) < 3 * 1.5**0.5 * found.run_length.realised_stderr
    assert (found.run_length.expected, found.run_length.paths) == (200, 200)


def test_the_same_generator_gives_the_same_thresholds():
    baseline = baseline_like(2)
    assert calibration(baseline, 7) == calibration(baseline, 7)


def test_progress_rises_to_one():
    _, progress = calibration(baseline_like(3))
    assert progress == sorted(progress)
    assert len(progress) >= 120
    assert 0 <= progress[0] <= progress[-1] == 1


def test_a_longer_run_length_has_higher_thresholds():
    baseline = baseline_like(4)
    short, _ = calibration(baseline, expected_run_length=100)
    long, _ = calibration(baseline, expected_run_length=800)
    for detector, size in LINES:
        assert long.threshold(detector, size, size) > short.threshold(detector, size, size)


def test_every_detector_has_a_line_in_every_window_and_alignment_in_the_largest():
    found, _ = calibration(baseline_like(5))
    assert {(line.detector, line.window) for line in found.lines} == LINES
    assert found.windows == (10, 25)
    assert found.threshold(ALIGNMENT, 10, 10) is None
    assert found.threshold(MMD, 12, 12) is None
    for detector, size in LINES:
        assert found.threshold(detector, size, size) > 0


def test_the_threshold_falls_as_a_window_fills():
    """As the statistic's deviation does; that of behaviour is standardised already."""
    found, _ = calibration(baseline_like(5))
    for detector in (MMD, RESIDUAL, ALIGNMENT):
        assert found.threshold(detector, 25, 10) > found.threshold(detector, 25, 17) > found.threshold(detector, 25, 25)
    assert found.threshold(BEHAVIOUR, 25, 10) == found.threshold(BEHAVIOUR, 25, 25) >= 9


def test_a_calibration_survives_json():
    found, _ = calibration(baseline_like(6))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Calibration) == found


def test_a_baseline_without_behaviour_has_no_line_for_it():
    found, _ = calibration(baseline_like(7, features=False))
    assert {line.detector for line in found.lines} == {MMD, RESIDUAL, ALIGNMENT}


def test_a_baseline_of_equal_answers_still_has_lines_that_other_answers_cross():
    """Nothing to simulate: vectors and behaviour that never moved have a line all the same."""
    rng = np.random.default_rng(7)
    same, asked = (np.repeat(sphere(rng, 1, dimension=12), 100, axis=0) for _ in range(2))
    baseline = baseline_of(samples_of(asked, same, features=[row()] * 100))
    found, progress = calibration(baseline)
    assert progress == []
    assert {(line.detector, line.window) for line in found.lines} == LINES - {(ALIGNMENT, 25)}
    assert found.run_length.paths == 0
    moved = np.concatenate([same[:8], np.repeat(sphere(rng, 1, dimension=12), 2, axis=0)])
    assert found.threshold(MMD, 10, 10) > 1e-6
    assert mmd2(same, moved, bandwidth=baseline.responses.bandwidth) > found.threshold(MMD, 10, 10)
    policy = msgspec.structs.replace(QUICK, expected_run_length=200)
    monitor = Monitor("m", baseline.with_calibration(found), policy)
    steady = samples_of(asked[:30], same[:30], features=[row()] * 30)
    assert first_alarm(monitor, steady) == np.inf
    refusing = samples_of(asked[:10], same[:10], features=[row(refusal=True)] * 10)
    assert first_alarm(monitor, refusing) <= 5
    assert monitor.report(0.0).detector.startswith(BEHAVIOUR)


def test_behaviour_that_never_moved_has_a_line_beside_vectors_that_do():
    rng = np.random.default_rng(8)
    found, _ = calibration(baseline_of(samples_of(*traffic(rng, 100, dimension=12), features=[row()] * 100)))
    assert {(line.detector, line.window) for line in found.lines} == LINES
    assert found.threshold(BEHAVIOUR, 10, 10) >= 9


def test_answers_that_have_nothing_to_do_with_their_prompts_have_no_alignment():
    rng = np.random.default_rng(9)
    samples = samples_of(sphere(rng, 100), sphere(rng, 100))
    found, _ = calibration(baseline_of(samples), fitting_paths=20)
    assert ALIGNMENT not in {line.detector for line in found.lines}


def test_answers_that_repeat_their_prompts_have_no_residual():
    """Nothing is left over but rounding, and it would alarm on any change of the prompts."""
    rng = np.random.default_rng(15)
    vectors = sphere(rng, 100)
    found, _ = calibration(baseline_of(samples_of(vectors, vectors)), fitting_paths=20)
    assert RESIDUAL not in {line.detector for line in found.lines}


def test_three_samples_cannot_be_calibrated():
    with pytest.raises(ValueError, match="3 samples"):
        calibration(baseline_like(10, n=3))


def test_a_path_is_scored_like_a_monitor():
    """The maxima of a simulated stream are those of the statistics computed from its samples."""
    n, horizon, rng = 40, 90, np.random.default_rng(11)
    vectors, others, answers = sphere(rng, n), sphere(rng, n), rng.random((n, 3)) < 0.3
    kernels = [u_centred(rbf(one, one, 1.3))[0] for one in (vectors, others)]
    alignments = rng.normal(size=n)
    resampled = Resampled(
        responses=kernels[0], residuals=kernels[1], alignments=alignments, answers=answers, sessions=-1 - np.arange(n)
    )
    paths = Paths(resampled, (5, 12), (3, 5), horizon)
    records, _ = finish(paths.simulate(np.random.default_rng(12), 0.0, 1.0))
    assert len(records) == 7
    again = np.random.default_rng(12)
    reference, stream = again.integers(n, size=n), again.integers(n, size=horizon)

    def statistic(kind, last):
        m = len(last)
        if kind < 2:
            kernel = kernels[kind].astype(float)
            within = kernel[np.ix_(last, last)].sum() / (m * (m - 1))
            before = kernel[np.ix_(reference, reference)].sum() / (n * (n - 1))
            return (before + within - 2 * kernel[np.ix_(reference, last)].mean()) / null_deviation(m, n)
        if kind == 2:
            return (alignments[reference].mean() - alignments[last].mean()) / (1 / m + 1 / n) ** 0.5
        shares = [np.arcsin(((answers[of].sum(axis=0) + 0.375) / (len(of) + 0.75)) ** 0.5) for of in (last, reference)]
        return (4 * np.square(shares[0] - shares[1]) * m * n / (m + n)).max()

    order = [(0, 5, 3), (0, 12, 5), (1, 5, 3), (1, 12, 5), (2, 12, 5), (3, 5, 3), (3, 12, 5)]
    for (kind, window, fewest), (times, maxima) in zip(order, records, strict=True):
        values = [statistic(kind, stream[max(0, end - window) : end]) for end in range(fewest, horizon + 1)]
        highest = np.maximum.accumulate(values)
        # In single precision a tie may count as a new maximum: the maxima so far are what lines depend on.
        assert maxima[np.searchsorted(times, np.arange(fewest, horizon + 1), side="right") - 1] == pytest.approx(
            highest, abs=1e-4
        )


def test_a_path_leaves_out_pairs_of_one_session():
    """In the window and in the baseline, as a monitor does: mean kernels over pairs of different draws."""
    n, horizon, rng = 36, 60, np.random.default_rng(13)
    vectors, codes = sphere(rng, n), np.repeat(np.arange(12), 3)
    kernel = u_centred(rbf(vectors, vectors, 1.3), codes)[0].astype(float)
    resampled = Resampled(
        responses=kernel.astype(np.float32), residuals=None, alignments=None, answers=None, sessions=codes
    )
    [(times, maxima)], _ = finish(Paths(resampled, (7,), (4,), horizon).simulate(np.random.default_rng(14), 0.0, 1.0))
    again = np.random.default_rng(14)
    drawn = [again.integers(12, size=count)[: -(-count // 3)] for count in (n, horizon)]
    reference, stream = ((3 * one[:, None] + np.arange(3)).ravel() for one in drawn)
    draw = np.arange(horizon) // 3
    of_reference = np.arange(n) // 3
    before = kernel[np.ix_(reference, reference)][of_reference[:, None] != of_reference].mean()
    values = []
    for end in range(4, horizon + 1):
        last = slice(max(0, end - 7), end)
        apart = draw[last, None] != draw[last]
        within = kernel[np.ix_(stream[last], stream[last])][apart].mean()
        between = kernel[np.ix_(reference, stream[last])].mean()
        values.append((before + within - 2 * between) / null_deviation(min(end, 7), n))
    highest = np.maximum.accumulate(values)
    so_far = maxima[np.searchsorted(times, np.arange(4, horizon + 1), side="right") - 1]
    assert so_far == pytest.approx(highest, abs=1e-4)


def test_the_scale_is_the_deviation_of_the_statistic():
    """On fresh baselines and windows, without bias: a degenerate U-statistic's standard deviation."""
    rng = np.random.default_rng(8)
    bandwidth = median_distance(sphere(rng, 500))
    values, scales = [], []
    for _ in range(400):
        baseline = sphere(rng, 40)
        values.append(mmd2(baseline, sphere(rng, 10), bandwidth=bandwidth))
        scales.append(u_centred(rbf(baseline, baseline, bandwidth))[1])
    assert np.std(values) == pytest.approx(np.mean(scales) * deviation(MMD, 10, 40), rel=0.12)


def test_the_centred_kernel_has_unit_mean_square_and_rows_that_vanish():
    vectors = sphere(np.random.default_rng(9), 60)
    centred, _ = u_centred(rbf(vectors, vectors, 1.0))
    assert np.square(centred).mean() == pytest.approx(1, rel=1e-5)
    assert centred.sum(axis=1) == pytest.approx(np.zeros(60), abs=1e-4)


def test_responses_per_alarm_of_exponential_times():
    """Times of mean 100 that are known up to 50 are enough to tell it."""
    times = np.random.default_rng(10).exponential(100, 20_000)
    times[times > 50] = np.inf
    length, stderr = responses_per_alarm(times, 50)
    assert length == pytest.approx(100, abs=4 * stderr)
    assert stderr < 2


def test_lucky_baselines_do_not_make_up_for_frequent_alarms():
    """Half of the baselines at 50 responses per alarm and half at 950: an alarm in 95, though the mean time is 500."""
    rng = np.random.default_rng(11)
    times = np.concatenate([rng.exponential(50, 20_000), rng.exponential(950, 20_000)])
    length, _ = responses_per_alarm(times, 5)
    assert length == pytest.approx(95, rel=0.1)


def test_without_an_alarm_or_with_all_the_length_is_a_bound():
    """Half a path is counted otherwise: a length that is stored and read again is a number."""
    assert 1_000 < responses_per_alarm(np.full(5, np.inf), 200)[0] < np.inf
    assert 0 < responses_per_alarm(np.ones(5), 200)[0] < 200
