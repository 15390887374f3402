"""Status, target and headers in both directions, each as it would be without the proxy."""

import threading
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.bare import bare, same
from tests.integration.relayed import ASK, PATH, Relayed, post, relay_to
from tests.scripted import STREAM_HEAD, Request, answer, chunk, completion, replay

ERROR = b'{"error":{"message":"No.","type":"x","param":null,"code":null}}'


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("relay"), TAP__FLUSH_SECONDS="0.02") as running:
        yield running


@pytest.mark.parametrize("body", [ERROR, b"<html>\xff</html>", b""], ids=["JSON", "not JSON", "empty"])
@pytest.mark.parametrize(
    "status", [200, 201, 202, 206, 300, 301, 302, 303, 307, 308, *range(400, 430), 431, 451, 499, *range(500, 512), 599]
)
def test_a_status_passes_with_its_headers_and_body(relayed: Relayed, status: int, body: bytes):
    """Registered or not; what an error tells its client about coming again passes too."""
    headers = (
        "Retry-After: 20",
        'WWW-Authenticate: Bearer realm="a, b", error="x"',
        "WWW-Authenticate: Basic",
        "x-ratelimit-limit-requests: 60",
        "x-ratelimit-remaining-tokens: 149984",
        "x-ratelimit-reset-requests: 6m0s",
        "Set-Cookie: a=1; Path=/; HttpOnly",
        "Set-Cookie: b=2, c=3",
        "Location: /v1/elsewhere",
        "Server: llama.cpp",
        "Date: Mon, 01 Jan 2024 00:00:00 GMT",
        "Content-Range: bytes 0-1/2",
        "Access-Control-Allow-Origin: *",
    )
    kind = "application/json" if body.startswith(b"{") else "text/html; charset=utf-8"
    relayed.say(answer(body, status=f"{status} Whatever", headers=headers, kind=kind))
    same(post(), relayed)


@pytest.mark.parametrize("status", ["204 No Content", "205 Reset Content", "304 Not Modified"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_status_without_a_body_leaves_the_connection_usable(relayed: Relayed, method: str, status: str):
    """The next request on it gets its own answer."""
    framing = "content-length: 0\r\n" if status.startswith("205") else ""
    relayed.say(f'HTTP/1.1 {status}\r\netag: "1"\r\n{framing}\r\n'.encode())
    request = f"{method} {PATH} HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n".encode()
    with bare(relayed.upstream.url) as direct, bare(relayed.driftium.url) as through:
        for _ in range(3):
            for client in (direct, through):
                client.send(request)
            assert through.answer(method).passed == direct.answer(method).passed


@pytest.mark.parametrize("framing", ["content-length: 5000", "transfer-encoding: chunked", "x-none: 1"])
def test_an_answer_to_head_has_the_headers_of_a_body_that_is_not_there(relayed: Relayed, framing: str):
    relayed.say(f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{framing}\r\n\r\n".encode())
    with bare(relayed.upstream.url) as direct, bare(relayed.driftium.url) as through:
        for _ in range(3):
            for client in (direct, through):
                client.send(b"HEAD /v1/models HTTP/1.1\r\nhost: here\r\n\r\n")
            assert through.answer("HEAD").passed == direct.answer("HEAD").passed


def test_a_cors_preflight_is_the_upstreams_to_answer(relayed: Relayed):
    relayed.say(
        b"HTTP/1.1 204 No Content\r\naccess-control-allow-origin: https://app.example\r\n"
        b"access-control-allow-methods: POST\r\naccess-control-max-age: 60\r\nvary: origin\r\n\r\n"
    )
    same(
        b"OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: here\r\norigin: https://app.example\r\n"
        b"access-control-request-method: POST\r\naccess-control-request-headers: authorization\r\n\r\n",
        relayed,
    )
    assert relayed.got.method == "OPTIONS"
    assert relayed.got.header("access-control-request-headers") == "authorization"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "TRACE"])
def test_any_method_passes(relayed: Relayed, method: str):
    relayed.say(answer(b"{}"))
    same(f"{method} /v1/x HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n".encode(), relayed)
    assert relayed.got.method == method


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "HEAD"])
def test_a_body_arrives_with_any_method(relayed: Relayed, method: str):
    relayed.say(answer(b"{}") if method != "HEAD" else answer(b""))
    same(f"{method} /v1/x HTTP/1.1\r\nhost: here\r\ncontent-length: 3\r\n\r\nabc".encode(), relayed)
    assert (relayed.got.method, relayed.got.body) == (method, b"abc")


def test_headers_of_twelve_kilobytes_pass_in_both_directions(relayed: Relayed):
    long = "x" * 12_000
    relayed.say(answer(b"{}", headers=(f"X-Long: {long}", *(f"X-Many-{i}: {i}" for i in range(90)))))
    same(post(ASK, f"X-Long: {long}", *(f"X-Many-{i}: {i}" for i in range(90))), relayed)
    assert relayed.got.header("x-long") == long
    assert relayed.got.header("x-many-89") == "89"


def test_odd_header_values_pass_in_both_directions(relayed: Relayed):
    """Empty ones, obs-text, tabs inside, lists; a name counts without regard to case."""
    odd = ("X-Empty:", "x-lower: a", "X-UPPER: B", "X-Obs: \xe9\xff\x80", "X-Tab: a\tb", 'X-List: a, "b, c",, d')
    odd += ("X_Under: 1", "X.Dot!#$%&'*+^`|~: 1", "X-Twice: 1", "X-Twice:", "X-Twice: 1")
    relayed.say(answer(b"{}").replace(b"\r\n\r\n", "\r\n".join(("", *odd, "", "")).encode("latin-1"), 1))
    same(post(ASK, *odd), relayed)
    names = [odd_name.partition(":")[0].lower() for odd_name in odd]
    sent = [(name.lower(), value.strip()) for name, _, value in (header.partition(":") for header in odd)]
    assert [(n.lower(), v) for n, v in relayed.got.headers if n.lower() in names] == sent


def test_a_name_in_any_case_is_the_same_header(relayed: Relayed):
    """Also where the proxy itself looks: at what frames the body and at its own names."""
    relayed.say(answer(b"{}").replace(b"content-length", b"CONTENT-LENGTH").replace(b"content-type", b"cOnTeNt-TyPe"))
    same(post().replace(b"content-length", b"CONTENT-LENGTH").replace(b"host", b"HOST"), relayed)
    loud = STREAM_HEAD.replace(b"transfer-encoding: chunked", b"TRANSFER-ENCODING: CHUNKED")
    relayed.say(loud + chunk(b"hi") + chunk(b""))
    head = f"POST {PATH} HTTP/1.1\r\nHOST: here\r\nTRANSFER-ENCODING: CHUNKED\r\nX-DRIFTIUM-SKIP: 1\r\n\r\n".encode()
    same(head + chunk(ASK) + chunk(b""), relayed)
    assert relayed.got.body == ASK
    assert relayed.got.header("x-driftium-skip") is None


def test_the_head_is_sent_on_before_the_first_event(relayed: Relayed):
    """And the head of an answer with a length before the first byte of its body."""
    gate = threading.Event()

    async def script(_: Request) -> AsyncIterator[bytes]:
        head, body = answer(completion("Hi.")).split(b"\r\n\r\n", 1)
        yield head + b"\r\n\r\n"
        assert await to_thread(gate.wait, 10)
        yield body

    relayed.play(script)
    with relayed.driftium.client.stream("POST", PATH, content=ASK) as response:
        assert (response.status_code, gate.is_set()) == (200, False)
        gate.set()
        assert response.read() == completion("Hi.")


@pytest.mark.parametrize(("said", "reason"), [("503 Loading model", b"Service Unavailable"), ("599 Odd", b"")])
def test_a_reason_phrase_is_the_registered_one(relayed: Relayed, said: str, reason: bytes):
    """The one word of an answer that the server in front knows no way to pass; clients ignore it (RFC 9112, 4)."""
    relayed.say(answer(ERROR, status=said))
    direct, through = same(post(), relayed)
    assert direct.reason == said[4:].encode()
    assert (through.reason, through.passed) == (reason, direct.passed)


def test_nothing_went_wrong_unseen(relayed: Relayed):
    """Of all the above, the proxy's standard error tells of no exception."""
    said = relayed.driftium.stderr.read_text()
    assert "Traceback" not in said, said
    assert "never retrieved" not in said
