"""What a client may do to its connection: pipeline, leave at any moment, send without end, speak an older HTTP."""

import asyncio
import socket
import struct
import threading
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import wait_until
from tests.integration.bare import Bare, Said, ask, bare, came
from tests.integration.relayed import ASK, CLOSE_SECONDS, PATH, Relayed, post, relay_to
from tests.scripted import STREAM_HEAD, Request, answer, chunk, completion, early, events, replay

HI = completion("Hi.")


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("relay"), TAP__FLUSH_SECONDS="0.02") as running:
        yield running


def read_until(client: Bare, mark: bytes) -> None:
    said = b""
    while mark not in said:
        said += client.socket.recv(65536)


def reset_by(client: Bare) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


@pytest.mark.parametrize("end", [b"x: " + b"y" * 60_000, b"x: y\r\n" * 10_000], ids=["one line", "many lines"])
def test_trailers_without_an_end_are_refused(relayed: Relayed, end: bytes):
    """A client cannot fill the memory with what nobody reads."""
    relayed.say(answer(HI))
    with bare(relayed.driftium.url) as client:
        client.send(b"POST /v1/x HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n0\r\n")
        with pytest.raises(ConnectionError):
            client.send(end * 500)
    assert relayed.driftium.chat("Hello?").content == HI


def test_every_offer_to_upgrade_is_declined_and_its_request_answered(relayed: Relayed):
    """However many come at once."""
    relayed.say(answer(HI))
    offer = b"GET /v1/models HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    with bare(relayed.driftium.url) as client:
        sending = threading.Thread(target=client.send, args=(offer * 500,))
        sending.start()
        assert [client.answer().body for _ in range(500)] == [HI] * 500
        sending.join()


def test_a_client_that_leaves_an_early_answer_frees_the_upstream(relayed: Relayed, gate: threading.Event):
    """Also when the upstream never read its upload, which stands in between."""

    async def script(_: Request) -> AsyncIterator[bytes]:
        yield STREAM_HEAD
        yield chunk(events("one")[0])
        await to_thread(gate.wait, 10)

    relayed.play(early(script))
    inflight = "driftium_inflight_requests"
    with bare(relayed.driftium.url) as client:
        client.send(b"POST %b HTTP/1.1\r\nhost: here\r\ncontent-length: 20000000\r\n\r\n" % PATH.encode())
        client.send(b"x" * 1_000_000)
        read_until(client, b"one")
        assert metric(relayed, inflight, endpoint="chat/completions") == 1
        reset_by(client)
    left = time.monotonic()
    wait_until(lambda: metric(relayed, inflight, endpoint="chat/completions") == 0, seconds=5)
    assert time.monotonic() - left < CLOSE_SECONDS


def test_a_request_that_waits_its_turn_does_not_hide_that_its_client_leaves(relayed: Relayed, gate: threading.Event):
    """Pipelined long after the first, which is watched by then."""

    async def script(_: Request) -> AsyncIterator[bytes]:
        yield STREAM_HEAD
        yield chunk(events("one")[0])
        await to_thread(gate.wait, 10)

    relayed.play(script)
    with bare(relayed.driftium.url) as client:
        client.send(post())
        read_until(client, b"one")
        time.sleep(0.1)  # until the proxy watches for its client's leaving
        client.send(post())
        time.sleep(0.1)  # until the proxy has read the second
        client.socket.close()
    left = time.monotonic()
    assert relayed.upstream.left.wait(5)
    assert time.monotonic() - left < CLOSE_SECONDS
    assert len(came(relayed)) == 1


@pytest.mark.parametrize("behind", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"])
def test_what_follows_a_whole_request_does_not_spoil_it(relayed: Relayed, behind: bytes):
    """It gets its own answer, and nothing comes after that."""
    relayed.say(answer(HI))
    with bare(relayed.driftium.url) as client:
        client.send(post() + behind)
        said = client.answer("POST")
        assert (said.status, said.body, said.whole) == (200, HI, True)
        assert client.closed
    assert len(came(relayed)) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/x HTTP/1.0\r\nhost: here\r\ntransfer-encoding: chunked",
        b"GET /v1/x HTTP/2.0\r\nhost: here",
        b"GET /v1/x HTTP/0.9\r\nhost: here",
        b"GET /v1/x#y? HTTP/1.1\r\nhost: here",
    ],
    ids=["chunks in 1.0", "2.0", "0.9", "fragment"],
)
def test_what_another_server_would_read_otherwise_is_refused(relayed: Relayed, head: bytes):
    relayed.say(answer(HI))
    assert ask(relayed.driftium.url, head + b"\r\n\r\n").status == 400
    assert not came(relayed)


def test_a_client_of_http_1_0_is_not_told_to_continue(relayed: Relayed):
    """It would take that for its answer."""
    relayed.say(answer(HI))
    said = ask(relayed.driftium.url, post(ASK, "expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    assert (said.interim, said.status, said.body) == ([], 200, HI)


def test_a_client_that_is_slow_is_not_the_proxys_overhead(relayed: Relayed):
    """Neither what it takes to send its body, nor what it takes to read its answer, nor its turn behind another."""
    pause, size = 0.3, 8_000_000
    relayed.say(answer(b"x" * size))
    before = metric(relayed, "driftium_overhead_seconds_sum", endpoint="chat/completions") or 0
    with bare(relayed.driftium.url) as client:
        request = post()
        client.send(request[: -len(ASK)])
        time.sleep(pause)  # a client that is slow to send
        client.send(ASK + request)
        time.sleep(pause)  # and slow to read
        assert [len(client.answer("POST").body) for _ in range(2)] == [size, size]
    count = "driftium_overhead_seconds_count"
    wait_until(lambda: (metric(relayed, count, endpoint="chat/completions") or 0) >= 2, seconds=5)
    assert metric(relayed, "driftium_overhead_seconds_sum", endpoint="chat/completions") - before < pause


def test_a_client_that_is_still_uploading_can_read_why_it_is_refused(tmp_path: Path):
    """Its connection stays until it has sent what it is sending; a reset would take the answer with it."""

    async def upload(url: str) -> Said:
        address = httpx.URL(url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(post(b"x" * 30_000_000))
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return Said(status=int(head.split()[1]))

    with relay_to(replay({}), tmp_path, SERVER__MAX_REQUEST_BYTES="1000000") as running:
        for _ in range(3):
            assert asyncio.run(upload(running.driftium.url)).status == 413
        assert running.driftium.chat("Hello?").status_code == 200


def metric(relayed: Relayed, name: str, **labels: str) -> float:
    """A sample of /metrics; 0 where there is none yet."""
    text = relayed.driftium.client.get("/metrics").text
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return next((s.value for s in samples if s.name == name and labels.items() <= s.labels.items()), 0.0)


def test_nothing_went_wrong_unseen(relayed: Relayed):
    """Of all the above, the proxy's standard error tells of no exception."""
    said = relayed.driftium.stderr.read_text()
    assert "Traceback" not in said, said
    assert "never retrieved" not in said
