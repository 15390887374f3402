"""A round without a web process: asked of the model server itself, logged here, bounded, and never asked twice."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.canary.planning import digest_of, next_time, too_many, wants_more
from proxy.canary.round import MOST_FAILURES, ask_round
from proxy.canary.settings import Canary, check, messages_of
from proxy.capture import decode
from proxy.section import ConfigError
from proxy.settings import Data, Server, Settings, Upstream
from proxy.stores.canaries import Body, Plan, Round, latest_rounds, plan, read_rounds, write_round
from proxy.stores.counters import read_counters
from proxy.stores.history import History, open_history
from proxy.stores.log import Log, open_log
from tests.conftest import free_port
from tests.scripted import Request, answer, completion
from tests.scripted import Upstream as Scripted

PROMPTS = tuple(f"What is {number} + {number}?" for number in range(8))
CANARY = Canary(name="basics", model="m", prompts=PROMPTS, repeats=2, seed=7, api_key_env="CANARY_TEST_KEY")


class Asked:
    """A data folder, and rounds asked of a scripted model server."""

    def __init__(self, folder: Path, url: str):
        # Nothing listens at the port: no Driftium runs here.
        self.settings = Settings(
            server=Server(port=free_port()), upstream=Upstream(url=url), data=Data(dir=str(folder)), canary=(CANARY,)
        )
        self.history: History = open_history(folder)
        self.log: Log = open_log(folder)

    def round(self, canary: Canary = CANARY, number: int = 1, stop: Callable[[], bool] = lambda: False) -> Round:
        return ask_round(
            canary,
            messages_of(canary),
            number,
            settings=self.settings,
            history=self.history,
            exchange_log=self.log,
            stopping=stop,
        )

    def captures(self) -> list[Any]:
        entries = self.log.after(0, 1000)
        return [decode(blob) for blob in self.log.captures([one.seq for one in entries]).values()]


async def says(request: Request) -> AsyncIterator[bytes]:
    yield answer(completion(f"It is {len(request.body)}.", "m"))


async def refuses(_: Request) -> AsyncIterator[bytes]:
    yield answer(b'{"error": {"message": "no more credit"}}', status="429 Too Many Requests")


@pytest.fixture
def asked_of(upstream: Callable[..., Scripted], tmp_path: Path):
    made: list[Asked] = []

    def start(script: Any) -> tuple[Asked, Scripted]:
        server = upstream(script)
        made.append(Asked(tmp_path / "data", server.url))
        return made[-1], server

    yield start
    for one in made:
        one.log.close()
        one.history.close()


def test_each_answer_is_logged_as_the_canarys_own_and_the_key_is_nowhere(asked_of: Any, monkeypatch: Any):
    monkeypatch.setenv("CANARY_TEST_KEY", "a-key-that-nobody-keeps")
    asked, server = asked_of(says)
    one = asked.round()
    assert (one.status, one.requests, one.answers) == ("waiting", 16, 16)
    assert one.tokens > 0
    assert {request.header("authorization") for request in server.requests} == {"Bearer a-key-that-nobody-keeps"}
    assert sorted({request.json["seed"] for request in server.requests}) == [7, 8]
    captures = asked.captures()
    assert {(capture.monitor, capture.source) for capture in captures} == {("canary:basics", "canary")}
    assert {name.exchange_id for name in one.body.asked} == {capture.id for capture in captures}
    for file in Path(asked.settings.data_dir).iterdir():
        if file.is_file():
            assert b"a-key-that-nobody-keeps" not in file.read_bytes()


def test_a_server_that_refuses_is_asked_a_few_times_and_nothing_is_compared(asked_of: Any):
    asked, server = asked_of(refuses)
    one = asked.round()
    assert one.status == "incomplete"
    assert len(server.requests) == MOST_FAILURES
    assert "no more credit" in one.message
    assert read_counters(asked.history.engine)["canary_requests"] == {
        (("canary", "basics"), ("result", "failed")): MOST_FAILURES
    }


def test_one_that_is_stopped_asks_no_more_and_is_incomplete(asked_of: Any):
    asked, server = asked_of(says)
    assert asked.round(stop=lambda: len(server.requests) >= 3).status == "incomplete"
    assert len(server.requests) == 3


def test_an_answer_that_does_not_come_is_not_asked_for_again(asked_of: Any):
    """No POST is sent twice: whoever asks pays."""
    release = threading.Event()

    async def hangs(request: Request) -> AsyncIterator[bytes]:
        if request.json["messages"][-1]["content"] == PROMPTS[2]:
            while not release.is_set():  # noqa: ASYNC110 - set by a thread
                await asyncio.sleep(0.01)
        yield answer(completion("Yes.", "m"))

    asked, server = asked_of(hangs)
    try:
        one = asked.round(msgspec.structs.replace(CANARY, timeout_seconds=3.0, repeats=1))
    finally:
        release.set()
    assert one.answers == 7
    assert one.body.failures == {"no answer within 3 s": 1}
    assert sum(request.json["messages"][-1]["content"] == PROMPTS[2] for request in server.requests) == 1


# -- the plan ------------------------------------------------------------------------------------


def made(number: int, status: str, *, at: float = 1000.0, digest: str = "d") -> Round:
    return Round(canary="basics", number=number, at=at, status=status, body=Body(digest=digest, model="m", prompts=8))


def test_the_reference_is_asked_at_once_and_what_follows_on_schedule():
    one = [made(1, "reference")]
    assert wants_more(CANARY, one, Plan(), "d")
    both = [made(2, "reference"), *one]
    assert not wants_more(CANARY, both, Plan(), "d")
    assert next_time(CANARY, both, Plan(), "d", now=1100.0, regular=None) == 1000.0 + CANARY.every_seconds


def test_other_prompts_begin_another_reference_at_once():
    both = [made(2, "reference"), made(1, "reference")]
    assert wants_more(CANARY, both, Plan(), "another")
    other = msgspec.structs.replace(CANARY, prompts=(*PROMPTS[1:], "Else?"))
    assert digest_of(other, messages_of(other)) != digest_of(CANARY, messages_of(CANARY))


def test_an_incomplete_round_is_asked_again_soon_and_not_at_once():
    wait = next_time(CANARY, [made(1, "incomplete")], Plan(), "d", now=1000.0, regular=None)
    assert wait == 1600.0


def test_a_round_that_would_pass_the_days_bound_waits():
    few = msgspec.structs.replace(CANARY, max_requests_per_day=40)
    assert not too_many(few, 8, used=24)
    assert "max_requests_per_day = 40" in too_many(few, 8, used=25)


def test_only_rounds_since_the_present_reference_speak(tmp_path: Path):
    history = open_history(tmp_path)
    write_round(history.engine, made(1, "reference", at=time.time()))
    write_round(history.engine, msgspec.structs.replace(made(2, "compared"), changed=True))
    assert [one.number for one in latest_rounds(history.engine)] == [2]
    plan(history.engine, "basics", reference_from=3)
    assert latest_rounds(history.engine) == []
    assert [one.number for one in read_rounds(history.engine, "basics")] == [2, 1]
    history.close()


# -- the settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"prompts": PROMPTS[:3]}, "3 prompts: must be"),
        ({"prompts": ()}, "either prompts or prompts_file"),
        ({"prompts": (*PROMPTS, PROMPTS[0])}, "is there twice"),
        ({"every_seconds": 60.0}, "max_requests_per_day = 1000: raise it"),
        ({"repeats": 20, "max_requests_per_day": 100}, "160 requests, more than"),
        ({"cron": "every day"}, "five fields"),
        ({"prompts": (), "prompts_file": "/nowhere/at/all"}, "cannot be read"),
    ],
)
def test_what_cannot_work_or_costs_too_much_is_refused(wrong: dict[str, Any], said: str):
    with pytest.raises(ConfigError, match=said):
        check([msgspec.structs.replace(CANARY, **wrong)])


def test_a_file_holds_prompts_or_messages(tmp_path: Path):
    file = tmp_path / "prompts"
    own = {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Who?"}]}
    lines = ["Why?", "", json.dumps(own), json.dumps({"prompt": "How?", "system": "Be brief."})]
    file.write_text("\n".join(lines))
    one = msgspec.structs.replace(CANARY, prompts=(), prompts_file=str(file), system="Be good.")
    said = [[(m.role, m.content) for m in messages] for messages in messages_of(one)]
    assert said == [
        [("system", "Be good."), ("user", "Why?")],
        [("system", "Be kind."), ("user", "Who?")],
        [("system", "Be brief."), ("user", "How?")],
    ]
    file.write_text('{"prompt": 3}')
    with pytest.raises(ConfigError, match="line 1"):
        messages_of(one)
