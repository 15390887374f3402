import numpy as np
import pytest

from drift.semantic.mmd import mmd2
from drift.semantic.witness import witness_values
from drift.window import Reference, Window
from tests.unit.samples import sphere


def reference_of(vectors):
    return Reference.of(vectors, -1 - np.arange(len(vectors)))


def fill(window, reference, vectors, start=0):
    """Push one vector at each step, of a session of its own, from index start on."""
    cross_sums = reference.cross_sums(vectors)
    for place in range(start, len(vectors)):
        window.push(vectors[place], -1 - place, float(cross_sums[place]))
        yield place + 1


def exact_mmd2(reference, window):
    return mmd2(reference.vectors.astype(float), window.astype(float), bandwidth=reference.bandwidth)


def test_every_window_equals_the_statistic_computed_afresh():
    """While it fills, when full and after many turns of the ring."""
    rng = np.random.default_rng(0)
    reference, stream = reference_of(sphere(rng, 80)), sphere(rng, 230)
    window = Window(reference, sizes=(7, 20))
    for seen in fill(window, reference, stream):
        for size in (7, 20):
            last = stream[max(0, seen - size) : seen]
            assert window.samples(size) == len(last)
            assert np.array_equal(window.vectors(size), last)
            if seen > 1:
                assert window.mmd2(size) == pytest.approx(exact_mmd2(reference, last), abs=1e-7)


def test_the_baselines_terms_are_computed_once_and_exactly():
    """mmd2 of two samples is pair mean + pair mean - 2 cross means, whatever the lengths of the vectors."""
    rng = np.random.default_rng(1)
    vectors, others = rng.normal(size=(50, 6)).astype(np.float32), rng.normal(size=(9, 6)).astype(np.float32)
    reference = reference_of(vectors)
    assert reference.pairs == 50 * 49
    assert np.trace(reference.kernel()) == pytest.approx(50, abs=1e-4)
    assert reference.sums == pytest.approx(reference.kernel().sum(axis=1) - 1, abs=1e-4)
    cross = reference.cross_sums(others)
    assert reference.cross_mean(float(cross[0]), others[0], -1) == pytest.approx(cross[0] / 50)
    window = reference_of(others)
    squared = np.square(others[:, None] - others).sum(axis=2)
    within_window = (np.exp(-squared / (2 * reference.bandwidth**2)).sum() - 9) / 72
    assert window.pairs == 72
    assert exact_mmd2(reference, others) == pytest.approx(
        reference.pair_mean + within_window - 2 * cross.mean() / 50, abs=1e-6
    )


@pytest.mark.parametrize("count", [999, 1_000, 1_001, 2_500])
def test_moving_sums_agree_with_exact_ones_before_and_after_the_recomputation(count):
    rng = np.random.default_rng(1)
    reference, stream = reference_of(sphere(rng, 60)), sphere(rng, 2_500)[:count]
    window = Window(reference, sizes=(10, 45))
    for _ in fill(window, reference, stream):
        pass
    for size in (10, 45):
        assert window.mmd2(size) == pytest.approx(exact_mmd2(reference, stream[-size:]), abs=1e-7)


def test_recomputation_changes_nothing_but_rounding():
    rng = np.random.default_rng(2)
    reference, stream = reference_of(sphere(rng, 60)), sphere(rng, 500)
    often, never = (Window(reference, sizes=(10, 45), recompute_every=every) for every in (1, 10_000))
    for _ in zip(fill(often, reference, stream), fill(never, reference, stream), strict=True):
        for size in (10, 45):
            assert often.mmd2(size) == pytest.approx(never.mmd2(size) or 0, abs=1e-12) or often.samples(size) < 2


def test_a_window_rebuilt_at_the_same_index_holds_the_same_numbers():
    rng = np.random.default_rng(3)
    reference, stream = reference_of(sphere(rng, 60)), sphere(rng, 150)
    lasting, rebuilt = Window(reference, sizes=(10, 40)), Window(reference, sizes=(10, 40), first_index=63)
    anew = fill(rebuilt, reference, stream, start=63)
    for seen in fill(lasting, reference, stream):
        if seen > 63:
            next(anew)
        if seen > 63 + 40:
            for size in (10, 40):
                assert rebuilt.mmd2(size) == pytest.approx(lasting.mmd2(size), abs=1e-12)
                assert np.array_equal(rebuilt.vectors(size), lasting.vectors(size))
                assert np.array_equal(rebuilt.sessions(size), lasting.sessions(size))


def test_witness_values_of_a_window_add_up_to_its_statistic():
    rng = np.random.default_rng(4)
    reference, stream = reference_of(sphere(rng, 60)), sphere(rng, 101)
    window = Window(reference, sizes=(10, 40))
    for _ in fill(window, reference, stream):
        pass
    for size in (10, 40):
        values = witness_values(
            reference.vectors,
            window.vectors(size),
            bandwidth=reference.bandwidth,
            window_sessions=window.sessions(size),
        )
        assert values.mmd2 == pytest.approx(window.mmd2(size), abs=1e-7)


def test_an_empty_window_has_no_statistic():
    reference = reference_of(sphere(np.random.default_rng(5), 10))
    window = Window(reference, sizes=(4,))
    assert window.mmd2(4) is None
    assert window.vectors(4).shape == (0, 16)
    assert window.sessions(4).shape == (0,)
