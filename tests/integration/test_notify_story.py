"""Notifications end to end: a real Driftium, a drift, a killed worker, and four receivers.

It runs once; each test holds one claim about what the receivers got. One receiver never answers, all the while.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Driftium, wait_until
from tests.integration.receivers import OK, Receiver
from tests.scripted import Upstream, replay

BASELINE, OTHER = 20, 12
KEY = "R0123456789abcdef0123456789abcde"
CONFIG = """
[server]
public_url = "https://drift.example.org"

[[notify]]
name = "slack"
type = "slack"
url_env = "TOLD_SLACK"
{common}

[[notify]]
name = "teams"
type = "teams"
url_env = "TOLD_TEAMS"
{common}

[[notify]]
name = "pager"
type = "pagerduty"
url = "{url}/v2/enqueue"
routing_key_env = "TOLD_KEY"
{common}

[[notify]]
name = "own"
type = "webhook"
url = "{url}/own"
on = ["severity", "worker", "upstream"]
{common}

[[notify]]
name = "hangs"
type = "webhook"
url = "{url}/hangs"
timeout_seconds = 120
{common}
"""
COMMON = 'min_severity = "MEDIUM"\nafter_seconds = 0\nresolve_after_seconds = 0\ncooldown_seconds = 0'


class Seen(dict[str, Any]):
    """What was seen, by name."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, answers: dict[str, list[tuple[str, str]]]) -> Iterator[Seen]:
    medicine = [pair for pair in answers["medicine"] if len(pair[1]) < 500][:BASELINE]
    support = [pair for pair in answers["support"] if len(pair[1]) < 500][:OTHER]
    folder: Path = tmp_path_factory.mktemp("told")
    forever, seen = threading.Event(), Seen()
    with Receiver() as receiver, Upstream(replay(dict(medicine + support))) as upstream:
        receiver.answers["/hangs"] = [lambda: (forever.wait(), OK)[1]]
        (folder / "config.toml").write_text(CONFIG.format(url=receiver.url, common=COMMON))
        env = {"TOLD_SLACK": f"{receiver.url}/slack", "TOLD_TEAMS": f"{receiver.url}/teams", "TOLD_KEY": KEY}
        proxy = Driftium(folder, upstream.url, env=env | {"DRIFTIUM_DRIFT__REPORT_SECONDS": "1"}).start()
        try:
            proxy.wait_for_worker()
            for prompt, _ in medicine:
                assert proxy.chat(prompt).status_code == 200
            proxy.wait_until_scored(BASELINE)
            assert proxy.client.post("/baseline").is_success
            for prompt, _ in support:
                assert proxy.chat(prompt).status_code == 200
            _wait(receiver, "severity", "opened")
            wait_until(lambda: any(got.path == "/hangs" for got in receiver.got), what="the hanging receiver is asked")
            seen["passed"] = proxy.chat(medicine[0][0]).status_code
            seen["health"] = proxy.get("/api/health")
            _kill_until_told(proxy, receiver)
            _wait(receiver, "worker", "resolved")
            seen["metrics"] = proxy.client.get("/metrics").text
            seen["stopped"] = proxy.stop()
        finally:
            forever.set()
            proxy.stop()
        seen["log"] = proxy.stderr.read_text()
        seen["receiver"] = receiver
        seen["listed"] = subprocess.run(
            [sys.executable, "-m", "proxy", "notify", "--data-dir", str(folder)],
            cwd=folder,
            env=os.environ | env | {"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        yield seen


def _of(receiver: Receiver, kind: str, event: str) -> list[Any]:
    return [body for body in receiver.at("/own") if (body["kind"], body["event"]) == (kind, event)]


def _wait(receiver: Receiver, kind: str, event: str) -> None:
    wait_until(lambda: _of(receiver, kind, event), seconds=120, what=f"{kind} {event} is told")


def _kill_until_told(proxy: Driftium, receiver: Receiver) -> None:
    """As a machine short of memory does: whenever the worker is there, it is killed."""

    def told() -> bool:
        pid = proxy.get("/api/health")["worker"].get("pid")
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(_of(receiver, "worker", "opened"))

    wait_until(told, seconds=120, what="the worker's end is told")


def test_a_drift_is_told_to_every_channel_in_its_own_format(story: Seen):
    receiver = story["receiver"]
    told = _of(receiver, "severity", "opened")[0]
    assert told["monitor"] == "replay"
    assert told["severity"] in ("MEDIUM", "HIGH", "CRITICAL")
    assert told["figures"]["ratio"] >= 1
    assert told["figures"]["provisional"] is True
    assert "provisional" in told["title"]
    assert told["link"] == "https://drift.example.org/?monitor=replay"
    assert "drift" in receiver.at("/slack")[0]["blocks"][0]["text"]["text"]
    assert receiver.at("/teams")[0]["attachments"][0]["content"]["version"] == "1.4"
    paged = next(body for body in receiver.at("/v2/enqueue") if body["payload"]["class"] == "severity")
    assert (paged["event_action"], paged["routing_key"]) == ("trigger", KEY)
    assert paged["dedup_key"] == told["dedup_key"]


def test_no_text_of_users_or_models_is_in_any_of_it(story: Seen, answers: dict[str, list[tuple[str, str]]]):
    everything = b"".join(got.body for got in story["receiver"].got).decode()
    for prompt, response in answers["medicine"] + answers["support"]:
        assert prompt not in everything
        assert response[:60] not in everything


def test_a_killed_worker_is_told_and_that_it_works_again(story: Seen):
    opened, resolved = (_of(story["receiver"], "worker", event)[0] for event in ("opened", "resolved"))
    assert opened["dedup_key"] == resolved["dedup_key"]
    assert "driftium doctor" in opened["what_to_do"]
    actions = [b["event_action"] for b in story["receiver"].at("/v2/enqueue") if b["payload"]["class"] == "worker"]
    assert actions[:2] == ["trigger", "resolve"]


def test_a_receiver_that_hangs_keeps_no_answer_and_no_other_receiver_waiting(story: Seen):
    """It was asked with the first message and has not answered when all the others had theirs."""
    assert story["passed"] == 200
    assert any(got.path == "/hangs" for got in story["receiver"].got)


def test_what_was_sent_is_counted_and_the_scheduler_is_shown(story: Seen):
    assert 'driftium_notifications_total{channel="own",result="sent"}' in story["metrics"]
    assert 'driftium_notifications_total{channel="own",result="failed"} 0.0' in story["metrics"]
    assert story["health"]["scheduler"]["status"] == "ready"
    assert story["health"]["scheduler"]["jobs"] == 6


def test_it_ends_cleanly_though_a_receiver_hangs_and_says_no_secret(story: Seen):
    assert story["stopped"] == 0
    assert "Traceback" not in story["log"]
    assert "was killed" not in story["log"]
    assert KEY not in story["log"]
    assert "/slack" not in story["log"]


def test_the_command_lists_channels_and_what_stands_open(story: Seen):
    listed = story["listed"]
    assert listed.returncode == 0, listed.stderr
    assert "pager: pagerduty, 127.0.0.1" in listed.stdout
    assert "drift of replay" in listed.stdout
    assert re.search(r"^hangs: .*?; [1-9]\d* waiting$", listed.stdout, re.M | re.S)
    assert KEY not in listed.stdout
