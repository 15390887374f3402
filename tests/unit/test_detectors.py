import msgspec
import numpy as np
import pytest

from drift.detectors import Detectors
from drift.errors import EncoderMismatch
from drift.features import BOOLEAN
from drift.indicators import difference
from drift.policy import Policy
from drift.semantic.calibration import ALIGNMENT, BEHAVIOUR, MMD, RESIDUAL
from drift.semantic.centroid import Moments
from drift.semantic.mmd import mmd2
from tests.unit.samples import baseline_of, behaviour, samples_of, traffic, unit

SIZES = (10, 40)


def watched(n=120, seed=0, features=True):
    rng = np.random.default_rng(seed)
    return baseline_of(samples_of(*traffic(rng, n), prefix="b", features=behaviour(rng, n) if features else None))


def detectors(baseline, *, every=1_000, first_index=0):
    return Detectors(
        baseline,
        sizes=SIZES,
        recompute_every=every,
        first_index=first_index,
        largest_session=Policy().largest_session,
    )


def stream_of(count, seed=1, **moved):
    rng = np.random.default_rng(seed)
    names = [None if rng.random() < 0.5 else f"s{rng.integers(count // 3)}" for _ in range(count)]
    return samples_of(*traffic(rng, count, **moved), features=behaviour(rng, count), sessions=names)


def statistics(moving):
    every = {(name, size): moving.statistic(name, size) for name in (MMD, RESIDUAL, BEHAVIOUR) for size in SIZES}
    return every | {(ALIGNMENT, SIZES[-1]): moving.statistic(ALIGNMENT, SIZES[-1])}


@pytest.mark.parametrize("every", [25, 1_000])
def test_every_statistic_equals_the_one_computed_directly(every):
    rng = np.random.default_rng(2)
    baseline, stream = watched(), samples_of(*traffic(rng, 130, said=0.5), features=behaviour(rng, 130, refusals=0.2))
    moving = detectors(baseline, every=every)
    for seen, _ in enumerate(moving.push(stream), start=1):
        if seen not in (1, 2, 9, 10, 11, 39, 40, 41, 50, 100, 130):
            continue
        assert (moving.observed, list(moving.recent)) == (seen, stream[max(0, seen - 40) : seen])
        for size in SIZES:
            last = stream[max(0, seen - size) : seen]
            prompts, responses = (np.stack([getattr(one, side) for one in last]) for side in ("prompt", "response"))
            rows = baseline.questions.answers([one.features for one in last])
            apart = difference(rows.sum(axis=0), len(last), baseline.answers.sum(axis=0), 120)
            assert moving.samples(size) == len(last)
            assert moving.statistic(BEHAVIOUR, size) == pytest.approx(np.square(apart).max(), abs=1e-9)
            if seen > 1:
                for name, reference, vectors in (
                    (MMD, baseline.responses, responses),
                    (RESIDUAL, baseline.residuals, baseline.ridge.residuals(prompts, responses)),
                ):
                    exact = mmd2(reference.vectors, vectors, bandwidth=reference.bandwidth)
                    assert moving.statistic(name, size) == pytest.approx(exact, abs=1e-6)
        cosine = float((prompts * responses).sum(axis=1).mean())
        assert moving.alignment == pytest.approx(cosine, abs=1e-6)
        assert moving.statistic(ALIGNMENT, 40) == pytest.approx(1 - cosine / baseline.alignments.mean(), abs=1e-6)
        assert moving.moments.total == pytest.approx(Moments.of(responses).total, abs=1e-9)


def test_samples_pushed_together_count_as_pushed_one_by_one():
    """130 at once, in uneven parts, and each alone: equal at every step but for the rounding of products."""
    baseline, stream = watched(), stream_of(130)
    together, parts, alone = detectors(baseline), detectors(baseline), detectors(baseline)
    all_at_once = together.push(stream)
    in_parts = (step for start in range(0, 130, 47) for step in parts.push(stream[start : start + 47]))
    for sample in stream:
        next(all_at_once)
        next(in_parts)
        assert len(list(alone.push([sample]))) == 1
        expected = statistics(alone)
        for other in (together, parts):
            for one, value in statistics(other).items():
                assert (value is None) == (expected[one] is None)
                assert value is None or value == pytest.approx(expected[one], abs=1e-6)
    assert next(all_at_once, "done") == next(in_parts, "done") == "done"


def test_before_the_first_sample_nothing_is_defined():
    moving = detectors(watched())
    assert set(statistics(moving).values()) == {None}
    assert list(moving.push([])) == []
    assert moving.observed == 0


def test_vectors_of_another_encoder_are_refused_before_any_is_taken_in():
    baseline = watched()
    moving = detectors(baseline)
    foreign = samples_of(*traffic(np.random.default_rng(3), 1, dimension=8))
    with pytest.raises(EncoderMismatch, match="new baseline"):
        list(moving.push([*stream_of(20), *foreign]))
    assert moving.observed == 0
    assert set(statistics(moving).values()) == {None}


def test_answers_that_leave_their_questions_lower_the_alignment():
    """Answers to other prompts: as far from their own as any two texts are."""
    rng = np.random.default_rng(4)
    prompts, responses = traffic(rng, 40)
    baseline = watched()
    moving = detectors(baseline)
    assert len(list(moving.push(samples_of(prompts, responses)))) == 40
    assert abs(moving.statistic(ALIGNMENT, 40)) < 0.2
    assert len(list(moving.push(samples_of(prompts, np.roll(responses, 1, axis=0))))) == 40
    assert moving.statistic(ALIGNMENT, 40) > 0.8
    assert moving.alignment < 0.2 < 0.5 < baseline.alignments.mean()


def test_the_behaviour_that_moved_is_named_with_its_shares():
    rng = np.random.default_rng(5)
    moving = detectors(watched())
    features = [msgspec.structs.replace(one, refusal=place % 2 == 0) for place, one in enumerate(behaviour(rng, 40))]
    assert len(list(moving.push(samples_of(*traffic(rng, 40), features=features)))) == 40
    moved = moving.moved(40)
    assert moved.question.feature == "refusal"
    assert moved.z**2 == pytest.approx(moving.statistic(BEHAVIOUR, 40))
    assert moved.window_share == 0.5
    assert abs(moved.baseline_share - 0.5) > 0.35
    assert moved.question.feature in BOOLEAN


def test_a_baseline_without_behaviour_watches_none():
    moving = detectors(watched(features=False))
    assert len(list(moving.push(stream_of(20)))) == 20
    assert moving.statistic(BEHAVIOUR, 10) is None
    assert moving.statistic(MMD, 10) is not None


def test_near_duplicates_of_one_session_are_not_compared_with_each_other():
    """Three samples of each conversation, all alike: with their names no drift, without them one."""
    rng = np.random.default_rng(6)
    baseline = watched()
    prompts, responses = (np.repeat(side, 3, axis=0) for side in traffic(rng, 14))
    names = [f"s{place // 3}" for place in range(42)]
    told, untold = detectors(baseline), detectors(baseline)
    assert len(list(told.push(samples_of(prompts, responses, sessions=names)))) == 42
    assert len(list(untold.push(samples_of(prompts, responses)))) == 42
    for name in (MMD, RESIDUAL):
        assert untold.statistic(name, 40) > told.statistic(name, 40) + 0.005


def test_a_name_that_most_of_a_window_shares_is_no_session():
    """From a fifth of the window on its samples count each for itself, else the window would have no pairs."""
    baseline, plain = watched(), samples_of(*traffic(np.random.default_rng(7), 80))
    named = samples_of(*traffic(np.random.default_rng(7), 80), sessions=["app"] * 80)
    with_name, without = detectors(baseline), detectors(baseline)
    assert len(list(with_name.push(named))) == len(list(without.push(plain))) == 80
    assert (with_name.responses.sessions(40) < 0).all()
    for one, value in statistics(without).items():
        assert with_name.statistic(*one) == pytest.approx(value, abs=1e-9)


def test_names_that_meant_nothing_in_the_baseline_mean_nothing_in_the_window():
    rng = np.random.default_rng(8)
    baseline = baseline_of(samples_of(*traffic(rng, 120), sessions=["app"] * 120))
    assert not baseline.uses_sessions
    moving = detectors(baseline)
    vectors = unit(rng.normal(size=(10, 16)))
    assert len(list(moving.push(samples_of(vectors, vectors, sessions=["ann", "ann", *["bob"] * 8])))) == 10
    assert (moving.responses.sessions(10) < 0).all()
