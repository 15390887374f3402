"""Where an answer falls among its baseline's, and what is said of one that has no place."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from drift.embedder import Embedder, find_weights
from drift.semantic.placement import distance_to_centroid, own_distances
from tests.conftest import Driftium
from tests.integration.relayed import Relayed, relay_to
from tests.scripted import BREAK, STREAM_HEAD, Request, answer, chunk, completion, events

BASELINE = 24
OPENING = "The shop opens at nine and closes at six, "
ODD = "Photosynthesis turns light into sugar in the chloroplasts of a leaf."


def text_of(prompt: str) -> str:
    """What the scripted model says: much the same of opening hours, and something else of plants."""
    return ODD if "plants" in prompt else OPENING + f"on day {prompt.rpartition(' ')[2]} of the month."


async def script(request: Request) -> AsyncIterator[bytes]:
    if request.method == "GET":
        yield answer(json.dumps({"object": "list", "data": [{"id": "replay", "object": "model"}]}).encode())
        return
    prompt = request.json["messages"][-1]["content"]
    if "fail" in prompt:
        yield answer(b'{"error": "no"}', status="500 Internal Server Error")
    elif "break" in prompt:
        yield STREAM_HEAD + chunk(events("half an answer")[0])
        yield BREAK
    else:
        yield answer(completion(text_of(prompt)))


class Told(dict[str, Any]):
    """Exchange ids and places by name."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """One proxy with a real worker: a baseline of opening hours, an answer like it, an odd one and failures."""
    folder = tmp_path_factory.mktemp("place")
    with relay_to(script, folder, worker=True) as relayed:
        seen = Told(relayed=relayed)
        asked(relayed, "early", seen, "When do you open on day 0")
        seen["before"] = place(relayed, seen["early"])
        for day in range(1, BASELINE):
            asked(relayed, f"day {day}", seen, f"When do you open on day {day}")
        relayed.driftium.wait_until_scored(BASELINE)
        made = relayed.driftium.client.post("/baseline")
        assert made.status_code in (201, 202)
        asked(relayed, "alike", seen, "When do you open on day 5")
        asked(relayed, "odd", seen, "How do plants live?")
        asked(relayed, "fail", seen, "fail")
        stream = {"model": "replay", "messages": [{"role": "user", "content": "break"}], "stream": True}
        with relayed.driftium.client.stream("POST", "/v1/chat/completions", json=stream) as broken:
            seen["break"] = broken.headers["x-driftium-exchange-id"]
            with pytest.raises(httpx.RemoteProtocolError):
                broken.read()
        yield seen


def asked(relayed: Relayed, name: str, seen: Told, prompt: str) -> None:
    seen[name] = relayed.driftium.chat(prompt).headers["x-driftium-exchange-id"]


def place(relayed: Relayed, exchange_id: str, **more: Any) -> Any:
    """The place, once the worker has come so far: a slow machine may need more than the ten seconds."""
    while (found := relayed.driftium.get(f"/exchanges/{exchange_id}/place", **more))["status"] == "pending":
        pass
    return found


def test_before_there_is_a_baseline_it_is_said_how_to_make_one(told: Told):
    found = told["before"]
    assert found["status"] == "waiting_for_baseline"
    assert "POST /baseline" in found["message"]
    assert (found["monitor"], found["response"]) == ("replay", text_of("on day 0"))
    assert (found["distance"], found["percentile"], found["histogram"], found["neighbours"]) == (None, None, [], [])


def test_an_odd_answer_is_farther_than_all_of_the_baseline_and_one_like_them_is_not(told: Told):
    odd, alike = (place(told["relayed"], told[name]) for name in ("odd", "alike"))
    assert (odd["status"], odd["prompt"], odd["response"]) == ("ready", "How do plants live?", ODD)
    assert odd["percentile"] == 1
    assert odd["distance"] > odd["histogram"][-1]["to"]
    assert alike["percentile"] < 1
    assert alike["distance"] < odd["distance"]


def test_the_distances_are_those_of_the_vectors(told: Told):
    """Computed afresh with the same encoder, within the rounding of a batch."""
    found = place(told["relayed"], told["odd"])
    embedder = Embedder(find_weights(), threads=1)
    baseline = embedder.embed([text_of(f"on day {day}") for day in range(BASELINE)])
    (odd,) = embedder.embed([ODD])
    assert found["distance"] == pytest.approx(distance_to_centroid(odd, baseline), abs=1e-5)
    own = own_distances(baseline)
    assert found["histogram"][0]["from"] == pytest.approx(own.min(), abs=1e-5)
    assert found["histogram"][-1]["to"] == pytest.approx(max(own.max(), own.min() + 0.01), abs=5e-3)
    similarities = [one["similarity"] for one in found["neighbours"]]
    assert similarities == pytest.approx(np.sort(baseline @ odd)[::-1][:5].tolist(), abs=1e-5)


def test_the_nearest_neighbour_is_the_same_answer_to_the_same_prompt(told: Told):
    first, *others = place(told["relayed"], told["alike"], neighbours=20)["neighbours"]
    assert first["exchange_id"] == told["day 5"]
    assert first["prompt"] == "When do you open on day 5"
    assert first["response"] == text_of("on day 5")
    assert (first["similarity"], first["prompt_similarity"]) == (pytest.approx(1), pytest.approx(1))
    assert len(others) == 19
    assert all(one["similarity"] <= first["similarity"] for one in others)


def test_an_answer_of_the_baseline_is_not_its_own_neighbour(told: Told):
    found = place(told["relayed"], told["day 7"], neighbours=20)
    assert found["status"] == "ready"
    assert told["day 7"] not in {one["exchange_id"] for one in found["neighbours"]}


def test_the_histogram_has_twenty_bins_whose_shares_add_up_to_1(told: Told):
    bins = place(told["relayed"], told["alike"])["histogram"]
    assert len(bins) == 20
    assert sum(one["share"] for one in bins) == pytest.approx(1)


def test_no_neighbours_are_named_where_none_are_asked_for(told: Told):
    assert place(told["relayed"], told["alike"], neighbours=0)["neighbours"] == []


@pytest.mark.parametrize(("name", "says"), [("fail", "refused the request"), ("break", "broke off")])
def test_an_exchange_that_was_not_scored_says_why(told: Told, name: str, says: str):
    found = place(told["relayed"], told[name])
    assert found["status"] == "not_scored"
    assert says in found["message"]
    assert found["distance"] is None


@pytest.mark.parametrize("unknown", ["nothing", "00000000-0000-7000-8000-000000000000", "%27--"])
def test_an_id_that_nobody_knows_is_404(told: Told, unknown: str):
    answered = told["relayed"].driftium.client.get(f"/exchanges/{unknown}/place")
    assert answered.status_code == 404
    assert answered.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("neighbours", ["-1", "21", "many"])
def test_a_number_of_neighbours_beyond_the_bounds_is_refused(told: Told, neighbours: str):
    answered = told["relayed"].driftium.client.get(f"/exchanges/{told['odd']}/place?neighbours={neighbours}")
    assert answered.status_code == 400
    assert "neighbours" in answered.json()["detail"]


def test_without_a_worker_an_answer_is_pending_at_once(told: Told, tmp_path_factory: pytest.TempPathFactory):
    with relay_to(script, tmp_path_factory.mktemp("idle")) as relayed:
        idle: Driftium = relayed.driftium
        exchange_id = idle.chat("When do you open on day 1").headers["x-driftium-exchange-id"]
        found = idle.get(f"/exchanges/{exchange_id}/place")
    assert found["status"] == "pending"
    assert "GET /api/health" in found["message"]
