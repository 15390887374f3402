"""A client that leaves takes its request with it: the upstream is freed, and what had passed is logged."""

import socket
import struct
import threading
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import wait_until
from tests.integration.relayed import ASK, CLOSE_SECONDS, Relayed, post, relay_to
from tests.scripted import STREAM_HEAD, Request, answer, chunk, completion, early, events, replay

BEFORE_HEADERS, BEFORE_FIRST_BYTE, IN_MID_STREAM = range(3)


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("relay")) as running:
        yield running


def stalls(stage: int, gate: threading.Event):
    async def script(_: Request) -> AsyncIterator[bytes]:
        if stage >= BEFORE_FIRST_BYTE:
            yield STREAM_HEAD
        if stage >= IN_MID_STREAM:
            yield chunk(events("one")[0])
        await to_thread(gate.wait, 10)

    return script


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("stage", [BEFORE_HEADERS, BEFORE_FIRST_BYTE, IN_MID_STREAM])
def test_the_upstream_is_freed_within_a_quarter_of_a_second(
    relayed: Relayed, gate: threading.Event, stage: int, reset: bool
):
    relayed.play(stalls(stage, gate))
    expected = [b"", b"\r\n\r\n", events("one")[0]][stage]
    with relayed.socket() as client:
        client.sendall(post())
        got = relayed.wait_for_request()
        received = b""
        while expected not in received:
            received += client.recv(65536)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    started = time.monotonic()
    assert relayed.upstream.left.wait(5)
    assert time.monotonic() - started < CLOSE_SECONDS
    capture = relayed.logged(str(got.header("x-request-id")))
    assert capture.outcome == "client_closed"
    assert capture.request == ASK
    assert capture.response == (events("one")[0] if stage == IN_MID_STREAM else b"")
    assert capture.status == (0 if stage == BEFORE_HEADERS else 200)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_half_an_upload_never_looks_whole(relayed: Relayed, chunked: bool):
    """The upstream's connection breaks inside the body, and no request is seen."""
    relayed.play(replay({}))
    framing = "transfer-encoding: chunked" if chunked else "content-length: 200000"
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: here\r\nx-request-id: half\r\n{framing}\r\n\r\n".encode()
    before = relayed.driftium.get("/api/health")["tap"]["logged"]
    with relayed.socket() as client:
        client.sendall(head)
        for _ in range(3):
            client.sendall(chunk(b"x" * 9999) if chunked else b"x" * 9999)

    wait_until(lambda: relayed.driftium.get("/api/health")["tap"]["logged"] == before + 1, seconds=5)
    assert not any(r.header("x-request-id") == "half" for r in relayed.upstream.requests)


def test_an_answer_that_comes_before_the_upload_ends_passes(relayed: Relayed):
    """As from a server that refuses on the headers alone and closes."""

    async def script(_: Request) -> AsyncIterator[bytes]:
        yield answer(b'{"error":"no key"}', status="401 Unauthorized")

    relayed.play(early(script))
    for _ in range(20):
        with relayed.socket() as client:
            client.sendall(post(b"x" * 3_000_000)[:1_000_000])
            assert client.recv(65536).startswith(b"HTTP/1.1 401")


def test_a_client_that_reads_slowly_holds_the_upstream_back(relayed: Relayed):
    """Fifty megabytes wait at the upstream, not in the proxy's memory."""
    size = 50_000_000
    sent = 0

    async def script(_: Request) -> AsyncIterator[bytes]:
        nonlocal sent
        yield b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size
        while sent < size:
            yield bytes(100_000)
            sent += 100_000

    relayed.play(script)
    with relayed.socket() as client:
        client.sendall(post())
        relayed.wait_for_request()
        before = -1
        while sent != before:  # until nothing moves any more
            before = sent
            time.sleep(0.3)  # that nothing comes any more has no event to wait for
        resident = memory_of(relayed.driftium.process.pid)
        assert sent < 20_000_000
        received = len(client.recv(65536).split(b"\r\n\r\n", 1)[1])
        while received < size:
            received += len(client.recv(2**20))
        assert received == size
    assert memory_of(relayed.driftium.process.pid) - resident < 20_000_000


def memory_of(pid: int) -> int:
    """Resident memory, bytes."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_two_hundred_and_fifty_requests_leave_no_connection_busy(relayed: Relayed):
    """One after the other they share a connection; fifty at once leave at most as many, and all are idle."""
    relayed.say(answer(completion("Hi.")))
    accepted = relayed.upstream.accepted
    for _ in range(200):
        assert relayed.driftium.chat("Hello?").status_code == 200
    # The proxy's own look at the models may come in between, and idle connections are dropped with time.
    assert relayed.upstream.accepted - accepted <= 3
    threads = [threading.Thread(target=relayed.driftium.chat, args=("Hello?",)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert relayed.upstream.connections <= 53
    text = relayed.driftium.client.get("/metrics").text
    assert 'driftium_inflight_requests{endpoint="chat/completions"} 0.0' in text


def test_nothing_went_wrong_unseen(relayed: Relayed):
    """Of all the above, the proxy's standard error tells of no exception."""
    said = relayed.driftium.stderr.read_text()
    assert "Traceback" not in said, said
    assert "never retrieved" not in said
    assert "ResourceWarning" not in said
