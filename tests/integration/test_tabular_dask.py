"""Tables compared by a real cluster of Dask: two worker processes, of which some die."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from drift.policy import TABLE
from drift.tabular.report import TabularReport
from proxy.tabular import dask_cluster, reading, work
from proxy.tabular.dask_cluster import connected
from proxy.tabular.dask_engine import Side, compare
from proxy.tabular.dask_files import listed
from proxy.tabular.records import Compare, Refused, TableFile
from tests.conftest import free_port, wait_until
from tests.integration.dask_processes import driftium, members, resident, scheduler, worker

distributed = pytest.importorskip("distributed")

OK, ERROR, DRIFT = 0, 1, 3
MEMORY = 700 * 2**20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A scheduler here, and two workers of one thread each."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        memory_limit=MEMORY,
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
        silence_logs=100,
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    with distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=240)
        yield client


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests starts workers late."""
    for name in ("CONNECT_SECONDS", "WORKERS_SECONDS", "ANSWER_SECONDS", "START_SECONDS"):
        monkeypatch.setattr(dask_cluster, name, 240.0)


def bank() -> pd.DataFrame:
    """The shipped table, with a column of dates and one without any value in its first quarter."""
    table = pd.read_csv(work.SHIPPED.path)
    days = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(len(table)) % 365, unit="D")
    late = table["balance"].astype(float).where(table.index >= len(table) // 4)
    return table.assign(day=days, late=late)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tables that differ, each as one file and in a folder of parts of unequal sizes and row groups."""
    folder = tmp_path_factory.mktemp("parts")
    whole = bank().sample(frac=1, random_state=1, ignore_index=True)
    old = whole["age"] > 38
    for name, table in (("reference", whole[old | (whole.index % 3 == 0)]), ("current", whole[~old])):
        table.to_parquet(folder / f"{name}.parquet", row_group_size=500)
        parts = folder / name
        (parts / "later").mkdir(parents=True)
        cuts = [0, 300, 301, 900, len(table)]
        for number, (start, end) in enumerate(pairwise(cuts)):
            part = table[start:end]
            if number == 2:
                # The same numbers, written as another type.
                part = part.astype({"age": "float64", "duration": "int32"})
            part.to_parquet(parts / ("later" if number == 3 else "") / f"part-{number}.parquet", row_group_size=250)
        (parts / "_SUCCESS").touch()
        table[:0].to_parquet(parts / "empty.parquet")
    return folder


def ignored(step: str, new: int, ended: int) -> None:
    """The bar of a test that shows none."""


def by_dask(client: Any, reference: Any, current: Any, bar: Any = ignored) -> TabularReport:
    sides = [Side("reference", str(reference), listed(str(reference)))]
    sides.append(Side("current table", str(current), listed(str(current))))
    return compare(client, *sides, p_threshold=0.05, effect_threshold=TABLE.effect_threshold, bar=bar).report


def by_pandas(reference: Path, current: Path) -> TabularReport:
    files = [TableFile(path=str(path), name=path.name) for path in (reference, current)]
    return work.compare(Compare(reference=files[0], current=files[1], p_threshold=0.05, max_bytes=2**40)).report


@pytest.fixture(scope="module")
def expected(tables: Path) -> TabularReport:
    return by_pandas(tables / "reference.parquet", tables / "current.parquet")


def test_the_report_is_that_of_pandas(client: Any, tables: Path, expected: TabularReport):
    """To the last digit while every value is held, of a folder and of a glob."""
    told = by_dask(client, tables / "reference", f"{tables}/current/**/*.parquet")
    assert msgspec.to_builtins(told) == msgspec.to_builtins(expected)
    assert {row.name: row.drifted for row in told.columns}["age"]


def test_csv_is_read_a_file_a_task(client: Any, tables: Path, tmp_path: Path):
    for name in ("reference", "current"):
        table = pd.read_parquet(tables / f"{name}.parquet").drop(columns=["day", "late"])
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        table[:700].to_csv(tmp_path / f"{name}-1.csv", index=False)
        table[700:].to_csv(tmp_path / f"{name}-2.csv.gz", index=False)
    whole = by_pandas(tmp_path / "reference.csv", tmp_path / "current.csv")
    told = by_dask(client, f"{tmp_path}/reference-*", f"{tmp_path}/current-*")
    assert msgspec.to_builtins(told) == msgspec.to_builtins(whole)


def test_past_the_bound_the_error_is_stated(client: Any, tmp_path: Path):
    """Counts, missing values and extremes are exact; D is as near to the exact one as its row says."""
    rng = np.random.default_rng(5)
    rows = 40_000
    sides = []
    for name, shift in (("a", 0.0), ("b", 0.2)):
        table = pd.DataFrame({"x": rng.normal(shift, 1, rows), "n": rng.poisson(3 + 3 * shift, rows).astype(float)})
        table.loc[rng.random(rows) < 0.1, "x"] = np.nan
        table["word"] = rng.choice(["red", "green"], rows)
        table.to_parquet(tmp_path / f"{name}.parquet", row_group_size=3_000)
        sides.append(table)
    exact = {row.name: row for row in by_pandas(tmp_path / "a.parquet", tmp_path / "b.parquet").columns}
    client.run(exec, "import proxy.tabular.dask_tasks as tasks; tasks.EXACT_VALUES = 9_000")
    try:
        told = {row.name: row for row in by_dask(client, tmp_path / "a.parquet", tmp_path / "b.parquet").columns}
    finally:
        client.run(exec, f"import proxy.tabular.dask_tasks as tasks; tasks.EXACT_VALUES = {reading.EXACT_VALUES}")
    assert told["word"] == exact["word"]
    for name in ("x", "n"):
        here, there = told[name], exact[name]
        assert here.test == "ks_sketched"
        assert here.effect is not None
        assert there.effect is not None
        # The bound holds in 99 of 100 runs; twice as much, practically always.
        assert abs(here.effect - there.effect) <= 2 * here.figures["d_error"]
        assert "99 % confidence" in here.note
        assert (here.drifted, here.reference_missing, here.reference_rows) == (
            there.drifted,
            there.reference_missing,
            there.reference_rows,
        )
        for figure in ("reference_mean", "current_std", "reference_min", "current_max"):
            assert here.figures[figure] == pytest.approx(there.figures[figure], rel=1e-9)


def test_workers_that_are_killed_change_nothing(client: Any, tables: Path, expected: TabularReport):
    """One as it takes samples, one while profiles are merged: what they held is made again."""
    killed: set[str] = set()

    def kill(step: str, new: int, ended: int) -> None:
        at_once = step == "taking a sample"
        if step not in killed and (at_once or (step == "comparing" and ended)):
            killed.add(step)
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    told = by_dask(client, tables / "reference", tables / "current", kill)
    assert killed == {"taking a sample", "comparing"}
    assert msgspec.to_builtins(told) == msgspec.to_builtins(expected)


def test_a_workers_memory_stays_below_a_bound(client: Any, tmp_path: Path):
    """A table three times what a worker adds to its memory at most: row groups are read one after the other."""
    rng = np.random.default_rng(6)
    rows, files, words = 100_000, 8, 400
    letters = rng.integers(97, 123, (rows, words), dtype=np.uint8)
    letters[:, 5::6] = ord(" ")
    table = pd.DataFrame({"x": rng.normal(size=rows), "text": [row.tobytes().decode() for row in letters]})
    table.to_parquet(tmp_path / "0.parquet", row_group_size=rows // 4, compression="none")
    for number in range(1, files):
        (tmp_path / f"{number}.parquet").symlink_to(tmp_path / "0.parquet")
    table[:1_000].to_csv(tmp_path / "small.csv", index=False)
    # What loads late has loaded.
    by_dask(client, tmp_path / "0.parquet", tmp_path / "small.csv")
    client.run(Path("/proc/self/clear_refs").write_text, "5")
    before = client.run(resident, "VmRSS")
    told = by_dask(client, tmp_path / "*.parquet", tmp_path / "small.csv")
    grown = {worker: peak - before[worker] for worker, peak in client.run(resident, "VmHWM").items()}
    assert told.reference_rows == rows * files
    assert max(grown.values()) < rows * files * words / 3, grown


def joined(engine: str) -> contextlib.AbstractContextManager[Any]:
    return connected(engine, workers=None, memory=None, warn=pytest.fail)


def test_a_scheduler_without_workers_or_with_strange_ones_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with scheduler(tmp_path) as (engine, _):
        with monkeypatch.context() as impatient:
            impatient.setattr(dask_cluster, "WORKERS_SECONDS", 0.2)
            with pytest.raises(Refused, match="has had no worker for"), joined(engine):
                pass
        other = tmp_path / "other" / "driftium-9.9.dist-info"
        other.mkdir(parents=True)
        (other / "METADATA").write_text("Metadata-Version: 2.1\nName: driftium\nVersion: 9.9\n")
        with (
            worker(engine, tmp_path, PYTHONPATH=str(other.parent)),
            pytest.raises(Refused, match=r"has Driftium 9\.9, this client .*pip install"),
            joined(engine),
        ):
            pass


def test_a_lost_scheduler_ends_the_comparison(tmp_path: Path, tables: Path):
    with scheduler(tmp_path) as (engine, process), worker(engine, tmp_path), joined(engine) as client:

        def kill(step: str, new: int, ended: int) -> None:
            if step == "comparing":
                process.kill()

        with pytest.raises(Refused, match="scheduler of the cluster was lost"):
            by_dask(client, tables / "reference", tables / "current", kill)


def test_a_scheduler_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 0.5)
    with pytest.raises(Refused, match="No scheduler of Dask has answered"), joined(f"dask://127.0.0.1:{free_port()}"):
        pass


def faulty(folder: Path, table: Path) -> dict[str, str]:
    """Tables that cannot be compared, by what is said of them."""
    rows = pd.read_parquet(table)
    for name in ("cut", "narrow", "retyped", "mixed", "nothing"):
        (folder / name).mkdir()
        rows.to_parquet(folder / name / "0.parquet")
    (folder / "cut" / "1.parquet").write_bytes(table.read_bytes()[:-500])
    rows.drop(columns="age").to_parquet(folder / "narrow" / "1.parquet")
    rows.assign(age=rows["age"].astype(str)).to_parquet(folder / "retyped" / "1.parquet")
    rows.to_csv(folder / "mixed" / "1.csv", index=False)
    rows[:0].to_parquet(folder / "nothing" / "0.parquet")
    (folder / "none").mkdir()
    damaged = bytearray(table.read_bytes())
    damaged[100:2_000] = bytes(1_900)
    (folder / "damaged.parquet").write_bytes(damaged)
    return {
        "cut": "1.parquet: The Parquet file is cut short",
        "narrow": "1.parquet lacks age that",
        "retyped": "column age holds strings in",
        "mixed": "one is Parquet and one is CSV",
        "nothing": "no rows",
        "none": "no file ends with",
        "*.csv": "no such file",
        "damaged.parquet": "damaged.parquet: cannot be read",
    }


def test_tables_that_cannot_be_compared_say_why(client: Any, tables: Path, tmp_path: Path):
    """In one line that names the side, and the file where it is one's."""
    whole = tables / "current.parquet"
    for name, says in faulty(tmp_path, whole).items():
        with pytest.raises(Refused) as refused:
            by_dask(client, whole, tmp_path / name)
        assert says in refused.value.detail
        assert "\n" not in refused.value.detail


def test_the_command_starts_a_cluster_of_its_own(tables: Path, expected: TabularReport):
    """And what it prints, and how it ends, is as with pandas."""
    options = ["--json", "--fail-on", "drift", "--engine", "dask", "--workers", "2", "--worker-memory", "1GiB"]
    process = driftium(tables / "reference", f"{tables}/current/**/*.parquet", *options)
    out, err = process.communicate(timeout=400)
    assert (process.returncode, err) == (DRIFT, "")
    told = json.loads(out)
    assert told["display_rows"] == json.loads(msgspec.json.encode(expected.columns))
    assert told["summary"]["reference"].endswith("(5 files)")


def test_ctrl_c_ends_the_command_and_its_workers(tables: Path):
    process = driftium(tables / "reference", tables / "current", "--engine", "dask", "--workers", "2")
    group = os.getpgid(process.pid)
    wait_until(lambda: len(members(group)) >= 3, seconds=240, what="the workers run")
    os.killpg(group, signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode == ERROR
    assert "Traceback" not in err
    wait_until(lambda: not members(group), seconds=240, what="no worker is left")
