"""A whole report against scipy: every p-value, statistic and correction that scipy has too."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import (
    chi2_contingency,
    false_discovery_control,
    fisher_exact,
    ks_2samp,
    wasserstein_distance,
)

from drift.tabular.compare import compare
from drift.tabular.missing import compare_missing


def table(n, seed, shift):
    """Floats, ties, skew, a boolean, categories and dates, with missing values in three of them."""
    rng = np.random.default_rng(seed)
    days = np.datetime64("2025-01-01") + rng.integers(0, 300, n).astype("timedelta64[D]")
    return pd.DataFrame(
        {
            "float": rng.normal(shift, 1, n),
            "tied": rng.poisson(4 + shift, n),
            "skewed": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(0, 2, n)),
            "flag": rng.random(n) < 0.3 + shift / 10,
            "category": rng.choice(np.array(["a", "b", "c", None], dtype=object), n, p=[0.5, 0.3, 0.1, 0.1]),
            "day": np.where(rng.random(n) < 0.05, np.datetime64("NaT"), days),
        }
    )


SIZES = [(7_000, 4_000), (12_000, 15_000)]
"""Beyond 10,000 rows together ties keep scipy's p-value; with more on one side scipy takes its asymptotic formula."""


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_every_row_of_a_report_is_scipys(n, m):
    before, after = table(n, 1, 0.0), table(m, 2, 0.05)
    found = {row.name: row for row in compare(before, after, rng=np.random.default_rng(0)).columns}
    for name in ("float", "tied", "skewed"):
        a, b = before[name].dropna(), after[name].dropna()
        expected = ks_2samp(a, b)
        assert found[name].test == "ks"
        assert found[name].statistic == pytest.approx(expected.statistic, abs=1e-12)
        assert found[name].p_value == pytest.approx(expected.pvalue, rel=1e-9)
        assert found[name].figures["wasserstein"] == pytest.approx(wasserstein_distance(a, b))
    days = ks_2samp(*(side.day.dropna().astype("int64") for side in (before, after)))
    assert (found["day"].kind, found["day"].test) == ("date", "ks")
    assert (found["day"].statistic, found["day"].p_value) == pytest.approx((days.statistic, days.pvalue))
    for name in ("flag", "category"):
        counts = pd.concat([side[name].value_counts() for side in (before, after)], axis=1)
        expected = chi2_contingency(counts, correction=False)
        assert found[name].test == "chi2"
        assert found[name].statistic == pytest.approx(expected.statistic)
        assert found[name].p_value == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_missing_values_and_the_correction_are_scipys(n, m):
    before, after = table(n, 1, 0.0), table(m, 2, 0.05)
    rows = compare(before, after, rng=np.random.default_rng(0)).columns
    absent = {row.name: row for row in rows if row.missing_p_value is not None}
    assert set(absent) == {"skewed", "category", "day"}
    for name, row in absent.items():
        counts = [[int(side[name].isna().sum()), int(side[name].notna().sum())] for side in (before, after)]
        assert row.missing_p_value == pytest.approx(chi2_contingency(counts, correction=False).pvalue)
    every = [row.p_value for row in rows] + [row.missing_p_value for row in absent.values()]
    adjusted = [row.p_adjusted for row in rows] + [row.figures["missing_p_adjusted"] for row in absent.values()]
    assert adjusted == pytest.approx(false_discovery_control(every))


def test_few_missing_values_have_scipys_exact_p():
    rng = np.random.default_rng(3)
    for _ in range(40):
        n, m = rng.integers(3, 30, 2).tolist()
        gone = int(rng.integers(0, 3)), int(rng.integers(0, 3))
        found = compare_missing(gone[0], n, gone[1], m)
        if found is not None and found.test == "fisher":
            expected = fisher_exact([[gone[0], gone[1]], [n - gone[0], m - gone[1]]])
            assert found.p_value == pytest.approx(expected.pvalue)
