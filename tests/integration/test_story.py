"""The main job, end to end, on real answers: a baseline of one topic, more of it, then another topic.

One proxy, one worker with the real MiniLM and the real Qdrant in local mode, answers of
real corpora replayed by a scripted upstream. The traffic runs once; each test holds one
claim about what was seen on the way.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.conftest import Driftium, wait_until
from tests.scripted import Upstream, replay

BASELINE, SAME, OTHER = 120, 60, 60
ENV = {
    # A short run length calibrates in seconds; the machine that tests may be slow, and must not sample.
    "DRIFTIUM_DRIFT__EXPECTED_RUN_LENGTH": "500",
    "DRIFTIUM_DRIFT__REPORT_SECONDS": "1",
    "DRIFTIUM_WORKER__MAX_LAG_SECONDS": "900",
}


class Seen(dict[str, Any]):
    """What was seen, by name."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, answers: dict[str, list[tuple[str, str]]]) -> Iterator[Seen]:
    medicine = [pair for pair in answers["medicine"] if len(pair[1]) < 600]
    support = [pair for pair in answers["support"] if len(pair[1]) < 900]
    seen, told = Seen(), []
    folder: Path = tmp_path_factory.mktemp("story")
    with Upstream(replay(dict(medicine + support))) as upstream:
        proxy = Driftium(folder, upstream.url, env=ENV).start()
        try:
            seen["url"] = proxy.url
            for path in ("/drift", "/drift/history", "/samples", "/monitors", "/baseline"):
                seen["empty " + path] = proxy.client.get(path)
            proxy.wait_for_worker()
            seen["too early"] = proxy.client.post("/baseline")
            listener = threading.Thread(target=_listen, args=(proxy.url, told), daemon=True)
            listener.start()
            _send(proxy, [p for p, _ in medicine[:BASELINE]], BASELINE)
            seen["no baseline"] = proxy.get("/drift")
            seen["baseline"] = proxy.client.post("/baseline", json={"note": "release 1"})
            seen["set"] = proxy.get("/drift")
            wait_until(
                lambda: proxy.get("/baseline")["baselines"][0]["calibration"],
                seconds=240,
                what="thresholds are calibrated",
            )
            _send(proxy, [p for p, _ in medicine[BASELINE : BASELINE + SAME]], BASELINE + SAME)
            seen["same"] = proxy.get("/drift", fresh=True)
            _send(proxy, [p for p, _ in support[:OTHER]], BASELINE + SAME + OTHER)
            seen["other"] = proxy.get("/drift", fresh=True)
            seen["evidence"] = proxy.get("/drift/evidence")
            seen["text"] = proxy.client.get("/metrics")
            seen["openmetrics"] = proxy.client.get("/metrics", headers={"accept": "application/openmetrics-text"})
            seen["history"] = proxy.get("/drift/history", limit=100)
            seen["page"] = proxy.get("/drift/history", limit=2)
            seen["next page"] = proxy.get("/drift/history", limit=2, cursor=seen["page"]["next_cursor"])
            seen["samples"] = proxy.get("/samples", limit=20, order="witness")
            seen["baselines"] = proxy.get("/baseline")
            seen["health"] = proxy.get("/api/health")
            proxy.stop()
            proxy.start()
            proxy.wait_for_worker()
            seen["restarted"] = proxy.get("/drift", fresh=True)
            seen["second"] = proxy.client.post("/baseline", json={"last": 40})
            seen["sizes"] = wait_until(
                lambda: (
                    (rows := proxy.get("/baseline")["baselines"]) and len(rows) == 2 and [row["size"] for row in rows]
                ),
                what="the second baseline is made",
            )
            first = seen["baselines"]["baselines"][0]["id"]
            # A busy worker takes more than the five seconds that the answer waits for it; it is done all the same.
            seen["activated"] = proxy.client.post(f"/baseline/{first}/activate")
            seen["active"] = wait_until(
                lambda: [b for b in proxy.get("/baseline")["baselines"] if b["active"] and b["id"] == first],
                what="the first baseline is active again",
            )
            seen["unknown"] = proxy.client.post("/baseline/none/activate")
            seen["events"] = list(told)
            yield seen
        finally:
            proxy.stop()


def _send(proxy: Driftium, prompts: list[str], total: int) -> None:
    for prompt in prompts:
        proxy.chat(prompt).raise_for_status()
    proxy.wait_until_scored(total, seconds=240)


def _listen(url: str, told: list[tuple[str, Any]]) -> None:
    """Follow /events until the proxy stops."""
    kind = ""
    try:
        with httpx.stream("GET", url + "/events", timeout=None, trust_env=False) as stream:
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ").strip()
                elif line.startswith("data: "):
                    told.append((kind, msgspec.json.decode(line.removeprefix("data: "))))
    except httpx.TransportError:
        pass


@pytest.mark.parametrize("path", ["/drift", "/drift/history", "/samples"])
def test_with_no_data_every_page_answers_and_says_what_to_do(story: Seen, path: str):
    answer = story["empty " + path]
    assert answer.status_code == 200
    assert answer.json()["status"] == "not_initialized"
    assert "base URL" in answer.json()["message"]


def test_a_baseline_of_nothing_is_refused(story: Seen):
    answer = story["too early"]
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "none yet" in answer.json()["detail"]


def test_answers_without_a_baseline_ask_for_one(story: Seen):
    assert story["no baseline"]["status"] == "waiting_for_baseline"
    assert "POST /baseline" in story["no baseline"]["message"]
    assert story["no baseline"]["coverage"]["scored"] == BASELINE


def test_the_baseline_holds_all_that_has_passed(story: Seen):
    answer = story["baseline"]
    assert answer.status_code == 201
    assert answer.json()["baseline_size"] == BASELINE
    assert story["set"]["status"] == "waiting_for_telemetry"


def test_more_of_the_same_topic_is_no_drift(story: Seen):
    view = story["same"]
    assert (view["status"], view["severity"], view["provisional"]) == ("ready", "LOW", False)
    assert view["health_index"] > 50
    assert view["run_length"]["expected"] == 500
    assert view["p_value"] > 0.01


def test_another_topic_is_high_or_critical_within_sixty_answers(story: Seen):
    view = story["other"]
    assert view["severity"] in ("HIGH", "CRITICAL")
    assert view["ratio"] >= 2
    assert view["health_index"] < 25
    assert view["p_value"] == pytest.approx(0.001)
    assert view["coverage"]["seen"] == view["coverage"]["scored"] == BASELINE + SAME + OTHER
    assert view["lag_exchanges"] == 0


def samples_of(text: str, parse: Any) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in parse(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


@pytest.mark.parametrize(("name", "parse"), [("text", parse_text), ("openmetrics", parse_openmetrics)])
def test_metrics_show_the_drift_in_both_formats(story: Seen, name: str, parse: Any):
    answer, view = story[name], story["other"]
    assert ("openmetrics" in answer.headers["content-type"]) == (name == "openmetrics")
    found = samples_of(answer.text, parse)
    monitor = (("monitor", "replay"),)
    assert found["driftium_drift_severity"][monitor] >= 2
    assert found["driftium_drift_detected"][monitor] == 1
    assert found["driftium_health_index"][monitor] == pytest.approx(view["health_index"])
    assert found["driftium_drift_mmd_squared"][monitor] == pytest.approx(view["mmd_score"])
    assert found["driftium_baseline_samples"][monitor] == BASELINE
    detector = view["detectors"][0]
    assert found["driftium_drift_threshold"][("detector", detector["name"]), *monitor] == detector["threshold"]
    scored = found["driftium_scored_total"][(*monitor, ("result", "scored"))]
    assert scored == BASELINE + SAME + OTHER
    requests = {k: v for k, v in found["driftium_requests_total"].items() if dict(k)["model"] == "replay"}
    assert sum(requests.values()) == scored
    for gauge in ("upstream_up", "worker_up", "vector_store_up", "embedder_ready"):
        assert found[f"driftium_{gauge}"][()] == 1
    assert found["driftium_embedding_duration_seconds_count"][("encoder", story["other"]["encoder"]),] == scored
    if name == "openmetrics":
        assert '# {exchange_id="' in answer.text


def test_history_tells_the_story_newest_first(story: Seen):
    points = story["history"]["history"]
    assert points[0]["severity"] in ("HIGH", "CRITICAL")
    assert "LOW" in {p["severity"] for p in points}
    times = [p["timestamp"] for p in points]
    assert times == sorted(times, reverse=True)
    assert all(t.endswith("Z") for t in times)
    assert "release 1" in story["history"]["annotations"][0]["text"]


def test_history_pages_do_not_overlap(story: Seen):
    first, second = story["page"]["history"], story["next page"]["history"]
    assert [*first, *second] == story["history"]["history"][:4]


def test_the_witnesses_are_answers_of_the_new_topic(story: Seen, answers: dict[str, list[tuple[str, str]]]):
    new = dict(answers["support"])
    pairs = story["samples"]["pairs"]
    assert len(pairs) == 20
    assert all(pair["prompt"] in new and pair["current"] == new[pair["prompt"]] for pair in pairs)
    assert [p["witness"] for p in pairs] == sorted((p["witness"] for p in pairs), reverse=True)
    old = dict(answers["medicine"])
    assert all(old[pair["baseline_prompt"]] == pair["baseline"] for pair in pairs)
    assert story["samples"]["current_items"][0]["id"] == pairs[0]["exchange_id"]


def test_events_tell_of_the_baseline_and_of_the_rise(story: Seen):
    kinds = [kind for kind, _ in story["events"]]
    assert "baseline" in kinds
    severities = [body["severity"] for kind, body in story["events"] if kind == "score"]
    assert "LOW" in severities
    assert severities[-1] in ("HIGH", "CRITICAL")


def test_the_evidence_says_what_moved_and_since_when(story: Seen):
    """A wholly new topic: the users changed, or nobody can tell; and it began with the first answer of it."""
    found = story["evidence"]
    assert found["attribution"]["verdict"] in ("prompts_changed", "insufficient_overlap")
    assert story["other"]["verdict"] == found["attribution"]["verdict"]
    tests = {test["name"]: test for test in found["attribution"]["tests"]}
    assert tests["prompts"]["rejected"]
    assert found["changed_at"]["samples_ago_least"] <= OTHER <= found["changed_at"]["samples_ago_most"]
    assert sum(topic["contribution"] for topic in found["topics"]["topics"]) == pytest.approx(found["witness_total"])
    assert any(
        topic["moved"] and topic["window_share"] > topic["baseline_share"] for topic in found["topics"]["topics"]
    )
    assert {column["name"] for column in found["features"]} >= {"response_characters", "refusal", "language"}
    assert 'driftium_drift_p_value{monitor="replay",test="prompts"}' in story["text"].text
    assert "driftium_alignment_ratio" in story["text"].text
    assert 'driftium_feature_drift_effect{feature="response_characters",monitor="replay"}' in story["text"].text


def test_a_restart_forgets_nothing_and_embeds_nothing_again(story: Seen):
    """Baseline, window, severity and statistic are the same to the last digit that rounding leaves."""
    before, after = story["other"], story["restarted"]
    assert after["severity"] == before["severity"]
    assert after["baseline_id"] == before["baseline_id"]
    assert after["mmd_score"] == pytest.approx(before["mmd_score"], abs=1e-7)
    assert after["ratio"] == pytest.approx(before["ratio"], rel=1e-4)
    assert after["coverage"] == before["coverage"]


def test_baselines_can_be_made_of_the_last_answers_and_rolled_back(story: Seen):
    assert story["second"].json()["baseline_id"]
    assert story["sizes"] == [40, BASELINE]
    assert story["activated"].status_code in (200, 202)
    assert story["active"][0]["size"] == BASELINE
    assert story["unknown"].status_code == 404


def test_health_names_every_part(story: Seen):
    health = story["health"]
    assert health["status"] == "ok"
    assert health["upstream"]["models"] == ["replay"]
    assert health["worker"]["status"] == "ready"
    assert health["embedder"]["encoder"].startswith("all-MiniLM-L6-v2/53aa51172d14")
    assert health["vector_store"]["status"] == "up"
    assert health["tap"]["logged"] == BASELINE + SAME + OTHER
