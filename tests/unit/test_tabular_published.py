"""Values that other tools printed on public tables, from the counts and the order of the same rows.

Neither test looks at anything else: chi-square sees counts, Kolmogorov-Smirnov the order of the values.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2, chi2_contingency, ks_2samp

from drift.tabular.compare import compare

DATA = Path(__file__).parents[1] / "data"
ADULT = json.loads((DATA / "adult_counts.json").read_text())
NANNYML = [0.01576, 0.01268, 0.01734, 0.01280, 0.01918, 0.00824, 0.01058, 0.01002, 0.01068, 0.00680]
"""NannyML's documentation: debt_to_income_ratio, ten chunks of 5,000 against 50,000 reference rows."""
KS = ("age", "capital-gain", "capital-loss", "hours-per-week")


def samples(name, window):
    """Adult's first 10,000 rows and the second or third 10,000, in the order of their values."""
    counts = ADULT[name]["counts"]
    values = [float(value) for value in counts] if name in KS else list(counts)
    held = np.array(values, dtype=float if name in KS else object)
    sides = np.array(list(counts.values())).T
    return np.repeat(held, sides[0]), np.repeat(held, sides[window])


def row(reference, current):
    # Row order says nothing here, and sorted numbers would be taken for a clock.
    rng = np.random.default_rng(0)
    sides = [{"x": rng.permutation(side)} for side in (reference, current)]
    (found,) = compare(*sides, rng=rng).columns
    return found


@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize("name", ADULT)
def test_alibi_detects_figures_of_adult(name, window):
    """Its statistics to three decimals, and its p-values where both take the same distribution.

    For sex it applies Yates' correction. Where a count under 5 is expected, ours is by Monte Carlo and lies within
    its error of the chi-square distribution.
    """
    reference, current = samples(name, window)
    statistic, p_value = ADULT[name]["published"][window - 1]
    found = row(reference, current)
    if name == "sex":
        counts = [[side.tolist().count(sex) for sex in ADULT["sex"]["counts"]] for side in (reference, current)]
        yates = chi2_contingency(counts)
        assert (round(yates.statistic, 3), round(yates.pvalue, 3)) == (statistic, p_value)
        expected = chi2_contingency(counts, correction=False)
        assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue))
        return
    assert round(found.statistic, 3) == statistic
    if found.test == "chi2_monte_carlo":
        assert round(chi2.sf(found.statistic, found.figures["categories"] - 1), 3) == p_value
        assert found.p_value == pytest.approx(p_value, abs=0.05)
    else:
        assert found.test == ("ks" if name in KS else "chi2")
        assert round(found.p_value, 3) == p_value


@pytest.mark.parametrize("chunk", range(10))
def test_nannymls_figures_of_the_car_loans(chunk):
    """Its D to three decimals, and scipy's exactly.

    From 10,000 reference rows on NannyML looks at quantiles of the reference, so that its D may be a little smaller.
    """
    order = np.frombuffer(gzip.decompress((DATA / "car_loan_order.txt.gz").read_bytes()), dtype="S1")
    # Whole numbers that never repeat would be taken for identifiers.
    places = np.arange(len(order)) + 0.5
    reference, current = places[order == b"r"], places[order == str(chunk).encode()]
    assert (len(reference), len(current)) == (50_000, 5_000)
    found, scipys = row(reference, current), ks_2samp(reference, current)
    assert found.statistic == pytest.approx(scipys.statistic, abs=1e-12)
    assert found.p_value == pytest.approx(scipys.pvalue, rel=1e-9)
    assert round(found.statistic, 3) == round(NANNYML[chunk], 3)
    assert NANNYML[chunk] <= found.statistic <= NANNYML[chunk] + 0.0002 + 1e-9


def test_a_case_without_drift_stays_silent():
    """Alibi Detect's null, all twelve columns at once: no adjusted p below .05."""
    for window in (1, 2):
        rng = np.random.default_rng(1)
        sides = zip(*(samples(name, window) for name in ADULT), strict=True)
        tables = [dict(zip(ADULT, map(rng.permutation, side), strict=True)) for side in sides]
        report = compare(*tables, effect_threshold=0.0, rng=rng)
        assert (report.tested, report.drifted) == (12, 0)
