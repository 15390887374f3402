"""`driftium tabular`, as a shell or a CI job runs it."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

USAGE, ERROR, DRIFT = 2, 1, 3


def driftium(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "proxy", "tabular", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "100"})


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference; the same without drift; the same with its price in cents; one without a column."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)

    def rows(n: int) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "price": rng.lognormal(3, 0.5, n).round(2),
                "colour": rng.choice(["red", "green", "blue"], n),
                "size": rng.poisson(4, n),
            }
        )

    rows(2_000).to_csv(folder / "reference.csv", index=False)
    same = rows(1_500)
    (folder / "same.csv.gz").write_bytes(gzip.compress(same.to_csv(index=False).encode()))
    same.assign(price=same["price"] * 100).to_parquet(folder / "cents.parquet")
    same.drop(columns="size").to_csv(folder / "narrow.csv", index=False)
    return folder


def test_without_drift_a_job_passes(tables: Path):
    told = driftium(tables / "reference.csv", tables / "same.csv.gz", "--fail-on", "drift")
    assert told.returncode == 0, told.stderr
    assert "No drift" in told.stdout
    assert "Traceback" not in told.stderr


def test_drift_fails_the_job_and_is_said_in_words(tables: Path):
    told = driftium(tables / "reference.csv", tables / "cents.parquet", "--fail-on", "drift")
    assert told.returncode == DRIFT
    assert "1 of 3 columns has drifted, price the most" in " ".join(told.stdout.split())
    assert "100" in told.stdout
    assert driftium(tables / "reference.csv", tables / "cents.parquet").returncode == 0, "only --fail-on makes it fail"


def test_json_is_the_answer_of_the_route(tables: Path):
    told = driftium(tables / "reference.csv", tables / "cents.parquet", "--json")
    found = json.loads(told.stdout)
    assert set(found) >= {"generated_at", "summary", "display_rows", "report_id"}
    assert found["summary"]["drifted"] == 1
    first = found["display_rows"][0]
    assert (first["name"], first["drifted"], first["effect_name"]) == ("price", True, "ks_d")
    assert first["patterns"][0]["name"] == "scaled"


def test_the_report_is_one_file(tables: Path, tmp_path: Path):
    """And what stands in it is what was printed."""
    report = tmp_path / "report.html"
    told = driftium(tables / "reference.csv", tables / "cents.parquet", "--html", report)
    assert told.returncode == 0
    assert str(report.name) in told.stdout.replace("\n", "")
    html = report.read_text()
    assert html.lower().startswith("<!doctype html>")
    assert "price" in html
    assert "http://" not in html.replace("http://www.w3.org/", "")


def test_a_missing_column_can_fail_a_job(tables: Path):
    assert driftium(tables / "reference.csv", tables / "narrow.csv", "--fail-on", "drift").returncode == 0
    told = driftium(tables / "reference.csv", tables / "narrow.csv", "--fail-on", "schema")
    assert told.returncode == DRIFT
    assert "size: missing from the current sample" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["reference.csv", "nowhere.csv"], ERROR, "There is no file"),
        (["nowhere.csv", "reference.csv"], ERROR, "reference 'nowhere.csv'"),
        (["reference.csv", "."], ERROR, "is no file"),
        (["reference.csv", "ragged.csv"], ERROR, "Row 2 has 2 fields, the header 3"),
        (["reference.csv"], USAGE, "CURRENT"),
        (["reference.csv", "same.csv.gz", "--p-threshold", "1"], USAGE, "range"),
        (["reference.csv", "same.csv.gz", "--fail-on", "anything"], USAGE, "drift"),
        (["reference.csv", "same.csv.gz", "--html", "no/such/folder.html"], ERROR, "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tables: Path, arguments: list[str], code: int, says: str):
    (tables / "ragged.csv").write_text("price,colour,size\n1,red,2\n1,red\n")
    named = [str(tables / one) if "." in one and not one.startswith("-") else one for one in arguments]
    told = driftium(*named)
    assert told.returncode == code
    assert says in told.stderr
    assert "Traceback" not in told.stderr


def test_a_fault_in_few_rows_and_too_few_rows_are_told(tables: Path, tmp_path: Path):
    """Neither is called drift, and neither passes for "nothing happened"."""
    frame = pd.read_csv(tables / "same.csv.gz")
    frame.assign(price=np.where(np.arange(len(frame)) % 25 == 0, -999, frame["price"])).to_csv(tmp_path / "few.csv")
    told = " ".join(driftium(tables / "reference.csv", tmp_path / "few.csv", "--fail-on", "drift").stdout.split())
    assert "Slightly but surely changed: price." in told
    assert "down to -999" in told
    frame[:1].to_csv(tmp_path / "one.csv", index=False)
    one = driftium(tables / "reference.csv", tmp_path / "one.csv", "--fail-on", "drift")
    assert one.returncode == ERROR
    assert "Too few rows to tell" in one.stdout
    assert "too few to judge by" in one.stderr


def test_the_report_does_not_replace_a_table(tables: Path):
    before = (tables / "reference.csv").read_bytes()
    told = driftium(tables / "reference.csv", tables / "same.csv.gz", "--html", tables / "reference.csv")
    assert told.returncode == ERROR
    assert (tables / "reference.csv").read_bytes() == before
