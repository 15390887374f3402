"""An upstream that fails: the client learns of it as it would directly, or gets an error in OpenAI's shape."""

import json
import threading
import time
from asyncio import sleep, to_thread
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.conftest import free_port, wait_until
from tests.integration.relayed import ASK, PATH, Relayed, find, post, relay_to
from tests.scripted import BREAK, STREAM_HEAD, Request, answer, chunk, completion, events, replay

LIMIT = 100_000
FIRST_BYTE_SECONDS = 0.5
BETWEEN_CHUNKS_SECONDS = 0.4


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    settings = {
        "SERVER__MAX_REQUEST_BYTES": str(LIMIT),
        "UPSTREAM__FIRST_BYTE_SECONDS": str(FIRST_BYTE_SECONDS),
        "UPSTREAM__BETWEEN_CHUNKS_SECONDS": str(BETWEEN_CHUNKS_SECONDS),
    }
    with relay_to(replay({}), tmp_path_factory.mktemp("relay"), **settings) as running:
        yield running


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an error, whose shape is held to OpenAI's."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert response.headers["content-type"] == "application/json"
    return response.status_code, error["code"]


@pytest.mark.parametrize(
    ("parts", "passed"),
    [
        ([STREAM_HEAD, chunk(events("one")[0]), BREAK], events("one")[0]),
        ([STREAM_HEAD, chunk(b"whole")[:-4], BREAK], b"who"),
        ([answer(completion("Hi."))[:-5], BREAK], completion("Hi.")[:-5]),
        ([STREAM_HEAD, chunk(b"one"), b"not a chunk\r\n"], b"one"),
    ],
    ids=["no last chunk", "inside a chunk", "short content", "not chunks"],
)
def test_a_stream_that_breaks_never_ends_cleanly(relayed: Relayed, parts: list[bytes], passed: bytes):
    """What had passed is with the client and in the log; then the client's connection breaks too."""
    relayed.say(*parts)
    with relayed.driftium.client.stream("POST", PATH, content=ASK) as response:
        parts_passed: list[bytes] = []
        with pytest.raises(httpx.RemoteProtocolError):
            parts_passed.extend(response.iter_raw())
    assert (response.status_code, b"".join(parts_passed)) == (200, passed)
    capture = relayed.logged(response.headers["x-driftium-exchange-id"])
    assert (capture.outcome, capture.response, capture.status) == ("upstream_error", passed, 200)
    assert capture.error


@pytest.mark.parametrize(
    "parts",
    [
        [BREAK],
        [b"HTTP/1.1 200 OK\r\ncontent-le", BREAK],
        [b"SSH-2.0-OpenSSH_9.6\r\n"],
        [b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"],
        [b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n"],
    ],
    ids=["nothing", "half a head", "not HTTP", "101", "999"],
)
def test_an_upstream_that_breaks_before_its_answer_is_a_502(relayed: Relayed, parts: list[bytes]):
    relayed.say(*parts)
    through = relayed.driftium.chat("Hello?")
    assert refusal(through) == (502, "upstream_unreachable")
    capture = relayed.logged(through.headers["x-driftium-exchange-id"])
    assert (capture.outcome, capture.status, capture.response) == ("upstream_error", 502, b"")
    assert sum(r.method == "POST" for r in relayed.upstream.requests) == 1


def test_an_upstream_that_is_not_there_is_a_502(driftium):
    running = driftium(f"http://127.0.0.1:{free_port()}", "--no-worker")
    through = running.chat("Hello?")
    assert refusal(through) == (502, "upstream_unreachable")
    exchange = through.headers["x-driftium-exchange-id"]
    assert wait_until(lambda: find(running.data_dir, exchange), seconds=5).outcome == "upstream_error"


def test_an_upstream_that_says_nothing_is_a_504(relayed: Relayed, gate: threading.Event):
    async def script(_: Request) -> AsyncIterator[bytes]:
        await to_thread(gate.wait, 10)
        yield b""

    relayed.play(script)
    started = time.monotonic()
    through = relayed.driftium.chat("Hello?")
    assert refusal(through) == (504, "upstream_timeout")
    assert FIRST_BYTE_SECONDS <= time.monotonic() - started < FIRST_BYTE_SECONDS + 0.5
    assert relayed.upstream.left.wait(1)
    assert relayed.logged(through.headers["x-driftium-exchange-id"]).outcome == "upstream_error"


def test_a_pause_inside_a_stream_breaks_it(relayed: Relayed, gate: threading.Event):
    async def script(_: Request) -> AsyncIterator[bytes]:
        yield STREAM_HEAD
        yield chunk(events("one")[0])
        await to_thread(gate.wait, 10)

    relayed.play(script)
    with pytest.raises(httpx.RemoteProtocolError):
        relayed.driftium.chat("Hello?")
    assert relayed.upstream.left.wait(1)
    capture = relayed.logged(str(relayed.got.header("x-request-id")))
    assert (capture.outcome, "paused" in capture.error) == ("upstream_error", True)


def test_the_timeouts_are_of_silence_and_not_of_the_whole(relayed: Relayed):
    """An upload and an answer that each take longer than their bound pass, as long as they move."""
    steps, pause = 8, 0.1

    async def script(_: Request) -> AsyncIterator[bytes]:
        yield STREAM_HEAD
        for event in events("one two three four five six"):
            await sleep(pause)
            yield chunk(event)
        yield chunk(b"")

    relayed.play(script)
    with relayed.socket() as client:
        client.sendall(post(ASK)[: -len(ASK)])
        for i in range(steps):
            client.sendall(ASK[i * 10 : i * 10 + 10])
            time.sleep(pause)  # a slow client
        client.sendall(ASK[steps * 10 :])
        said = b""
        while not said.endswith(b"0\r\n\r\n"):
            said += client.recv(65536)
    assert said.startswith(b"HTTP/1.1 200")
    assert relayed.got.body == ASK


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_request_that_is_too_large_is_a_413(relayed: Relayed, chunked: bool):
    """And the upstream never has all of it."""
    relayed.say(answer(completion("Hi.")))
    parts = (b"x" * 10_000 for _ in range(100))
    through = httpx.post(
        relayed.driftium.url + PATH, content=parts if chunked else b"x" * 1_000_000, trust_env=False, timeout=10
    )
    assert refusal(through) == (413, "request_too_large")
    capture = relayed.logged(through.headers["x-driftium-exchange-id"])
    assert (capture.outcome, capture.status) == ("too_large", 413)
    assert not any(r.method == "POST" for r in relayed.upstream.requests)


def test_a_request_of_exactly_the_limit_passes(relayed: Relayed):
    relayed.say(answer(completion("Hi.")))
    body = json.dumps({"model": "replay", "pad": "x" * LIMIT}).encode()[: LIMIT - 2] + b'"}'
    for content in (body[:-1], (body[i : i + 9_999] for i in range(0, LIMIT - 1, 9_999))):
        through = httpx.post(relayed.driftium.url + PATH, content=content, trust_env=False)
        assert through.status_code == 200


def test_a_connection_that_the_upstream_closed_is_not_used_again(relayed: Relayed):
    """Servers close what is idle without a word; the next request gets its answer all the same."""
    relayed.say(answer(completion("Hi.")), BREAK)
    for _ in range(30):
        assert relayed.driftium.chat("Hello?").status_code == 200
        wait_until(lambda: not relayed.upstream.connections, seconds=20)


@pytest.mark.parametrize(
    "parts",
    [
        [answer(completion("Hi.")) + answer(b"stolen", status="500 Internal Server Error")],
        [answer(completion("Hi.")), answer(b"stolen")],
        [answer(completion("Hi.")) + b"garbage"],
        [answer(completion("Hi."), headers=("Connection: close",)) + b"garbage"],
    ],
    ids=["second answer at once", "second answer later", "garbage", "garbage after close"],
)
def test_unasked_bytes_never_become_an_answer(relayed: Relayed, parts: list[bytes]):
    written = threading.Event()

    async def script(_: Request) -> AsyncIterator[bytes]:
        for part in parts:
            yield part
        written.set()

    relayed.play(script)
    for _ in range(5):
        through = relayed.driftium.chat("Hello?")
        assert (through.status_code, through.content) == (200, completion("Hi."))
        # What comes after the next request has left could be its answer, to any client.
        assert written.wait(5)
        written.clear()


def test_nothing_went_wrong_unseen(relayed: Relayed):
    """Of all the above, the proxy's standard error tells of no exception."""
    said = relayed.driftium.stderr.read_text()
    assert "Traceback" not in said, said
    assert "never retrieved" not in said
