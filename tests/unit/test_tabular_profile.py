"""Profiles: tables in parts give what whole tables give, and past their bounds they say how wrong they may be."""

import pickle
from itertools import pairwise

import msgspec
import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from drift.tabular import profile as profiles
from drift.tabular.columns import kind_of
from drift.tabular.compare import compare, compare_profiles
from drift.tabular.profile import LabelProfile, NumberProfile, PresenceProfile, TableProfile
from drift.tabular.values import column


def table(rng: np.random.Generator, n: int, drift: float = 0.0) -> pd.DataFrame:
    """One column of every kind."""
    frame = pd.DataFrame(
        {
            "price": rng.lognormal(3 + drift, 1, n),
            "count": rng.poisson(3, n),
            "clock": np.arange(n) * 1.5,
            "colour": rng.choice(["red", "green", "blue"], n, p=[0.5, 0.3, 0.2]),
            "paid": rng.random(n) < 0.3 + drift,
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 90, n), unit="D"),
            "number": rng.permutation(n) + 10_000,
            "note": [f"the parcel number {i} came late and was wet" for i in rng.integers(0, 10**9, n)],
            "always": 7,
        }
    )
    frame.loc[rng.random(n) < 0.1, "price"] = np.nan
    return frame


def profiled(frame: pd.DataFrame, kinds: dict[str, tuple[str, str]], cuts: list[int], **bounds: int) -> TableProfile:
    whole = TableProfile(kinds, **bounds)
    for start, end in pairwise([0, *cuts, len(frame)]):
        whole.add(frame.iloc[start:end])
    return whole


def kinds_of(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, tuple[str, str]]:
    return {name: kind_of(column(a[name]), column(b[name]), name) for name in a.columns}


def test_a_table_in_parts_gives_the_report_of_the_whole():
    """However it is cut, merged or pickled on the way."""
    rng = np.random.default_rng(1)
    a, b = table(rng, 3_000), table(rng, 2_000, 0.3)
    whole = compare(a, b)
    kinds = kinds_of(a, b)
    merged = TableProfile(kinds)
    for start, end in ((0, 700), (700, 2_000)):
        part = profiled(b.iloc[start:end], kinds, [])
        merged.merge(pickle.loads(pickle.dumps(part)))
    for current in (profiled(b, kinds, [1, 50, 1_999]), merged):
        parts = compare_profiles(profiled(a, kinds, [1_000, 1_001]), current)
        assert msgspec.to_builtins(parts) == msgspec.to_builtins(whole)
    assert {row.kind for row in whole.columns} == {
        "numeric",
        "categorical",
        "boolean",
        "date",
        "id",
        "text",
        "constant",
    }


def test_past_the_bound_d_is_within_the_stated_error_and_p_is_an_upper_bound():
    """20 streams of 40,000 values against 30,000, in chunks; the error is stated at 99 % confidence."""
    misses = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        a, b = rng.lognormal(0, 1, 40_000), rng.lognormal(0.02, 1, 30_000).round(2)
        kinds = {"x": ("numeric", "numbers")}
        sides = []
        for values in (a, b):
            side = TableProfile(kinds, exact_values=5_000)
            for part in np.array_split(values, 7):
                side.add({"x": part})
            sides.append(side)
        row = compare_profiles(*sides).columns[0]
        exact = ks_2samp(a, b, method="asymp")
        assert row.test == "ks_sketched"
        assert row.effect is not None
        assert row.p_value is not None
        misses += abs(row.effect - exact.statistic) > row.figures["d_error"]
        assert row.figures["d_error"] < 0.001
        assert row.p_value >= exact.pvalue * 0.99
        assert row.figures["reference_mean"] == pytest.approx(a.mean(), rel=1e-9)
        assert row.figures["current_std"] == pytest.approx(b.std(), rel=1e-9)
        assert "99 % confidence" in row.note
    assert misses <= 2


def test_sketches_merge():
    """Two halves past the bound, merged and pickled, give the quantiles of the whole to the stated error."""
    values = np.random.default_rng(2).normal(size=200_000)
    halves = []
    for part in np.split(values, 2):
        half = NumberProfile(exact_up_to=1_000)
        half.add(part)
        halves.append(pickle.loads(pickle.dumps(half)))
    halves[0].merge(halves[1])
    whole = halves[0]
    assert not whole.exact
    assert (whole.count, whole.low, whole.high) == (200_000, values.min(), values.max())
    quantiles = whole.values()
    shares = np.searchsorted(np.sort(values), quantiles) / len(values)
    even = (np.arange(len(quantiles)) + 0.5) / len(quantiles)
    assert np.abs(shares - even).max() <= 2 * whole.rank_error


def test_an_exact_profile_merged_with_a_sketched_one_is_sketched():
    small, large = NumberProfile(exact_up_to=100), NumberProfile(exact_up_to=100)
    small.add(np.arange(50.0))
    large.add(np.arange(500.0))
    for a, b in ((small, large), (large, small)):
        one = pickle.loads(pickle.dumps(a))
        one.merge(b)
        assert not one.exact
        assert one.count == 550


@pytest.mark.parametrize("values", [np.arange(60.0), np.arange(60.0)[::-1]], ids=["rising", "falling"])
def test_order_is_seen_across_chunks(values: np.ndarray):
    """And a single step back anywhere ends it, inside a chunk or between two."""

    def in_order(them: np.ndarray, at: int) -> bool:
        first, second = NumberProfile(), NumberProfile()
        first.add(them[:at])
        second.add(them[at:])
        first.merge(second)
        return first.in_order

    assert in_order(values, 30)
    broken = values.copy()
    broken[[29, 30]] = broken[[30, 29]]
    assert not in_order(broken, 30)
    assert not in_order(broken, 10)
    assert not in_order(np.repeat(np.arange(6.0), 10), 30), "a sorted table of few values is no clock"


def test_too_many_labels_are_counted_in_groups(monkeypatch: pytest.MonkeyPatch):
    """Alike on both sides, so that the test holds: no drift stays none, drift stays drift."""
    monkeypatch.setattr(profiles, "_LEAST_LABELS", 200)
    monkeypatch.setattr(profiles, "MOST_LABELS", 200)
    rng = np.random.default_rng(3)
    labels = np.array([f"street {i}" for i in range(2_000)], dtype=object)
    kinds = {"street": ("categorical", "strings")}

    def sample(power: float, size: int) -> TableProfile:
        side = TableProfile(kinds, exact_values=10**6)
        side.add({"street": labels[(rng.power(power, size) * 2_000).astype(int)]})
        return side

    few = TableProfile(kinds)
    few.add({"street": labels[:100]})
    same = compare_profiles(sample(2, 20_000), sample(2, 20_000)).columns[0]
    moved = compare_profiles(sample(2, 20_000), sample(6, 20_000)).columns[0]
    one_side = compare_profiles(sample(2, 20_000), few).columns[0]
    assert not same.drifted
    assert moved.drifted
    assert "groups by hash" in same.note
    assert same.new_categories == ()
    assert one_side.statistic is not None


def test_a_column_that_cannot_be_read_fails_nothing_else():
    kinds = {"good": ("numeric", "numbers"), "bad": ("categorical", "strings")}
    a, b = TableProfile(kinds), TableProfile(kinds)
    a.add({"good": np.arange(50.0), "bad": [{"a": 1}] * 50})
    b.add({"good": np.arange(50.0), "bad": ["x"] * 50})
    good, bad = sorted(compare_profiles(a, b).columns, key=lambda row: row.name, reverse=True)
    assert good.p_value == 1.0
    assert bad.test is None
    assert bad.note.startswith("not compared: TypeError")


def test_a_first_look_that_saw_one_value_is_corrected():
    """Of numbers and of strings; what stays constant throughout is told as such."""
    kinds = {"pdays": ("numeric", "numbers"), "always": ("numeric", "numbers"), "word": ("constant", "always x")}
    a, b = TableProfile(kinds), TableProfile(kinds)
    for side in (a, b):
        side.add({"pdays": np.full(100, -1.0), "always": np.full(100, 3.0), "word": ["x"] * 100})
    b.add({"pdays": np.arange(100.0), "always": np.full(100, 3.0), "word": ["y"] * 100})
    rows = {row.name: row for row in compare_profiles(a, b).columns}
    assert (rows["pdays"].kind, rows["pdays"].drifted) == ("numeric", True)
    assert (rows["always"].kind, rows["always"].p_value) == ("constant", 1.0)
    assert (rows["word"].kind, rows["word"].drifted) == ("categorical", True)


def test_memory_is_bounded():
    """Ten million numbers live on in less than two megabytes; labels in 4,096 counts."""
    numbers_ = NumberProfile(exact_up_to=10_000)
    rng = np.random.default_rng(4)
    for _ in range(10):
        numbers_.add(rng.normal(size=1_000_000))
    assert len(pickle.dumps(numbers_)) < 2_000_000
    labels, gone = LabelProfile(most=100_000), PresenceProfile()
    for block in range(5):
        names = np.array([f"{block}-{i}" for i in range(30_000)], dtype=object)
        labels.add(names)
        gone.add(names)
    assert labels.grouped
    assert len(labels.counts) == 4_096
    assert labels.counts.total() == labels.rows == gone.rows == 150_000
