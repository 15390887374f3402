"""Known faults are recognised in a column's values, and ordinary shifts are not taken for them."""

from collections import Counter

import numpy as np
import pytest

from drift.tabular import causes
from drift.tabular.compare import compare
from drift.tabular.fit import distance
from drift.tabular.patterns import (
    NAMES,
    categorical_patterns,
    missing_patterns,
    numeric_patterns,
    trend,
    unreadable,
)

N = 3_000
JOBS = {"technician": 0.17, "manager": 0.24, "clerk": 0.12, "retired": 0.05, "labourer": 0.3, "unknown": 0.12}
DAY = 86_400.0


def amounts(seed, n=N):
    return np.random.default_rng(seed).lognormal(3, 0.8, n).round(2)


def ages(seed, n=N):
    return np.clip(np.random.default_rng(seed).gamma(9, 4.5, n), 18, 95).round()


def weather(seed, n=N):
    return np.random.default_rng(seed).normal(14, 7, n).round(1)


def numeric(reference, current, **settings):
    return numeric_patterns(np.sort(np.asarray(reference, float)), np.sort(np.asarray(current, float)), **settings)


def labels(shares, seed, n=N):
    names = list(shares)
    p = np.array(list(shares.values()), float)
    return Counter(np.random.default_rng(seed).choice(names, n, p=p / p.sum()).tolist())


def first(patterns):
    return patterns[0].name if patterns else None


@pytest.mark.parametrize("factor", [10, 100, 1000, 1e6, 60, 3600, 24, 1 / 10, 1 / 100, 1 / 1000, 1 / 60, 1 / 3600])
@pytest.mark.parametrize("column", [amounts, ages, weather])
def test_a_changed_unit_is_recognised_with_its_factor(column, factor):
    """A second sample times 10, 100, 1000, 60, ... or divided by it."""
    (found,) = numeric(column(0), column(1) * factor)[:1]
    assert (found.name, found.figures["factor"]) == ("scaled", pytest.approx(factor))
    assert "D 0." in found.text or "D 1.00" in found.text


@pytest.mark.parametrize("factor", [1024, 1 / 1024])
def test_1024_is_told_from_1000_where_the_sample_allows(factor):
    assert numeric(ages(0), ages(1) * factor)[0].figures["factor"] == pytest.approx(factor)
    assert numeric(ages(0), ages(1) * 1000)[0].figures["factor"] == 1000


@pytest.mark.parametrize("factor", [2.54, 1 / 2.54, 1.609344, 0.45359237, 1 / 0.3048])
def test_a_small_factor_is_recognised_by_the_grid_of_the_values(factor):
    """Whole numbers times 2.54 are multiples of 2.54; a population that grew is not."""
    assert numeric(ages(0), ages(1) * factor)[0].figures["factor"] == pytest.approx(factor)
    assert first(numeric(ages(0), np.round(ages(1) * factor))) != "scaled"


def test_units_that_changed_in_a_part_of_the_rows():
    """30 % of the amounts came in cents."""
    rng = np.random.default_rng(0)
    mixed = np.where(rng.random(N) < 0.3, ages(1) * 100, ages(1))
    (found,) = numeric(ages(0), mixed)
    assert (found.name, found.figures["factor"]) == ("part_scaled", 100)
    assert found.figures["share"] == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize(
    ("name", "reference", "current"),
    [
        ("offset", weather(0), weather(1) + 273.15),
        ("offset", ages(0), ages(1) + 1900),
        ("temperature", weather(0), weather(1) * 1.8 + 32),
        ("temperature", weather(0) * 1.8 + 32, weather(1)),
        ("sign_flipped", amounts(0), -amounts(1)),
        ("logarithm", amounts(0), np.log(amounts(1))),
        ("logarithm", amounts(0), np.log1p(amounts(1))),
        ("logarithm", np.log10(amounts(0)), amounts(1)),
        ("standardised", amounts(0), (amounts(1) - amounts(1).mean()) / amounts(1).std()),
        ("clipped", amounts(0), np.minimum(amounts(1), 40)),
        ("clipped", weather(0), np.maximum(weather(1), 10)),
        ("cut", ages(0), ages(1)[ages(1) < 35]),
        ("cut", ages(0), ages(1)[(ages(1) >= 30) & (ages(1) <= 45)]),
        ("cut", amounts(0), amounts(1)[amounts(1) > 20]),
        ("rounded", amounts(0), np.round(amounts(1), -1)),
        ("rounded", amounts(0) / 20, np.floor(amounts(1) / 20)),
        ("stuck", amounts(0), np.full(N, 7.0)),
        ("flooded", amounts(0), np.where(np.arange(N) % 5 == 0, 0.0, amounts(1))),
        ("renamed", np.where(np.arange(N) % 3, ages(0), -1.0), np.where(np.arange(N) % 3, ages(1), 999.0)),
        ("flooded", ages(0), np.where(np.arange(N) % 6 == 0, -999.0, ages(1))),
        ("flooded", weather(0), np.where(np.arange(N) % 3 == 0, weather(0).mean(), weather(1))),
    ],
)
def test_faults_in_numbers_are_recognised(name, reference, current):
    assert first(numeric(reference, current)) == name


def test_figures_of_a_flood_and_of_a_cut():
    """The value that floods is named with both shares; the limits of a cut are the values at its edges."""
    rng = np.random.default_rng(0)
    (flood,) = numeric(amounts(0), np.where(rng.random(N) < 0.3, -1.0, amounts(1)))
    assert flood.figures["value"] == -1
    assert flood.figures["current_share"] == pytest.approx(0.3, abs=0.03)
    assert "usual stand-in" in flood.text
    (cut,) = numeric(ages(0), ages(1)[ages(1) < 35])
    assert cut.figures["at_most"] == 34
    assert "34 or less" in cut.text


def test_hours_in_another_time_zone():
    """A working day that begins three hours later, in a column that covers all hours."""
    p = 1 + 6 * np.exp(-(((np.arange(24) - 14) / 3.0) ** 2)) + 2 * np.exp(-(((np.arange(24) - 9) / 1.5) ** 2))
    rng = np.random.default_rng(0)
    before, after = (rng.choice(24, N, p=p / p.sum()) for _ in range(2))
    (found,) = numeric(before, (after + 3) % 24)
    assert (found.name, found.figures["hours"]) == ("rotated", 3)


def test_dates_that_moved_on_and_dates_that_were_defaulted():
    """A month later over as many days; and a tenth of the dates at the start of unix time."""
    rng = np.random.default_rng(0)
    days = 19_700 * DAY + rng.integers(0, 31 * 24, N) * 3600.0
    (moved,) = numeric(days, days + 31 * DAY, dates=True)[:1]
    assert (moved.name, moved.figures["days"]) == ("moved_on", 31)
    (flood,) = numeric(days, np.where(rng.random(N) < 0.15, 0.0, days), dates=True)
    assert flood.name == "flooded"
    assert "1970-01-01 (the start of unix time)" in flood.text


def test_quantiles_stand_for_their_sample():
    """Evenly spaced quantiles of a larger sample give the same pattern."""
    at = (np.arange(5_000) + 0.5) / 5_000
    before, after = np.quantile(amounts(0, 100_000), at), np.quantile(amounts(1, 100_000) * 100, at)
    assert first(numeric(before, after)) == "scaled"


def test_values_that_move_along_the_rows():
    """A drift that goes on inside the sample shows; rows in no order, and a sorted column, do not."""
    rng = np.random.default_rng(0)
    assert trend(rng.normal(0, 1, N)) is None
    assert trend(np.sort(rng.normal(0, 1, N))) is None
    assert trend(rng.normal(0, 1, N) + np.linspace(0, 1, N)).name == "trend"


@pytest.mark.parametrize(
    ("name", "current"),
    [
        ("swallowed", JOBS | {"technician": 0, "unknown": 0.29}),
        ("swallowed", JOBS | {"technician": 0.07, "unknown": 0.22}),
        ("swallowed", JOBS | {"retired": 0, "manager": 0, "labourer": 0.59}),
        ("swallowed", JOBS | {"technician": 0, "retired": 0, "clerk": 0.34}),
        ("flooded", {job: 0.9 * share for job, share in JOBS.items()} | {"unknown": 0.9 * 0.12 + 0.1}),
        ("flooded", {job: 0.8 * share for job, share in JOBS.items()} | {"n/a": 0.2}),
        ("renamed", {("engineer" if job == "technician" else job): share for job, share in JOBS.items()}),
        ("recoded", {str(code): share for code, share in enumerate(JOBS.values())}),
        ("replaced", {"yes": 0.7, "no": 0.3}),
        ("respelled", {job.upper(): share for job, share in JOBS.items()}),
        ("respelled", {f" {job}": share for job, share in JOBS.items()}),
        ("split", {job: share for job, share in JOBS.items() if job != "labourer"} | {"builder": 0.2, "miner": 0.1}),
        ("filtered", {job: JOBS[job] for job in ("technician", "manager", "clerk")}),
        ("stuck", {"unknown": 1.0}),
        ("new_category", JOBS | {"technician": 0.1, "manager": 0.1, "clerk": 0.05, "astronaut": 0.2}),
    ],
)
def test_faults_in_labels_are_recognised(name, current):
    assert first(categorical_patterns(labels(JOBS, 0), labels(current, 1))) == name


@pytest.mark.parametrize(
    ("reference", "current", "how"),
    [
        (("Yes", "No"), ("yes", "no"), "case"),
        (("true", "false"), ("1", "0"), "true and false"),
        (("1", "2", "3"), ("1.0", "2.0", "3.0"), "decimal"),
        (("Zürich", "Genève"), ("ZÃ¼rich", "GenÃ¨ve"), "character encoding"),
        (("Zürich", "Genève"), ("Zurich", "Geneve"), "accents"),
        (("self-employed", "blue-collar"), ("self employed", "blue_collar"), "punctuation"),
        (("management", "administration"), ("manageme", "administ"), "cut short"),
    ],
)
def test_the_same_words_written_otherwise(reference, current, how):
    """What stays of the difference when the spellings count as the same is next to nothing."""
    before = labels(dict.fromkeys(reference, 1), 0)
    (found,) = categorical_patterns(before, labels(dict.fromkeys(current, 1), 1))
    assert found.name == "respelled"
    assert how in found.text
    assert found.figures["effect_left"] < 0.05


@pytest.mark.parametrize("pair", [("1.1", "1.10"), ("c", "c#"), ("<=50k", ">50k"), ("1", "-1"), ("1.5", "15")])
def test_labels_that_only_look_alike_are_no_respelling(pair):
    shares = {"a": 0.4, "b": 0.3}
    found = categorical_patterns(labels(shares | {pair[0]: 0.3}, 0), labels(shares | {pair[1]: 0.3}, 1))
    assert first(found) == "renamed"


def test_missing_values_that_rose_fell_or_are_all_there_is():
    assert first(missing_patterns(20, 1_000, 400, 1_000)) == "missing"
    assert first(missing_patterns(20, 1_000, 1_000, 1_000)) == "empty"
    assert first(missing_patterns(400, 1_000, 20, 1_000)) == "no_longer_missing"
    assert missing_patterns(20, 1_000, 30, 1_000) == ()
    assert missing_patterns(0, 1_000, 3, 10) == ()
    assert first(unreadable(0, 1_000, 300, 1_000)) == "unreadable"


def test_a_report_names_the_patterns_of_the_columns_that_differ():
    """Through compare: units, a filter, missing values, numbers that became words, dates of the next month."""
    days = np.datetime64("2024-01-01") + np.random.default_rng(0).integers(0, 28, N)
    reference = {
        "amount": amounts(0),
        "age": ages(0),
        "gone": amounts(2),
        "text": amounts(3),
        "on": days,
        "same": ages(4),
    }
    rng = np.random.default_rng(1)
    current = {
        "amount": amounts(5) * 100,
        "age": ages(6),
        "gone": np.where(rng.random(N) < 0.4, np.nan, amounts(7)),
        "text": [f"{value} EUR" if i % 3 == 0 else value for i, value in enumerate(amounts(8).tolist())],
        "on": days + np.timedelta64(31, "D"),
        "same": ages(9),
    }
    rows = {row.name: row for row in compare(reference, current, rng=rng).columns}
    names = {name: [pattern.name for pattern in row.patterns] for name, row in rows.items()}
    assert names == {
        "amount": ["scaled"], "gone": ["missing"], "text": ["unreadable"], "on": ["moved_on"], "age": [], "same": [],
    }  # fmt: skip


@pytest.mark.filterwarnings("error")
def test_no_value_makes_it_fail_or_warn():
    """The largest and smallest doubles, constants, and labels that are empty, huge or half a character."""
    odd = np.array([0.0, -1, 1e308, -1.7e308, 5e-324, 1e-300, 2.0**53, 0.1, 1e140])
    names = ["", "a", " A", "\ud800", "Ã©", "é", "1", "1.0", "yes", "true", "x" * 500, "\n", "unknown", "0" * 400]
    for seed in range(300):
        rng = np.random.default_rng(seed)
        sides = [
            rng.choice(rng.choice(odd, int(rng.integers(1, 9))), 60) * 10.0 ** rng.integers(-9, 0) for _ in range(2)
        ]
        for dates in (False, True):
            numeric(*sides, dates=dates)
        trend(sides[0])
        some = [{name: int(rng.integers(0, 200)) for name in rng.permutation(names)[:6]} | {"a": 1} for _ in range(2)]
        categorical_patterns(*some)


def test_every_pattern_has_a_kind_of_cause():
    assert causes.PATTERNS == NAMES


def ordinary_numbers(rng):
    n, m = rng.choice([100, 300, 1_000, 3_000], 2)
    kind = rng.integers(8)
    if kind == 0:
        return rng.normal(0, 1, n), rng.normal(rng.uniform(0.3, 1.5), 1, m)
    if kind == 1:
        return rng.normal(50, 10, n), rng.normal(50 + rng.uniform(-10, 10), 10 * rng.uniform(0.6, 1.6), m)
    if kind == 2:
        return rng.lognormal(3, 1, n), rng.lognormal(3 + rng.uniform(-1, 1), rng.uniform(0.7, 1.4), m)
    if kind == 3:
        return rng.poisson(rng.uniform(0.5, 6), n), rng.poisson(rng.uniform(0.5, 6), m)
    if kind == 4:
        return rng.beta(2, 5, n), rng.beta(rng.uniform(1, 4), rng.uniform(2, 8), m)
    if kind == 5:
        share = rng.uniform(0.1, 0.9)
        two = [rng.random(size) < of for size, of in ((n, 0.5), (m, share))]
        return tuple(np.where(low, rng.normal(30, 5, len(low)), rng.normal(60, 8, len(low))) for low in two)
    if kind == 6:
        return ages(int(rng.integers(1_000)), n), np.clip(rng.gamma(9, rng.uniform(3, 6.5), m), 18, 95).round()
    return rng.exponential(1, n), rng.exponential(rng.uniform(0.3, 3), m)


def test_ordinary_shifts_of_numbers_are_no_faults():
    """At most 2 of 400 shifts of mean, spread, mixture or rate get a pattern: below 1.6 % with 95 % confidence."""
    wrong, differ = [], 0
    for seed in range(1_000):
        before, after = (np.sort(side.astype(float)) for side in ordinary_numbers(np.random.default_rng(seed)))
        if distance(before, after) >= 0.1:
            differ += 1
            wrong += [(seed, found.text) for found in numeric(before, after)]
        if differ == 400:
            break
    assert differ == 400
    assert len(wrong) <= 2, wrong


def test_another_mix_of_labels_is_no_fault():
    """At most 12 of 400 random mixes get more than a new or vanished label: below 4.9 % with 95 % confidence."""
    wrong = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        shares = rng.dirichlet(np.full(int(rng.integers(3, 15)), 2.0))
        other = shares * rng.lognormal(0, rng.uniform(0.4, 1), len(shares))
        named = [{f"label {i}": share for i, share in enumerate(side)} for side in (shares, other)]
        n, m = rng.choice([100, 300, 1_000, 3_000], 2)
        found = categorical_patterns(labels(named[0], seed, n), labels(named[1], seed + 10_000, m))
        wrong += [(seed, each.text) for each in found if each.name not in ("new_category", "vanished_category")]
    assert len(wrong) <= 12, wrong
