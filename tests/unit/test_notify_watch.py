"""What the server says of itself is read as what people need to be told."""

from typing import Any

import pytest

from proxy.notify.records import CRITICAL, HIGH, WELL, Fact, Memory
from proxy.notify.watch import own_address, server_facts
from proxy.settings import Server, Settings

FINE: dict[str, Any] = {
    "worker": {"status": "ready", "restarts": 0},
    "upstream": {"status": "up"},
    "tap": {"dropped": 5, "status": "ok", "pending": 0},
    "storage": {"status": "ok"},
}


def facts(dropped: int | None = 5, **parts: Any) -> dict[str, Fact]:
    return {fact.kind: fact for fact in server_facts(FINE | parts, Memory(instance="i", dropped=dropped))}


def test_nothing_is_told_of_what_is_fine():
    assert {kind: (fact.level, fact.uneasy) for kind, fact in facts().items()} == dict.fromkeys(
        ("worker", "upstream", "tap"), (WELL, False)
    )


@pytest.mark.parametrize("status", ["off", "restarting", "failed", "stalled"])
def test_a_worker_that_does_not_work_is_down(status: str):
    assert facts(worker={"status": status})["worker"].level == HIGH


@pytest.mark.parametrize("status", ["starting", "loading"])
def test_a_worker_that_starts_is_not_well_and_is_down_once_it_takes_too_long(status: str):
    begins = facts(worker={"status": status, "stage_seconds": 30})["worker"]
    assert (begins.level, begins.uneasy) == (WELL, True)
    assert facts(worker={"status": status, "stage_seconds": 601})["worker"].level == HIGH


def test_a_worker_that_failed_says_why_on_one_short_line():
    said = facts(worker={"status": "failed", "message": "no weights\nat /x" + "y" * 10_000})["worker"].reason
    assert "It says: no weights at /x" in said
    assert "\n" not in said
    assert len(said) < 500


def test_a_model_server_that_does_not_answer_is_down():
    assert facts(upstream={"status": "down"})["upstream"].level == CRITICAL


@pytest.mark.parametrize(("before", "level", "now"), [(5, WELL, 0), (4, HIGH, 1), (None, WELL, 0), (9, WELL, 0)])
def test_the_tap_is_told_of_when_its_count_rises(before: int | None, level: int, now: int):
    """Not at the first look, when it is not known what is new, nor when the count begins anew."""
    tap = facts(dropped=before)["tap"]
    assert (tap.level, tap.figures["dropped_now"]) == (level, now)


def test_a_data_folder_that_cannot_be_used_is_told_of_and_nothing_is_said_of_the_worker():
    """The worker's state lies in that folder."""
    found = facts(storage={"status": "failing", "message": "disk full"}, worker={"status": "off"})
    assert "worker" not in found
    assert found["tap"].level == HIGH
    assert "disk full" in found["tap"].reason


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:1"), ("0.0.0.0", "http://127.0.0.1:1"), ("::", "http://[::1]:1")],
)
def test_the_server_is_asked_where_this_machine_reaches_it(host: str, url: str):
    assert own_address(Settings(server=Server(host=host, port=1))) == url
