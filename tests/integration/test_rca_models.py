"""Models that are asked about a root cause: slow ones, wordless ones, those that fail, and who waits for them."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.conftest import Driftium
from tests.integration.rca_asked import AGENTIC, RCA, analysed, drifted_relay, obedient, questions, why
from tests.integration.rca_history import drifted_history, evidence, obeys
from tests.integration.relayed import Relayed
from tests.scripted import BREAK, Request, answer, completion


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with drifted_relay(tmp_path_factory.mktemp("rca")) as running:
        yield running


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ([answer(completion("not JSON"))], "not answer in the form"),
        ([answer(completion(json.dumps({"summary": "x"})))], "not answer in the form"),
        ([answer(completion("x").replace(b'"stop"', b'"length"'))], "cut off"),
        ([answer(b"[" * 100_000)], "not a chat completion"),
        ([answer(b"x" * 2**20)], "longer than"),
        ([answer(b'{"error": {"message": "no such model"}}', status="404 Not Found")], "no such model"),
        ([answer(b"<html>", status="500 Internal Server Error")], "status 500"),
        ([answer(completion("x"))[:-5], BREAK], "broke off"),
    ],
    ids=["no JSON", "half of it", "cut off", "too deep", "too long", "no such model", "an error", "broken off"],
)
def test_a_model_that_is_no_help_leaves_the_rules_words_and_the_log_says_why(
    relayed: Relayed, said: list[bytes], because: str
):
    relayed.say(*said)
    told = analysed(relayed, fresh=True)
    assert told["source"] == "rules"
    assert because in why(relayed, told)


def test_words_that_the_evidence_does_not_bear_out_are_not_taken(relayed: Relayed):
    async def script(request: Request) -> AsyncIterator[bytes]:
        said = json.loads(obeys(request).partition(b"\r\n\r\n")[2])["choices"][0]["message"]["content"]
        written = json.loads(said) | {"summary": "The severity is LOW, and 99 % of all answers are as they should be."}
        yield answer(completion(json.dumps(written)))

    relayed.play(script)
    told = analysed(relayed, fresh=True)
    assert (told["source"], told["severity"]) == ("rules", "HIGH")
    assert "not taken" in why(relayed, told)


def test_after_a_model_that_failed_the_next_request_asks_it_again(relayed: Relayed):
    """Once a request; those who want no model take what the rules made of it."""
    relayed.say(answer(b"<html>", status="503 Service Unavailable"))
    failed = analysed(relayed, model="away")
    assert failed["source"] == "rules"
    assert "status 503" in why(relayed, failed)
    assert len(questions(relayed)) == 1
    assert analysed(relayed, use_model=False)["id"] == failed["id"]
    assert analysed(relayed, model="away")["id"] != failed["id"]
    assert len(questions(relayed)) == 2
    relayed.play(obedient)
    told = analysed(relayed, model="away")
    assert (told["source"], told["model"]) == ("model", "away")
    assert analysed(relayed, model="away")["id"] == told["id"]
    assert len(questions(relayed)) == 1


def test_words_that_are_not_taken_are_no_failure(relayed: Relayed):
    """The model answered: asked again at temperature 0 it would say the same."""
    relayed.say(answer(completion("not JSON")))
    told = analysed(relayed, model="wordless")
    assert analysed(relayed, model="wordless")["id"] == told["id"]
    assert len(questions(relayed)) == 1


def test_one_who_joins_a_run_waits_no_longer_than_its_own_limit(relayed: Relayed, gate: threading.Event):
    """It gets the rules' run; the shared one goes on for the other, and is stored."""
    _hold(relayed, gate)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(analysed, relayed, model="patient")
        relayed.wait_for_request()
        told = analysed(relayed, model="patient", timeout=0.3)
        assert (told["source"], told["model"]) == ("rules", None)
        gate.set()
        assert (first.result()["source"], first.result()["model"]) == ("model", "patient")
    assert analysed(relayed, model="patient")["id"] == first.result()["id"]
    assert len(questions(relayed)) == 1


def test_a_models_name_for_itself_is_one_line_of_bounded_length(relayed: Relayed):
    async def script(request: Request) -> AsyncIterator[bytes]:
        body = obeys(request).partition(b"\r\n\r\n")[2]
        yield answer(json.dumps(json.loads(body) | {"model": "a\nb\u202e" + "x" * 500}).encode())

    relayed.play(script)
    told = analysed(relayed, fresh=True)
    assert told["model"] == "a\ufffdb\ufffd" + "x" * 196


def test_a_model_that_thinks_too_long_is_left(relayed: Relayed, gate: threading.Event):
    _hold(relayed, gate)
    told = analysed(relayed, fresh=True, timeout=0.3)
    assert told["source"] == "rules"
    assert "did not answer within 0.3 s" in why(relayed, told)
    assert relayed.upstream.left.wait(5)


def test_those_who_ask_for_the_same_share_one_run(relayed: Relayed, gate: threading.Event):
    _hold(relayed, gate)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(analysed, relayed, model="slow")
        relayed.wait_for_request()
        others = [pool.submit(analysed, relayed, path, model="slow") for path in (RCA, AGENTIC)]
        assert relayed.driftium.get("/live") == {"status": "ok"}
        gate.set()
        assert {one.result()["id"] for one in others} == {first.result()["id"]}
    assert len(questions(relayed)) == 1


def test_a_client_that_leaves_ends_no_run(relayed: Relayed, gate: threading.Event):
    """It is finished and stored, and the next request gets it."""
    _hold(relayed, gate)
    with pytest.raises(httpx.ReadTimeout), httpx.Client(base_url=relayed.driftium.url, trust_env=False) as client:
        client.post(RCA, json={"model": "left alone"}, timeout=1)
    gate.set()
    told = analysed(relayed, model="left alone")
    assert (told["model"], len(questions(relayed))) == ("left alone", 1)


def _hold(relayed: Relayed, gate: threading.Event) -> None:
    """The model answers once the gate is open."""

    async def script(request: Request) -> AsyncIterator[bytes]:
        await asyncio.to_thread(gate.wait)
        async for part in obedient(request):
            yield part

    relayed.play(script)


def test_without_a_model_server_the_rules_speak(driftium: Callable[..., Driftium], tmp_path: Any):
    drifted_history(tmp_path / "data", evidence("last"))
    proxy = driftium("http://127.0.0.1:9", "--no-worker")
    told = proxy.get(RCA)
    assert (told["available"], told["source"]) == (True, "rules")
    log = proxy.get(AGENTIC)["agent_collaboration_log"]
    assert any("is not ready" in step["why"] for step in log)
    assert proxy.get(RCA)["id"] == told["id"]
