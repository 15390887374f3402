from collections import Counter
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest, chi2_contingency, random_table
from scipy.stats.contingency import association

from drift.errors import TooFewSamples
from drift.tabular.categorical import compare_categorical, cramers_v, homogeneity
from drift.tabular.missing import compare_missing


def table(reference, current):
    return np.array([reference, current]).T


def drift(reference, current, **settings):
    return compare_categorical(Counter(reference), Counter(current), rng=np.random.default_rng(0), **settings)


EVIDENTLY = table([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8])


def test_homogeneity_of_evidentlys_example():
    """1.6224, p .8985; the .67309 of its own unit test is goodness of fit, which takes the reference for truth."""
    found = homogeneity(EVIDENTLY, np.random.default_rng(0))
    assert found.statistic == pytest.approx(1.6224, abs=5e-5)
    assert found.p_value == pytest.approx(0.8985, abs=5e-5)


def test_cramers_v_worked_without_yates():
    """[200, 800] against [400, 600]: the values with Yates' correction, .2160 and .2171, are close and wrong."""
    corrected, raw = cramers_v(table([200, 800], [400, 600]))
    assert corrected == pytest.approx(0.21712, abs=5e-6)
    assert raw == pytest.approx(0.21822, abs=5e-6)


def test_statistic_and_p_value_are_scipys():
    rng = np.random.default_rng(1)
    for k in (2, 3, 9):
        counts = rng.integers(20, 90, (k, 2))
        expected = chi2_contingency(counts, correction=False)
        found = homogeneity(counts, rng)
        assert found.statistic == pytest.approx(expected.statistic)
        assert found.p_value == pytest.approx(expected.pvalue)
        assert cramers_v(counts, equal_sides=False)[1] == pytest.approx(association(counts))


def test_residuals_worked_by_hand():
    """Two categories: each residual is the root of the statistic, with opposite signs."""
    found = homogeneity(table([30, 70], [45, 55]), np.random.default_rng(0))
    assert found.residuals == pytest.approx([found.statistic**0.5, -(found.statistic**0.5)])


def test_residuals_vary_as_standard_normals_without_drift():
    rng = np.random.default_rng(2)
    totals = np.array([200, 100, 60, 40])
    drawn = random_table([300, 100], totals).rvs(400, random_state=rng).transpose(0, 2, 1)
    residuals = np.array([homogeneity(t, rng).residuals for t in drawn.astype(int)])
    assert residuals.std(axis=0) == pytest.approx(np.ones(4), abs=0.15)
    assert residuals.mean(axis=0) == pytest.approx(np.zeros(4), abs=0.2)


def test_monte_carlo_counts_tables_with_the_same_margins():
    """The exact conditional p of a sparse table, enumerated, within the error of 1,999 draws."""
    counts = table([6, 1, 1], [1, 3, 0])
    totals = counts.sum(axis=1)

    def statistic(second):
        return ((second - totals * 4 / 12) ** 2 / (totals * 4 / 12 * 8 / 12)).sum()

    def ways(second):
        return np.prod([comb(int(r), int(x)) for r, x in zip(totals, second, strict=True)])

    every = [np.array([i, j, 4 - i - j]) for i in range(5) for j in range(5 - i)]
    possible = [second for second in every if (second <= totals).all()]
    reached = sum(ways(s) for s in possible if statistic(s) >= statistic(counts[:, 1]) - 1e-9)
    exact = reached / sum(ways(s) for s in possible)
    found = homogeneity(counts, np.random.default_rng(3))
    assert binomtest(round(found.p_value * 2_000), 2_000, exact).pvalue > 0.001
    assert found.statistic == pytest.approx(statistic(counts[:, 1]))


def test_both_ways_of_drawing_agree():
    """Few rows per category are shuffled, many drawn category by category: the same distribution."""
    rng = np.random.default_rng(4)
    counts = table([40, 30, 8, 3, 1], [18, 9, 6, 4, 2])
    shuffled = homogeneity(counts, rng).p_value
    one_by_one = np.random.default_rng(5).multivariate_hypergeometric(
        counts.sum(axis=1), 39, size=20_000, method="marginals"
    )
    totals = counts.sum(axis=1)
    null = ((one_by_one - totals * 39 / 121) ** 2 / (totals * 39 / 121 * 82 / 121)).sum(axis=1)
    exact = (null >= homogeneity(counts, rng).statistic - 1e-9).mean()
    assert shuffled == pytest.approx(exact, abs=0.04)


def test_a_fixed_generator_gives_the_same_p_value():
    sparse = table([40, 3, 1], [20, 1, 4])
    p_values = {homogeneity(sparse, np.random.default_rng(6)).p_value for _ in range(3)}
    assert len(p_values) == 1


def test_sides_and_category_order_do_not_matter():
    rng = np.random.default_rng(7)
    counts = rng.integers(10, 90, (6, 2))
    found, swapped = homogeneity(counts, rng), homogeneity(counts[::-1, ::-1], rng)
    assert swapped.statistic == pytest.approx(found.statistic)
    assert swapped.p_value == pytest.approx(found.p_value)
    assert swapped.residuals[::-1] == pytest.approx(-found.residuals)
    assert cramers_v(counts[::-1, ::-1]) == pytest.approx(cramers_v(counts))


def test_the_same_shares_have_no_effect():
    found = drift({"a": 400, "b": 100}, {"a": 200, "b": 50})
    assert (found.p_value, found.effect, found.effect_raw) == (1.0, 0.0, 0.0)


def test_categories_without_a_count_change_nothing():
    padded = np.vstack([EVIDENTLY, np.zeros((2, 2), int)])
    found = homogeneity(padded, np.random.default_rng(0))
    assert found.p_value == homogeneity(EVIDENTLY, np.random.default_rng(0)).p_value
    assert not found.residuals[-2:].any()


@pytest.mark.parametrize("counts", [table([5], [9]), table([0, 0], [4, 5]), table([0, 0], [0, 0])])
def test_nothing_to_compare_is_no_drift(counts):
    assert homogeneity(counts, np.random.default_rng(0)).p_value == 1.0
    assert cramers_v(counts) == (0.0, 0.0)


def test_effect_of_a_change_does_not_depend_on_how_many_rows_a_side_has():
    """A share that goes from .5 to .8 has V .31 at any sizes; as sampled it reads .09 at 2,000 against 50."""
    even, uneven = table([100, 100], [160, 40]), table([1_000, 1_000], [40, 10])
    assert cramers_v(uneven)[1] == pytest.approx(cramers_v(even)[1])
    assert cramers_v(uneven)[1] == pytest.approx(0.314, abs=5e-4)
    assert cramers_v(uneven, equal_sides=False)[1] < 0.1


def test_equal_sides_are_the_textbook_where_sides_are_equal():
    assert cramers_v(table([200, 800, 5], [400, 600, 5])) == pytest.approx(
        cramers_v(table([200, 800, 5], [400, 600, 5]), equal_sides=False)
    )


@pytest.mark.parametrize("sizes", [(300, 300), (500, 60)])
def test_correction_takes_the_bias_out(sizes):
    """Without drift the raw V of 12 categories averages over .1; the square of the corrected one nearly vanishes."""
    rng = np.random.default_rng(8)
    shares = np.full(12, 1 / 12)
    drawn = [cramers_v(table(*(rng.multinomial(n, shares) for n in sizes))) for _ in range(500)]
    corrected, raw = np.array(drawn).T
    assert raw.mean() > 0.1
    assert (corrected**2).mean() < 0.3 * (raw**2).mean()


def test_new_and_vanished_categories_are_kept_and_named():
    found = drift({"a": 50, "b": 50, "old": 20}, {"a": 50, "b": 40, "new": 12, "newer": 18})
    assert found.new_categories == ("newer", "new")
    assert found.vanished_categories == ("old",)
    assert found.p_value < 1e-6
    assert found.statistic == pytest.approx(
        chi2_contingency(table([50, 50, 20, 0, 0], [50, 40, 0, 12, 18]), correction=False).statistic
    )


def test_direction_says_which_share_moved_and_which_the_other_way():
    found = drift({"web": 200, "phone": 700, "shop": 100}, {"web": 80, "phone": 110, "shop": 10})
    assert found.direction == "web 20 % -> 40 %, phone 70 % -> 55 %"
    assert drift({"true": 10, "false": 90}, {"true": 30, "false": 70}).direction == "true 10 % -> 30 %"


def test_rare_categories_are_tested_as_one_and_the_note_says_so():
    reference = {f"v{i}": 2 for i in range(300)} | {"common": 500}
    found = drift(reference, {f"v{i}": 1 for i in range(300)} | {"common": 250})
    assert "201 of 301 categories, each at most 0.2 % of all rows" in found.note
    assert len(found.shares) == 13
    assert found.shares[-1].label == "289 others"


def test_a_new_category_that_fills_the_current_side_is_not_grouped_away():
    reference = {f"v{i}": 60 for i in range(400)}
    found = drift(reference, {"new": 100} | {f"v{i}": 1 for i in range(100)})
    assert found.p_value == pytest.approx(1 / 2_000)
    assert found.effect > 0.5


def test_a_shift_among_many_categories_is_seen_when_there_are_rows_enough():
    """None of 400 categories is common, yet each has the rows for a chi-square."""
    reference = {f"v{i}": 100 for i in range(400)}
    found = drift(reference, {f"v{i}": 150 if i % 2 else 50 for i in range(400)})
    assert found.test == "chi2"
    assert found.note == ""
    assert found.p_value < 1e-100


def false_rejections(draw, repetitions, **settings):
    rng = np.random.default_rng(9)
    return sum(
        compare_categorical(draw(rng, 250), draw(rng, 100), rng=rng, **settings).p_value <= 0.05
        for _ in range(repetitions)
    )


def sparse(rng, n):
    """30 categories, most of them seen a handful of times."""
    return Counter(np.minimum(rng.geometric(0.15, n), 30).astype(str).tolist())


def dense(rng, n):
    return Counter(rng.integers(0, 6, n).astype(str).tolist())


def many(rng, n):
    """Some 200 categories, most of them grouped."""
    return Counter((rng.pareto(0.7, n) * 9).astype(int).astype(str).tolist())


@pytest.mark.parametrize("draw", [sparse, dense, many])
def test_false_rejections_stay_at_the_level(draw):
    """400 tests without drift at .05 reject within the binomial bound of .05."""
    rejected = false_rejections(draw, 400, draws=399)
    assert binomtest(rejected, 400, 0.05).pvalue > 0.001


def test_one_row_on_a_side_is_tested_and_proves_little():
    assert drift({"a": 50, "b": 50}, {"a": 1}).p_value == pytest.approx(1.0)
    assert drift({"a": 99}, {"b": 1}).p_value == pytest.approx(0.01, abs=0.01)
    assert drift({"a": 1}, {"b": 1}).p_value == 1.0


def test_a_side_without_values_is_too_few():
    with pytest.raises(TooFewSamples):
        drift({}, {"a": 5})


def test_missing_values_are_tested_exactly_when_few():
    """Fisher's tea: 3 of 4 against 1 of 4, p = 34 / 70."""
    few = compare_missing(3, 4, 1, 4)
    assert few.test == "fisher"
    assert few.p_value == pytest.approx(34 / 70)
    many = compare_missing(20, 100, 40, 100)
    assert many.test == "chi2"
    assert many.p_value == pytest.approx(chi2_contingency([[20, 40], [80, 60]], correction=False).pvalue)


@pytest.mark.parametrize("counts", [(0, 9, 0, 5), (9, 9, 5, 5), (0, 0, 1, 5), (1, 5, 0, 0)])
def test_missing_values_that_cannot_differ_are_not_tested(counts):
    assert compare_missing(*counts) is None
