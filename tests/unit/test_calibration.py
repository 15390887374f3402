import msgspec
import numpy as np
import pytest

from drift.baseline import make_baseline
from drift.semantic.calibration import Calibration, calibrate, mean_run_length, u_centred
from drift.semantic.mmd import median_distance, mmd2, null_deviation, rbf
from drift.window import Window


def sphere(rng, count, dimension=12):
    vectors = rng.normal(size=(count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def baseline_of(vectors):
    ids = [str(place) for place in range(len(vectors))]
    return make_baseline(id="b", encoder="e", created_at=0.0, exchange_ids=ids, responses=vectors, prompts=vectors)


def finish(steps):
    """What a generator returns, and what it yielded on the way."""
    yielded = []
    while True:
        try:
            yielded.append(next(steps))
        except StopIteration as stop:
            return stop.value, yielded


def calibration(baseline, seed=0, **settings):
    settings = {"expected_run_length": 200, "fitting_paths": 300, "validation_paths": 100} | settings
    steps = calibrate(
        baseline.kernel(), windows=(10, 25), minimum_samples=(8, 10), rng=np.random.default_rng(seed), **settings
    )
    return finish(steps)


def first_alarm(baseline, thresholds, rng, horizon):
    window = Window(
        baseline.responses, pair_mean=baseline.pair_mean, bandwidth=baseline.bandwidth, sizes=thresholds.windows
    )
    for time, vector in enumerate(sphere(rng, horizon), start=1):
        window.push(vector)
        for size, fewest in zip(thresholds.windows, (8, 10), strict=True):
            samples = window.samples(size)
            if samples >= fewest and window.mmd2(size) >= thresholds.threshold(size, samples):
                return time
    return np.inf


def test_fresh_streams_run_as_long_as_stated():
    """16 baselines of 100, 8 streams each that no threshold has seen: the mean is the stated one, within a third."""
    rng = np.random.default_rng(0)
    horizon, times = 1_500, []
    for seed in range(16):
        baseline = baseline_of(sphere(rng, 100))
        thresholds, _ = calibration(baseline, seed, validation_paths=20)
        times += [first_alarm(baseline, thresholds, rng, horizon) for _ in range(8)]
    mean, stderr = mean_run_length(np.array(times), horizon)
    assert stderr < 50
    assert 140 < mean < 290


def test_paths_that_fitted_nothing_run_as_long_as_expected():
    found, _ = calibration(baseline_of(sphere(np.random.default_rng(1), 120)), fitting_paths=800, validation_paths=400)
    assert abs(found.run_length.realised - 200) < 4 * found.run_length.realised_stderr + 0.04 * 4 * 200
    assert found.run_length.paths == 400


def test_the_same_generator_gives_the_same_thresholds():
    baseline = baseline_of(sphere(np.random.default_rng(2), 100))
    assert calibration(baseline, 7) == calibration(baseline, 7)


def test_progress_rises_to_one():
    _, progress = calibration(baseline_of(sphere(np.random.default_rng(3), 100)))
    assert progress == sorted(progress)
    assert len(progress) >= 400
    assert 0 <= progress[0] <= progress[-1] == 1


def test_a_longer_run_length_has_higher_thresholds():
    baseline = baseline_of(sphere(np.random.default_rng(4), 100))
    short, _ = calibration(baseline, expected_run_length=100)
    long, _ = calibration(baseline, expected_run_length=1_000)
    for size in (10, 25):
        assert long.threshold(size, size) > short.threshold(size, size)


def test_the_threshold_falls_as_a_window_fills():
    found, _ = calibration(baseline_of(sphere(np.random.default_rng(5), 100)))
    assert found.threshold(25, 10) > found.threshold(25, 17) > found.threshold(25, 25) > 0


def test_a_calibration_survives_json():
    found, _ = calibration(baseline_of(sphere(np.random.default_rng(6), 100)))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Calibration) == found


def test_a_baseline_of_equal_answers_still_has_a_line_that_other_answers_cross():
    rng = np.random.default_rng(7)
    baseline = baseline_of(np.repeat(sphere(rng, 1), 100, axis=0))
    found, _ = calibration(baseline)
    moved = np.concatenate([baseline.responses[:8], np.repeat(sphere(rng, 1), 2, axis=0)])
    assert found.threshold(10, 10) > 1e-6
    assert mmd2(baseline.responses, moved, bandwidth=baseline.bandwidth) > found.threshold(10, 10)


def test_the_scale_is_the_deviation_of_the_statistic():
    """On fresh baselines and windows, without bias: a degenerate U-statistic's standard deviation."""
    rng = np.random.default_rng(8)
    bandwidth = median_distance(sphere(rng, 500))
    values, scales = [], []
    for _ in range(400):
        baseline = sphere(rng, 40)
        values.append(mmd2(baseline, sphere(rng, 10), bandwidth=bandwidth))
        scales.append(u_centred(rbf(baseline, baseline, bandwidth))[1])
    assert np.std(values) == pytest.approx(np.mean(scales) * null_deviation(10, 40), rel=0.12)


def test_the_centred_kernel_has_unit_mean_square_and_rows_that_vanish():
    vectors = sphere(np.random.default_rng(9), 60)
    centred, _ = u_centred(rbf(vectors, vectors, 1.0))
    assert np.square(centred).mean() == pytest.approx(1, rel=1e-5)
    assert centred.sum(axis=1) == pytest.approx(np.zeros(60), abs=1e-4)


def test_mean_run_length_of_times_cut_off():
    """Exponential times of mean 100, cut at 200: the tail that was not seen is put back."""
    times = np.random.default_rng(10).exponential(100, 20_000)
    times[times > 200] = np.inf
    mean, stderr = mean_run_length(times, 200)
    assert mean == pytest.approx(100, abs=4 * stderr)
    assert stderr < 2
