"""A canary beside a real worker: no traffic at all, a model that changes, and users who changed too."""

import json
import random
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from drift.embedder import find_weights
from drift.errors import EmbedderUnavailable
from tests.conftest import Driftium, wait_until
from tests.scripted import Request, Upstream, answer, completion

PROMPTS = [
    "Explain photosynthesis.",
    "What is a mortgage?",
    "How do I boil an egg?",
    "What is TCP?",
    "Who was Ada Lovelace?",
    "Why is the sky blue?",
    "Write a haiku about rain.",
    "What is inflation?",
]
WORDS = re.findall(
    r"\w+",
    """light plant house loan egg water boil network packet computer sky blue scatter rain drop price money rises
    slowly quickly often always bank interest energy""",
)
CONFIG = f"""
[[canary]]
name = "basics"
model = "replay"
prompts = {json.dumps(PROMPTS)}
repeats = 2
every_seconds = 86400.0
max_requests_per_day = 200
"""


class Model:
    """Answers each prompt in its own words, a little otherwise each time; until it is swapped."""

    def __init__(self) -> None:
        self.swapped = False
        self.requests = 0

    async def script(self, request: Request) -> AsyncIterator[bytes]:
        if request.method == "GET":
            yield answer(json.dumps({"object": "list", "data": [{"id": "replay", "object": "model"}]}).encode())
            return
        prompt = request.json["messages"][-1]["content"]
        self.requests += 1
        chance = random.Random(self.requests)
        own = random.Random(prompt).sample(WORDS, 8)
        if self.swapped:
            said = "I am sorry, but I can not help with that request. " + " ".join(chance.sample(WORDS, 2))
        else:
            said = f"Well, {prompt.lower()}: {' '.join([*own, *chance.sample(WORDS, 2)])}."
        yield answer(completion(said, request.json["model"]))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the routes said, step by step."""
    try:
        find_weights()
    except EmbedderUnavailable as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("canary")
    (folder / "config.toml").write_text(CONFIG)
    model, seen = Model(), {}
    with Upstream(model.script) as upstream:
        driftium = Driftium(folder, upstream.url).start()
        client = driftium.client

        def canary() -> Any:
            return driftium.get("/canaries/basics")

        def settled(rounds: int) -> Any:
            def done() -> Any:
                found = canary()
                complete = [one for one in found["rounds"] if one["status"] in ("reference", "compared")]
                return found if len(complete) >= rounds else None

            return wait_until(done, seconds=120, what=f"{rounds} rounds are complete")

        try:
            driftium.wait_for_worker()
            settled(2)
            client.post("/canaries/basics/run").raise_for_status()
            seen["same"] = settled(3)
            model.swapped = True
            client.post("/canaries/basics/run").raise_for_status()
            # A round that differs is followed by another one at once.
            seen["changed"] = wait_until(lambda: (c := canary())["changed"] and c, seconds=120, what="it has changed")
            seen["all"] = driftium.get("/canaries")
            seen["monitors"] = driftium.get("/monitors")
            seen["drift"] = driftium.get("/drift")
            seen["metrics"] = client.get("/metrics").text
            seen["baseline"] = client.post("/baseline", json={"monitor": "canary:basics"})
            seen["forged"] = driftium.chat("Hello?", headers={"x-driftium-monitor": "canary:forged"}).status_code
            seen["unknown"] = client.post("/canaries/nothing/run")
            seen["renewed"] = client.post("/canaries/basics/reference").json()
            yield seen
        finally:
            driftium.stop()
    said = driftium.stderr.read_text()
    assert "Traceback" not in said, said


def test_without_any_traffic_the_same_model_is_told_as_the_same(story: dict[str, Any]):
    found = story["same"]
    assert (found["state"], found["changed"]) == ("same", False), found["message"]
    assert [one["status"] for one in found["rounds"]] == ["compared", "reference", "reference"]
    assert found["rounds"][0]["p_value"] > 0.01


def test_a_swapped_model_is_told_after_two_rounds_with_what_moved(story: dict[str, Any]):
    found = story["changed"]
    last, before = found["rounds"][:2]
    assert last["differs"]
    assert before["differs"]
    assert found["message"].startswith("The model has changed")
    assert {one["name"] for one in last["features"]} & {"refusal", "response_characters"}
    assert {one["prompt"] for one in last["moved"]} <= set(PROMPTS)


def test_its_cost_is_bounded_and_shown(story: dict[str, Any]):
    cost = story["changed"]["cost"]
    assert cost["requests_per_round"] == 2 * len(PROMPTS)
    assert cost["max_requests_per_day"] == 200
    assert sum(one["requests"] for one in story["changed"]["rounds"]) == 5 * 2 * len(PROMPTS)


def test_its_answers_are_never_those_of_users(story: dict[str, Any]):
    """It has a monitor of its own, which is not the default, and of which nobody can make a baseline."""
    (own,) = story["monitors"]["monitors"]
    assert (own["name"], own["kind"]) == ("canary:basics", "canary")
    assert story["drift"]["monitor"] is None
    assert story["baseline"].status_code == 409
    assert "/canaries/basics/reference" in story["baseline"].json()["detail"]


def test_prometheus_is_told(story: dict[str, Any]):
    assert 'driftium_canary_changed{canary="basics"} 1.0' in story["metrics"]
    assert 'driftium_canary_requests_total{canary="basics",result="answered"}' in story["metrics"]


def test_an_unknown_canary_is_said_to_be_unknown(story: dict[str, Any]):
    assert story["unknown"].status_code == 404
    assert "basics" in story["unknown"].json()["detail"]


def test_after_a_wanted_change_the_last_round_begins_a_new_reference(story: dict[str, Any]):
    assert story["renewed"]["state"] == "reference"
    assert not story["renewed"]["changed"]
