"""A folder of the first version is taken up, backed up under traffic, and goes on elsewhere as if nothing had been."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Driftium, wait_until
from tests.first_schema import FIRST_BASELINE, first_data, first_vectors
from tests.scripted import Upstream, replay

ENV = {"DRIFTIUM_DRIFT__WINDOWS": "[5]", "DRIFTIUM_DRIFT__REPORT_SECONDS": "0.1"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(replay({f"question {i}": f"the answer to number {i} is {i * i}" for i in range(40)})) as running:
        yield running


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Driftium]:
    """A Driftium of today on what the first version left."""
    folder = tmp_path_factory.mktemp("old") / "data"
    first_data(folder)
    first_vectors(folder)
    running = Driftium(folder, upstream.url, env=ENV).start()
    yield running
    running.stop()


def cli(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "proxy", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_what_the_first_version_left_is_scored_on(old: Driftium):
    assert old.get("/drift")["baseline_id"] == FIRST_BASELINE
    for i in range(3):
        old.chat(f"question {i}")
    old.wait_until_scored(36)
    told = old.get("/drift", fresh=True)
    assert (told["status"], told["baseline_id"], told["baseline_size"], told["observed"]) == (
        "ready",
        FIRST_BASELINE,
        24,
        12,
    )
    assert [point["severity"] for point in old.get("/drift/history", limit=100)["history"]][-1] == "LOW"


def test_a_backup_under_traffic_is_restored_and_nothing_is_embedded_again(
    old: Driftium, upstream: Upstream, tmp_path: Path
):
    stop = threading.Event()

    def ask() -> None:
        i = 0
        while not stop.wait(0.05):
            old.chat(f"question {i % 40}").raise_for_status()
            i += 1

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        old.wait_until_scored(45)
        done = cli("backup", str(tmp_path / "kept.tar.gz"), "--data-dir", str(old.data_dir), cwd=tmp_path)
    finally:
        stop.set()
        asking.join()
    assert done.returncode == 0, done.stderr
    assert not list(old.data_dir.glob(".backup-*"))

    restored = cli("restore", str(tmp_path / "kept.tar.gz"), "--data-dir", str(tmp_path / "new"), cwd=tmp_path)
    assert restored.returncode == 0, restored.stderr
    before = Driftium(tmp_path / "new", upstream.url, "--no-worker", env=ENV).start()
    try:
        was = seen(before)
    finally:
        before.stop()
    assert 45 <= was["scored"] <= seen(old)["scored"]
    assert was["baselines"] == seen(old)["baselines"]
    old_points = old.get("/drift/history", limit=1000)["history"]
    assert [point for point in was["history"] if point not in old_points] == []

    new = Driftium(tmp_path / "new", upstream.url, env=ENV).start()
    try:
        new.wait_for_worker()
        # What was logged after the moment of the copy is scored, and nothing twice.
        wait_until(lambda: new.get("/drift")["lag_exchanges"] == 0)
        start = seen(new)["scored"]
        assert embedded(new) == start - was["scored"] + was["embedded"]
        for i in range(3):
            new.chat(f"question {i}")
        new.wait_until_scored(start + 3)
        told = new.get("/drift", fresh=True)
        assert (told["status"], told["baseline_id"]) == ("ready", FIRST_BASELINE)
        assert told["observed"] == start + 3 - 24
    finally:
        new.stop()
    for line in new.stderr.read_text().splitlines():
        json.loads(line)


def seen(running: Driftium) -> dict[str, Any]:
    (row,) = running.get("/monitors")["monitors"]
    return {
        "scored": row["coverage"]["scored"],
        "baselines": running.get("/baseline")["baselines"],
        "history": running.get("/drift/history", limit=1000)["history"],
        "embedded": embedded(running),
    }


def embedded(running: Driftium) -> int:
    """How many answers were ever embedded, as the metrics tell."""
    lines = running.client.get("/metrics").text.splitlines()
    (count,) = (line for line in lines if line.startswith("driftium_embedding_duration_seconds_count"))
    return int(float(count.rpartition(" ")[2]))
