import numpy as np
import pytest

from drift.errors import TooFewSamples
from drift.semantic.mmd import mmd2, pair_sums, rbf


def normal(rng, *shape):
    return rng.normal(size=shape)


@pytest.mark.parametrize(
    ("loc", "sizes", "value"),
    [
        (0, (100, 100), 0.00052755),
        (0, (100, 10), -0.03200193),
        (0, (10, 100), 0.07154671),
        (2, (100, 100), 0.43377622),
    ],
)
def test_mmd2_gives_the_values_of_frouros(loc, sizes, value):
    """Frouros' unit tests: sigma .5, seed 31, the reference drawn first."""
    draw = np.random.RandomState(31)
    baseline = draw.normal(loc, 1, (sizes[0], 1))
    window = draw.normal(0, 1, (sizes[1], 1))
    assert mmd2(baseline, window, bandwidth=0.5) == pytest.approx(value, abs=1e-8)


def test_mmd2_worked_by_hand():
    """Two points at 0 against two at 1, bandwidth such that k = 1/2 between them: 1 + 1 - 2/2 = 1."""
    bandwidth = (1 / (2 * np.log(2))) ** 0.5
    assert mmd2(np.zeros((2, 1)), np.ones((2, 1)), bandwidth=bandwidth) == pytest.approx(1)


def test_mmd2_ignores_sides_order_and_a_common_shift():
    rng = np.random.default_rng(0)
    a, b = normal(rng, 30, 5), normal(rng, 20, 5) + 0.3
    value = mmd2(a, b, bandwidth=2.0)
    assert mmd2(b, a, bandwidth=2.0) == pytest.approx(value)
    assert mmd2(rng.permutation(a), rng.permutation(b), bandwidth=2.0) == pytest.approx(value)
    assert mmd2(a + 7, b + 7, bandwidth=2.0) == pytest.approx(value)


def test_kernel_of_vectors_that_are_not_of_unit_length():
    rng = np.random.default_rng(1)
    a, b = 3 * normal(rng, 6, 4), normal(rng, 5, 4)
    distances = np.linalg.norm(a[:, None] - b[None], axis=2)
    assert rbf(a, b, 1.7) == pytest.approx(np.exp(-(distances**2) / (2 * 1.7**2)))
    assert rbf(a, b[0], 1.7) == pytest.approx(rbf(a, b, 1.7)[:, 0])


def test_pair_sums_leave_out_the_vector_itself():
    """In several blocks as in one."""
    vectors = normal(np.random.default_rng(2), 1_203, 3)
    kernel = rbf(vectors, vectors, 1.0)
    assert pair_sums(vectors, 1.0) == pytest.approx(kernel.sum(axis=1) - 1)


def test_one_vector_is_too_few():
    with pytest.raises(TooFewSamples):
        mmd2(np.zeros((1, 2)), np.zeros((5, 2)), bandwidth=1.0)
