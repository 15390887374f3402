from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, false_discovery_control

from drift.tabular.columns import kind_of
from drift.tabular.compare import compare
from drift.tabular.correction import benjamini_hochberg
from drift.tabular.report import TabularReport


def compared(reference, current, **settings):
    return compare(reference, current, rng=np.random.default_rng(0), **settings)


def row(reference, current, **settings):
    """The one column's row."""
    (found,) = compared({"x": reference}, {"x": current}, **settings).columns
    return found


def objects(values):
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def normal(n, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(size=n) + shift


def words(n, seed=0, p=(0.5, 0.3, 0.2)):
    return objects(np.random.default_rng(seed).choice(["red", "green", "blue"], n, p=p).tolist())


DAYS = np.datetime64("2024-01-01") + np.arange(400)
PROSE = [f"The answer to question {i} is that it depends on what you mean." for i in range(200)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (normal(200), "numeric"),
        (np.arange(200) % 7, "numeric"),
        (objects([1, 2.5, None, 4] * 50), "numeric"),
        (objects(["1.5", "-2e3", "7", None] * 50), "numeric"),
        (objects(["17", "3", "12", "99", "5"] * 50 + ["?"]), "numeric"),
        (words(200), "categorical"),
        (objects(["00123", "04711", "10115", "00123"] * 50), "categorical"),
        (np.array([True, False] * 50), "boolean"),
        (np.array([0, 1] * 50), "boolean"),
        (np.array([0.0, 1.0, np.nan] * 50), "boolean"),
        (objects(["true", "False"] * 50), "boolean"),
        (objects([True, None, False] * 50), "boolean"),
        (DAYS, "date"),
        (objects(["2024-01-31", "2024-02-01 10:30:00"] * 50), "date"),
        (objects([datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=i % 9) for i in range(100)]), "date"),
        (np.arange(5_000, 5_200), "id"),
        (np.random.default_rng(0).permutation(np.arange(900))[:450], "id"),
        (objects([f"u-{i * i:08x}" for i in range(200)]), "id"),
        (objects(PROSE), "text"),
        (np.full(50, 3), "constant"),
        (objects([None, "a"] * 50), "constant"),
        (np.full(50, np.nan), "constant"),
        (np.array([], dtype=float), "constant"),
    ],
)
def test_kind_of_a_column(values, kind):
    found, reason = kind_of(values, values[: len(values) // 2], "x")
    assert found == kind
    assert reason


def test_whole_numbers_with_the_name_of_an_identifier_are_one():
    values = np.random.default_rng(1).integers(0, 10**9, 200)
    for name, kind in (("customer_id", "id"), ("userId", "id"), ("id", "id"), ("paid", "numeric"), ("x", "numeric")):
        assert kind_of(values, values, name)[0] == kind


def test_amounts_that_happen_to_differ_are_no_identifiers():
    values = np.random.default_rng(2).choice(100_000, 400, replace=False)
    assert kind_of(values, values, "amount")[0] == "numeric"


def test_a_declared_kind_overrides_the_decision():
    codes = np.random.default_rng(3).integers(1, 5, 300)
    found = row(codes, codes[:100], kinds={"x": "categorical"})
    assert (found.kind, found.kind_reason, found.test) == ("categorical", "declared", "chi2")
    with pytest.raises(ValueError, match="unknown kind nominal"):
        row(codes, codes, kinds={"x": "nominal"})


def test_a_drifted_column_says_everything():
    found = row(normal(500), normal(300, 1, shift=1.0))
    assert found.drifted
    assert found.test == "ks"
    assert found.p_value < 1e-10
    assert found.p_adjusted == found.p_value
    assert found.effect == found.statistic > 0.3
    assert found.direction.startswith("mean ")
    assert (found.reference_rows, found.current_rows) == (500, 300)


def test_a_certain_but_small_change_is_no_drift():
    """D = .05 at 40,000 rows: p is far below the threshold, the effect below what matters."""
    found = row(normal(40_000), normal(40_000, 1, shift=0.12))
    assert found.p_adjusted < 1e-9
    assert found.effect < 0.1
    assert not found.drifted


def test_identical_tables_have_not_drifted():
    table = {"n": normal(300), "c": words(300), "b": normal(300) > 0, "k": np.full(300, 5), "d": DAYS[:300]}
    found = compared(table, table)
    assert found.drifted == 0
    assert found.drifted_share == 0.0
    assert found.schema == ()
    assert all(column.p_value in (None, 1.0) and not column.effect for column in found.columns)


def test_row_order_does_not_matter():
    rng = np.random.default_rng(4)
    a, b = {"n": normal(300), "c": words(300)}, {"n": normal(90, 1), "c": words(90, 1)}
    mixed = [{name: rng.permutation(values) for name, values in side.items()} for side in (a, b)]
    plain, shuffled = compared(a, b), compared(*mixed)
    for one, other in zip(plain.columns, shuffled.columns, strict=True):
        assert (one.name, one.effect) == (other.name, pytest.approx(other.effect))
        assert one.p_value == pytest.approx(other.p_value)


def test_a_column_does_not_depend_on_its_neighbours():
    """Monte Carlo included: each column draws for itself."""
    sparse = objects(["a"] * 90 + ["b"] * 3 + ["c"] * 2)
    alone = row(sparse, sparse[10:70])
    beside = compared({"n": normal(95), "x": sparse}, {"n": normal(60), "x": sparse[10:70]})
    assert {column.name: column.p_value for column in beside.columns}["x"] == alone.p_value
    assert alone.test == "chi2_monte_carlo"


def test_benjamini_hochberg_is_scipys_and_passes_over_nan():
    p = np.random.default_rng(5).random(40) ** 2
    holes = np.insert(p, [0, 7, 40], np.nan)
    adjusted = benjamini_hochberg(holes)
    assert adjusted[~np.isnan(holes)] == pytest.approx(false_discovery_control(p))
    assert np.isnan(adjusted[np.isnan(holes)]).all()


def test_columns_that_were_not_tested_do_not_weaken_the_others():
    """Constants, identifiers and text count for nothing in the correction."""
    a = {"x": normal(200), "k": np.ones(200), "id": np.arange(200), "t": objects(PROSE)}
    b = {"x": normal(200, 1, 0.3), "k": np.ones(200), "id": np.arange(200), "t": objects(PROSE)}
    found = {column.name: column for column in compared(a, b).columns}
    assert found["x"].p_adjusted == found["x"].p_value
    assert (found["k"].test, found["k"].p_value, found["k"].p_adjusted) == ("constant", 1.0, 1.0)
    for name in ("id", "t"):
        assert found[name].test is None
        assert "not compared" in found[name].note


def test_the_drifted_come_first_then_the_larger_effect():
    a = {"small": normal(900), "k": np.ones(900), "large": normal(900), "id": np.arange(900)}
    b = {"small": normal(900, 1, 0.4), "k": np.ones(900), "large": normal(900, 2, 2.0), "id": np.arange(900)}
    assert [column.name for column in compared(a, b).columns] == ["large", "small", "k", "id"]


def test_schema_findings_are_sentences():
    a = {"kept": normal(50), "gone": normal(50), "price": normal(50)}
    b = {"kept": normal(50), "price": objects(["cheap", "dear"] * 25), "born": normal(50)}
    found = compared(a, b)
    assert found.schema == (
        "born: new, not in the reference",
        "gone: missing from the current sample",
        "price: re-typed, numbers -> strings",
    )
    price = next(column for column in found.columns if column.name == "price")
    assert "50 values are no numbers" in price.note


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        (np.array([0, 1] * 50), np.array([True, False] * 50)),
        (objects(["a", "1"] * 50), objects(["1", "2"] * 50)),
        (np.arange(60) % 5, (np.arange(60) % 5).astype(float)),
        (normal(50), np.full(50, np.nan)),
        (np.array([1.5, 2.5] * 30), objects(["1.5", "2.5"] * 30)),
    ],
)
def test_the_same_content_in_another_dress_is_not_re_typed(reference, current):
    assert compared({"x": reference}, {"x": current}).schema == ()


class Hostile:
    """A value that cannot be hashed or compared."""

    __hash__ = None

    def __eq__(self, other):
        raise ArithmeticError("no")


@pytest.mark.parametrize(
    "bad",
    [
        objects([Hostile()] * 30),
        np.zeros((30, 2)),
        objects([{"a": 1}] * 30),
        np.zeros(30, dtype="c16"),
        objects([[1]] * 30),
    ],
)
def test_one_bad_column_fails_nothing_else(bad):
    """Objects that cannot be compared, two columns of one name, nested data: a note says what happened."""
    found = compared({"bad": bad, "n": normal(30)}, {"bad": bad, "n": normal(30, 1, 2.0)})
    good, broken = found.columns
    assert (good.name, good.drifted) == ("n", True)
    assert broken.test is None
    assert broken.note.startswith("not compared: ")


def test_missing_values_alone_can_be_the_drift():
    """The values that are left agree; a third of them went."""
    values = normal(400)
    holes = np.where(np.arange(400) % 3 == 0, np.nan, values)
    found = row(values, holes)
    assert found.drifted
    assert found.test == "chi2"
    assert found.effect_name == "cramers_v_missing"
    assert found.p_value == found.missing_p_value
    assert found.p_adjusted <= 2 * found.p_value
    assert found.direction.startswith("missing 0 % -> 33.5 %")
    assert found.figures["values_p"] > 0.5
    assert (found.reference_missing, found.current_missing) == (0.0, 0.335)


def test_values_and_missing_values_that_both_drift_are_both_told():
    holes = np.where(np.arange(400) % 3 == 0, np.nan, normal(400, 1, 3.0))
    found = row(normal(400), holes)
    assert (found.test, found.drifted) == ("ks", True)
    assert found.direction.endswith("; missing 0 % -> 33.5 %")


@pytest.mark.parametrize("empty", [np.full(60, np.nan), objects([None] * 60), np.full(60, np.datetime64("NaT"))])
@pytest.mark.parametrize("full", [normal(60), words(60)])
def test_a_side_that_lost_all_its_values_has_drifted(full, empty):
    found = row(full, empty)
    assert found.drifted
    assert found.direction == "missing 0 % -> 100 %"
    assert "a test needs one on either side" in found.note


def test_all_missing_on_both_sides_is_not_tested():
    found = row(np.full(50, np.nan), np.full(40, np.nan))
    assert (found.kind, found.test, found.p_value, found.drifted) == ("constant", None, None, False)


def test_infinite_values_count_as_missing_and_are_noted():
    values = normal(200)
    values[:3] = [np.inf, -np.inf, np.nan]
    found = row(values, normal(200, 1))
    assert found.reference_missing == 0.015
    assert "2 infinite values count as missing" in found.note
    assert found.p_value is not None


@pytest.mark.parametrize("values", [normal(40), words(40), np.array([True, False] * 20), DAYS[:40]])
@pytest.mark.parametrize(("n", "m"), [(0, 40), (40, 0), (0, 0), (1, 1), (1, 40), (40, 1)])
def test_empty_sides_and_single_rows_are_no_drift(values, n, m):
    assert not row(values[:n], values[:m]).drifted


def test_empty_tables():
    found = compared({}, {})
    assert (found.columns, found.tested, found.drifted_share) == ((), 0, None)


@pytest.mark.parametrize(("before", "after"), [(3, 4), ("a", "b"), (True, False)])
def test_a_constant_that_became_another_has_drifted(before, after):
    found = row(objects([before] * 50), objects([after] * 50))
    assert found.drifted
    assert found.effect == pytest.approx(1, abs=0.02)
    assert row(objects([before] * 50), objects([before] * 50)).p_value == 1.0


def test_an_unseen_category_is_named():
    found = row(words(300), objects(["purple"] * 60 + words(140, 1).tolist()))
    assert found.drifted
    assert found.new_categories == ("purple",)
    assert found.direction.startswith("purple 0 % -> 30 %")


def test_dates_in_order_of_the_rows_are_flagged_and_not_compared():
    found = row(DAYS[:200], DAYS[200:])
    assert (found.kind, found.test, found.drifted) == ("date", None, False)
    assert "in order of the rows" in found.note


def test_dates_that_lie_wholly_later_are_time_passing():
    rng = np.random.default_rng(6)
    found = row(rng.permutation(DAYS[:200]), rng.permutation(DAYS[200:]))
    assert found.test is None
    assert "every current date is later" in found.note


def test_dates_are_compared_where_they_overlap():
    rng = np.random.default_rng(7)
    found = row(rng.permutation(DAYS[:300]), objects([str(day) for day in rng.permutation(DAYS[100:])]))
    assert found.test == "ks_permutation"
    assert found.direction == "mean 2024-05-29 12:00 -> 2024-09-06 12:00"
    assert found.drifted


def test_a_counter_is_told_in_the_note():
    rising = np.cumsum(np.random.default_rng(8).exponential(size=300))
    assert "as a clock or a counter" in row(rising, rising[100:]).note


def test_a_frame_is_compared_like_its_columns():
    """Nullable numbers, categories, strings and time zones of pandas included."""
    a, b = normal(120), normal(80, 1, 0.5)
    frames = [
        pd.DataFrame(
            {
                "plain": values,
                "nullable": pd.array(np.where(values > 1, None, np.round(values * 9)), dtype="Int64"),
                "category": pd.Categorical(np.where(values > 0, "up", "down")),
                "string": pd.array(np.where(values > 0, "up", "down"), dtype="string"),
                "flag": pd.array([None, *(values[1:] > 0)], dtype="boolean"),
                "zone": pd.date_range("2024-01-01", periods=len(values), tz="Europe/Berlin")[::-1],
            }
        )
        for values in (a, b)
    ]
    found = {column.name: column for column in compared(*frames).columns}
    assert found["plain"].p_value == row(a, b).p_value
    assert found["nullable"].kind == "numeric"
    assert found["nullable"].reference_missing == pytest.approx((a > 1).mean())
    assert found["category"].p_value == found["string"].p_value
    assert (found["flag"].kind, found["flag"].reference_missing) == ("boolean", 1 / 120)
    assert found["zone"].kind == "date"


def test_two_columns_of_one_name_are_a_note():
    frame = pd.DataFrame(np.ones((9, 2)), columns=["x", "x"])
    (found,) = compared(frame, frame).columns
    assert "two columns of this name" in found.note


def test_a_comparison_survives_json():
    found = compared({"n": normal(90), "c": words(90)}, {"n": normal(50, 1), "c": words(50, 1)})
    assert msgspec.json.decode(msgspec.json.encode(found), type=TabularReport) == found


def test_a_table_without_drift_is_reported_as_drifted_at_most_at_the_level():
    """80 tables of 8 columns, values and missing values, effects of any size: at least one in at most 5 %."""
    rng = np.random.default_rng(9)

    def table(n):
        values = rng.normal(size=(4, n))
        return {
            "a": values[0],
            "b": np.where(rng.random(n) < 0.1, np.nan, values[1]),
            "c": np.round(values[2]),
            "d": np.where(rng.random(n) < 0.02, np.nan, np.round(3 * values[3])),
            "e": objects(rng.integers(0, 4, n).tolist()),
            "f": words(n, rng.integers(2**31), (0.9, 0.07, 0.03)),
            "g": rng.random(n) < 0.02,
            "h": objects([None if r < 0.2 else r < 0.6 for r in rng.random(n).tolist()]),
        }

    reported = sum(
        compare(table(80), table(50), effect_threshold=0.0, draws=199, rng=rng).drifted > 0 for _ in range(80)
    )
    assert binomtest(reported, 80, 0.05, alternative="greater").pvalue > 0.001


def test_durations_are_compared_in_seconds():
    spans = np.arange(90).astype("timedelta64[m]")
    found = row(np.random.default_rng(10).permutation(spans), np.random.default_rng(11).permutation(spans + 60))
    assert found.figures["reference_mean"] == pytest.approx(44.5 * 60)
    assert found.drifted
