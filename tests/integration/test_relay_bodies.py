"""Bodies are nobody's business on the way: what the bytes mean, or whether they mean anything, changes nothing."""

import gzip
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.bare import ask, bare
from tests.integration.relayed import ASK, PATH, Relayed, post, relay_to
from tests.scripted import BREAK, STREAM_HEAD, Request, answer, chunk, replay

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("relay"), TAP__FLUSH_SECONDS="0.02") as running:
        yield running


async def echo(request: Request) -> AsyncIterator[bytes]:
    yield answer(request.body)


BODIES = {
    "not JSON": b'{"model": "replay", "messages": [',
    "NaN": b'{"model":"replay","temperature":NaN,"top_p":-Infinity}',
    "big integers": b'{"model":"replay","seed":123456789012345678901234567890,"x":1e999,"y":1.0}',
    "duplicate keys": b'{"model":"a","model":"b","model":"replay"}',
    "lone surrogate, escaped": b'{"model":"replay","messages":[{"role":"user","content":"\\ud800"}]}',
    "lone surrogate, encoded": b'{"model":"replay","messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
    "not UTF-8": b'{"model":"replay","messages":[{"role":"user","content":"caf\xe9 \xff\xfe"}]}',
    "UTF-16": '{"model":"replay"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"model":"replay"}',
    "control characters": b'{"model":"replay\0\r\n"}',
    "white space": b' \r\n\t{ "model" : "replay" }\n\n',
    "deep nesting": b"[" * 100_000,
    "deep objects": b'{"model":' * 50_000,
    "not text": bytes(range(256)) * 4,
    "one byte": b"0",
    "empty": b"",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_is_the_same_in_both_directions(relayed: Relayed, body: bytes):
    """As a request, as an answer, and in the log, with no change and no 4xx of ours."""
    relayed.play(echo)
    sent = post(body, "content-type: application/json")
    direct, through = (ask(url, sent) for url in (relayed.upstream.url, relayed.driftium.url))
    assert relayed.got.body == body
    assert through.passed == direct.passed
    assert through.body == body
    capture = relayed.logged(dict(through.headers)[b"x-driftium-exchange-id"].decode())
    assert (capture.request, capture.response, capture.outcome) == (body, body, "complete")


BR = bytes.fromhex("0b0380") + b'{"a":1}' + b"\x03"
ZSTD = bytes.fromhex("28b52ffd2007390000") + b'{"a":1}'
CODED = {
    "gzip": gzip.compress(ASK),
    "br": BR,
    "zstd": ZSTD,
    "deflate": b"not deflate at all",
    "gzip, br": b"twice",
    "aws-chunked": b"of somebody's own",
}


@pytest.mark.parametrize(("encoding", "body"), CODED.items(), ids=CODED.keys())
def test_a_coded_body_stays_coded_in_both_directions(relayed: Relayed, encoding: str, body: bytes):
    """Content-Encoding and the bytes it speaks of pass together, and the log keeps both."""

    async def script(request: Request) -> AsyncIterator[bytes]:
        coding = f"Content-Encoding: {request.header('content-encoding')}"
        yield answer(request.body, headers=(coding, "Vary: Accept-Encoding", 'ETag: W/"1"'))

    relayed.play(script)
    sent = post(body, f"content-encoding: {encoding}", "accept-encoding: zstd;q=1, br, *;q=0")
    direct, through = (ask(url, sent) for url in (relayed.upstream.url, relayed.driftium.url))
    assert relayed.got.body == body
    assert relayed.got.header("accept-encoding") == "zstd;q=1, br, *;q=0"
    assert through.passed == direct.passed
    assert (b"content-encoding", encoding.encode()) in through.headers
    capture = relayed.logged(dict(through.headers)[b"x-driftium-exchange-id"].decode())
    assert (capture.request, capture.request_encoding) == (body, encoding)
    assert (capture.response, capture.response_encoding) == (body, encoding)


def delta(text: str) -> bytes:
    return json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}, ensure_ascii=False).encode()


STREAMS = {
    "LF": b"data: " + delta("Blåbær 🙂") + b"\n\ndata: [DONE]\n\n",
    "CR": b"data: " + delta("東京") + b"\r\rdata: [DONE]\r\r",
    "CRLF": b"data: " + delta("é") + b"\r\n\r\ndata: [DONE]\r\n\r\n",
    "all three": b"data: " + delta("a") + b"\r\n\rdata: [DONE]\n\r\n",
    "comments": b": ping\n\n:\n\ndata: " + delta("a") + b"\n: between\n\ndata: [DONE]\n\n",
    "multi-line data": b'data: {"choices":\ndata: []}\n\ndata\n\ndata:\ndata: [DONE]\n\n',
    "other fields": b"\xef\xbb\xbfevent: x\nid: 1\nretry: 10\nodd\ndata:" + delta("a") + b"\n\ndata: [DONE]\n\n",
    "text after DONE": b"data: [DONE]\n\ndata: " + delta("late") + b"\n\nand this",
    "DONE twice": b"data: [DONE]\n\ndata: [DONE]\n\n",
    "error event": b"data: " + delta("a") + b'\n\nevent: error\ndata: {"error":{"message":"out of memory"}}\n\n',
    "error as data": b'data: {"error":{"message":"overloaded","code":529}}\n\n',
    "no DONE": b"data: " + delta("a") + b"\n\n",
    "no last blank line": b"data: " + delta("a") + b"\n\ndata: [DONE]",
    "cut inside a character": b"data: " + delta("🙂")[:-6],
    "nothing": b"",
    "not events": b"\0\xff<html>",
}


@pytest.mark.parametrize("framing", ["chunked", "length", "until the end"])
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS.keys())
def test_an_event_stream_passes_split_anywhere(relayed: Relayed, stream: bytes, framing: str):
    """The upstream sends it a byte at a time, so that every character and line end is torn apart."""

    async def script(_: Request) -> AsyncIterator[bytes]:
        if framing == "chunked":
            yield STREAM_HEAD
        else:
            yield HEAD + (b"content-length: %d\r\n\r\n" % len(stream) if framing == "length" else b"\r\n")
        for i in range(len(stream)):
            yield chunk(stream[i : i + 1]) if framing == "chunked" else stream[i : i + 1]
        yield chunk(b"") if framing == "chunked" else b""
        if framing == "until the end":
            yield BREAK

    relayed.play(script)
    direct, through = (ask(url, post()) for url in (relayed.upstream.url, relayed.driftium.url))
    assert through.passed == direct.passed
    assert (through.body, through.whole) == (stream, True)
    assert relayed.logged(dict(through.headers)[b"x-driftium-exchange-id"].decode()).response == stream


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_request_that_drips_arrives_whole(relayed: Relayed, chunked: bool):
    """Head, framing and body come a byte at a time, each as a segment of its own."""
    relayed.play(echo)
    framing = "transfer-encoding: chunked" if chunked else f"content-length: {len(ASK)}"
    head = f"POST {PATH} HTTP/1.1\r\nhost: here\r\n{framing}\r\n\r\n".encode()
    body = chunk(ASK[:40]) + chunk(ASK[40:]) + chunk(b"") if chunked else ASK
    with bare(relayed.driftium.url) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head + body:
            client.send(bytes([byte]))
        said = client.answer("POST")
    assert (said.status, said.body, said.whole) == (200, ASK, True)
    assert relayed.got.body == ASK


def test_chunk_extensions_are_the_connections_own(relayed: Relayed):
    """The data in the chunks passes, in either direction."""

    async def script(request: Request) -> AsyncIterator[bytes]:
        yield STREAM_HEAD + b"5;sig=abc\r\nhello\r\n0;last\r\n\r\n"

    relayed.play(script)
    head = f"POST {PATH} HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    said = ask(relayed.driftium.url, head + b'3;a="b;c"\r\nabc\r\n0;x\r\n\r\n')
    assert (said.body, said.whole, relayed.got.body) == (b"hello", True, b"abc")


def test_fifty_megabytes_in_chunks_pass(relayed: Relayed):
    """Byte for byte, while the log holds none of it."""
    part = bytes(range(256)) * 4096

    async def script(_: Request) -> AsyncIterator[bytes]:
        yield STREAM_HEAD
        for _ in range(48):
            yield chunk(part)
        yield chunk(b"")

    relayed.play(script)
    with relayed.driftium.client.stream("POST", PATH, content=ASK) as response:
        received = hashlib.sha256()
        for piece in response.iter_raw():
            received.update(piece)
    assert received.digest() == hashlib.sha256(part * 48).digest()
    assert relayed.logged(response.headers["x-driftium-exchange-id"]).response == b""
