"""Runs to make reports of."""

from functools import cache

import numpy as np
from msgspec.structs import replace

from drift.tabular.compare import compare
from drift.tabular.result import ColumnResult
from proxy.tabular.records import Compared, Run
from proxy.tabular.summary import finished

SCRIPT = "<script>alert('x')</script>"
BREAKOUT = "\"><img src=x onerror=alert(1)>'"
OVERRIDE = "\u202eexe.txt\u202c\x1b[31m\x00"
HOSTILE = (SCRIPT, BREAKOUT, OVERRIDE, "</title></style></svg>", "<!--", "]]>", "javascript:alert(1)", "", "&lt;b&gt;")


def run_of(reference, current, *, names=("last year", "this year"), **settings) -> Run:
    report = compare(reference, current, rng=np.random.default_rng(0), **settings)
    compared = Compared(reference=names[0], current=names[1], report=report)
    return finished(compared, report_id="r1", generated_at="2026-03-01T09:30:00Z", dataset="clients")


def column(values):
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def side(n: int, seed: int, moved: bool):
    """A table with a column of every kind; the moved side has drifted in most."""
    rng = np.random.default_rng(seed)
    income = rng.normal(3_000, 500, n)
    income[rng.random(n) < (0.4 if moved else 0.05)] = np.nan
    days = np.datetime64("2025-01-01") + rng.permutation(n) % 90 + (400 if moved else 0)
    table = {
        "age": rng.normal(40 - 10 * moved, 9, n).round(),
        "job": column(rng.choice(["clerk", "nurse", "cook"], n, p=[0.2, 0.2, 0.6] if moved else [0.6, 0.3, 0.1])),
        "active": rng.random(n) < (0.8 if moved else 0.5),
        "income": income,
        "score": rng.normal(0, 1, n),
        "town": column([f"town {i}" for i in rng.integers(0, 30 + 10 * moved, n)]),
        "currency": column(["EUR"] * n),
        "signup": days,
        "client_id": np.arange(n) + 1_000,
        "remark": column([f"The client called about {i} different loans this month" for i in range(n)]),
    }
    table["added" if moved else "dropped"] = np.ones(n)
    return table


@cache
def every_kind() -> Run:
    return run_of(side(600, 1, False), side(400, 2, True))


@cache
def hostile() -> Run:
    rng = np.random.default_rng(3)
    before = {name: column(rng.choice(HOSTILE[:4], 300)) for name in HOSTILE}
    after = {name: column(rng.choice(HOSTILE, 300)) for name in HOSTILE}
    after["only<now>"] = np.ones(300)
    return run_of(before, after, names=(SCRIPT, BREAKOUT))


def wide(columns: int) -> Run:
    rng = np.random.default_rng(4)
    words_ = [f"a category with a name of its own {i}" for i in range(20)]

    def half(shift):
        return {
            f"feature_{i:03d}": rng.normal(shift, 1, 300) if i % 2 else column(rng.choice(words_[shift * 3 :], 300))
            for i in range(columns)
        }

    return run_of(half(0), half(1))


def bare() -> Run:
    """A drifted column without bars, without figures and without names of its kind."""
    row = ColumnResult(
        name="x", kind="new_kind", kind_reason="", test="new_test", statistic=1.0, p_value=0.001, p_adjusted=0.001,
        effect=0.5, effect_name="new_effect", direction="up", drifted=True, reference_rows=9, current_rows=9,
    )  # fmt: skip
    run = every_kind()
    return replace(run, display_rows=(row,), generated_at="yesterday")
