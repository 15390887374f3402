"""What a client gets through the proxy is what it would get from the upstream directly."""

import gzip
import json
import threading
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.integration.relayed import ASK, PATH, Relayed, end_to_end, post, relay_to
from tests.scripted import BREAK, STREAM_HEAD, Request, answer, chunk, completion, events, replay

LISTING = answer(b'{"object":"list","data":[]}')


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("relay")) as running:
        yield running


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
def test_an_answer_is_the_same_byte_for_byte(relayed: Relayed, stream: bool):
    """The status, the body and every header that is not a single connection's own."""
    relayed.play(replay({"Hello?": "Blåbær, 東京, 🙂 and a quiet afternoon."}))
    asked = json.loads(ASK) | {"stream": stream}
    direct, through = relayed.both("POST", PATH, json=asked)
    assert (through.status_code, through.content) == (200, direct.content)
    assert end_to_end(through) == end_to_end(direct)
    assert relayed.logged(through.headers["x-driftium-exchange-id"]).response == direct.content


@pytest.mark.parametrize(
    "said",
    [
        answer(b"{}", headers=("Set-Cookie: a=1", "Set-Cookie: b=2", "X-Odd: caf\xe9")),
        answer(b'{"error":"slow down"}', status="429 Too Many Requests", headers=("Retry-After: 7",)),
        answer(b'{"error":"no such model"}', status="404 Not Found"),
        answer(b"<html>broken</html>", status="500 Internal Server Error", kind="text/html"),
        answer(b"", status="301 Moved Permanently", headers=("Location: http://127.0.0.1:1/elsewhere",)),
        b"HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close, x-hop\r\nx-hop: 1\r\n\r\nuntil the end",
        answer(gzip.compress(b"{}" * 500), headers=("Content-Encoding: gzip",)),
        answer(b""),
    ],
    ids=["cookies", "429", "404", "500", "301", "204", "until-close", "gzip", "empty"],
)
def test_any_answer_passes_as_it_is(relayed: Relayed, said: bytes):
    """Errors, redirects and duplicate headers too; nothing is followed, decompressed or tried again."""
    # Where an answer is whole, a close would meet the next request on its way.
    relayed.say(said, *[BREAK] * said.endswith(b"until the end"))
    with httpx.Client(trust_env=False) as client:
        answers = []
        for url in (relayed.upstream.url, relayed.driftium.url):
            with client.stream("POST", url + PATH, content=ASK) as response:
                answers.append((response, b"".join(response.iter_raw())))
    (direct, expected), (through, body) = answers
    assert (through.status_code, body) == (direct.status_code, expected)
    own = [pair for pair in end_to_end(direct) if pair[0] != b"x-hop"]
    assert end_to_end(through) == own
    assert sum(r.method == "POST" for r in relayed.upstream.requests) == 2


def test_a_304_passes_with_its_validators(relayed: Relayed):
    """Its Content-Length tells of a body that is not there, and is left out."""
    relayed.say(b'HTTP/1.1 304 Not Modified\r\netag: "v1"\r\ncontent-length: 500\r\n\r\n')
    through = httpx.get(relayed.driftium.url + "/v1/models", trust_env=False)
    assert (through.status_code, through.headers["etag"], through.content) == (304, '"v1"', b"")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v1/models"),
        ("HEAD", "/v1/models"),
        ("OPTIONS", PATH),
        ("DELETE", "/v1/files/f%2F1"),
        ("GET", "/v1/a%20b//c;d=%C3%A9?q=1&q=2&empty=&r=%2e%2e/x"),
        ("GET", "/api/tags"),
        ("POST", "/api/chat"),
    ],
)
def test_method_path_and_query_arrive_as_they_were_sent(relayed: Relayed, method: str, target: str):
    relayed.say(LISTING.split(b"{", 1)[0] if method == "HEAD" else LISTING)
    direct, through = relayed.both(method, target)
    assert (relayed.got.method, relayed.got.target) == (method, target)
    assert (through.status_code, through.content) == (200, direct.content)
    assert end_to_end(through) == end_to_end(direct)


@pytest.mark.parametrize(
    "target", ["/v1/../x", "/v1/%2e%2e/x", "/v1/.%2E/x", "/v1/a/%2e./..", "/v1/..%2fx", "/v1/..%5Cx", "/api/chat/../x"]
)
def test_a_path_that_climbs_is_refused(relayed: Relayed, target: str):
    """It never reaches the upstream, which might serve more than models."""
    relayed.say(LISTING)
    said = relayed.raw(f"GET {target} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n".encode())
    assert said.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))
    assert all(r.target == "/v1/models" for r in relayed.upstream.requests)


def test_health_is_our_own(relayed: Relayed):
    assert relayed.driftium.get("/api/health")["worker"]["status"] == "off"


def test_request_headers_are_those_of_the_client_less_the_connections_own(relayed: Relayed):
    """Host is the upstream's, x-driftium-* stay here, and what Connection names goes no further."""
    relayed.say(LISTING)
    sent = [
        "Authorization: Bearer sk-secret",
        "Connection: close, X-Private",
        "X-Private: 1",
        "Keep-Alive: 5",
        "TE: trailers",
        "Upgrade: h2c",
        "X-Driftium-Monitor: m",
        "X-Driftium-Anything: 1",
        "X-Twice: 1",
        "X-Twice: 2",
        "X-Odd: caf\xe9",
        "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "X-Request-Id: mine",
    ]
    relayed.raw(post(ASK, *sent))
    passed = ("authorization", "x-twice", "x-twice", "x-odd", "traceparent", "x-request-id")
    expected = [("Host", relayed.upstream.url.removeprefix("http://")), ("content-length", str(len(ASK)))]
    expected += [(h.split(": ")[0].lower(), h.split(": ")[1]) for h in sent if h.split(": ")[0].lower() in passed]
    assert sorted(relayed.got.headers) == sorted(expected)
    assert relayed.got.body == ASK


def test_connection_names_no_header_that_frames_the_message(relayed: Relayed):
    """Else what follows the head would be read as another request, or another answer."""
    relayed.say(answer(completion("Hi."), headers=("Connection: content-length, close",)))
    said = relayed.raw(post(ASK, "Connection: close, Content-Length, Transfer-Encoding, Host"))
    assert ("content-length", str(len(ASK))) in relayed.got.headers
    assert ("Host", relayed.upstream.url.removeprefix("http://")) in relayed.got.headers
    assert relayed.got.body == ASK
    assert f"content-length: {len(completion('Hi.'))}".encode() in said


def test_a_chat_request_of_five_megabytes_passes(relayed: Relayed):
    """The control plane's small bound is not the data plane's."""
    relayed.say(answer(completion("Hi.")))
    through = relayed.driftium.chat("x" * 5 * 2**20)
    assert (through.status_code, through.content) == (200, completion("Hi."))
    assert len(relayed.got.body) > 5 * 2**20


@pytest.mark.parametrize("target", ["/v1", "/v1/", "//v1/models", "/api/delete", "/api/blobs/sha256:1", "/v1%2Fmodels"])
def test_what_is_the_data_planes_reaches_the_upstream(relayed: Relayed, target: str):
    relayed.say(LISTING)
    with httpx.Client(trust_env=False) as client:
        client.post(relayed.driftium.url + target)
    assert relayed.got.target == target


@pytest.mark.parametrize("target", ["/v12", "/v1x/models", "/api", "/api/chatter", "/api/health/v1", "/x/v1/models"])
def test_what_only_resembles_it_does_not(relayed: Relayed, target: str):
    relayed.say(LISTING)
    with httpx.Client(trust_env=False) as client:
        assert client.get(relayed.driftium.url + target).status_code == 404
    assert all(r.target == "/v1/models" for r in relayed.upstream.requests)


def test_a_request_id_is_made_where_there_is_none(relayed: Relayed):
    """It is the exchange's own, so that the upstream's log and ours can be joined."""
    relayed.say(LISTING)
    through = relayed.driftium.chat("Hello?")
    assert relayed.got.header("x-request-id") == through.headers["x-driftium-exchange-id"]


def test_authorization_never_reaches_the_data_folder(relayed: Relayed):
    relayed.say(answer(completion("Hi.")))
    through = relayed.driftium.chat("Hello?", headers={"authorization": "Bearer sk-not-for-the-disk"})
    relayed.logged(through.headers["x-driftium-exchange-id"])
    files = [file.read_bytes() for file in relayed.driftium.data_dir.rglob("*") if file.is_file()]
    assert files
    assert not any(b"sk-not-for-the-disk" in content for content in files)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [0, 1, 70_000, 10_000_000])
def test_request_bodies_arrive_whole(relayed: Relayed, size: int, chunked: bool):
    relayed.say(LISTING)
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    parts = (body[i : i + 50_000] for i in range(0, size, 50_000))
    through = httpx.post(relayed.driftium.url + "/v1/files", content=parts if chunked else body, trust_env=False)
    assert (through.status_code, relayed.got.body == body) == (200, True)
    framing = ("transfer-encoding", "chunked") if chunked else ("content-length", str(size))
    assert framing in relayed.got.headers


def test_fifty_megabytes_pass(relayed: Relayed):
    """And are logged as too large, without their bytes."""
    body = bytes(50_000_000)
    relayed.say(answer(body))
    through = relayed.driftium.chat("Hello?")
    assert through.content == body
    capture = relayed.logged(through.headers["x-driftium-exchange-id"])
    assert (capture.outcome, capture.response, capture.request != b"") == ("too_large", b"", True)


def test_a_request_beyond_the_taps_bound_passes_whole(relayed: Relayed):
    relayed.say(answer(completion("Hi.")))
    through = relayed.driftium.chat("x" * 1_100_000)
    assert len(relayed.got.body) > 1_100_000
    capture = relayed.logged(through.headers["x-driftium-exchange-id"])
    assert (capture.outcome, capture.request, capture.response) == ("too_large", b"", through.content)


def test_headers_and_events_pass_as_they_come(relayed: Relayed):
    """Each is with the client before the upstream sends the next."""
    gates = [threading.Event() for _ in range(3)]

    async def script(_: Request) -> AsyncIterator[bytes]:
        yield STREAM_HEAD
        for gate, event in zip(gates, events("one"), strict=True):
            assert await to_thread(gate.wait, 10)
            yield chunk(event)
        yield chunk(b"")

    relayed.play(script)
    with relayed.driftium.client.stream("POST", PATH, content=ASK) as response:
        assert response.status_code == 200
        parts = response.iter_raw()
        for gate, event in zip(gates, events("one"), strict=True):
            gate.set()
            assert next(parts) == event
        assert list(parts) == []


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"]
)
def test_interim_answers_are_not_the_answer(relayed: Relayed, interim: bytes):
    relayed.say(interim, interim + answer(completion("Hi.")))
    through = relayed.driftium.chat("Hello?")
    assert (through.status_code, through.content, "link" in through.headers) == (200, completion("Hi."), False)


def test_a_skipped_exchange_is_counted_and_not_logged(relayed: Relayed):
    relayed.say(answer(completion("Hi.")))
    earlier = relayed.driftium.chat("Hello?")
    relayed.logged(earlier.headers["x-driftium-exchange-id"])  # and with it all before it
    before = relayed.driftium.get("/api/health")["tap"]
    relayed.driftium.chat("Hello?", headers={"x-driftium-skip": "1"})
    later = relayed.driftium.chat("Hello?")
    relayed.logged(later.headers["x-driftium-exchange-id"])
    after = relayed.driftium.get("/api/health")["tap"]
    assert (after["skipped"] - before["skipped"], after["logged"] - before["logged"]) == (1, 1)


def test_requests_are_counted_by_endpoint_and_model(relayed: Relayed):
    """A model becomes a label once it has answered; clients can name anything in a request that fails."""
    relayed.say(answer(completion("Hi.", "seen")))
    relayed.driftium.chat("Hello?", model="seen")
    relayed.say(answer(b"{}", status="404 Not Found"))
    failed = relayed.driftium.chat("Hello?", model="never-seen")
    relayed.logged(failed.headers["x-driftium-exchange-id"])
    text = relayed.driftium.client.get("/metrics").text
    labels = (
        'driftium_requests_total{{code="{}",endpoint="chat/completions",model="{}",outcome="{}",stream="false"}} 1.0'
    )
    assert labels.format(200, "seen", "complete") in text
    assert 'model="other",outcome="http_error"' in text
    assert "never-seen" not in text
    assert 'driftium_inflight_requests{endpoint="chat/completions"} 0.0' in text
