from itertools import combinations
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest, ks_2samp, kstwo, wasserstein_distance

from drift.errors import TooFewSamples
from drift.tabular import ks
from drift.tabular.numeric import compare_numeric, direction


def steps(a, b):
    return ks.steps(np.sort(a).astype(float), np.sort(b).astype(float))


@pytest.mark.parametrize(("n", "m"), [(500, 200), (30, 31), (1, 40), (2_000, 50), (10_001, 300), (12_000, 12_000)])
def test_statistic_and_p_value_are_scipys(n, m):
    """By its exact count, and by its asymptotic formula above 10,000 values."""
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=n), rng.normal(size=m) + 0.05
    found, expected = compare_numeric(a, b), ks_2samp(a, b)
    assert found.test == "ks"
    assert found.p_permutation is None
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)


@pytest.mark.parametrize("n_d2", [0.5, 2.1, 2.3, 4.0, 7.0])
def test_closed_form_of_large_samples_is_scipys(n_d2):
    """Within .1 %, where scipy takes a tenth of a second and more."""
    n = 2 * 25_000
    statistic = (n_d2 / 25_000) ** 0.5
    expected = kstwo.sf(statistic, 25_000)
    assert ks.scipy_p_value(np.zeros(n), np.zeros(n), statistic) == pytest.approx(expected, rel=1e-3)


def test_scipys_p_value_is_kept_beside_the_one_that_decides():
    """With ties both are given; scipy's is the larger, for it counts the ties as if they could be told apart."""
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 3, 80), rng.integers(0, 3, 60)
    found = compare_numeric(a.astype(float), b.astype(float))
    assert found.test == "ks_permutation"
    assert found.figures["p_ks"] == pytest.approx(ks_2samp(a, b).pvalue)
    assert found.p_value == found.p_permutation < found.figures["p_ks"]


def test_permutation_p_value_counts_every_relabelling():
    """All 462 ways to choose 6 of 11 tied values, one by one."""
    rng = np.random.default_rng(2)
    for _ in range(8):
        pooled = rng.integers(0, 4, 11)
        observed = ks.distance(steps(pooled[:6], pooled[6:]))
        reached = 0
        for chosen in combinations(range(11), 6):
            mask = np.isin(np.arange(11), chosen)
            reached += ks.distance(steps(pooled[mask], pooled[~mask])) >= observed - 1e-12
        counted = ks.permutation_p_value(steps(pooled[:6], pooled[6:]))
        assert counted == pytest.approx(reached / comb(11, 6), rel=1e-9)


def test_permutation_p_value_without_ties_is_scipys_exact_one():
    """Down to p-values that a difference from 1 would lose."""
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.3, 1.5):
        a, b = rng.normal(size=300), rng.normal(size=170) + shift
        exact = ks_2samp(a, b, method="exact").pvalue
        assert ks.permutation_p_value(steps(a, b)) == pytest.approx(exact, rel=1e-6)


def test_permutation_p_value_agrees_with_drawn_permutations():
    rng = np.random.default_rng(4)
    pooled = rng.poisson(2, 140)
    a, b = pooled[:90] + (rng.random(90) < 0.15), pooled[90:]
    pooled = np.concatenate([a, b])
    observed = ks.distance(steps(a, b))
    reached = 0
    for _ in range(1_000):
        drawn = rng.permutation(pooled)
        reached += ks.distance(steps(drawn[:90], drawn[90:])) >= observed - 1e-12
    assert binomtest(reached, 1_000, ks.permutation_p_value(steps(a, b))).pvalue > 0.001


def test_a_p_value_is_never_zero():
    a, b = np.repeat([0.0, 1.0], 2_000), np.repeat([2.0, 3.0], 2_000)
    assert 0 < compare_numeric(a, b).p_value < 1e-300


def test_ties_above_the_limit_keep_scipys_p_value():
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 9, 60).astype(float), rng.integers(0, 9, 50).astype(float)
    assert compare_numeric(a, b, exact_ties_up_to=109).test == "ks"
    assert compare_numeric(a, b, exact_ties_up_to=110).test == "ks_permutation"


@pytest.mark.parametrize("tied", [False, True])
def test_sides_and_row_order_do_not_matter(tied):
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=90), rng.normal(size=60) + 0.4
    if tied:
        a, b = np.round(a), np.round(b)
    forth, back = compare_numeric(a, b), compare_numeric(rng.permutation(b), rng.permutation(a))
    for field in ("statistic", "p_value", "effect"):
        assert getattr(back, field) == pytest.approx(getattr(forth, field), rel=1e-9)
    assert back.figures["wasserstein"] == pytest.approx(forth.figures["wasserstein"])


def test_the_test_sees_ranks_only():
    """Any rising transformation leaves D and p as they were."""
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=90), rng.normal(size=60) + 0.4
    plain, bent = compare_numeric(a, b), compare_numeric(np.exp(3 * a), np.exp(3 * b))
    assert (bent.p_value, bent.effect) == (plain.p_value, plain.effect)


def test_identical_samples_have_no_effect():
    values = np.random.default_rng(8).normal(size=300)
    found = compare_numeric(values, values)
    assert (found.p_value, found.effect) == (1.0, 0.0)
    assert found.figures["wasserstein"] == found.figures["psi"] == 0.0


def test_wasserstein_is_scipys():
    rng = np.random.default_rng(9)
    a, b = rng.lognormal(size=211), np.round(rng.lognormal(size=97), 1)
    figures = compare_numeric(a, b).figures
    assert figures["wasserstein"] == pytest.approx(wasserstein_distance(a, b))
    assert figures["wasserstein_std"] == pytest.approx(wasserstein_distance(a, b) / a.std())


def test_figures_are_numpys():
    rng = np.random.default_rng(10)
    a, b = rng.gamma(2, size=101), rng.gamma(3, size=64)
    figures = compare_numeric(a, b).figures
    for side, values in (("reference", a), ("current", b)):
        assert figures[f"{side}_mean"] == pytest.approx(values.mean())
        assert figures[f"{side}_std"] == pytest.approx(values.std())
        for name, share in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
            assert figures[f"{side}_{name}"] == pytest.approx(np.quantile(values, share))


def test_psi_averages_its_floor_without_drift():
    """At 400 against 150 the index averages .08, which a rule of thumb would nearly call a moderate shift."""
    rng = np.random.default_rng(11)
    runs = [compare_numeric(rng.normal(size=400), rng.normal(size=150)).figures for _ in range(200)]
    psi = np.array([figures["psi"] for figures in runs])
    assert runs[0]["psi_floor"] == pytest.approx(9 * (1 / 400 + 1 / 150))
    assert psi.mean() == pytest.approx(runs[0]["psi_floor"], rel=0.1)


@pytest.mark.parametrize("draw", ["continuous", "rounded", "zeros"])
def test_false_rejections_stay_at_the_level(draw):
    """400 tests without drift at .05, continuous or with many ties, reject within the binomial bound of .05.

    A statistic with few values cannot reach .05 exactly: with ties the level is bounded, and not far below.
    """
    rng = np.random.default_rng(12)

    def sample(n):
        values = rng.normal(size=n)
        if draw == "zeros":
            return np.where(rng.random(n) < 0.6, 0.0, np.round(10 * values))
        return np.round(2 * values) if draw == "rounded" else values

    rejected = sum(compare_numeric(sample(120), sample(70)).p_value <= 0.05 for _ in range(400))
    assert binomtest(rejected, 400, 0.05, alternative="greater").pvalue > 0.001
    assert binomtest(rejected, 400, 0.035, alternative="less").pvalue > 0.001


def test_what_is_not_finite_is_left_out():
    rng = np.random.default_rng(13)
    a, b = rng.normal(size=50), rng.normal(size=40)
    holes = np.concatenate([a, [np.nan, np.inf, -np.inf, np.nan]])
    assert compare_numeric(holes, b) == compare_numeric(a, b)


@pytest.mark.parametrize("side", [[], [np.nan, np.inf]])
def test_a_side_without_finite_values_is_too_few(side):
    with pytest.raises(TooFewSamples):
        compare_numeric(np.array(side, dtype=float), np.ones(5))


def test_one_value_on_a_side_is_tested_and_proves_little():
    assert compare_numeric(np.arange(100.0), np.array([50.5])).p_value > 0.9
    assert compare_numeric(np.arange(100.0), np.array([1e9])).p_value == pytest.approx(2 / 101)


def test_a_constant_that_became_another_is_complete_drift():
    found = compare_numeric(np.full(50, 3.0), np.full(40, 4.0))
    assert found.effect == 1.0
    assert found.p_value == pytest.approx(2 / comb(90, 40), rel=1e-9)
    assert "wasserstein_std" not in found.figures
    assert found.direction == "mean 3 -> 4"


def test_the_picture_of_a_constant_shows_how_far_the_current_values_went():
    """Also where the constant is a whole number and the values are not: 0 is one bar, .1 to .6 are others."""
    found = compare_numeric(np.zeros(100), np.repeat([0.0, 0.1, 0.3, 0.6], 25))
    assert found.shares[0].reference == 1.0
    assert found.shares[0].current == 0.25
    assert sum(share.current > 0 for share in found.shares) == 4


def test_values_near_the_largest_double_lose_figures_and_nothing_else():
    found = compare_numeric(np.array([1e308, -1e308, 1e308]), np.array([1e308, 0.0]))
    assert all(np.isfinite(value) for value in found.figures.values())


def figures(before, after):
    return compare_numeric(np.asarray(before, dtype=float), np.asarray(after, dtype=float)).figures


def test_direction_names_the_mean():
    assert direction(figures([38, 40, 41, 45], [27, 29, 30, 32])) == "mean 41 -> 29.5"


def test_direction_names_the_median_when_a_tail_carries_the_mean():
    """One huge answer lifts the mean while nearly all answers became shorter."""
    assert direction(figures([10, 11, 12, 13, 14], [5, 6, 7, 8, 900])) == "median 12 -> 7"


def test_direction_names_the_spread_when_the_location_stays():
    assert direction(figures([-2, -1, 0, 1, 2], [-4, -2, 0, 2, 4])) == "standard deviation 1.414 -> 2.828"


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.normal(size=n),
        lambda rng, n: rng.poisson(3, n).astype(float),
        lambda rng, n: rng.lognormal(0, 3, n),
        lambda rng, n: np.full(n, 7.0),
        lambda rng, n: 1e9 + rng.integers(0, 500, n),
    ],
)
def test_bars_hold_every_value(draw):
    """What lies beyond the reference is in the end bars; every bar has its own label."""
    rng = np.random.default_rng(14)
    a, b = draw(rng, 300), 3 * draw(rng, 200) - 1
    shares = compare_numeric(a, b).shares
    assert 2 <= len(shares) <= 21
    assert sum(bar.reference for bar in shares) == pytest.approx(1)
    assert sum(bar.current for bar in shares) == pytest.approx(1)
    assert len({bar.label for bar in shares}) == len(shares)
