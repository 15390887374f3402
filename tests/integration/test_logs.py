"""What the log says, line by line: JSON off a terminal, never a secret, a prompt or an answer."""

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.stores import history, log
from tests.conftest import Driftium, wait_until
from tests.scripted import BREAK, STREAM_HEAD, Request, Upstream, answer, chunk, events, replay

SECRETS = {
    "key": "sk-verysecretkey0001",
    "cookie": "cookiesecret0002",
    "prompt": "promptsecret0003",
    "answer": "answersecret0004",
    "token": "tokensecret0005",
    "hook": "hooksecret0006",
    "password": "passwordsecret0007",
    "query": "querysecret0008",
}
PROVOKED = 5
"""Exchanges that are logged before the disk fails."""
CONFIG = """
[[notify]]
name = "on-call"
type = "webhook"
url_env = "ON_CALL_URL"
"""


async def script(request: Request) -> AsyncIterator[bytes]:
    said = SECRETS["answer"]
    if b"break" in request.body:
        yield STREAM_HEAD
        yield chunk(events(said)[0])
        yield BREAK
    elif b"refuse" in request.body:
        yield answer(json.dumps({"error": {"message": said}}).encode(), status="500 Internal Server Error")
    elif b"nonsense" in request.body:
        yield answer(b"{" + said.encode(), headers=("set-cookie: " + SECRETS["cookie"],))
    else:
        async for part in replay({})(request):
            yield part


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The log of a session in which much went wrong."""
    folder: Path = tmp_path_factory.mktemp("logged")
    (folder / "config.toml").write_text(CONFIG)
    env = {
        "DRIFTIUM_SERVER__ADMIN_TOKEN": SECRETS["token"],
        "ON_CALL_URL": f"http://127.0.0.1:9/{SECRETS['hook']}",
        "DRIFTIUM_PRIVACY__REDACT": "['[0-9]{4}-[0-9]{4}']",
    }
    with Upstream(script) as upstream:
        url = upstream.url.replace("http://", f"http://ann:{SECRETS['password']}@")
        running = Driftium(folder, url, "--no-worker", env=env).start()
        try:
            provoke(running)
            damage(running, folder)
        finally:
            assert running.stop() == 0
    return running.stderr.read_text().splitlines()


def provoke(running: Driftium) -> None:
    headers = {"authorization": f"Bearer {SECRETS['key']}", "cookie": SECRETS["cookie"]}
    for word in ("break", "refuse", "nonsense", "well"):
        with contextlib.suppress(httpx.RemoteProtocolError):
            running.chat(f"{word} {SECRETS['prompt']}", headers=headers, stream=word == "break")
    running.client.get("/drift", headers={"authorization": f"Bearer wrong-{SECRETS['key']}"})
    running.client.get(f"/drift?monitor={SECRETS['query']}")
    deep = "[" * 100_000
    running.client.post("/baseline", content=deep + SECRETS["prompt"], headers={"content-type": "application/json"})
    # What cannot be redacted is told of, and not shown.
    packed = {"content-encoding": "br", "content-type": "application/json"}
    running.client.post("/v1/chat/completions", content=SECRETS["prompt"], headers=headers | packed)


def health(running: Driftium) -> Any:
    return running.client.get("/api/health", headers={"authorization": f"Bearer {SECRETS['token']}"}).json()


def damage(running: Driftium, folder: Path) -> None:
    """The log, into which prompts are written, cannot be written any more, nor the history read."""
    mine = {"authorization": f"Bearer {SECRETS['token']}"}
    assert running.client.get("/monitors", headers=mine).status_code == 200
    wait_until(lambda: health(running)["tap"]["logged"] == PROVOKED, what="all of it is in the log")
    for file, table in ((log.FILE, "exchanges"), (history.FILE, "monitors")):
        with closing(sqlite3.connect(folder / file)) as db:
            db.execute(f"ALTER TABLE {table} RENAME TO gone")
            db.execute(f"CREATE VIEW {table} AS SELECT 1 AS one")
            db.commit()
    running.chat(f"late {SECRETS['prompt']}")
    wait_until(lambda: health(running)["tap"]["status"] == "failing", what="the tap says that it fails")
    assert running.client.get("/monitors", headers=mine).status_code == 503


def test_every_line_is_json_with_a_level_a_time_and_a_message(said: list[str]):
    assert said
    for line in said:
        told = json.loads(line)
        assert {"event", "level", "timestamp"} <= told.keys(), line


def test_much_was_said(said: list[str]):
    told = "\n".join(said)
    assert "listens at" in told
    assert "could not be redacted" in told
    assert "the exchange log cannot be written" in told
    assert "the database cannot be used" in told


@pytest.mark.parametrize("what", SECRETS)
def test_nothing_secret_is_said(said: list[str], what: str):
    assert [line for line in said if SECRETS[what] in line] == []
