"""What the log keeps when the process ends, or when the log itself cannot be written."""

import asyncio
import signal
import sqlite3
import threading
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from proxy.metrics import Metrics
from proxy.relay import Relay
from proxy.settings import Settings
from proxy.stores.log import FILE
from proxy.tap import Tap
from proxy.upstream import connect
from tests.conftest import Driftium, wait_until
from tests.integration.relayed import ASK, PATH, Relayed, find, relay_to
from tests.scripted import STREAM_HEAD, Request, answer, chunk, completion, events


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def streaming(tmp_path: Path, gate: threading.Event) -> Iterator[Relayed]:
    """An upstream that stops after its first event until the gate opens."""

    async def script(_: Request) -> AsyncIterator[bytes]:
        yield STREAM_HEAD
        first, *rest = events("one two")
        yield chunk(first)
        await to_thread(gate.wait, 20)
        for event in rest:
            yield chunk(event)
        yield chunk(b"")

    with relay_to(script, tmp_path, SERVER__DRAIN_SECONDS="2") as running:
        yield running
        gate.set()


def test_a_stream_outlives_sigterm_and_nothing_new_begins(streaming: Relayed, gate: threading.Event):
    """It ends as it would have, it is in the log, and then the process ends at once with code 0."""
    driftium = streaming.driftium
    with streaming.socket() as idle, httpx.Client(trust_env=False, timeout=10) as client:
        idle.sendall(b"GET /live HTTP/1.1\r\nhost: here\r\n\r\n")
        said = b""
        while not said.endswith(b"}"):
            said += idle.recv(65536)
        with client.stream("POST", driftium.url + PATH, content=ASK) as response:
            parts = response.iter_raw()
            got = next(parts)
            driftium.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not reachable(driftium.url), seconds=5, what="nothing new is accepted")
            assert idle.recv(65536) == b""
            gate.set()
            got += b"".join(parts)
            ended = time.monotonic()
        assert got == b"".join(events("one two"))
    assert driftium.process.wait(5) == 0
    assert time.monotonic() - ended < 2
    capture = find(driftium.data_dir, response.headers["x-driftium-exchange-id"])
    assert capture
    assert (capture.outcome, capture.response) == ("complete", got)


def reachable(url: str) -> bool:
    try:
        return httpx.get(url + "/live", trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_a_request_in_the_moment_before_connections_close_is_told_to_come_again():
    """On a kept-alive connection it can arrive after the signal: it is not forwarded."""
    settings = Settings()
    metrics = Metrics(CollectorRegistry(), 5)
    base, transport = connect(settings.upstream)
    relay = Relay(settings, base, transport, Tap(settings.tap, lambda *_: None, metrics.observe, {}), metrics)
    relay.draining = True
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    async def receive() -> Any:
        raise AssertionError("the body is not read")

    asyncio.run(relay({"method": "POST", "raw_path": PATH.encode(), "state": {}}, receive, send))
    start, body = said
    assert start["status"] == 503
    assert msgspec.json.decode(body["body"])["error"]["code"] == "draining"


def test_a_stream_that_does_not_end_is_cut_and_logged(streaming: Relayed):
    """Once drain_seconds have passed: the client sees a break, and what had passed is kept."""
    driftium = streaming.driftium
    with httpx.stream("POST", driftium.url + PATH, content=ASK, trust_env=False) as response:
        parts = response.iter_raw()
        assert next(parts) == events("one two")[0]
        driftium.process.send_signal(signal.SIGTERM)
        with pytest.raises(httpx.RemoteProtocolError):
            next(parts)
    assert driftium.process.wait(10) == 0
    capture = find(driftium.data_dir, response.headers["x-driftium-exchange-id"])
    assert capture
    assert capture.outcome != "complete"
    assert capture.response == events("one two")[0]


def test_totals_outlive_a_restart(tmp_path: Path):
    async def script(_: Request) -> AsyncIterator[bytes]:
        yield answer(completion("Hi."))

    with relay_to(script, tmp_path) as running:
        for skip in ("0", "1", "0"):
            assert running.driftium.chat("Hello?", headers={"x-driftium-skip": skip}).status_code == 200
        running.driftium.stop()
        again = Driftium(tmp_path, running.upstream.url, "--no-worker").start()
        totals = again.get("/api/health")["tap"]
        again.stop()
    assert (totals["logged"], totals["skipped"], totals["dropped"]) == (2, 1, 0)


def test_a_log_that_cannot_be_written_costs_no_request(tmp_path: Path):
    """Exchanges wait in memory up to their bound, are dropped and counted past it, and are logged once they can be."""

    async def script(_: Request) -> AsyncIterator[bytes]:
        yield answer(completion("Hi."))

    with relay_to(script, tmp_path, TAP__MAX_EXCHANGES="5") as running:
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        answers = [running.driftium.chat("Hello?") for _ in range(20)]
        assert [a.content for a in answers] == [completion("Hi.")] * 20
        assert time.monotonic() - started < 3
        other.execute("ROLLBACK")
        other.close()
        wait_until(lambda: running.driftium.get("/api/health")["tap"]["logged"] >= 5, seconds=20)
        tap = running.driftium.get("/api/health")["tap"]
        assert tap["logged"] + tap["dropped"] == 20
        assert running.driftium.chat("Hello?").status_code == 200
        wait_until(lambda: running.driftium.get("/api/health")["tap"]["logged"] == tap["logged"] + 1, seconds=5)
