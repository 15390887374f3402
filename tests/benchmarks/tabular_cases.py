"""The cases of CASES_tabular.csv: which rows each compares, what is found, and false alarms in random splits."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binom

from drift.policy import TABLE
from drift.tabular.compare import compare
from drift.tabular.result import ColumnResult
from drift.tabular.values import column

Pair = tuple[Any, Any]
"""The reference's and the current sample's rows, two frames with the same columns."""

_LEFT_OUT = {
    "bank_full": ("day", "month", "year", "row"),
    "bank_additional_full": ("month", "day_of_week", "year", "row"),
    "adult_uci_train": ("fnlwgt", "education-num", "income"),
    "adult_evidently": (),
    "nannyml_car_loan": ("id", "timestamp", "repaid", "period"),
    "nycflights13": ("month", "day"),
}
"""Columns that the cases do not compare: what the windows are made by, and what Alibi Detect's example drops."""
_EASY_EDUCATION = ("Some-college", "HS-grad", "Bachelors")
"""Evidently's example takes these as the current sample."""
_CLOSE = 0.0015
"""An effect printed with three digits, and one rounding."""


class Case(NamedTuple):
    """A line of CASES_tabular.csv."""

    id: str
    truth: str
    what_changed: str
    top: tuple[tuple[str, str, float], ...]
    """(column, ks or chi2, effect as sampled), the strongest first."""


def cases(data: Path) -> list[Case]:
    """The cases in the folder's order."""
    with (data / "CASES_tabular.csv").open(newline="") as file:
        return [
            Case(line["case_id"], line["truth"], line["what_changed"], tuple(_tops(line["top5_effect"])))
            for line in csv.DictReader(file)
        ]


def _tops(written: str) -> Iterator[tuple[str, str, float]]:
    for one in written.split("; "):
        name, rest = one.split(":")
        test, effect = rest.split("=")
        yield name, test, float(effect)


@cache
def table(data: Path, name: str) -> Any:
    return pd.read_csv(data / "tabular" / f"{name}.csv.gz")


def windows(data: Path, case: str) -> Pair:
    """The rows of a case, with the columns that it compares. Random halves are drawn with a fixed seed."""
    if case.startswith("B0") and case != "B09":
        name = "bank_full"
        bank = table(data, name)
        may_2008 = bank[(bank.year == 2008) & (bank.month == "may")]
        if case == "B01":
            pair = _halves(bank)
        elif case == "B02":
            pair = _halves(may_2008)
        elif case == "B03":
            pair = may_2008, bank[(bank.year == 2009) & (bank.month == "may")]
        elif case == "B05":
            pair = may_2008, bank[(bank.year == 2008) & (bank.month == "jun")]
        elif case == "B06":
            pair = bank, bank[bank.age >= 55]
        else:
            pair = _broken(bank)
    elif case == "B09":
        name = "bank_additional_full"
        bank = table(data, name)
        pair = bank[bank.year == 2008], bank[bank.year == 2009]
    elif case == "A01":
        name = "adult_evidently"
        adult = table(data, name)
        easy = adult.education.isin(_EASY_EDUCATION)
        pair = adult[~easy], adult[easy]
    elif case in ("A02", "A03"):
        name = "adult_uci_train"
        adult, start = table(data, name), 10_000 if case == "A02" else 20_000
        pair = adult[:10_000], adult[start : start + 10_000]
    elif case in ("M01", "M02"):
        name = "nannyml_car_loan"
        loans, start = table(data, name), 0 if case == "M01" else 25_000
        analysis = loans[loans.period == "analysis"]
        pair = loans[loans.period == "reference"], analysis.iloc[start : start + 25_000]
    else:
        name = "nycflights13"
        flights = table(data, name)
        pair = _halves(flights) if case == "F01" else (flights[flights.month == 1], flights[flights.month == 7])
    left_out = list(_LEFT_OUT[name])
    return pair[0].drop(columns=left_out), pair[1].drop(columns=left_out)


def _halves(frame: Any) -> Pair:
    order = np.random.default_rng(0).permutation(len(frame))
    half = len(frame) // 2
    return frame.iloc[order[:half]], frame.iloc[order[half:]]


def _broken(bank: Any) -> Pair:
    """Two samples of 20,000; in the second a tenth of the jobs became unknown."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(bank))
    second = bank.iloc[order[20_000:40_000]]
    return bank.iloc[order[:20_000]], second.assign(job=second.job.where(rng.random(20_000) >= 0.1, "unknown"))


def print_cases(data: Path) -> None:
    """What is found in each case, beside the columns that CASES_tabular.csv names."""
    heads = "case, truth, rows, tested, drifted, strongest by effect, named in CASES_tabular.csv, of these on top"
    print(f"| {heads.replace(', ', ' | ')} |")
    print("| --- " * 8 + "|")
    for case in cases(data):
        reference, current = windows(data, case.id)
        report = compare(reference, current, rng=np.random.default_rng(0))
        named = {row.name: row for row in report.columns}
        by_effect = sorted(report.columns, key=lambda row: -(row.effect or 0.0))
        ours = "; ".join(f"{row.name} {row.effect:.3f}" for row in by_effect[:5])
        theirs = "; ".join(f"{name} {effect:.3f}{_mark(named[name], effect)}" for name, _, effect in case.top)
        matter = [name for name, _, effect in case.top if effect >= TABLE.effect_threshold]
        found = sum(row.name in matter for row in by_effect[: len(matter)])
        print(
            f"| {case.id} | {case.truth} | {len(reference):,} / {len(current):,} | {report.tested} | {report.drifted} "
            f"| {ours} | {theirs} | {f'{found} of {len(matter)}' if matter else ''} |",
            flush=True,
        )


def as_sampled(row: ColumnResult) -> float:
    """The effect that CASES_tabular.csv has: D, or the textbook's V without correction for bias or for sizes."""
    return row.figures.get("cramers_v_as_sampled_raw", row.effect or 0.0)


def _mark(row: ColumnResult, published: float) -> str:
    """What we get for the same figure where that differs."""
    ours = as_sampled(row)
    return "" if abs(ours - published) < _CLOSE else f" (here {ours:.3f})"


class Families(NamedTuple):
    """Random splits of one case's rows."""

    sizes: tuple[int, int]
    hypotheses: int
    drifted: int
    """Splits in which a column was called drifted."""
    rejected: int
    """Splits with an adjusted p at or below the level, whatever the effect."""


def false_alarms(pair: Pair, splits: int, rows: int | None) -> Families:
    """Random splits of the pooled rows of both windows, of the case's sizes, scaled to at most rows a side."""
    n, m = (len(side) for side in pair)
    scale = min(1.0, (rows or max(n, m)) / max(n, m))
    sizes = round(n * scale), round(m * scale)
    pooled = pd.concat(pair)
    columns = {name: column(pooled[name]) for name in pooled}
    drifted = rejected = hypotheses = 0
    for split in range(splits):
        rng = np.random.default_rng([split, 7])
        drawn = rng.permutation(n + m)[: sum(sizes)]
        reference, current = (
            {name: values[part] for name, values in columns.items()} for part in np.split(drawn, [sizes[0]])
        )
        # Without an effect threshold every rejected hypothesis is called drift.
        report = compare(reference, current, effect_threshold=0.0, rng=rng)
        rejected += report.drifted > 0
        drifted += any(_matters(row) for row in report.columns)
        hypotheses = max(hypotheses, sum(_hypotheses(row.figures, row.p_value) for row in report.columns))
    return Families(sizes, hypotheses, drifted, rejected)


def _matters(row: ColumnResult) -> bool:
    """Whether a row that was judged by p alone would be called drifted with the effect threshold too."""
    figures = row.figures
    of_values = (figures.get("values_p_adjusted", row.p_adjusted), figures.get("values_effect", row.effect))
    of_missing = (figures.get("missing_p_adjusted"), figures.get("missing_effect"))
    return any(
        p is not None and effect is not None and p <= TABLE.p_threshold and effect >= TABLE.effect_threshold
        for p, effect in (of_values, of_missing)
    )


def _hypotheses(figures: Mapping[str, float], p_value: float | None) -> int:
    return (p_value is not None) + ("missing_p_adjusted" in figures)


def print_false_alarms(data: Path, splits: int, rows: int | None, only: Sequence[str] = ()) -> None:
    """Families with a false alarm in random splits of the cases without drift, beside the binomial bound."""
    bound = int(binom.ppf(0.975, splits, TABLE.p_threshold))
    sizes = f"at most {rows:,} rows a side" if rows else "the cases' sizes"
    print(f"\n{splits} random splits, {sizes}; expected at most {TABLE.p_threshold * splits:.0f}, ", end="")
    print(f"97.5 % of the binomial distribution {bound}")
    print("| case | rows | hypotheses | a column drifted | an adjusted p <= .05, any effect | within the bound |")
    print("| --- " * 6 + "|")
    for case in cases(data):
        if case.truth != "no_drift" or (only and case.id not in only):
            continue
        found = false_alarms(windows(data, case.id), splits, rows)
        within = "yes" if max(found.drifted, found.rejected) <= bound else "NO"
        print(
            f"| {case.id} | {found.sizes[0]:,} / {found.sizes[1]:,} | {found.hypotheses} | {found.drifted} "
            f"| {found.rejected} | {within} |",
            flush=True,
        )
