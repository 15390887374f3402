"""A Driftium whose vectors lie on a Qdrant server (the stand-in): baseline, scores, a server that goes away and comes
back, a restart, a backup.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models

from proxy.settings import Qdrant
from proxy.stores.vectors import WINDOW, Vectors
from tests.conftest import Driftium, wait_until
from tests.integration.test_cli import driftium_cli
from tests.qdrant_server import QdrantServer
from tests.scripted import Upstream, replay

KEY = "the-key-of-the-store"
BASELINE = 24


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(replay({f"question {i}": f"the answer to number {i} is {i * i}" for i in range(40)})) as running:
        yield running


@pytest.fixture(scope="module")
def server() -> Iterator[QdrantServer]:
    """At its end: no request of all this broke the rules."""
    with QdrantServer(api_key=KEY, strict=True) as server:
        yield server
    assert not server.refused


def settings(server: QdrantServer, **more: str) -> dict[str, str]:
    env = {
        "DRIFTIUM_QDRANT__URL": server.url,
        "DRIFTIUM_QDRANT__PREFIX": "driftium-",
        "QDRANT_API_KEY": KEY,
        "DRIFTIUM_DRIFT__WINDOWS": "[5]",
        "DRIFTIUM_DRIFT__REPORT_SECONDS": "0.1",
    }
    return env | more


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, server: QdrantServer, upstream: Upstream) -> Iterator[Driftium]:
    """With a baseline of 24 answers, of 30 that were scored."""
    one = Driftium(tmp_path_factory.mktemp("story") / "data", upstream.url, env=settings(server)).start()
    try:
        ask(one, 30)
        one.wait_until_scored(30)
        one.client.post("/baseline", json={"last": BASELINE}).raise_for_status()
        yield one
    finally:
        one.stop()
    said = one.stderr.read_text()
    assert KEY not in said
    assert "Traceback" not in said, said


def ask(one: Driftium, count: int) -> None:
    for i in range(count):
        one.chat(f"question {i % 40}").raise_for_status()


def scored(one: Driftium) -> int:
    (row,) = one.get("/monitors")["monitors"]
    return int(row["coverage"]["scored"])


def up(one: Driftium) -> float:
    lines = one.client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("driftium_vector_store_up ")).split()[1])


def failed(one: Driftium) -> Any:
    """The health while the vector store is what is wrong."""
    health = one.get("/api/health")
    return health if health["worker"]["status"] == "failed" and health["vector_store"].get("message") else None


def test_answers_are_scored_with_vectors_on_the_server_alone(running: Driftium, server: QdrantServer):
    ask(running, 6)
    running.wait_until_scored(36)
    told = running.get("/drift", fresh=True)
    assert (told["status"], told["baseline_size"], told["observed"]) == ("ready", BASELINE, 6)
    points = {name: len(found.points) for name, found in server.collections.items()}
    assert points == {"driftium-window": 36, "driftium-baseline": BASELINE}
    assert not (running.data_dir / "vectors").exists()
    assert running.get("/api/health")["vector_store"] == {"status": "up", "where": server.url}
    assert up(running) == 1.0


def test_a_server_that_goes_away_stops_no_answer_and_loses_none(running: Driftium, server: QdrantServer):
    """The worker says what is wrong, waits without a restart, and goes on where it was. What it was asked is done."""
    before, worker = scored(running), running.worker_pid
    server.stop()
    try:
        asked = running.client.post("/baseline", json={"last": BASELINE})
        assert asked.status_code == 202
        ask(running, 10)
        health = wait_until(lambda: failed(running))
        assert f"Qdrant at {server.url} cannot be reached" in health["vector_store"]["message"]
        assert (health["status"], health["vector_store"]["status"], up(running)) == ("degraded", "down", 0.0)
        ask(running, 5)
        assert scored(running) == before
    finally:
        server.start()
    running.wait_until_scored(before + 15)
    assert (scored(running), up(running)) == (before + 15, 1.0)
    health = running.get("/api/health")
    assert (health["status"], health["worker"]["pid"], health["worker"]["restarts"]) == ("ok", worker, 0)
    told = running.get("/drift", fresh=True)
    assert (told["baseline_id"], told["observed"]) == (asked.json()["baseline_id"], 15)
    assert running.stderr.read_text().count("cannot be reached") == 1


def test_a_busy_server_slows_the_worker_and_loses_nothing(running: Driftium, server: QdrantServer):
    before = scored(running)
    server.fault(2, on="PUT .*/points$", status=429, retry_after=1)
    server.fault(1, on="PUT .*/points$", status=503)
    ask(running, 10)
    running.wait_until_scored(before + 10)
    assert running.get("/api/health")["worker"]["restarts"] == 0
    assert not server.faults


def test_a_worker_that_starts_while_the_server_is_away_waits_and_has_its_baseline_again(
    running: Driftium, server: QdrantServer
):
    """What cannot be read for a while is not taken for gone."""
    before, count = running.get("/drift", fresh=True), scored(running) + 3
    running.stop()
    server.stop()
    try:
        running.start()
        health = wait_until(lambda: failed(running))
        assert "cannot be reached" in health["worker"]["message"]
        ask(running, 3)
    finally:
        server.start()
    running.wait_until_scored(count)
    after = running.get("/drift", fresh=True)
    assert (after["baseline_id"], after["observed"]) == (before["baseline_id"], before["observed"] + 3)
    assert running.get("/api/health")["worker"]["restarts"] == 0


def test_an_erased_monitor_is_gone_from_the_server(running: Driftium, server: QdrantServer):
    for i in range(3):
        running.chat(f"question {i}", headers={"x-driftium-monitor": "short-lived"})
    running.wait_until_scored(3, monitor="short-lived")
    running.client.delete("/monitors/short-lived").raise_for_status()
    held = [payload["monitor"] for payload, _ in server.collections["driftium-window"].points.values()]
    assert "short-lived" not in held
    assert held


def test_a_backup_of_a_servers_vectors_is_restored_into_another_server(
    running: Driftium, server: QdrantServer, tmp_path: Path
):
    """Over what lies there already only when that is asked for."""
    kept, there = tmp_path / "kept.tar.gz", settings(server)
    done = driftium_cli("backup", str(kept), "--data-dir", str(running.data_dir), cwd=tmp_path, env=there)
    assert done.returncode == 0, done.stderr
    with QdrantServer(strict=True) as other:
        elsewhere = settings(other, QDRANT_API_KEY="")
        with closing(Vectors(Qdrant(url=other.url, prefix="driftium-"), tmp_path, 384)) as vectors:
            (point,) = islice(server.collections["driftium-window"].points, 1)
            payload, numbers = server.collections["driftium-window"].points[point]
            changed = {name: (-one).tolist() for name, one in numbers.items()}
            vectors.put_points(WINDOW, [models.PointStruct(id=point, vector=changed, payload=payload)])
        words = ("restore", str(kept), "--data-dir", str(tmp_path / "new"))
        refused = driftium_cli(*words, cwd=tmp_path, env=elsewhere)
        assert (refused.returncode, "--replace-vectors" in refused.stderr) == (1, True)
        assert not same(server, other)
        done = driftium_cli(*words, "--replace-vectors", cwd=tmp_path, env=elsewhere)
        assert done.returncode == 0, done.stderr
        assert same(server, other)
        assert not other.refused


def same(one: QdrantServer, other: QdrantServer) -> bool:
    """Whether they hold the same, bit for bit."""

    def held(server: QdrantServer) -> dict[Any, Any]:
        return {
            (name, key): (json.dumps(payload), vectors["prompt"].tobytes(), vectors["response"].tobytes())
            for name, found in server.collections.items()
            for key, (payload, vectors) in found.points.items()
        }

    return held(one) == held(other)


def test_the_doctor_looks_at_the_server(server: QdrantServer, running: Driftium, tmp_path: Path):
    words = ("doctor", "--data-dir", str(tmp_path / "data"))
    printed = driftium_cli(*words, cwd=tmp_path, env=settings(server)).stdout
    assert f"Qdrant 1.15.0 at {server.url} answers" in printed
    assert "points of 384 numbers in driftium-window and driftium-baseline" in printed
    assert f"the key goes to {server.url} unencrypted" in printed
    assert KEY not in printed
