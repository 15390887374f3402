"""Parts of tables: however they are cut and merged, the report is that of the whole."""

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from drift.tabular import profile as profiles
from drift.tabular.compare import compare_profiles
from drift.tabular.merging import in_pairs, merged, part_profile
from drift.tabular.profile import TableProfile
from proxy.tabular.dask_cluster import first_line
from proxy.tabular.dask_files import listed, name_of
from proxy.tabular.dask_parts import File, agreed, cut, in_batches
from proxy.tabular.records import Refused

KINDS = {
    "price": ("numeric", "numbers"),
    "count": ("numeric", "numbers"),
    "colour": ("categorical", "strings"),
    "paid": ("boolean", "booleans"),
    "day": ("date", "dates"),
    "note": ("text", "prose"),
}
HELD = 10**6


def table(seed: int, n: int, drift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "price": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(3 + drift, 1, n)),
            "count": rng.poisson(3 + 2 * drift, n),
            "colour": rng.choice(["red", "green", "blue"], n, p=[0.5, 0.3, 0.2]),
            "paid": rng.random(n) < 0.3 + drift,
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 90, n), unit="D"),
            "note": "a few words that nobody compares with others",
        }
    )


def part(rows: pd.DataFrame, total: int, held: int = HELD, kinds: dict[str, tuple[str, str]] = KINDS) -> TableProfile:
    found = part_profile(kinds, len(rows), total, exact_values=held)
    found.add(rows)
    return found


def whole(frames: list[pd.DataFrame], held: int = HELD) -> TableProfile:
    total = sum(map(len, frames))
    return in_pairs([part(rows, total, held) for rows in frames], lambda a, b: merged(a, b, exact_values=held))


def report(current: TableProfile) -> object:
    return msgspec.to_builtins(compare_profiles(whole([table(1, 900)]), current))


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]])
def test_any_order_of_the_parts_gives_the_same_report(order: list[int]):
    """Of rows that are in no order, one of the parts being empty."""
    rows = table(2, 800, 0.2)
    parts = [rows[:10], rows[10:400], rows[400:400], rows[400:500], rows[500:]]
    assert report(whole([parts[at] for at in order])) == report(whole([rows]))


def test_merging_changes_neither_part():
    """What a lost result is made of again is what it was made of before."""
    first, second = part(table(3, 300), 600), part(table(4, 300), 600)
    once = merged(first, second, exact_values=HELD)
    again = merged(first, second, exact_values=HELD)
    assert (first.rows, second.rows) == (300, 300)
    assert report(once) == report(again)


def test_merging_changes_no_sketch():
    """Past the bound too."""
    first, second = part(table(3, 300), 600, 600), part(table(4, 300), 600, 600)
    both = [merged(first, second, exact_values=600).columns["price"] for _ in range(2)]
    assert not both[0].exact
    assert both[0].count == both[1].count == first.columns["price"].count + second.columns["price"].count


def test_parts_hold_no_more_than_the_whole_may():
    """A table within its bound is exact however it is cut; past it, parts together keep to it."""
    for rows, exact in ((HELD // len(KINDS), True), (2 * HELD // len(KINDS), False)):
        sizes = [1, rows // 7, rows // 2, rows - 1 - rows // 7 - rows // 2]
        bounds = [part_profile(KINDS, size, rows, exact_values=HELD).columns["price"]._exact_up_to for size in sizes]
        assert all(bound >= size for bound, size in zip(bounds, sizes, strict=True)) == exact
        assert sum(bounds) <= HELD // len(KINDS)


def test_a_column_without_values_in_one_part_is_as_in_one_piece():
    rows = table(5, 600)
    gone = rows[:200].assign(price=np.nan, colour=None)
    parts = [gone, rows[200:]]
    assert report(whole(parts)) == report(whole([pd.concat(parts)]))


def test_whole_numbers_in_one_part_and_fractions_in_another_are_one_column():
    """As numbers, and as categories: 3 and 3.0 are one label."""
    kinds = {"count": ("numeric", "numbers"), "code": ("categorical", "strings")}
    rows = table(6, 600)[["count"]].assign(code=lambda frame: frame["count"])
    parts = [rows[:300], rows[300:].astype("float64")]
    found = in_pairs(
        [part(some, 600, kinds=kinds) for some in parts], lambda a, b: merged(a, b, exact_values=HELD)
    ).columns
    assert found["code"].counts == {str(value): count for value, count in rows["code"].value_counts().items()}
    assert found["count"].values().tolist() == rows["count"].tolist()


def test_more_labels_than_are_held_are_counted_in_the_same_groups(monkeypatch: pytest.MonkeyPatch):
    """Whether one part has too many or only all of them together."""
    monkeypatch.setattr(profiles, "_LEAST_LABELS", 200)
    monkeypatch.setattr(profiles, "MOST_LABELS", 200)
    kinds = {"street": ("categorical", "strings")}
    rng = np.random.default_rng(7)
    many = pd.DataFrame({"street": [f"street {number}" for number in rng.integers(0, 500, 3_000)]})
    parts = [many[:150], many[150:300], many[300:]]

    def counts(some: list[pd.DataFrame]) -> object:
        each = [part(rows, 3_000, kinds=kinds) for rows in some]
        return in_pairs(each, lambda a, b: merged(a, b, exact_values=HELD)).columns["street"].counts

    in_one = TableProfile(kinds, exact_values=HELD)
    in_one.add(many)
    assert in_one.columns["street"].grouped
    assert counts(parts) == counts(parts[::-1]) == in_one.columns["street"].counts


def file(path: str, *groups: int, **holds: str) -> File:
    return File(path=path, names=tuple(holds) or ("x",), holds=holds, groups=tuple((rows, 8 * rows) for rows in groups))


def test_parts_are_whole_row_groups_in_order():
    """Every row once, small files together, a large file in several parts."""
    files = [file("a", 10), file("empty"), file("b", 10, 10), file("c", 1_000, 1_000, 1_000), file("d", 5)]
    parts = cut(files, workers=2)
    seen = [
        (piece.path, piece.first + at) for some in parts for piece in some.pieces for at in range(len(piece.groups))
    ]
    assert seen == [("a", 0), ("b", 0), ("b", 1), ("c", 0), ("c", 1), ("c", 2), ("d", 0)]
    assert [some.start for some in parts] == [0, 1_030, 2_030, 3_030]
    assert [some.rows for some in parts] == [1_030, 1_000, 1_000, 5]
    assert sum(map(len, in_batches([str(number) for number in range(1_000)], 2))) == 1_000


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([file("a", 1, x="numbers"), file("b", 1, x="strings")], "column x holds strings in b and numbers in a"),
        ([file("a", 1, x="numbers"), file("b", 1, x="", y="dates")], "a lacks y that b has"),
        ([file("a", x="numbers"), file("b", x="numbers")], "no rows"),
    ],
)
def test_files_that_differ_are_refused_by_name(files: list[File], says: str):
    with pytest.raises(Refused, match=says):
        agreed(files)


def test_a_column_without_values_in_a_file_agrees_with_every_type():
    assert agreed([file("a", 1, x=""), file("b", 1, x="dates"), file("c", 1, x="dates")]) == ("x",)


def test_a_folder_is_its_tables_by_name(tmp_path: Path):
    """Without what others leave beside them; a URL to the same place is the same."""
    for name in ("b.parquet", "a/c.parquet", "_SUCCESS", ".a.parquet.crc", "_temporary/0/d.parquet", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = [str(tmp_path / name) for name in ("a/c.parquet", "b.parquet")]
    assert listed(str(tmp_path)) == names
    assert listed(f"{tmp_path}/*.parquet") == names[1:]
    assert listed(f"file://{tmp_path}") == [f"file://{name}" for name in names]
    assert listed(f"file://{tmp_path}/**/*.parquet")[-1] == f"file://{names[1]}"
    assert name_of(str(tmp_path / "b.parquet"), 1) == "b.parquet"
    assert name_of("s3://bucket/*.parquet", 1_200) == "s3://bucket/*.parquet (1,200 files)"


@pytest.mark.parametrize("where", ["{}/none", "{}/*.csv", "file://{}/none", "nowhere://{}", "{}\0"])
def test_what_is_not_there_is_said(tmp_path: Path, where: str):
    with pytest.raises(Refused) as refused:
        listed(where.format(tmp_path))
    assert "\n" not in refused.value.detail


def test_an_error_is_said_in_a_line():
    assert first_line(ValueError("first\nsecond")) == "first"
    assert first_line(KeyError()) == "KeyError"
