"""Two parsers must never read one stream of bytes as different messages: what is ambiguous is refused, here."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.integration.bare import SMUGGLED, bare, came, refused
from tests.integration.relayed import PATH, Relayed, post, relay_to
from tests.scripted import answer, chunk, replay

EMPTY_CHUNKS = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("relay"), TAP__FLUSH_SECONDS="0.02") as running:
        running.say(answer(b"its own"))
        yield running


@pytest.fixture(autouse=True)
def _fresh(relayed: Relayed) -> None:
    relayed.say(answer(b"its own"))


def framed(*headers: bytes, body: bytes = EMPTY_CHUNKS) -> bytes:
    return b"\r\n".join((b"POST " + PATH.encode() + b" HTTP/1.1", b"host: here", *headers, b"", b"")) + body


CHUNKED = b"transfer-encoding: chunked"
FRAMINGS = {
    "length and chunks": (b"content-length: 5", CHUNKED),
    "chunks and length": (CHUNKED, b"content-length: 5"),
    "chunks and no length": (CHUNKED, b"content-length: 0"),
    "chunked twice": (CHUNKED, CHUNKED),
    "chunked, chunked": (b"transfer-encoding: chunked, chunked",),
    "chunked, then identity": (CHUNKED, b"transfer-encoding: identity"),
    "chunked, identity": (b"transfer-encoding: chunked, identity",),
    "identity": (b"transfer-encoding: identity", b"content-length: 5"),
    "identity, chunked": (b"transfer-encoding: identity, chunked",),
    "gzip, chunked": (b"transfer-encoding: gzip, chunked",),
    "gzip": (b"transfer-encoding: gzip",),
    "xchunked": (b"transfer-encoding: xchunked",),
    "chunkedx": (b"transfer-encoding: chunkedx",),
    "parameter": (b"transfer-encoding: chunked;q=1",),
    "quoted": (b'transfer-encoding: "chunked"',),
    "comma": (b"transfer-encoding: chunked,",),
    "vertical tab": (b"transfer-encoding: \x0bchunked",),
    "empty coding": (b"transfer-encoding:",),
    "space before the colon": (b"transfer-encoding : chunked",),
    "tab before the colon": (b"transfer-encoding\t: chunked",),
    "folded": (b"transfer-encoding:\r\n chunked",),
    "folded length": (b"content-length: 1\r\n 5",),
    "bare CR before": (b"x: y\rtransfer-encoding: chunked",),
    "bare LF before": (b"x: y\ntransfer-encoding: chunked",),
    "NUL in the name": (b"transfer-encoding\0: chunked",),
    "two lengths": (b"content-length: 5", b"content-length: 6"),
    "the same length twice": (b"content-length: 5", b"content-length: 5"),
    "list of lengths": (b"content-length: 5, 5",),
    "negative length": (b"content-length: -5",),
    "signed length": (b"content-length: +5",),
    "hexadecimal length": (b"content-length: 0x5",),
    "underscored length": (b"content-length: 0_5",),
    "empty length": (b"content-length:",),
    "length beyond 64 bits": (b"content-length: 18446744073709551621",),
    "length of other digits": (b"content-length: \xd9\xa5",),
    "length with a point": (b"content-length: 5.0",),
    "space before the length's colon": (b"content-length : 5",),
}


@pytest.mark.parametrize("headers", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_an_ambiguous_end_is_refused(relayed: Relayed, headers: tuple[bytes, ...]):
    refused(relayed, framed(*headers))


CHUNKS = {
    "negative": b"-1\r\nx\r\n0\r\n\r\n",
    "huge": b"fffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "2^64": b"10000000000000001\r\nx\r\n0\r\n\r\n",
    "0x": b"0x1\r\nx\r\n0\r\n\r\n",
    "signed": b"+1\r\nx\r\n0\r\n\r\n",
    "space before": b" 1\r\nx\r\n0\r\n\r\n",
    "garbage after": b"1 zz\r\nx\r\n0\r\n\r\n",
    "not hexadecimal": b"g\r\nx\r\n0\r\n\r\n",
    "none": b"\r\nx\r\n0\r\n\r\n",
    "bare LF": b"1\nx\n0\n\n",
    "bare LF in an extension": b"1;a\nb\r\nx\r\n0\r\n\r\n",
    "bare CR": b"1\rx\r\n0\r\n\r\n",
    "longer than it says": b"1\r\nxyz\r\n0\r\n\r\n",
    "shorter than it says": b"9\r\nx\r\n0\r\n\r\n",
    "later one bad": b"1\r\nx\r\nzz\r\n0\r\n\r\n",
    "trailer without a colon": b"1\r\nx\r\n0\r\nnonsense\r\n\r\n",
    "length as a trailer": b"1\r\nx\r\n0\r\ncontent-length: 3\r\n\r\n",
    "chunked as a trailer": b"1\r\nx\r\n0\r\ntransfer-encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS.keys())
def test_a_bad_chunk_is_refused(relayed: Relayed, body: bytes):
    """Of what came before it the upstream never gets a whole request."""
    refused(relayed, framed(CHUNKED, body=body))


@pytest.mark.parametrize("together", [True, False], ids=["with the head", "later"])
def test_a_trailer_is_not_a_header(relayed: Relayed, together: bool):
    """Else it could sign in, choose a monitor or stand beside the header that was checked."""
    trailers = b"authorization: Bearer evil\r\nx-driftium-skip: 1\r\nx-request-id: evil\r\nx-late: 1\r\n"
    request = framed(CHUNKED, body=b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n")
    head, _, body = request.partition(b"\r\n\r\n")
    with bare(relayed.driftium.url) as client:
        for part in (request,) if together else (head + b"\r\n\r\n" + body[:10], body[10:]):
            client.send(part)
        assert client.answer("POST").body == b"its own"
    assert relayed.got.body == b"hello"
    assert {"authorization", "x-late"}.isdisjoint(name for name, _ in relayed.got.headers)
    assert relayed.got.header("x-request-id") != "evil"


HEADS = {
    "folded value": b"x-a: 1\r\n 2",
    "folded first line": b" x-a: 1",
    "space before a colon": b"x-a : 1",
    "no name": b": 1",
    "no colon": b"x-a",
    "space in a name": b"x a: 1",
    "NUL in a name": b"x-\0a: 1",
    "obs-text in a name": b"x-\xe9: 1",
    "NUL in a value": b"x-a: 1\x002",
    "CR in a value": b"x-a: 1\r2",
    "LF in a value": b"x-a: 1\n2",
    "CR before a header": b"x-a: 1\rauthorization: evil",
    "escape in a value": b"x-a: \x1b[31m",
    "delete in a value": b"x-a: \x7f",
}


@pytest.mark.parametrize("header", HEADS.values(), ids=HEADS.keys())
def test_a_malformed_header_is_refused(relayed: Relayed, header: bytes):
    refused(relayed, framed(header, b"content-length: 0", body=b""))


LINES = {
    "bare LF at all ends": b"GET /v1/x HTTP/1.1\nhost: here\n\n",
    "bare LF after the line": b"GET /v1/x HTTP/1.1\nhost: here\r\n\r\n",
    "bare LF at the end": b"GET /v1/x HTTP/1.1\r\nhost: here\r\n\n",
    "NUL in the path": b"GET /v1/a\0b HTTP/1.1\r\nhost: here\r\n\r\n",
    "CR in the path": b"GET /v1/a\rb HTTP/1.1\r\nhost: here\r\n\r\n",
    "LF in the path": b"GET /v1/a\nb HTTP/1.1\r\nhost: here\r\n\r\n",
    "space in the path": b"GET /v1/a b HTTP/1.1\r\nhost: here\r\n\r\n",
    "header in the path": b"GET /v1/a HTTP/1.1\r\nx: y HTTP/1.1\r\nhost here\r\n\r\n",
    "tab in the path": b"GET /v1/a\tb HTTP/1.1\r\nhost: here\r\n\r\n",
    "bytes in the path": b"GET /v1/\xe9 HTTP/1.1\r\nhost: here\r\n\r\n",
    "bytes in the query": b"GET /v1/x?\xe9 HTTP/1.1\r\nhost: here\r\n\r\n",
    "no slash": b"GET v1/models HTTP/1.1\r\nhost: here\r\n\r\n",
    "user as path": b"GET @evil.example/v1/models HTTP/1.1\r\nhost: here\r\n\r\n",
    "only a host": b"GET http://evil.example HTTP/1.1\r\nhost: here\r\n\r\n",
    "two slashes and a host": b"GET //evil.example HTTP/1.1\r\nhost: here\r\n\r\n",
    "two slashes, a host, our path": b"GET //evil.example/v1/models HTTP/1.1\r\nhost: here\r\n\r\n",
    "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nhost: here\r\n\r\n",
    "CONNECT to our path": b"CONNECT /v1/models HTTP/1.1\r\nhost: here\r\n\r\n",
    "asterisk": b"GET * HTTP/1.1\r\nhost: here\r\n\r\n",
    "no version digits": b"GET /v1/x HTTP/x\r\nhost: here\r\n\r\n",
    "another protocol": b"GET /v1/x ICY/1.1\r\nhost: here\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("1603010200010001fc0303"),
    "small letters": b"get /v1/x HTTP/1.1\r\nhost: here\r\n\r\n",
    "no host": b"GET /v1/x HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /v1/x HTTP/1.1\r\nhost: here\r\nhost: evil.example\r\n\r\n",
    "the same host twice": b"GET /v1/x HTTP/1.1\r\nhost: here\r\nhost: here\r\n\r\n",
}


@pytest.mark.parametrize("request_", LINES.values(), ids=LINES.keys())
def test_a_malformed_head_is_refused(relayed: Relayed, request_: bytes):
    refused(relayed, request_)


def test_a_body_behind_an_offer_to_upgrade_is_not_a_request(relayed: Relayed):
    """It comes in a segment of its own and looks like a request."""
    head = b"POST /v1/first HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: %b\r\ncontent-length: %d\r\n\r\n"
    for protocol in (b"h2c", b"websocket", b"x"):
        relayed.upstream.requests.clear()
        with bare(relayed.driftium.url) as client:
            client.socket.settimeout(2)
            client.send(head % (protocol, len(SMUGGLED)))
            client.send(SMUGGLED)
            said = client.answer("POST")
        assert said.body == b"its own" or 400 <= said.status < 500
        assert [(r.target, r.body) for r in came(relayed)] in ([("/v1/first", SMUGGLED)], [])


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_the_body_of_a_refused_request_is_not_the_next_request(relayed: Relayed, chunked: bool):
    """Neither where the proxy refuses nor where the upstream answers without reading."""
    for target in ("/v1/../x", "/nowhere", "/live"):
        relayed.upstream.requests.clear()
        body = chunk(SMUGGLED) + chunk(b"") if chunked else SMUGGLED
        framing = CHUNKED if chunked else b"content-length: %d" % len(SMUGGLED)
        with bare(relayed.driftium.url) as client:
            client.send(b"\r\n".join((f"POST {target} HTTP/1.1".encode(), b"host: here", framing, b"", b"")) + body)
            assert 400 <= client.answer("POST").status < 500
            client.send(post())
            second = client.answer("POST")
        assert second.body in (b"its own", b"")
        assert [r.target for r in came(relayed)] in ([PATH], [])


def test_a_head_without_an_end_is_refused(relayed: Relayed):
    """Else one client could fill the memory before there is a request."""
    with bare(relayed.driftium.url) as client:
        client.send(b"GET /v1/x HTTP/1.1\r\nhost: here\r\nx-long: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(160):
                client.send(b"x" * 50_000)
        client.socket.settimeout(2)
        assert 400 <= client.answer().status < 500 or client.closed
    assert came(relayed) == []


def test_nothing_went_wrong_unseen(relayed: Relayed):
    """Of all the above, the proxy's standard error tells of no exception."""
    said = relayed.driftium.stderr.read_text()
    assert "Traceback" not in said, said
    assert "never retrieved" not in said
