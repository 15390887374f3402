"""What other tools printed on public tables, and what drift.tabular makes of the same rows."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import chi2, chi2_contingency

from drift.tabular.compare import compare
from drift.tabular.numeric import compare_numeric
from drift.tabular.result import ColumnResult
from tests.benchmarks.tabular_cases import table

_HALF_A_DIGIT = 5.001e-4
"""Published with three decimals."""
_CHUNK = 5_000
_SMALL = 1e-300
"""Below it scipy's p loses digits and becomes 0."""

MERGED = {
    "education": {
        "no diploma": "Preschool 1st-4th 5th-6th 7th-8th 9th 10th 11th 12th",
        "high school": "HS-grad Some-college",
        "associate": "Assoc-voc Assoc-acdm",
    },
    "marital-status": {
        "married": "Married-civ-spouse Married-AF-spouse",
        "apart": "Divorced Separated Married-spouse-absent",
    },
    "occupation": {
        "manual": "Craft-repair Machine-op-inspct Transport-moving Handlers-cleaners Farming-fishing",
        "service": "Other-service Priv-house-serv",
        "support": "Tech-support Protective-serv",
    },
    "native-country": {
        "Commonwealth": "Canada England India Ireland Scotland",
        "China": "China Hong Taiwan",
        "South-East Asia": "Cambodia Laos Philippines Thailand Vietnam",
        "Western Europe": "France Germany Holand-Netherlands Italy",
        "Southern and Eastern Europe": "Greece Hungary Poland Portugal South",
        "Andes and El Salvador": "Columbia Ecuador El-Salvador Peru",
        "Central America": "Dominican-Republic Guatemala Haiti Honduras Jamaica Mexico Nicaragua "
        "Outlying-US(Guam-USVI-etc) Puerto-Rico Trinadad&Tobago",
        "elsewhere": "Cuba Iran Japan",
    },
}
"""Which categories of Adult Alibi's own loader (alibi.datasets.fetch_adult) takes as one; the rest stay."""


class Compared(NamedTuple):
    """One published figure pair and ours."""

    rows: str
    column: str
    row: ColumnResult
    statistic: float
    """Published."""
    p_value: float
    yates: tuple[float, float] | None
    """The statistic and p-value with Yates' correction; only of two categories."""
    asymptotic: float | None
    """The p-value of the chi-square distribution; only where ours is by Monte Carlo."""


def merge(frame: Any) -> Any:
    """Adult with the categories that Alibi's loader makes."""
    merged = frame.copy()
    for name, groups in MERGED.items():
        of = {category: group for group, categories in groups.items() for category in categories.split()}
        merged[name] = frame[name].map(lambda category, of=of: of.get(category, category))
    return merged


def adult(data: Path) -> Iterator[Compared]:
    """Alibi Detect's chi-square and K-S of Adult: its first 10,000 rows against the second and third."""
    with (data / "published" / "alibi_detect_adult_published.csv").open(newline="") as file:
        published = list(csv.DictReader(file))
    frame = merge(table(data, "adult_uci_train"))
    for rows in dict.fromkeys(line["rows"] for line in published):
        reference, current = (frame[slice(*map(int, side.split(":")))] for side in rows.split(" vs "))
        found = {row.name: row for row in compare(reference, current, rng=np.random.default_rng(0)).columns}
        for line in published:
            if line["rows"] != rows:
                continue
            name = line["feature"].lower().replace(" ", "-").replace("country", "native-country")
            row = found[name]
            counts = [side[name].value_counts() for side in (reference, current)]
            yates = None
            if name == "sex":
                of_sex = [[count[category] for category in ("Female", "Male")] for count in counts]
                corrected = chi2_contingency(of_sex)
                yates = float(corrected.statistic), float(corrected.pvalue)
            asymptotic = None
            if row.test == "chi2_monte_carlo":
                asymptotic = float(chi2.sf(row.statistic, row.figures["categories"] - 1))
            yield Compared(rows, name, row, float(line["statistic"]), float(line["p_value"]), yates, asymptotic)


def tested(row: ColumnResult) -> tuple[float, float]:
    """Statistic and p-value. Raises ValueError when the column was not tested."""
    if row.statistic is None or row.p_value is None:
        raise ValueError(f"{row.name} was not tested: {row.note}")
    return row.statistic, row.p_value


def print_published(data: Path) -> None:
    """Ours, published and the difference, for every published figure."""
    print_adult(data)
    print_loans(data)
    print_chunks(data)


def print_adult(data: Path) -> None:
    print("Alibi Detect, Adult, categories merged as its loader does")
    print("| rows | column | test | statistic | published | difference | p | published | difference | |")
    print("| --- " * 10 + "|")
    statistics = p_values = total = 0
    for one in adult(data):
        statistic, p = tested(one.row)
        notes = []
        if one.asymptotic is not None:
            notes.append(f"p by Monte Carlo: counts under 5 expected; chi-square distribution {one.asymptotic:.3f}")
        if one.yates is not None:
            notes.append(f"published with Yates' correction: {one.yates[0]:.3f}, p {one.yates[1]:.3f}")
        total += 1
        statistics += abs(statistic - one.statistic) < _HALF_A_DIGIT
        p_values += abs(p - one.p_value) < _HALF_A_DIGIT
        print(
            f"| {one.rows.split(' vs ')[1]} | {one.column} | {one.row.test} | {statistic:.3f} | {one.statistic:.3f} "
            f"| {statistic - one.statistic:+.3f} | {p:.3f} | {one.p_value:.3f} | {p - one.p_value:+.3f} "
            f"| {'; '.join(notes)} |"
        )
    print(f"to three decimals: {statistics} of {total} statistics, {p_values} of {total} p-values")


def print_loans(data: Path) -> None:
    """NannyML's K-S; from 10,000 reference rows on it looks at quantiles of the reference instead of every value."""
    print("\nNannyML, car loans, debt_to_income_ratio: 50,000 reference rows against chunks of 5,000")
    print("| chunk | D | published | difference |")
    print("| --- " * 4 + "|")
    agree = total = 0
    with (data / "published" / "nannyml_docs_debt_to_income_published.csv").open(newline="") as file:
        for line in csv.DictReader(file):
            reference, current = chunk(data, int(line["chunk_index"]), "debt_to_income_ratio")
            ours = compare_numeric(reference, current).statistic
            published = float(line["debt_to_income_ratio_kolmogorov_smirnov_value"])
            total += 1
            agree += abs(round(ours, 3) - round(published, 3)) < _HALF_A_DIGIT
            print(f"| {line['chunk_index']} | {ours:.5f} | {published:.5f} | {ours - published:+.5f} |")
    print(f"to three decimals: {agree} of {total}")


def chunk(data: Path, index: int, name: str) -> tuple[Any, Any]:
    """The reference's values of a column, and those of an analysis chunk."""
    loans = table(data, "nannyml_car_loan")
    analysis = loans[loans.period == "analysis"][name].to_numpy()
    return loans[loans.period == "reference"][name].to_numpy(), analysis[index * _CHUNK : (index + 1) * _CHUNK]


def print_chunks(data: Path) -> None:
    """Every column of every chunk against scipy's values in nannyml_car_loan_chunks_scipy.csv."""
    print("\ncar loans, every column of the ten chunks, against scipy's values in the data folder")
    print("| column | test | largest difference of the statistic | of p, relative |")
    print("| --- " * 4 + "|")
    loans = table(data, "nannyml_car_loan")
    reference, analysis = loans[loans.period == "reference"], loans[loans.period == "analysis"]
    with (data / "published" / "nannyml_car_loan_chunks_scipy.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    worst: dict[tuple[str, str], tuple[float, float]] = {}
    for index in dict.fromkeys(int(line["chunk"]) for line in lines):
        current = analysis.iloc[index * _CHUNK : (index + 1) * _CHUNK]
        found = {row.name: row for row in compare(reference, current, rng=np.random.default_rng(0)).columns}
        for line in (line for line in lines if int(line["chunk"]) == index):
            row = found[line["column"]]
            statistic, p = tested(row)
            published = float(line["p_value"])
            p_off = abs(p / published - 1) if published > _SMALL else float(p > _SMALL)
            before = worst.get((row.name, str(row.test)), (0.0, 0.0))
            off = abs(statistic - float(line["statistic"]))
            worst[row.name, str(row.test)] = max(off, before[0]), max(p_off, before[1])
    for (name, test), (statistic, p) in worst.items():
        print(f"| {name} | {test} | {statistic:.0e} | {p:.0e} |")
