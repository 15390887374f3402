"""What is erased is gone: from every answer, from the worker's memory, and from the bytes on the disk."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import Driftium, wait_until
from tests.scripted import Upstream, replay

ENV = {
    "DRIFTIUM_DRIFT__WINDOWS": "[5]",
    "DRIFTIUM_DRIFT__EXPECTED_RUN_LENGTH": "100",
    "DRIFTIUM_DRIFT__REPORT_SECONDS": "0.1",
}
IN_BASELINE, IN_WINDOW, WITHOUT_WORKER = "zebraquartz", "ostrichpearl", "walrusamber"
OTHERS = "team/a b"


def words(secret: str) -> str:
    return f"My word is {secret}, remember {secret} well"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    answers = {words(secret): f"You said {secret}, I think" for secret in (IN_BASELINE, IN_WINDOW, WITHOUT_WORKER)}
    answers |= {f"question {i}": f"the answer to number {i} is {i * i}" for i in range(40)}
    with Upstream(replay(answers)) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("erased") / "data"


@pytest.fixture(scope="module")
def server(folder: Path, upstream: Upstream) -> Iterator[tuple[Driftium, dict[str, str]]]:
    """A baseline of 24 answers and a window of 12 after it, one of each with a secret; the ids of those."""
    running = Driftium(folder, upstream.url, env=ENV).start()
    try:
        running.wait_for_worker()
        ids = {}
        for i in range(23):
            running.chat(f"question {i}")
        ids[IN_BASELINE] = ask(running, IN_BASELINE)
        running.wait_until_scored(24)
        assert running.client.post("/baseline", json={}).status_code == 201
        for i in range(11):
            running.chat(f"question {i}")
        ids[IN_WINDOW] = ask(running, IN_WINDOW)
        for i in range(3):
            running.chat(f"question {i}", headers={"x-driftium-monitor": OTHERS})
        ask(running, OTHERS, OTHERS)
        running.wait_until_scored(36)
        running.wait_until_scored(4, OTHERS)
        running.get("/drift", fresh=True)
        yield running, ids
    finally:
        running.stop()


def ask(running: Driftium, secret: str, monitor: str | None = None) -> str:
    headers = {"x-driftium-monitor": monitor} if monitor else {}
    return str(running.chat(words(secret), headers=headers).headers["x-driftium-exchange-id"])


def holding(folder: Path, *wanted: str) -> list[str]:
    """The files in the data folder that hold one of these, write-ahead logs and vectors too."""
    found = []
    for path in folder.rglob("*"):
        # The test's own redirection of standard error.
        if path.is_file() and path.name != "stderr.log":
            held = path.read_bytes().lower()
            found += [f"{path.name}: {one}" for one in wanted if one.encode() in held]
    return found


def shown(running: Driftium) -> str:
    """All that can be read over HTTP."""
    paths = ("/samples?limit=100", "/samples?limit=100&order=witness", "/drift", "/drift/history", "/monitors")
    return "".join(running.client.get(p).text for p in (*paths, "/drift/evidence", "/drift/rca", "/metrics")).lower()


def test_an_exchange_of_the_window_is_gone_and_scoring_goes_on(server: tuple[Driftium, dict[str, str]], folder: Path):
    running, ids = server
    assert IN_WINDOW in shown(running)
    assert holding(folder, IN_WINDOW)
    erased = running.client.delete(f"/exchanges/{ids[IN_WINDOW]}")
    assert erased.status_code == 200, erased.text
    assert erased.json()["exchange_id"] == ids[IN_WINDOW]
    assert IN_WINDOW not in shown(running)
    wait_until(lambda: not holding(folder, IN_WINDOW), what="its bytes are gone")
    vectors = folder / "vectors"
    assert not holding(vectors, ids[IN_WINDOW])
    running.chat("question 30")
    running.wait_until_scored(37)
    assert running.get("/drift", fresh=True)["status"] == "ready"
    assert IN_WINDOW not in shown(running)


def test_an_exchange_of_the_baseline_leaves_it_smaller(server: tuple[Driftium, dict[str, str]], folder: Path):
    running, ids = server
    before = running.get("/drift")
    assert before["baseline_size"] == 24
    assert running.client.delete(f"/exchanges/{ids[IN_BASELINE]}").status_code == 200
    (baseline,) = running.get("/baseline", monitor="replay")["baselines"]
    assert (baseline["id"], baseline["size"], baseline["active"]) == (before["baseline_id"], 23, True)
    assert IN_BASELINE not in shown(running)
    wait_until(lambda: not holding(folder, IN_BASELINE), what="its bytes are gone")
    assert not holding(folder / "vectors", ids[IN_BASELINE])
    # It is calibrated anew: thresholds of 24 answers hold no longer.
    assert (baseline["calibration"] or {"baseline_samples": 23})["baseline_samples"] == 23
    after = running.get("/drift", fresh=True)
    assert (after["status"], after["observed"]) == ("ready", before["observed"])
    said = [mark["text"] for mark in running.get("/drift/history")["annotations"]]
    assert "One answer was erased from the baseline; 23 are left." in said


def test_erased_again_it_is_erased_still_and_what_is_unknown_is_told(server: tuple[Driftium, dict[str, str]]):
    running, ids = server
    assert running.client.delete(f"/exchanges/{ids[IN_WINDOW]}").status_code == 200
    refused = running.client.delete("/exchanges/ffff")
    assert (refused.status_code, refused.headers["content-type"]) == (404, "application/problem+json")
    assert "ffff" in refused.json()["detail"]
    assert running.client.delete("/monitors/nobody").status_code == 404


def test_a_monitor_is_gone_and_its_name_begins_anew(server: tuple[Driftium, dict[str, str]], folder: Path):
    running, _ = server
    secret = "team/a b"
    assert f'monitor="{OTHERS}"' in running.client.get("/metrics").text
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "erase", "--monitor", OTHERS, "--url", running.url, "--yes"],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "is erased" in done.stdout
    assert OTHERS not in [row["name"] for row in running.get("/monitors")["monitors"]]
    assert f'monitor="{OTHERS}"' not in running.client.get("/metrics").text
    assert running.get("/samples", monitor="replay", limit=100)["current"]
    wait_until(lambda: not holding(folder, words(secret).lower()), what="its bytes are gone")
    assert running.client.delete(f"/monitors/{quote(OTHERS, safe='')}").status_code == 404
    running.chat("question 1", headers={"x-driftium-monitor": OTHERS})
    running.wait_until_scored(1, OTHERS)
    (row,) = (row for row in running.get("/monitors")["monitors"] if row["name"] == OTHERS)
    assert (row["coverage"]["seen"], row["baseline_id"]) == (1, None)


def test_without_a_worker_texts_go_at_once_and_vectors_when_one_starts(
    server: tuple[Driftium, dict[str, str]], folder: Path
):
    running, ids = server
    ids[WITHOUT_WORKER] = ask(running, WITHOUT_WORKER)
    running.wait_until_scored(38)
    running.stop()
    alone = Driftium(folder, running._upstream, "--no-worker", env=ENV).start()
    try:
        assert IN_WINDOW not in shown(alone)
        erased = alone.client.delete(f"/exchanges/{ids[WITHOUT_WORKER]}")
        assert erased.status_code == 202, erased.text
        assert "as soon as a worker can" in erased.json()["message"]
        assert WITHOUT_WORKER not in shown(alone)
        assert not holding(folder, WITHOUT_WORKER)
        assert holding(folder / "vectors", ids[WITHOUT_WORKER])
        assert alone.client.delete(f"/monitors/{quote(OTHERS, safe='')}").status_code == 202
        alone.chat("question 2", headers={"x-driftium-monitor": OTHERS})
    finally:
        alone.stop()
    running.start()
    wait_until(lambda: not holding(folder / "vectors", ids[WITHOUT_WORKER]), what="its vectors are gone")
    # What came after a monitor was erased begins it anew, though the worker erases later still.
    running.wait_until_scored(1, OTHERS)
    (row,) = (row for row in running.get("/monitors")["monitors"] if row["name"] == OTHERS)
    assert row["coverage"]["seen"] == 1


def test_a_monitor_without_traffic_expires(server: tuple[Driftium, dict[str, str]], folder: Path):
    """With monitors.expire_days set to a moment, which has passed for all of them."""
    running, _ = server
    running.stop()
    running._env = ENV | {"DRIFTIUM_MONITORS__EXPIRE_DAYS": "0.00001"}
    running.start()
    wait_until(lambda: running.get("/monitors")["monitors"] == [], what="they are erased")
    wait_until(lambda: not holding(folder, "the answer to number"), what="their bytes are gone")
