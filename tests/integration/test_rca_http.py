"""Root cause analysis over HTTP: stored runs, options, Markdown, steps on /events."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.stores.history import open_history
from proxy.stores.log import open_log
from proxy.stores.root_causes import RootCauses
from tests.integration.rca_asked import AGENTIC, RCA, analysed, drifted_relay, obedient, questions
from tests.integration.relayed import Relayed
from tests.unit.rca_reports import run_of


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with drifted_relay(tmp_path_factory.mktemp("rca")) as running:
        yield running


@pytest.fixture
def model(relayed: Relayed) -> Relayed:
    """The same with a model that keeps to the facts."""
    relayed.play(obedient)
    return relayed


def test_a_report_says_what_moved_why_and_what_to_do(model: Relayed):
    told = analysed(model, fresh=True)
    assert set(told) == {
        *("available", "status", "message", "id", "timestamp", "monitor", "evidence_id", "baseline_id"),
        *("baseline_size", "telemetry_size", "severity", "confidence", "summary", "possible_cause", "cause"),
        *("cause_label", "changed", "statements", "actions", "evidence", "source", "model"),
    }
    assert (told["status"], told["message"]) == ("ready", "The answers have drifted.")
    assert (told["monitor"], told["evidence_id"], told["severity"]) == ("m", "last", "HIGH")
    assert (told["baseline_size"], told["telemetry_size"]) == (120, 80)
    assert (told["source"], told["model"]) == ("model", "explainer")
    known = {fact["id"] for fact in told["evidence"]}
    for said in told["statements"] + told["actions"]:
        assert set(said["evidence"]) <= known
        assert not re.search(r"[{}]|\[\[", said["text"])


def test_the_model_is_asked_with_a_schema_at_temperature_0_and_within_its_tokens(model: Relayed):
    analysed(model, fresh=True)
    sent = questions(model)[0].json
    assert (sent["model"], sent["temperature"], sent["stream"]) == ("explainer", 0, False)
    assert sent["max_tokens"] <= 400
    assert sent["response_format"]["json_schema"]["strict"] is True


def test_a_second_request_is_answered_from_the_stored_run(model: Relayed):
    """Whichever route and verb; and the model is asked nothing more."""
    first = analysed(model, fresh=True)
    asked = len(questions(model))
    get = model.driftium.get
    told = [get(RCA), get(AGENTIC), get(RCA, monitor="m"), analysed(model), analysed(model, AGENTIC)]
    assert {one["id"] for one in told} == {first["id"]}
    assert len(questions(model)) == asked
    assert analysed(model, fresh=True)["id"] != first["id"]


def test_the_trace_names_each_agent_with_its_evidence(model: Relayed):
    told = analysed(model, AGENTIC)
    assert set(told) >= {"triage", "diagnosis", "recommendations", "agent_collaboration_log", "evidence", "source"}
    steps = told["agent_collaboration_log"]
    assert [step["agent"] for step in steps] == ["triage", "diagnosis", "recommendation"]
    known = {fact["id"] for fact in told["evidence"]}
    for step in steps:
        assert set(step) == {*step, "number", "input", "conclusion", "why", "evidence", "source", "milliseconds"}
        assert set(step["evidence"]) <= known
        assert step["milliseconds"] >= 0


def test_runs_are_kept_with_their_trace(model: Relayed):
    told = analysed(model, AGENTIC, fresh=True)
    listed = model.driftium.get("/drift/rca/runs", monitor="m", limit=5)["runs"]
    assert listed[0]["id"] == told["id"]
    assert listed[0] | {"severity": "HIGH", "evidence_id": "last", "model_asked": "explainer"} == listed[0]
    assert model.driftium.get(f"/drift/rca/runs/{told['id']}") == told
    assert model.driftium.get("/drift/rca/runs", monitor="other")["runs"] == []
    missing = model.driftium.client.get("/drift/rca/runs/nothing")
    assert missing.status_code == 404
    assert "there is no such run" in missing.json()["detail"]


def test_without_a_model_the_rules_alone_speak(model: Relayed):
    """That run is stored apart: it does not answer for the model's, nor the model's for it."""
    with_model = analysed(model, fresh=True)
    asked = len(questions(model))
    told = analysed(model, use_model=False)
    assert (told["source"], told["model"], told["cause"]) == ("rules", None, with_model["cause"])
    assert analysed(model, use_model=False)["id"] == told["id"] != with_model["id"]
    assert analysed(model)["id"] == with_model["id"]
    assert len(questions(model)) == asked


def test_another_model_may_be_named(model: Relayed):
    told = analysed(model, model="larger", fresh=True)
    assert told["model"] == "larger"
    assert questions(model)[-1].json["model"] == "larger"
    assert analysed(model)["id"] != told["id"]
    assert analysed(model, model="larger")["id"] == told["id"]


@pytest.mark.parametrize(
    ("times", "look"),
    [
        ({"from": "2027-01-15T08:00:00"}, "later"),
        ({"from": "2027-01-15T08:00:00Z", "to": "2027-01-15T08:00:15Z"}, "early"),
        ({"from": "2027-01-15T17:00:00+09:00", "to": "2027-01-15T17:00:15+09:00"}, "early"),
        ({"from": "2027-01-15T08:00:25"}, "last"),
        ({"to": "2027-01-15T08:00:30"}, "later"),
    ],
)
def test_a_time_chooses_the_worst_look_in_it_and_the_newest_of_equals(model: Relayed, times: dict[str, str], look: str):
    assert analysed(model, **times)["evidence_id"] == look
    assert model.driftium.get(RCA)["evidence_id"] == "last"


def test_a_time_without_a_look_says_which_are_kept(model: Relayed):
    told = model.driftium.client.post(RCA, json={"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}).json()
    assert (told["available"], told["status"], told["monitor"]) == (False, "ready", "m")
    assert "3 are, of 2027-01-15T08:00:10.000Z to 2027-01-15T08:00:30.000Z" in told["message"]


@pytest.mark.parametrize("path", [RCA, AGENTIC])
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"fresh": "yes"}, "fresh = 'yes'"),
        ({"timeout": 0}, "timeout = 0"),
        ({"timeout": 601}, "timeout = 601"),
        ({"timeout": "long"}, "timeout = 'long'"),
        ({"from": "yesterday"}, "from = 'yesterday'"),
        ({"from": "2027-01-02T00:00:00Z", "to": "2027-01-01T00:00:00Z"}, "must not be after"),
        ({"from": "9999-12-31T23:59:59-14:00", "to": "0001-01-01T00:00:00+14:00"}, "must not be after"),
        ({"model": ""}, "model = ''"),
        ({"model": "x" * 201}, "at most 200 printable characters"),
        ({"model": "a\nb"}, "one line of at most 200"),
        ({"model": "x", "use_model": False}, "model = 'x'"),
        ({"monitor": 5}, "monitor = 5"),
        ({"timeout_seconds": 5}, "timeout_seconds"),
        ([], "body"),
    ],
)
def test_what_is_refused_names_the_field_and_the_rule(relayed: Relayed, path: str, body: Any, says: str):
    told = relayed.driftium.client.post(path, json=body)
    assert told.status_code == 400, told.text
    assert told.headers["content-type"] == "application/problem+json"
    assert says in told.json()["detail"]


def test_a_body_is_optional_and_half_a_body_is_refused(model: Relayed):
    assert model.driftium.client.post(RCA).json()["available"] is True
    assert model.driftium.client.post(RCA, json={}).json()["available"] is True
    half = model.driftium.client.post(RCA, content=b'{"fresh": ', headers={"content-type": "application/json"})
    assert half.status_code == 400


def test_an_unknown_monitor_is_told_the_known_ones(relayed: Relayed):
    for told in (relayed.driftium.get(RCA, monitor="x"), relayed.driftium.get(AGENTIC, monitor="x")):
        assert (told["available"], told["status"]) == (False, "not_initialized")
        assert "Known: m" in told["message"]


@pytest.mark.parametrize(("method", "path"), [(m, p) for m in ("GET", "POST") for p in (RCA, AGENTIC)])
def test_markdown_is_ready_for_a_ticket(model: Relayed, method: str, path: str):
    """Orders in an answer stand in it as words, and nothing of theirs takes effect."""
    told = model.driftium.client.request(method, path, headers={"accept": "text/markdown"})
    assert told.status_code == 200
    assert told.headers["content-type"] == "text/markdown; charset=utf-8"
    assert told.text.startswith("# HIGH: ")
    for head in ("## What moved", "## Cause", "## What to do", "- [ ] ", "## Evidence", "## How this was found"):
        assert head in told.text
    assert "<script" not in told.text
    plain = model.driftium.client.request(method, path, headers={"accept": "text/markdown;q=0.1, */*"})
    assert plain.headers["content-type"] == "application/json"


def test_orders_in_an_answer_change_neither_severity_nor_cause(model: Relayed):
    told = analysed(model, AGENTIC, fresh=True)
    assert told["severity"] == "HIGH"
    assert told["diagnosis"]["cause"] != "none"
    assert [action for action in told["recommendations"] if action["urgency"] == "now"]


def test_each_step_is_told_on_events(model: Relayed):
    """Then the end, by which time the run can be read."""
    client = httpx.Client(base_url=model.driftium.url, timeout=30, trust_env=False)
    told: list[Any] = []
    with client, client.stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": driftium"
        run = analysed(model, fresh=True)
        kind = ""
        for line in lines:
            if line.startswith("event: "):
                kind = line.removeprefix("event: ").strip()
            elif line.startswith("data: ") and kind == "rca":
                told.append(json.loads(line.removeprefix("data: ")))
                if told[-1].get("done"):
                    break
    assert {(one["run_id"], one["monitor"]) for one in told} == {(run["id"], "m")}
    assert [one.get("agent") for one in told] == ["triage", "diagnosis", "recommendation", None]
    assert set(told[0]) >= {"number", "conclusion", "why", "evidence", "source", "milliseconds"}
    end = {"done": True, "cause": run["cause"], "severity": "HIGH", "source": "model"}
    assert told[-1] == end | {"run_id": run["id"], "monitor": "m"}


def test_its_own_questions_are_no_exchanges(model: Relayed):
    analysed(model, fresh=True)
    tap = model.driftium.get("/api/health")["tap"]
    assert [tap[name] for name in ("logged", "dropped", "skipped", "pending")] == [0, 0, 0, 0]
    log = open_log(model.driftium.data_dir)
    try:
        assert log.head() == 0
    finally:
        log.close()


def test_runs_are_counted_by_whose_words_were_taken(model: Relayed):
    def counted() -> dict[str, float]:
        families = text_string_to_metric_families(model.driftium.client.get("/metrics").text)
        return {s.labels["result"]: s.value for f in families for s in f.samples if s.name == "driftium_rca_runs_total"}

    before = counted()
    analysed(model, fresh=True)
    analysed(model, fresh=True, use_model=False)
    after = counted()
    assert after["model"] == before.get("model", 0) + 1
    assert after["rules"] == before.get("rules", 0) + 1
    assert after["failed"] == before["failed"]
    assert "driftium_rca_duration_seconds_bucket" in model.driftium.client.get("/metrics").text


def test_at_most_so_many_runs_of_each_monitor_are_kept(tmp_path: Any):
    history = open_history(tmp_path)
    runs = RootCauses(history.engine, keep=3)
    runs.add(run_of(0, monitor="other"))
    for number in range(5):
        runs.add(run_of(number, model="a" if number < 4 else ""))
    assert [row.id for row in runs.rows(limit=10, monitor="m")] == ["m-4", "m-3", "m-2"]
    assert [row.id for row in runs.rows(limit=10)] == ["m-4", "m-3", "m-2", "other-0"]
    found = runs.find("e1", "a")
    assert found == run_of(3, model="a")
    assert runs.get("m-0") is None
    history.close()


def test_a_stored_run_that_cannot_be_read_is_none(model: Relayed):
    """Of another version, or garbled by the disk: a new one is made, and the log says so once."""
    told = analysed(model, fresh=True)
    history = open_history(model.driftium.data_dir)
    with history.engine.begin() as db:
        db.exec_driver_sql("update root_causes set body = substr(body, 1, 100) where id = ?", (told["id"],))
    history.close()
    assert analysed(model)["id"] != told["id"]
    for _ in range(2):
        assert model.driftium.client.get(f"/drift/rca/runs/{told['id']}").status_code == 404
    said = model.driftium.stderr.read_text()
    assert said.count(told["id"]) == 1
    assert "cannot be read" in said
