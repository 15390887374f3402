"""Connections at their worst: resets, half-closes, wrong lengths, races. A request has at most one answer, its own."""

import socket
import threading
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import wait_until
from tests.integration.bare import ask, bare
from tests.integration.relayed import ASK, CLOSE_SECONDS, PATH, Relayed, post, relay_to
from tests.scripted import BREAK, HALF_CLOSE, RESET, STREAM_HEAD, Request, answer, chunk, completion, events, replay

HI = completion("Hi.")
EVENTS = b"".join(events("one two"))
GET = b"GET /v1/models HTTP/1.1\r\nhost: here\r\n\r\n"


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("relay"), TAP__FLUSH_SECONDS="0.02") as running:
        yield running


def posts(relayed: Relayed) -> int:
    return sum(r.method == "POST" for r in relayed.upstream.requests)


CUT = {
    "before the head": (),
    "inside the head": (b"HTTP/1.1 200 OK\r\ncontent-le",),
    "after an interim answer": (b"HTTP/1.1 103 Early Hints\r\n\r\n",),
    "after the head": (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",),
    "inside a length": (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel",),
    "inside a chunk": (STREAM_HEAD, b"5\r\nhel"),
    "after a chunk": (STREAM_HEAD, chunk(b"hello")),
    "inside the last chunk": (STREAM_HEAD, chunk(b"hello"), b"0\r\n"),
}


@pytest.mark.parametrize("end", [BREAK, RESET, HALF_CLOSE], ids=["closed", "reset", "half-closed"])
@pytest.mark.parametrize("parts", CUT.values(), ids=CUT.keys())
def test_an_answer_that_is_cut_short_is_never_whole(relayed: Relayed, parts: tuple[bytes, ...], end: bytes):
    """Before its head is done it is a 502; after that the client's connection breaks. It is asked for once."""

    async def script(_: Request) -> AsyncIterator[bytes]:
        for part in parts:
            yield part
        yield end

    relayed.play(script)
    through = ask(relayed.driftium.url, post())
    assert posts(relayed) == 1
    if b"\r\n\r\n" in b"".join(parts) and b" 200 " in b"".join(parts):
        # A reset may overtake what was sent before it.
        assert (through.status, through.whole) in ([(200, False), (502, True)] if end is RESET else [(200, False)])
        assert b"hello".startswith(through.body) or through.status == 502
    else:
        assert (through.status, through.whole) == (502, True)


@pytest.mark.parametrize("end", [BREAK, HALF_CLOSE], ids=["closed", "half-closed"])
def test_an_answer_without_a_length_ends_with_its_connection(relayed: Relayed, end: bytes):
    """Also where the upstream goes on listening."""
    relayed.say(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", EVENTS, end)
    for _ in range(3):
        through = ask(relayed.driftium.url, post())
        assert (through.status, through.body, through.whole) == (200, EVENTS, True)


def test_an_answer_without_a_length_that_is_reset_is_not_whole(relayed: Relayed):
    passed = threading.Event()

    async def script(_: Request) -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + EVENTS
        await to_thread(passed.wait, 10)
        yield RESET

    relayed.play(script)
    with bare(relayed.driftium.url) as client:
        client.send(post())
        said = b""
        while EVENTS[-20:] not in said:
            said += client.socket.recv(65536)
        passed.set()
        assert b"0\r\n\r\n" not in said + client.socket.recv(65536)


@pytest.mark.parametrize("end", [BREAK, RESET], ids=["closed", "reset"])
def test_a_post_that_meets_a_closing_connection_is_not_sent_twice(relayed: Relayed, end: bytes):
    """The upstream closes a kept connection as the request comes in. Whether it was worked on nobody knows: a 502."""
    served: list[Request] = []

    async def script(request: Request) -> AsyncIterator[bytes]:
        served.append(request)
        yield answer(HI) if request.header("x-first") else end

    relayed.play(script)
    assert ask(relayed.driftium.url, post(ASK, "x-first: 1")).body == HI
    accepted = relayed.upstream.accepted
    through = ask(relayed.driftium.url, post())
    assert (through.status, through.whole) == (502, True)
    assert relayed.upstream.accepted == accepted  # it was the kept connection
    assert posts(relayed) == 2


def test_three_hundred_requests_share_the_clients_connection(relayed: Relayed):
    """Each gets its own answer, whole or streamed."""

    async def script(request: Request) -> AsyncIterator[bytes]:
        number = str(request.header("x-number")).encode()
        if int(number) % 2:
            yield answer(number)
        else:
            yield STREAM_HEAD + chunk(number) + chunk(b"")

    relayed.play(script)
    with bare(relayed.driftium.url) as client:
        for number in range(300):
            client.send(post(b"x" * (number % 7), f"x-number: {number}"))
            said = client.answer("POST")
            assert (said.status, said.body) == (200, str(number).encode())


def test_pipelined_requests_are_answered_in_their_order(relayed: Relayed):
    """Twenty in one segment, with and without a body."""

    async def script(request: Request) -> AsyncIterator[bytes]:
        yield answer(str(request.header("x-number")).encode() + request.body)

    relayed.play(script)
    with bare(relayed.driftium.url) as client:
        client.send(b"".join(post(b"." * (n % 3), f"x-number: {n}") for n in range(20)))
        answers = [client.answer("POST").body for _ in range(20)]
    assert answers == [str(n).encode() + b"." * (n % 3) for n in range(20)]


def test_a_client_that_pipelined_and_left_frees_the_upstream(relayed: Relayed, gate: threading.Event):
    """Although the server in front reads ahead; what waited behind is not sent at all."""

    async def script(_: Request) -> AsyncIterator[bytes]:
        yield STREAM_HEAD + chunk(EVENTS)
        await to_thread(gate.wait, 5)

    relayed.play(script)
    with bare(relayed.driftium.url) as client:
        client.send(post() + post())
        received = b""
        while EVENTS not in received:
            received += client.socket.recv(65536)
    started = time.monotonic()
    assert relayed.upstream.left.wait(3)
    assert time.monotonic() - started < CLOSE_SECONDS
    gate.set()
    assert posts(relayed) == 1


@pytest.mark.parametrize("framing", [b"content-length: 1000", b"transfer-encoding: chunked"])
def test_nonsense_behind_a_request_is_no_part_of_its_answer(relayed: Relayed, gate: threading.Event, framing: bytes):
    """The refusal does not stand in for the rest of the body: that comes, and then the connection closes."""
    first, rest = b"." * 900, b"," * 100

    async def script(_: Request) -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n"
        yield chunk(first) if b"chunked" in framing else first
        await to_thread(gate.wait, 5)
        yield chunk(rest) + chunk(b"") if b"chunked" in framing else rest

    relayed.play(script)
    with bare(relayed.driftium.url) as client:
        client.send(post())
        received = b""
        while not received.rstrip().endswith(first):
            received += client.socket.recv(65536)
        client.send(b"nonsense\r\n\r\n")
        gate.set()
        remainder = b"".join(iter(lambda: client.socket.recv(65536), b""))
    assert rest in remainder
    assert b"400" not in remainder


def test_a_first_byte_that_is_long_in_coming_is_waited_for(relayed: Relayed, gate: threading.Event):
    """As while a server loads a model; a client that waits has not left."""

    async def script(_: Request) -> AsyncIterator[bytes]:
        await to_thread(gate.wait, 5)
        yield answer(HI)

    relayed.play(script)
    with bare(relayed.driftium.url) as client:
        client.send(post())
        relayed.wait_for_request()
        assert not relayed.upstream.left.wait(1)
        gate.set()
        assert client.answer("POST").body == HI


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_client_that_leaves_inside_its_upload_frees_the_upstream(relayed: Relayed, chunked: bool):
    """Whose connection is broken within a quarter of a second."""
    relayed.play(replay({}))
    begun = relayed.upstream.begun
    framing = "transfer-encoding: chunked" if chunked else "content-length: 200000"
    with bare(relayed.driftium.url) as client:
        client.send(f"POST {PATH} HTTP/1.1\r\nhost: here\r\n{framing}\r\n\r\n".encode())
        client.send(chunk(b"x" * 9999) if chunked else b"x" * 9999)
        wait_until(lambda: relayed.upstream.begun > begun, seconds=5)
    started = time.monotonic()
    assert relayed.upstream.left.wait(3)
    assert time.monotonic() - started < CLOSE_SECONDS
    assert posts(relayed) == 0


def test_a_client_that_shuts_its_sending_side_has_left(relayed: Relayed, gate: threading.Event):
    """On the wire nothing tells the two apart until something is written, and the upstream must be free by then.

    The servers that are proxied (llama.cpp's, Go's, uvicorn) take it for the same.
    """

    async def script(_: Request) -> AsyncIterator[bytes]:
        await to_thread(gate.wait, 5)
        yield answer(HI)

    relayed.play(script)
    with bare(relayed.driftium.url) as client:
        client.send(post())
        relayed.wait_for_request()
        client.socket.shutdown(socket.SHUT_WR)
        started = time.monotonic()
        assert relayed.upstream.left.wait(3)
        assert time.monotonic() - started < CLOSE_SECONDS
        assert client.closed


def test_nothing_went_wrong_unseen(relayed: Relayed):
    """Of all the above, the proxy's standard error tells of no exception."""
    said = relayed.driftium.stderr.read_text()
    assert "Traceback" not in said, said
    assert "never retrieved" not in said
