"""A monitor is muted until a time, with a note; whatever it is called, and no longer than that."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from proxy.settings import History as HistorySettings
from proxy.stores.history import MonitorRow, open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.mutes import Mute, delete_mute, read_mutes, write_mute
from tests.conftest import Driftium, free_port

NAMES = ["replay", "hf.co/org/model:Q4", "a b", "50%2F50 %", "über/modell", "what?#&+", "/v1/", "a//b", "mute"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driftium]:
    """A Driftium without a worker that has seen an answer of each of these monitors."""
    folder: Path = tmp_path_factory.mktemp("muted")
    history = open_history(folder)
    rows = [
        MonitorRow(name=name, created_at=0.0, last_scored_at=1.0, model="m", response_model="m", received=9, observed=0)
        for name in NAMES
    ]
    Ledger(history, HistorySettings(), ring=2_000).commit(Changes(monitors=rows))
    history.close()
    running = Driftium(folder, f"http://127.0.0.1:{free_port()}", "--no-worker").start()
    yield running
    running.stop()


def path(name: str) -> str:
    return f"/monitors/{quote(name, safe='')}/mute"


def later(**more: float) -> str:
    return (datetime.now(UTC) + timedelta(**more)).isoformat()


def shown(server: Driftium, name: str) -> Any:
    """The mute as both views of a monitor show it."""
    (row,) = (row for row in server.get("/monitors")["monitors"] if row["name"] == name)
    assert server.get("/drift", monitor=name)["mute"] == row["mute"]
    return row["mute"]


@pytest.mark.parametrize("name", NAMES)
def test_a_monitor_of_any_name_is_muted_and_told_of_again(server: Driftium, name: str):
    assert shown(server, name) is None
    muted = server.client.post(path(name), json={"until": later(hours=1), "note": "the new model is being tried"})
    assert muted.status_code == 200, muted.text
    assert muted.json()["monitor"] == name
    assert muted.json()["mute"]["note"] == "the new model is being tried"
    assert shown(server, name) == muted.json()["mute"]
    unmuted = server.client.delete(path(name))
    assert (unmuted.status_code, unmuted.json()["mute"]) == (200, None)
    assert shown(server, name) is None


def test_the_end_is_kept_to_the_moment_and_the_beginning_is_now(server: Driftium):
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    mute = server.client.post(path("replay"), json={"until": until.isoformat()}).json()["mute"]
    assert datetime.fromisoformat(mute["until"]) == until
    assert abs(datetime.fromisoformat(mute["since"]) - datetime.now(UTC)) < timedelta(seconds=30)
    assert mute["note"] == ""


def test_a_time_with_an_offset_is_the_same_moment(server: Driftium):
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    local = until.astimezone(tz=None).isoformat()
    mute = server.client.post(path("replay"), json={"until": local}).json()["mute"]
    assert datetime.fromisoformat(mute["until"]) == until


def test_muting_again_replaces_the_end_and_the_note(server: Driftium):
    server.client.post(path("a b"), json={"until": later(hours=1), "note": "one"})
    server.client.post(path("a b"), json={"until": later(hours=2), "note": "two"})
    assert shown(server, "a b")["note"] == "two"


def test_unmuting_what_is_not_muted_changes_nothing(server: Driftium):
    server.client.delete(path("a//b"))
    assert server.client.delete(path("a//b")).json()["message"] == "a//b is not muted."


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "until"),
        ({"until": "tomorrow"}, "until = 'tomorrow'"),
        ({"until": "2020-01-01T00:00:00Z"}, "until = 2020-01-01T00:00:00+00:00: must be in the future"),
        ({"until": later(days=370)}, "must be within a year"),
        ({"until": "9999-12-31T23:59:59-14:00"}, "must be within a year"),
        ({"until": "0001-01-01T00:00:00+14:00"}, "must be in the future"),
        ({"until": later(hours=1), "note": "x" * 1001}, "note"),
        ({"until": later(hours=1), "reason": "x"}, "reason"),
    ],
)
def test_what_is_refused_names_the_field_and_the_rule(server: Driftium, body: dict[str, str], says: str):
    answered = server.client.post(path("hf.co/org/model:Q4"), json=body)
    assert answered.status_code == 400, answered.text
    assert answered.headers["content-type"] == "application/problem+json"
    assert says in answered.json()["detail"]
    assert shown(server, "hf.co/org/model:Q4") is None


def test_a_monitor_that_nobody_knows_is_404_and_says_which_there_are(server: Driftium):
    for answered in (
        server.client.post(path("nobody"), json={"until": later(hours=1)}),
        server.client.delete(path("nobody")),
    ):
        assert answered.status_code == 404
        assert "'nobody'" in answered.json()["detail"]
        assert "hf.co/org/model:Q4" in answered.json()["detail"]


def test_whoever_listens_is_told(server: Driftium):
    server.client.post(path("what?#&+"), json={"until": later(hours=1), "note": "deploy"})
    server.client.delete(path("what?#&+"))
    told: list[Any] = []
    with server.client.stream("GET", "/events", headers={"last-event-id": "0"}) as stream:
        kind = ""
        for line in stream.iter_lines():
            kind = line.removeprefix("event: ") if line.startswith("event: ") else kind
            if line.startswith("data: ") and kind == "mute":
                told.append(json.loads(line.removeprefix("data: ")))
            if len(told) > 1 and told[-2]["mute"] and told[-2]["mute"]["note"] == "deploy":
                break
    assert told[-1] == {"monitor": "what?#&+", "mute": None}
    assert set(told[-2]["mute"]) == {"until", "note", "since"}


def test_a_mute_that_is_over_is_none(tmp_path: Path):
    engine = open_history(tmp_path).engine
    now = time.time()
    write_mute(engine, "m", Mute(until=now + 10, note="", since=now))
    assert set(read_mutes(engine, now)) == {"m"}
    assert read_mutes(engine, now + 10) == {}
    delete_mute(engine, "m")
    assert read_mutes(engine, now) == {}
    engine.dispose()
