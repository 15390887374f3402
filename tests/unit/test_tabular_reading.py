"""Tables as people send them: what is taken, and what every refusal says."""

import bz2
import gzip
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from proxy.tabular import checked
from proxy.tabular.checked import check
from proxy.tabular.files import open_bytes
from proxy.tabular.reading import open_table
from proxy.tabular.records import BANK, Compare, Describe, Refused, Simulate, TableFile
from proxy.tabular.work import SHIPPED, compare, describe, simulate

MAX = 2**30


def file(path: Path, content: bytes | str) -> TableFile:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return TableFile(path=str(path), name=path.name)


def numbered(rows: int, quoted: bool = False) -> str:
    word = '"a, b"' if quoted else "a"
    return "id,word,x\n" + "".join(f"{i},{word},{i / 7:.3f}\n" for i in range(rows))


REFUSED = {
    "nothing": (b"", 422, "empty"),
    "blank lines": (b"\n\r\n\n", 422, "empty"),
    "only a header": (b"a,b\n", 422, "no rows"),
    "a field too many": (b"a,b\n1,2\n3,4,5\n", 422, "Row 2 has 3 fields, the header 2: after column 2 ('b') comes '5'"),
    "a field too few": (b"a,b,c\n1,2,3\n4,5\n", 422, "Row 2 has 2 fields, the header 3: from column 3 ('c')"),
    "a field too many behind quotes": (b'a,b\n"1",2\n3,4,5\n', 422, "Row 2 has 3 fields"),
    "a field too few behind quotes": (b'a,b,c\n"1",2,3\n4,5\n', 422, "Row 2 has 2 fields"),
    "a column twice": (b"age,job,age\n1,2,3\n", 422, "'age', the 1st and the 3rd"),
    "Latin-1": ("name\nJosé\n".encode("latin-1"), 422, "byte 0xe9 near row 1 (read as Windows-1252: 'José')"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), 415, "UTF-16"),
    "an Excel workbook": (b"PK\x03\x04" + bytes(100), 415, "Excel"),
    "a PDF": (b"%PDF-1.7", 415, "PDF"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(50), 415, "zstd"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), 415, "a picture"),
    "NUL bytes": (b"a,b\n1,\x002\n", 415, "NUL byte"),
    "NUL bytes behind quotes": (b'a,b\n"1",2\n3,\x004\n', 415, "NUL byte"),
    "a web page": (b"<!DOCTYPE html><html><body>Log in", 415, "login page"),
    "JSON": (b'{"a": 1, "b": 2}', 415, "JSON"),
    "lines of JSON": (b'{"a": 1}\n{"a": 2}\n', 415, "JSON"),
    "no header": (b"1.0,2,1.0\n3,4,5\n", 422, "Is the header line missing"),
    "lost line ends": (b"a,b1,23,4", 422, "--data-binary"),
    "many lost line ends": (b"a,b" + b"1,2" * 3_000, 422, "--data-binary"),
    "bzip2": (bz2.compress(b"a,b\n1,2\n"), 415, "bzip2"),
    "too many columns": (",".join(f"c{i}" for i in range(2_001)).encode() + b"\n", 422, "at most 2,000"),
    "broken gzip": (gzip.compress(b"a,b\n1,2\n" * 1_000)[:-20], 422, "gzip"),
    "a quote that is never closed": (b'a,b\n1,"2\n3,4\n5,6\n', 422, "Row 1"),
    "a cut Parquet": (b"PAR1" + bytes(100), 422, "Parquet file is cut short"),
    "a broken Parquet": (b"PAR1" + bytes(100) + b"PAR1", 422, "Parquet file cannot be read"),
}


@pytest.mark.parametrize(("content", "status", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_a_faulty_table_is_refused_in_words(tmp_path: Path, content: bytes, status: int, says: str):
    with pytest.raises(Refused) as refused:
        open_table(file(tmp_path / "t", content), MAX)
    assert says in refused.value.detail
    assert refused.value.status == status


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_a_table_past_the_limit_is_refused_before_it_is_held(tmp_path: Path, compressed: bool):
    """The limit is that of the decompressed table: a kilobyte that swells to a hundred megabytes is stopped too."""
    text = b"a,b\n" + b"1,2\n" * 1_000_000
    table = file(tmp_path / "t", gzip.compress(text) if compressed else text)
    with pytest.raises(Refused) as refused:
        open_table(table, 1_000_000)
    assert refused.value.status == 413
    assert "tabular.max_bytes" in refused.value.detail


@pytest.mark.parametrize("quoted", [False, True], ids=["without quotes", "with quotes"])
@pytest.mark.parametrize("block", [64, 1_000, 4 * 2**20])
def test_a_fault_is_named_wherever_blocks_end(monkeypatch: pytest.MonkeyPatch, block: int, quoted: bool):
    """Row numbers count records from 1 below the header, whatever is read at once."""
    monkeypatch.setattr(checked, "_BLOCK", block)
    lines = numbered(500, quoted).splitlines(keepends=True)
    assert check(io.BytesIO("".join(lines).encode())).rows == 500
    for broken in (1, 17, 250, 500):
        cut = [*lines]
        cut[broken] = "1,2\n"
        with pytest.raises(Refused, match=f"Row {broken} has 2 fields, the header 3"):
            check(io.BytesIO("".join(cut).encode()))
        with pytest.raises(Refused, match=f"Row {broken} has 2 fields, the header 3"):
            check(io.BytesIO("".join(cut).rstrip("\n").encode()))


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", [True, False], ids=["ended", "not ended"])
def test_delimiters_and_line_ends_are_found(tmp_path: Path, newline: str, delimiter: str, ending: bool):
    rows = [["name", "price", "city"]] + [[f"n{i}", str(i / 4), "Zürich"] for i in range(40)]
    text = newline.join(delimiter.join(row) for row in rows) + newline * ending
    table = open_table(file(tmp_path / "t.csv", b"\xef\xbb\xbf" + text.encode()), MAX)
    assert table.names == ("name", "price", "city")
    assert table.rows == 40
    kinds = {"name": ("id", ""), "price": ("numeric", ""), "city": ("categorical", "")}
    chunks = [pd.DataFrame(chunk) for chunk in table.chunks(kinds)]
    read = pd.concat(chunks)
    assert read["price"].tolist() == [i / 4 for i in range(40)]
    assert set(read["city"]) == {"Zürich"}


def test_quotes_hide_delimiters_line_ends_and_quotes(tmp_path: Path):
    text = 'id,text\n1,"a, b"\n2,"two\nlines"\n3,"she said ""no"""\n\n4,plain\n'
    table = open_table(file(tmp_path / "t.csv", text), MAX)
    assert table.rows == 4
    read = pd.concat([pd.DataFrame(chunk) for chunk in table.chunks({"text": ("categorical", "")})])
    assert read["text"].tolist() == ["a, b", "two\nlines", 'she said "no"', "plain"]


def test_missing_codes_and_decimal_commas_are_read_as_they_are_meant(tmp_path: Path):
    """A code keeps its zeros; a decimal comma is one where the delimiter leaves it free."""
    text = "plz;preis;leer\n" + "".join(f"0{i % 10}123;{i},5;{'NA' if i % 2 else 'x'}\n" for i in range(60))
    table = file(tmp_path / "t.csv", text)
    row = {c.name: c for c in describe(Describe(table=table, max_bytes=MAX)).columns}
    assert row["plz"].kind == "categorical"
    assert row["preis"].kind == "numeric"
    assert row["leer"].missing == 0.5
    opened = open_table(table, MAX)
    kinds = {name: (row[name].kind, "") for name in row}
    read = pd.concat([pd.DataFrame(chunk) for chunk in opened.chunks(kinds)])
    assert read["preis"].tolist() == [i + 0.5 for i in range(60)]
    assert read["plz"].iloc[1] == "01123"


def test_the_sample_is_spread_evenly_over_a_large_file(monkeypatch: pytest.MonkeyPatch):
    """With and without quotes: a sorted file shows all of its values."""
    monkeypatch.setattr(checked, "_SAMPLED_ROWS", 250)
    for quoted in (False, True):
        found = check(io.BytesIO(numbered(5_000, quoted).encode()))
        ids = np.array([int(row[0]) for row in found.sample])
        assert 250 <= len(ids) < 500
        assert len(set(np.diff(ids))) == 1
        assert ids[-1] > 4_900


def test_a_row_as_long_as_a_book_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checked, "_BLOCK", 1_000)
    monkeypatch.setattr(checked, "_LONGEST_ROW", 5_000)
    for long in (b"a,b\n1," + b"2" * 20_000 + b"\n3,4\n", b'a,b\n1,"' + b"2" * 20_000 + b'"\n3,4\n'):
        with pytest.raises(Refused, match=r"longer than|field larger"):
            check(io.BytesIO(long))


def test_parquet_and_csv_give_the_same_report(tmp_path: Path):
    """But for what a CSV cannot say."""
    rng = np.random.default_rng(0)
    sides = []
    for drift in (0.0, 0.5):
        frame = pd.DataFrame(
            {
                "price": rng.normal(drift, 1, 4_000).round(3),
                "colour": rng.choice(["red", "green"], 4_000, p=[0.5 + drift / 4, 0.5 - drift / 4]),
                "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 90, 4_000), unit="D"),
                "paid": rng.random(4_000) < 0.5,
            }
        )
        frame.to_csv(tmp_path / f"{drift}.csv", index=False)
        frame.to_parquet(tmp_path / f"{drift}.parquet")
        sides.append(str(drift))
    found = {}
    for kind in ("csv", "parquet"):
        a, b = (TableFile(path=str(tmp_path / f"{side}.{kind}"), name=side) for side in sides)
        report = compare(Compare(reference=a, current=b, p_threshold=0.05, max_bytes=MAX)).report
        found[kind] = {row.name: (row.kind, row.p_value, row.effect, row.drifted) for row in report.columns}
    assert found["csv"] == found["parquet"]
    assert found["csv"]["price"][3]
    with pytest.raises(Refused, match=r"tabular\.max_bytes"):
        open_table(TableFile(path=str(tmp_path / "0.0.parquet"), name="x"), 1_000)


def test_parquet_of_lists_is_compared_column_by_column(tmp_path: Path):
    """A column of lists says that it cannot be; the others can."""
    path = tmp_path / "t.parquet"
    pd.DataFrame({"x": np.arange(100) / 7, "lists": [[1, 2]] * 100}).to_parquet(path)
    table = TableFile(path=str(path), name="t")
    report = compare(Compare(reference=table, current=table, p_threshold=0.05, max_bytes=MAX)).report
    rows = {row.name: row for row in report.columns}
    assert rows["x"].p_value == 1.0
    assert rows["lists"].p_value is None
    assert "not compared" in rows["lists"].note


def test_schema_findings_name_new_missing_and_retyped_columns(tmp_path: Path):
    a = file(tmp_path / "a.csv", "x,gone,code\n" + "1,2,3\n" * 50)
    b = file(tmp_path / "b.csv", "x,new,code\n" + "1,2,abc\n" * 50)
    report = compare(Compare(reference=a, current=b, p_threshold=0.05, max_bytes=MAX)).report
    assert report.schema == (
        "new: new, not in the reference",
        "gone: missing from the current sample",
        "code: re-typed, numbers -> strings",
    )


def test_tables_without_a_shared_column_are_refused_with_both_lists(tmp_path: Path):
    a, b = file(tmp_path / "a.csv", "a,b\n1,2\n"), file(tmp_path / "b.csv", "c,d\n1,2\n")
    with pytest.raises(Refused, match="share no column: the reference has a, b, the current table c, d"):
        compare(Compare(reference=a, current=b, p_threshold=0.05, max_bytes=MAX))


def test_a_refusal_says_which_of_two_tables(tmp_path: Path):
    a, b = file(tmp_path / "a.csv", "a,b\n1,2\n"), file(tmp_path / "b.csv", "")
    with pytest.raises(Refused, match=r"current table 'b\.csv': The file is empty"):
        compare(Compare(reference=a, current=b, p_threshold=0.05, max_bytes=MAX))
    with pytest.raises(Refused, match=r"reference 'b\.csv': The file is empty"):
        compare(Compare(reference=b, current=a, p_threshold=0.05, max_bytes=MAX))


def test_the_shipped_table_is_what_its_readme_says():
    with open_bytes(SHIPPED.path, MAX) as stream:
        shipped = check(stream)
    assert shipped.rows == 4_521
    assert shipped.names[0] == "age"
    assert len(shipped.names) == 17


def test_young_rows_of_the_other_half_have_drifted_in_age_and_what_goes_with_it():
    found = simulate(Simulate(age_threshold=35, p_threshold=0.05, seed=0))
    assert found.report.reference_rows == 2_260
    assert 600 < found.report.current_rows < 1_000
    first = found.report.columns[0]
    assert (first.name, first.drifted) == ("age", True)
    assert "mean" in first.direction
    assert BANK in found.reference


def test_everybody_of_the_other_half_is_no_drift():
    """200 seeds of it would take a minute; the families of 30 stay within the binomial bound of 5 %."""
    alarms = 0
    for seed in range(30):
        found = simulate(Simulate(age_threshold=150, p_threshold=0.05, seed=seed)).report
        alarms += any(row.p_adjusted is not None and row.p_adjusted <= 0.05 for row in found.columns)
        assert not found.drifted
    assert alarms <= 4  # P(more | 30, .05) < .02


def test_nobody_that_young_is_refused():
    with pytest.raises(Refused, match="the youngest is"):
        simulate(Simulate(age_threshold=3, p_threshold=0.05, seed=0))


def drifted(a: TableFile, b: TableFile) -> dict[str, bool]:
    report = compare(Compare(reference=a, current=b, p_threshold=0.05, max_bytes=MAX)).report
    return {row.name: row.drifted for row in report.columns}


def test_a_code_keeps_its_zeros_whatever_stands_beside_it(tmp_path: Path):
    """Also where a whole chunk holds nothing but digits, and in Parquet."""
    codes = [f"{i % 40 * 211:05d}" for i in range(4_000)]
    rows = [f"{code},{i % 9}" for i, code in enumerate(codes)]
    a = file(tmp_path / "a.csv", "\n".join(["zip,v", *rows]))
    b = file(tmp_path / "b.csv", "\n".join(["zip,v", *rows[:-1], "K1A,3"]))
    c = tmp_path / "c.parquet"
    pd.DataFrame({"zip": codes, "v": [i % 9 for i in range(4_000)]}).to_parquet(c)
    assert drifted(a, b) == {"zip": False, "v": False}
    assert drifted(a, TableFile(path=str(c), name="c")) == {"zip": False, "v": False}
    sevens = file(
        tmp_path / "sevens.csv", "\n".join(["zip,v", *(f"{['007', '7', '07'][i % 3]},1" for i in range(900))])
    )
    same = file(tmp_path / "same.csv", "\n".join(["zip,v", *("007,1" for _ in range(900))]))
    assert drifted(sevens, same)["zip"]


def test_truth_is_the_same_however_it_is_written(tmp_path: Path):
    """0 and 1, with decimals, with a decimal comma, as words, in a file's own delimiter."""
    rng = np.random.default_rng(5)
    truth, price = rng.random(3_000) < 0.4, rng.normal(9, 1, 3_000).round(2)
    written = {
        "digits": (",", lambda t: str(int(t)), str),
        "decimals": (",", lambda t: f"{int(t)}.0", str),
        "words": (",", lambda t: str(bool(t)), str),
        "german": (";", lambda t: str(int(t)), lambda p: str(p).replace(".", ",")),
        "german decimals": ("\t", lambda t: f"{int(t)},0", lambda p: str(p).replace(".", ",")),
    }
    tables = []
    for name, (delimiter, of_truth, of_price) in written.items():
        lines = [f"{of_truth(t)}{delimiter}{of_price(p)}" for t, p in zip(truth, price, strict=True)]
        tables.append(file(tmp_path / name, "\n".join([f"paid{delimiter}price", *lines])))
    for a in tables:
        for b in tables:
            assert drifted(a, b) == {"paid": False, "price": False}, (a.name, b.name)


def test_an_index_that_pandas_wrote_is_no_column_and_a_named_one_is(tmp_path: Path):
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"x": rng.normal(size=500), "group": rng.choice(["a", "b"], 500)})
    for name, one in (
        ("filtered", frame[frame.x > -1]),
        ("sorted", frame.sort_values("x")),
        ("named", frame.set_index("group")),
    ):
        path = tmp_path / f"{name}.parquet"
        one.to_parquet(path)
        table = open_table(TableFile(path=str(path), name=name), MAX)
        assert set(table.names) == {"x", "group"}
        assert describe(Describe(table=TableFile(path=str(path), name=name), max_bytes=MAX)).rows == len(one)


def test_lines_of_spaces_are_no_rows(tmp_path: Path):
    """Before the header, between rows, and in a table of one column."""
    for text in (" \na\tb\n1\t2\n  \n3\t4\n \n", '  \na,b\n"1",2\n \n3,4\n', "a\n1\n   \n2\n"):
        table = open_table(file(tmp_path / "t", text), MAX)
        assert table.names[0] == "a"
        assert table.rows == 2
        kinds = {name: ("numeric", "") for name in table.names}
        assert sum(len(pd.DataFrame(chunk)) for chunk in table.chunks(kinds)) == 2


def test_headers_that_begin_like_other_formats_are_headers(tmp_path: Path):
    for header in ("ORCID,name", "PAR1,PAR2", "BZh,x", "PKW,x"):
        assert open_table(file(tmp_path / "t", f"{header}\n1,2\n"), MAX).rows == 1


def test_a_pipe_is_refused_in_one_line(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(Refused, match="is no file"):
            open_table(TableFile(path=str(path), name="x"), MAX)


def test_long_fields_are_read_in_smaller_chunks_and_sampled_in_part(tmp_path: Path):
    """Memory is bounded by bytes, not by rows: 40 MB of text come in several chunks, none of half a million rows."""
    text = "word " * 800
    path = tmp_path / "long.csv.gz"
    with gzip.open(path, "wt", compresslevel=1) as out:
        out.write("id,text\n")
        for i in range(10_000):
            out.write(f"{i},{text}\n")
    table = open_table(TableFile(path=str(path), name="long"), MAX)
    assert max(len(str(value)) for value in table.sample["text"]) <= 256
    chunks = [len(pd.DataFrame(chunk)) for chunk in table.chunks({"id": ("id", ""), "text": ("text", "")})]
    assert sum(chunks) == 10_000
    assert max(chunks) <= 9_000


def test_a_wide_table_is_sampled_by_fewer_rows(tmp_path: Path):
    header, row = ",".join(f"c{i}" for i in range(1_000)), ",".join("1.5" for _ in range(1_000))
    table = open_table(file(tmp_path / "wide.csv", "\n".join([header, *[row] * 1_500])), MAX)
    assert table.rows == 1_500
    assert 500 <= len(table.sample["c0"]) < 1_000


def test_names_that_differ_in_capitals_only_are_pointed_out(tmp_path: Path):
    a, b = file(tmp_path / "a.csv", "age,job\n1,2\n"), file(tmp_path / "b.csv", "AGE,Job\n1,2\n")
    with pytest.raises(Refused, match="differ in capitals"):
        compare(Compare(reference=a, current=b, p_threshold=0.05, max_bytes=MAX))


def test_a_value_that_is_no_number_is_shown(tmp_path: Path):
    numbers = "".join(f"{i / 7:.2f}\n" for i in range(500))
    money = "".join(f"${i / 7:.2f}\n" for i in range(500))
    a, b = file(tmp_path / "a.csv", "price\n" + numbers), file(tmp_path / "b.csv", "price\n" + money)
    report = compare(Compare(reference=a, current=b, p_threshold=0.05, max_bytes=MAX)).report
    assert "such as “$0.00”" in report.columns[0].note
