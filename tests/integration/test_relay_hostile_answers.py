"""Whatever an upstream answers, it answers one request: the next one gets its own, or the connection has ended."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.bare import ask, bare
from tests.integration.relayed import ASK, Relayed, post, relay_to
from tests.scripted import BREAK, Request, answer, completion, replay

HI = completion("Hi.")


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("relay"), TAP__FLUSH_SECONDS="0.02") as running:
        yield running


LENGTHS = {
    "too long": b"content-length: 100\r\n",
    "too short": b"content-length: 5\r\n",
    "none of a body": b"content-length: 0\r\n",
    "twice the same": b"content-length: %d\r\ncontent-length: %d\r\n" % (len(HI), len(HI)),
    "two": b"content-length: 5\r\ncontent-length: %d\r\n" % len(HI),
    "a list of two": b"content-length: 5, %d\r\n" % len(HI),
    "negative": b"content-length: -1\r\n",
    "signed": b"content-length: +5\r\n",
    "not a number": b"content-length: five\r\n",
    "hexadecimal": b"content-length: 0x5\r\n",
    "empty": b"content-length:\r\n",
    "beyond 64 bits": b"content-length: 18446744073709551621\r\n",
    "with chunks": b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
    "with other chunks": b"transfer-encoding: xchunked\r\ncontent-length: 5\r\n",
}


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS.keys())
def test_a_wrong_length_never_makes_another_answer(relayed: Relayed, length: bytes):
    """The client gets that many bytes, a break or a 502; the next request on its connection gets its own answer."""

    async def script(request: Request) -> AsyncIterator[bytes]:
        if request.header("x-wrong"):
            yield b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + HI + answer(b"stolen", status="500 Stolen")
            yield BREAK
        else:
            yield answer(b"its own")

    relayed.play(script)
    for _ in range(3):
        with bare(relayed.driftium.url) as client:
            client.send(post(ASK, "x-wrong: 1"))
            said = client.answer("POST")
            if said.whole and said.status == 200:
                declared = int(dict(said.headers).get(b"content-length", b"-1"))
                assert said.body == (HI + answer(b"stolen", status="500 Stolen"))[:declared]
            elif said.whole:
                assert (said.status, b"stolen" in said.body) == (502, False)
            if not said.whole:
                assert client.closed
        assert ask(relayed.driftium.url, post()).body == b"its own"
    assert sum(r.method == "POST" for r in relayed.upstream.requests) == 6


ANSWERS = {
    "length and chunks": b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunks and length": b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunks and a length of all": b"transfer-encoding: chunked\r\ncontent-length: 15\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunked twice": b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "gzip, chunked": b"transfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "xchunked": b"transfer-encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunked, identity": b"transfer-encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "space before the colon": b"transfer-encoding : chunked\r\ncontent-length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "folded": b"transfer-encoding:\r\n chunked\r\ncontent-length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "bare LF": b"x: y\ncontent-length: 3\r\n\r\nhello",
    "bare CR in a value": b"x: y\rcontent-length: 9\r\ncontent-length: 3\r\n\r\nhello",
    "NUL in a value": b"x: y\0\r\ncontent-length: 3\r\n\r\nhello",
    "escape in a value": b"x: \x1b[31m\r\ncontent-length: 3\r\n\r\nhello",
    "folded value": b"x: y\r\n content-length: 9\r\ncontent-length: 3\r\n\r\nhello",
    "no colon": b"x\r\ncontent-length: 3\r\n\r\nhello",
    "no name": b": x\r\ncontent-length: 3\r\n\r\nhello",
    "odd name": b"x(y): x\r\ncontent-length: 3\r\n\r\nhel",
    "connection names the length": b"connection: content-length\r\ncontent-length: 3\r\n\r\nhello",
    "a bad chunk": b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n-1\r\nx\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": b"transfer-encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than it says": b"transfer-encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
    "a length as trailer": b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\ncontent-length: 3\r\n\r\n",
    "an answer as trailer": b"transfer-encoding: chunked\r\n\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n",
    "our own header": b"x-driftium-exchange-id: forged\r\ncontent-length: 3\r\n\r\nhel",
}
STATUS_LINES = {
    "status 0": b"HTTP/1.1 000 Zero\r\n",
    "status 99": b"HTTP/1.1 099 Small\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n",
    "negative status": b"HTTP/1.1 -20 OK\r\n",
    "no reason": b"HTTP/1.1 200\r\n",
    "control character in the reason": b"HTTP/1.1 200 O\x1bK\r\n",
    "bare CR in the reason": b"HTTP/1.1 200 OK\rcontent-length: 9\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\n",
    "bare LF": b"HTTP/1.1 200 OK\n",
}
HOSTILE = {name: b"HTTP/1.1 200 OK\r\n" + said for name, said in ANSWERS.items()}
HOSTILE |= {name: line + b"content-length: 3\r\n\r\nhel" for name, line in STATUS_LINES.items()}


@pytest.mark.parametrize("closes", [True, False], ids=["closes", "stays"])
@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_answer_is_the_answer_to_one_request_only(relayed: Relayed, said: bytes, closes: bool):
    """On the client's connection as on the upstream's."""

    async def script(request: Request) -> AsyncIterator[bytes]:
        if request.header("x-hostile"):
            yield said + answer(b"stolen")
            yield BREAK if closes else b""
        else:
            yield answer(b"its own")

    relayed.play(script)
    for _ in range(2):
        with bare(relayed.driftium.url) as client:
            client.socket.settimeout(2)
            client.send(post(ASK, "x-hostile: 1"))
            first = client.answer("POST")
            assert first.status in (0, 200, 502)
            assert b"stolen" not in first.body or not first.whole
            assert dict(first.headers).get(b"x-driftium-exchange-id") != b"forged"
            if first.whole:
                client.send(post())
                assert client.answer("POST").body == b"its own"
        assert ask(relayed.driftium.url, post()).body == b"its own"


def test_an_answer_to_head_with_a_body_is_not_the_next_answer(relayed: Relayed):
    async def script(request: Request) -> AsyncIterator[bytes]:
        yield answer(b"stolen") if request.method == "HEAD" else answer(b"its own")

    relayed.play(script)
    with bare(relayed.driftium.url) as client:
        for _ in range(3):
            client.send(b"HEAD /v1/x HTTP/1.1\r\nhost: here\r\n\r\n")
            assert client.answer("HEAD").status == 200
            client.send(post())
            assert client.answer("POST").body == b"its own"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_body_that_must_not_be_is_not_the_next_answer(relayed: Relayed, status: str):
    async def script(request: Request) -> AsyncIterator[bytes]:
        yield answer(answer(b"stolen"), status=status) if request.header("x-hostile") else answer(b"its own")

    relayed.play(script)
    for _ in range(3):
        with bare(relayed.driftium.url) as client:
            client.send(post(ASK, "x-hostile: 1"))
            first = client.answer("POST")
            assert (first.status, first.body) == (int(status[:3]), b"")
            if not first.whole or dict(first.headers).get(b"connection") == b"close":
                continue
            client.send(post())
            assert client.answer("POST").body in (b"its own", b"")
        assert ask(relayed.driftium.url, post()).body == b"its own"


def test_nothing_went_wrong_unseen(relayed: Relayed):
    """Of all the above, the proxy's standard error tells of no exception."""
    said = relayed.driftium.stderr.read_text()
    assert "Traceback" not in said, said
    assert "never retrieved" not in said
