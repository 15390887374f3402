"""Drift found from collected logs alone: no request passes the proxy, its worker scores what the scheduler collects.

A real Driftium with a source in its config, a log that is written, rotated and written on, and a backfill beside it.
The traffic runs once; each test holds one claim about what was seen on the way.
"""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Driftium, wait_until

BASELINE, OTHER, OLD = 50, 50, 20
CONFIG = """
[[ingest]]
name = "gateway"
path = "{folder}/*.jsonl"
every_seconds = 1

[[ingest]]
name = "nowhere"
url = "http://127.0.0.1:9/calls"
token_env = "NO_SUCH_TOKEN"
every_seconds = 3600
"""


def lines(pairs: list[tuple[str, str]], at: float, model: str = "gateway-model") -> str:
    """As an application logs them, a second apart."""
    written = []
    for i, (prompt, response) in enumerate(pairs):
        message = {"role": "assistant", "content": response}
        answer = {"id": f"c-{at}-{i}", "model": model, "created": at + i, "choices": [{"index": 0, "message": message}]}
        asked = {"model": model, "messages": [{"role": "user", "content": prompt}]}
        written.append(json.dumps({"request": asked, "response": answer}) + "\n")
    return "".join(written)


class Seen(dict[str, Any]):
    """What was seen, by name."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, answers: dict[str, list[tuple[str, str]]]) -> Iterator[Seen]:
    medicine = [pair for pair in answers["medicine"] if len(pair[1]) < 400]
    support = [pair for pair in answers["support"] if len(pair[1]) < 400]
    seen, folder, logs = Seen(), tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("logs")
    (folder / "config.toml").write_text(CONFIG.format(folder=logs))
    file = logs / "calls.jsonl"
    file.write_text(lines(medicine[:BASELINE], at=1_760_000_000))
    proxy = Driftium(folder, None, env={"DRIFTIUM_DRIFT__REPORT_SECONDS": "1"}).start()
    try:
        proxy.wait_until_scored(BASELINE, "gateway-model")
        seen["preview"] = proxy.get("/baseline/preview", monitor="gateway-model")
        seen["baseline"] = proxy.client.post("/baseline", json={"monitor": "gateway-model"})
        # The end of the old file is written after the last look, and lies under a name that is not asked for.
        half = OTHER // 2
        with file.open("a") as more:
            more.write(lines(support[:half], at=1_760_001_000) + "{broken\n")
        file.rename(logs / "calls.jsonl.1")
        file.write_text(lines(support[half:OTHER], at=1_760_002_000))
        proxy.wait_until_scored(BASELINE + OTHER, "gateway-model")
        seen["drift"] = proxy.get("/drift", monitor="gateway-model", fresh=True)
        seen["samples"] = proxy.get("/samples", monitor="gateway-model", limit=OTHER)
        archive = folder / "archive.jsonl.gz"
        archive.write_bytes(gzip.compress((lines(medicine[:OLD], at=1_700_000_000) + "no JSON\n").encode()))
        command = [sys.executable, "-m", "proxy", "ingest", "--data-dir", str(folder), "--monitor", "old/times"]
        for name in ("first", "again"):
            seen[name] = subprocess.run([*command, str(archive)], capture_output=True, text=True, check=False)
        proxy.wait_until_scored(OLD, "old/times")

        def collected() -> Any:
            told = {one["name"]: one for one in proxy.get("/ingest")["sources"]}
            return told if told["gateway"]["next_run_at"] and told["gateway"]["counts"].get("malformed") else None

        seen["sources"] = wait_until(collected, what="the malformed line is counted")
        seen["message"] = proxy.get("/ingest")["message"]
        seen["metrics"] = proxy.client.get("/metrics").text
        yield seen
    finally:
        proxy.stop()


def test_drift_is_found_from_logs_alone(story: Seen):
    """A baseline of collected answers, then a rotated file with answers about something else."""
    assert story["baseline"].status_code == 201
    assert story["baseline"].json()["baseline_size"] == BASELINE
    drift = story["drift"]
    assert drift["status"] == "ready"
    assert drift["severity"] in ("MEDIUM", "HIGH", "CRITICAL")
    assert drift["coverage"]["scored"] == BASELINE + OTHER
    assert drift["coverage"]["sampled_out"] == 0


def test_samples_keep_the_time_and_the_source_of_their_log(story: Seen):
    items = story["samples"]["current_items"]
    assert {one["source"] for one in items} == {"ingest:gateway"}
    assert {one["timestamp"][:10] for one in items} == {"2025-10-09"}
    assert story["preview"]["sources"] == {"proxy": 0, "playground": 0, "collected": BASELINE}


def test_a_backfill_beside_the_server_is_scored_under_its_monitor_and_not_repeated(story: Seen):
    first, again = story["first"], story["again"]
    assert first.returncode == 1, first.stderr  # one line is no JSON
    assert f"{OLD}  logged" in first.stdout
    assert f"archive.jsonl.gz:{OLD + 1}: malformed: not JSON" in first.stdout
    assert again.returncode == 0, again.stderr
    assert "Nothing new" in again.stdout


def test_each_source_says_how_it_goes(story: Seen):
    gateway, nowhere = story["sources"]["gateway"], story["sources"]["nowhere"]
    assert gateway["counts"] == {"logged": BASELINE + OTHER, "malformed": 1}
    assert gateway["scheduled"]
    assert gateway["last_run_at"]
    (error,) = gateway["errors"]
    assert (error["line"], error["result"], error["why"]) == (BASELINE + OTHER // 2 + 1, "malformed", "not JSON")
    assert error["file"].endswith("calls.jsonl.1")
    assert nowhere["status"] == "failed"
    assert "NO_SUCH_TOKEN" in nowhere["message"]
    backfill = next(one for name, one in story["sources"].items() if name.startswith("backfill"))
    assert (backfill["monitor"], backfill["scheduled"], backfill["counts"]["logged"]) == ("old/times", False, OLD)
    assert "nowhere could not be read" in story["message"]


def test_what_was_collected_is_counted_for_prometheus(story: Seen):
    families = {family.name: family for family in text_string_to_metric_families(story["metrics"])}
    counted = {tuple(sorted(one.labels.items())): one.value for one in families["driftium_ingested_exchanges"].samples}
    assert counted[("result", "logged"), ("source", "gateway")] == BASELINE + OTHER
