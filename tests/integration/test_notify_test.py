"""`driftium notify --test` says of each channel whether its message was taken, and what to do where it was not."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.receivers import Receiver

CONFIG = """
[[notify]]
name = "on-call"
type = "slack"
url_env = "TOLD_SLACK"

[[notify]]
name = "pager"
type = "pagerduty"
url = "{url}/v2/enqueue"
routing_key_env = "TOLD_KEY"

[[notify]]
name = "own"
type = "webhook"
url = "{url}/own"
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def notify(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "XDG_DATA_HOME": str(folder)} | environ
    command = [sys.executable, "-m", "proxy", "notify", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_every_channel_gets_a_message_that_says_that_it_is_a_test(tmp_path: Path, receiver: Receiver):
    (tmp_path / "config.toml").write_text(CONFIG.format(url=receiver.url))
    done = notify(tmp_path, "--test", TOLD_SLACK=f"{receiver.url}/slack/hush-hush", TOLD_KEY="R" * 32)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ok", "ok", "ok"]
    assert "Test of Driftium" in receiver.at("/slack/hush-hush")[0]["text"]
    assert receiver.at("/own")[0]["event"] == "test"
    first, second = receiver.at("/v2/enqueue")
    assert (first["event_action"], second["event_action"]) == ("trigger", "resolve")
    assert first["dedup_key"] == second["dedup_key"]
    assert "hush-hush" not in done.stdout + done.stderr


def test_what_fails_is_named_with_what_to_do_and_the_others_are_tried(tmp_path: Path, receiver: Receiver):
    (tmp_path / "config.toml").write_text(CONFIG.format(url=receiver.url))
    receiver.answers["/v2/enqueue"] = [(400, {}, b'{"status":"invalid event","errors":["Invalid routing key"]}')]
    done = notify(tmp_path, "--test", TOLD_KEY="R" * 32)
    assert done.returncode == 1
    assert "failed  on-call (slack): the environment variable TOLD_SLACK is not set" in done.stdout
    assert "Invalid routing key" in done.stdout
    assert "Check the integration key" in done.stdout
    assert "ok      own" in done.stdout


def test_one_channel_can_be_tested_alone_and_one_that_is_not_there_is_named(tmp_path: Path, receiver: Receiver):
    (tmp_path / "config.toml").write_text(CONFIG.format(url=receiver.url))
    assert notify(tmp_path, "--test", "--channel", "own").returncode == 0
    assert [got.path for got in receiver.got] == ["/own"]
    unknown = notify(tmp_path, "--test", "--channel", "pagr")
    assert unknown.returncode == 2
    assert "there are: on-call, pager, own" in unknown.stderr


def test_without_a_channel_it_says_how_to_set_one_up(tmp_path: Path):
    listed = notify(tmp_path)
    assert listed.returncode == 0
    assert "[[notify]]" in listed.stdout
    assert notify(tmp_path, "--test").returncode == 2
