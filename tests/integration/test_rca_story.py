"""Root cause analysis as a worker and real answers go through their days: nothing yet, failures, a drift."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.integration.rca_asked import AGENTIC, RCA
from tests.integration.relayed import relay_to
from tests.scripted import answer, replay

FAILED = 12


@pytest.fixture(scope="module")
def ways_of_waiting(
    tmp_path_factory: pytest.TempPathFactory, answers: dict[str, list[tuple[str, str]]]
) -> Iterator[dict[str, Any]]:
    """A worker and real answers, without texts kept; what the routes say before, and once answers have drifted."""
    medicine = [pair for pair in answers["medicine"] if len(pair[1]) < 400][:60]
    support = [pair for pair in answers["support"] if len(pair[1]) < 400][:30]
    seen: dict[str, Any] = {}

    def look(name: str) -> None:
        seen[name] = [proxy.client.request(verb, path) for verb in ("GET", "POST") for path in (RCA, AGENTIC)]

    def send(pairs: list[tuple[str, str]]) -> None:
        nonlocal sent
        for prompt, _ in pairs:
            proxy.chat(prompt).raise_for_status()
        sent += len(pairs)
        proxy.wait_until_scored(sent)

    sent = 0
    env = {"PRIVACY__STORE_TEXT": "false", "WORKER__MAX_LAG_SECONDS": "900", "DRIFT__REPORT_SECONDS": "0.1"}
    script, folder = replay(dict(medicine + support)), tmp_path_factory.mktemp("waiting")
    with relay_to(script, folder, worker=True, **env) as running:
        proxy = running.driftium
        look("not_initialized")
        proxy.wait_for_worker()
        send(medicine[:48])
        look("waiting_for_baseline")
        proxy.client.post("/baseline").raise_for_status()
        wait_until(lambda: proxy.get("/baseline")["baselines"], what="the baseline is made")
        look("waiting_for_telemetry")
        running.say(answer(b'{"error": {"message": "overloaded"}}', status="503 Service Unavailable"))
        for prompt, _ in support[:FAILED]:
            assert proxy.chat(prompt).status_code == 503
        look("failing")
        seen["standing"] = proxy.get("/drift")
        running.play(script)
        send(support[:20])
        look("ready")
        seen["again"] = proxy.get(RCA)
        send(support[20:])
        seen["more"] = proxy.get(RCA)
        seen["scored"] = proxy.get("/drift")["coverage"]["scored"]
        seen["sent"] = sent
        yield seen


@pytest.mark.parametrize("status", ["not_initialized", "waiting_for_baseline", "waiting_for_telemetry"])
def test_before_there_is_anything_to_explain_every_answer_says_what_to_do(ways_of_waiting: dict[str, Any], status: str):
    for told in ways_of_waiting[status]:
        assert told.status_code == 200
        assert told.json() == told.json() | {"available": False, "status": status}
        assert len(told.json()["message"]) > 20


def test_where_every_exchange_fails_that_is_the_cause(ways_of_waiting: dict[str, Any]):
    """Nothing was scored since the baseline, and it is said all the same what to do."""
    for told in ways_of_waiting["failing"]:
        assert told.json()["available"] is True, told.text
        assert (told.json()["status"], told.json()["telemetry_size"]) == ("waiting_for_telemetry", 0)
    assert ways_of_waiting["failing"][0].json()["cause"] == "provider_trouble"
    standing = ways_of_waiting["standing"]
    assert (standing["status"], standing["severity"]) == ("waiting_for_telemetry", None)
    said = f"{FAILED} exchanges failed since the baseline was set: {FAILED} http error 503;"
    assert standing["message"].startswith(said)


def test_drifted_answers_are_explained_without_their_texts(ways_of_waiting: dict[str, Any]):
    told = [one.json() for one in ways_of_waiting["ready"]]
    assert all(one["available"] for one in told)
    assert len({one["id"] for one in told}) == 1
    assert told[0]["severity"] in ("MEDIUM", "HIGH", "CRITICAL")
    assert told[0]["cause"] != "none"
    assert (told[0]["baseline_size"], told[0]["status"]) == (48, "ready")
    assert ways_of_waiting["again"]["id"] == told[0]["id"]


def test_new_answers_make_a_new_run(ways_of_waiting: dict[str, Any]):
    assert ways_of_waiting["more"]["id"] != ways_of_waiting["again"]["id"]
    assert ways_of_waiting["more"]["evidence_id"] != ways_of_waiting["again"]["evidence_id"]


def test_no_question_became_a_sample(ways_of_waiting: dict[str, Any]):
    assert ways_of_waiting["scored"] == ways_of_waiting["sent"]
