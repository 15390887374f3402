import numpy as np
import pytest

from drift.baseline import make_baseline
from drift.samples import session_code, session_codes
from drift.semantic.calibration import Sources, calibrate, responses_per_alarm, u_centred
from drift.semantic.mmd import median_distance, rbf
from drift.semantic.sessions import members, named, within_sessions
from drift.window import Reference, Window
from tests.unit.samples import finish, samples_of, sphere, unit


def masked_mmd2(baseline, window, bandwidth, baseline_codes, window_codes):
    """Mean kernels over pairs of different sessions, pair by pair: the oracle."""

    def mean(a, b, first, second, same):
        kernel = np.exp(-np.square(a[:, None].astype(float) - b[None]).sum(axis=2) / (2 * bandwidth**2))
        apart = first[:, None] != second[None] if same else (first[:, None] != second[None]) | (second[None] < 0)
        return kernel, apart

    within_baseline, pairs = mean(baseline, baseline, baseline_codes, baseline_codes, True)
    within_window, window_pairs = mean(window, window, window_codes, window_codes, True)
    between, cross = mean(baseline, window, baseline_codes, window_codes, False)
    # Each window sample has its own mean over the baseline's samples of other sessions.
    to_baseline = (between * cross).sum(axis=0) / cross.sum(axis=0)
    return within_baseline[pairs].mean() + within_window[window_pairs].mean() - 2 * to_baseline.mean()


def grouped(rng, sessions, size, *, dimension=12, spread=0.1):
    """(vectors, session codes): each session is a place on the sphere and near-duplicates around it."""
    places = np.repeat(sphere(rng, sessions, dimension=dimension), size, axis=0)
    codes = np.repeat(rng.integers(0, 2**62, sessions), size)
    return unit(places + spread * rng.normal(size=places.shape)), codes


def test_a_session_is_known_by_its_name_and_nothing_else():
    codes = session_codes(["a", "b", None, "a", None, "c", "b", "d", "e", "f"], largest_share=0.2)
    assert codes[0] == codes[3] != codes[1] == codes[6]
    assert (codes[[0, 1, 5]] >= 0).all()
    assert len(np.unique(codes)) == 8
    assert list(codes[[2, 4]]) == [-3, -5]
    assert session_code("a", 7) == session_code("a", 0) == codes[0]


def test_a_name_that_most_samples_share_is_no_session():
    """An application that names itself as the user: every sample is a session of its own."""
    named_alike = ["app"] * 30 + ["ann", "ann", "bob"] * 10
    assert list(session_codes(named_alike, largest_share=0.2)) == [-1 - place for place in range(60)]
    assert (session_codes(named_alike, largest_share=0.5) >= 0).all()
    samples = samples_of(*[sphere(np.random.default_rng(0), 60)] * 2, sessions=named_alike)
    made = {"id": "b", "encoder": "e", "created_at": 0.0, "samples": samples}
    assert not make_baseline(**made).uses_sessions
    assert make_baseline(**made, largest_session=0.5).uses_sessions
    assert make_baseline(**made).responses.pairs == 60 * 59


def test_members_and_named():
    codes = np.array([5, -1, 7, 5, -3, 5])
    assert {code: list(places) for code, places in members(codes).items()} == {5: [0, 3, 5]}
    assert {code: list(places) for code, places in named(codes).items()} == {5: [0, 3, 5], 7: [2]}
    assert members(np.zeros(0, dtype=np.int64)) == {} == named(np.zeros(0, dtype=np.int64))


def test_sums_within_sessions():
    vectors, codes = grouped(np.random.default_rng(1), 6, 3)
    codes[2] = -3
    kernel = rbf(vectors, vectors, 1.2) * ((codes[:, None] == codes) & ~np.eye(18, dtype=bool))
    sums, others = within_sessions(vectors, codes, 1.2)
    assert sums == pytest.approx(kernel.sum(axis=1), abs=1e-5)
    assert list(others) == [1, 1, 0] + [2] * 15


def test_the_baselines_pair_mean_is_that_of_different_sessions():
    vectors, codes = grouped(np.random.default_rng(2), 10, 4)
    reference = Reference.of(vectors, codes)
    kernel = np.exp(-np.square(vectors[:, None] - vectors[None]).sum(axis=2) / (2 * reference.bandwidth**2))
    assert reference.pairs == 40 * 36
    assert reference.pair_mean == pytest.approx(kernel[codes[:, None] != codes].mean(), abs=1e-6)
    # Near-duplicates would have made the baseline look tighter than any window is.
    assert Reference.of(vectors, -1 - np.arange(40)).pair_mean > reference.pair_mean + 0.02


@pytest.mark.parametrize("recompute_every", [13, 10_000])
def test_windows_leave_out_pairs_of_one_session(recompute_every):
    """While they fill, when full, after evictions; sessions come and go, and some are the baseline's own."""
    rng = np.random.default_rng(3)
    baseline, baseline_codes = grouped(rng, 15, 3)
    stream, codes = grouped(rng, 40, 3)
    mixed = np.concatenate([rng.permutation(60), 60 + rng.permutation(60)])
    stream, codes = stream[mixed], codes[mixed]
    codes[rng.random(120) < 0.3] = -1
    codes[codes < 0] = -1 - np.flatnonzero(codes < 0)
    shared = rng.random(120) < 0.2
    codes[shared] = rng.choice(baseline_codes, shared.sum())
    reference = Reference.of(baseline, baseline_codes)
    window = Window(reference, sizes=(8, 25), recompute_every=recompute_every)
    cross_sums = reference.cross_sums(stream)
    for seen in range(1, 121):
        window.push(stream[seen - 1], int(codes[seen - 1]), float(cross_sums[seen - 1]))
        for size in (8, 25):
            last = slice(max(0, seen - size), seen)
            assert np.array_equal(window.sessions(size), codes[last])
            if len(np.unique(codes[last])) > 1:
                exact = masked_mmd2(baseline, stream[last], reference.bandwidth, baseline_codes, codes[last])
                assert window.mmd2(size) == pytest.approx(exact, abs=1e-6)


def test_a_window_of_one_session_has_no_statistic():
    rng = np.random.default_rng(4)
    vectors, codes = grouped(rng, 10, 3)
    reference = Reference.of(vectors, codes)
    window, one = Window(reference, sizes=(4,)), sphere(rng, 7, dimension=12)
    for vector in one[:6]:
        window.push(vector, 99, float(reference.cross_sums(vector[None])[0]))
        assert window.mmd2(4) is None
    window.push(one[6], 100, float(reference.cross_sums(one[6:])[0]))
    assert window.mmd2(4) is not None


def test_the_centred_kernel_is_zero_within_sessions():
    vectors, codes = grouped(np.random.default_rng(5), 20, 3)
    centred, scale = u_centred(rbf(vectors, vectors, 1.0), codes)
    assert not centred[codes[:, None] == codes].any()
    assert np.square(centred).mean() == pytest.approx(1, rel=1e-5)
    # Rows sum to nothing but for what the sessions' own places would have held.
    assert np.abs(centred.sum(axis=1)).max() < 0.2 * np.abs(centred).sum(axis=1).max()
    assert u_centred(rbf(vectors, vectors, 1.0))[1] > 1.3 * scale


def test_the_order_of_sessions_does_not_matter():
    """They are known by a hash, whose order is anybody's."""
    vectors, codes = grouped(np.random.default_rng(9), 20, 3)
    kernel = rbf(vectors, vectors, 1.0)
    (centred, scale), (other, other_scale) = u_centred(kernel, codes), u_centred(kernel, codes.max() - codes)
    assert other == pytest.approx(centred, abs=1e-6)
    assert other_scale == pytest.approx(scale)


def test_sessions_do_not_change_the_scale_of_unrelated_answers():
    """Answers that resemble no other of their session: with and without its name the same kernel scale."""
    rng = np.random.default_rng(6)
    with_sessions, without = [], []
    for _ in range(30):
        kernel = rbf(vectors := sphere(rng, 60, dimension=12), vectors, 1.2)
        without.append(u_centred(kernel)[1])
        with_sessions.append(u_centred(kernel, np.repeat(np.arange(20), 3))[1])
    assert np.mean(with_sessions) == pytest.approx(np.mean(without), rel=0.005)


def first_alarm(reference, calibration, vectors, codes):
    """When a stream first crosses a line of the responses, infinite if never."""
    (size,) = calibration.windows
    window, cross_sums = Window(reference, sizes=(size,)), reference.cross_sums(vectors)
    for time, (vector, code, cross_sum) in enumerate(zip(vectors, codes, cross_sums, strict=True), start=1):
        window.push(vector, int(code), float(cross_sum))
        statistic = window.mmd2(size) if window.samples(size) >= 10 else None
        if statistic is not None and statistic >= calibration.threshold("mmd", size, window.samples(size)):
            return time
    return np.inf


def test_sessions_keep_the_stated_run_length_and_without_them_it_is_lost():
    """Answers in fives of near-duplicates, 8 baselines of 200, 8 fresh streams each; stated: 200.

    A baseline of only 40 sessions is known to be a fifth short of it.
    """
    rng = np.random.default_rng(7)
    horizon, kept, lost = 1_000, [], []
    for seed in range(8):
        vectors, codes = grouped(rng, 40, 5)
        streams = [grouped(rng, horizon // 5, 5) for _ in range(8)]
        for masked, times in ((True, kept), (False, lost)):
            known = codes if masked else -1 - np.arange(200)
            reference = Reference.of(vectors, known)
            sources = Sources(
                responses=reference.kernel(),
                residuals=np.zeros((200, 200), dtype=np.float32),
                alignments=np.zeros(200),
                answers=np.zeros((200, 0), dtype=bool),
                sessions=known,
            )
            calibration, _ = finish(
                calibrate(
                    sources,
                    windows=(25,),
                    minimum_samples=(10,),
                    expected_run_length=200,
                    fitting_paths=200,
                    validation_paths=20,
                    rng=np.random.default_rng(seed),
                )
            )
            for stream, own in streams:
                times.append(first_alarm(reference, calibration, stream, own if masked else -1 - np.arange(horizon)))
    mean, stderr = responses_per_alarm(np.array(kept), 200)
    assert abs(mean - 200) < 3 * stderr + 40
    assert responses_per_alarm(np.array(lost), 200)[0] < 60


def test_the_bandwidth_is_that_of_all_pairs():
    vectors, codes = grouped(np.random.default_rng(8), 12, 3)
    assert Reference.of(vectors, codes).bandwidth == median_distance(vectors)
