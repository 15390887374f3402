"""What HTTP says before, after and beside an answer: interim answers, trailers, expectations, offers."""

from collections.abc import Iterator

import pytest

from tests.integration.bare import Bare, ask, bare, same
from tests.integration.relayed import ASK, PATH, Relayed, post, relay_to
from tests.scripted import STREAM_HEAD, answer, chunk, completion, replay

ERROR = b'{"error":{"message":"No.","type":"x","param":null,"code":null}}'


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("relay"), TAP__FLUSH_SECONDS="0.02") as running:
        yield running


INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\ncontent-length: 3\r\n\r\n",
    "several": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\nlink: </b>\r\n\r\n",
    "199": b"HTTP/1.1 199 Odd\r\n\r\n",
}


@pytest.mark.parametrize("drip", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM.keys())
def test_what_comes_after_interim_answers_is_the_answer(relayed: Relayed, interim: bytes, drip: bool):
    said = interim + answer(completion("Hi."))
    relayed.say(*(said[i : i + 1] for i in range(len(said))) if drip else (said,))
    same(post(), relayed)


def test_trailers_end_an_answer_and_are_not_its_headers(relayed: Relayed):
    """Both sides may drop them (RFC 9110, 6.5); the body before them is whole, and the next answer is its own."""
    trailers = b"Content-MD5: x\r\nSet-Cookie: late=1\r\nX-Driftium-Exchange-Id: 1\r\n"
    head = STREAM_HEAD.replace(b"\r\n\r\n", b"\r\nTrailer: Content-MD5\r\n\r\n")
    relayed.say(head + chunk(b"hi") + b"0\r\n" + trailers + b"\r\n")
    for _ in range(3):
        through = ask(relayed.driftium.url, post())
        assert (through.status, through.body, through.whole) == (200, b"hi", True)
        assert not {b"content-md5", b"set-cookie"} & {name for name, _ in through.headers}


def expecting(client: Bare, length: int) -> None:
    client.send(
        f"POST {PATH} HTTP/1.1\r\nhost: here\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n".encode()
    )


def test_a_client_that_waits_for_100_gets_it_and_then_the_answer(relayed: Relayed):
    relayed.say(answer(completion("Hi.")))
    with bare(relayed.driftium.url) as client:
        expecting(client, len(ASK))
        assert client.socket.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(ASK)
        said = client.answer("POST")
    assert (said.status, said.body, said.interim) == (200, completion("Hi."), [])
    assert relayed.got.body == ASK
    assert relayed.got.header("expect") is None


def test_what_is_too_large_is_refused_before_it_is_sent(relayed: Relayed):
    """The client is never told to go on, and the upstream never hears of it."""
    relayed.say(answer(completion("Hi.")))
    with bare(relayed.driftium.url) as client:
        expecting(client, 10**12)
        said = client.answer("POST")
        assert (said.status, said.interim, client.closed) == (413, [], True)
    assert not any(r.method == "POST" for r in relayed.upstream.requests)


def test_an_expectation_of_anything_else_is_the_upstreams(relayed: Relayed):
    """Whether it is met or refused with 417, the client learns of it as it would directly."""
    relayed.say(answer(b"", status="417 Expectation Failed"))
    same(post(ASK, "expect: the-unexpected"), relayed)


def test_an_offer_to_change_the_protocol_is_declined(relayed: Relayed):
    """As some clients make with each first request: its body arrives, and the connection goes on in HTTP/1.1."""
    relayed.say(answer(completion("Hi.")))
    offer = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAAP__")
    without_body = "\r\n".join(("GET /v1/models HTTP/1.1", "host: here", *offer, "", "")).encode()
    with bare(relayed.driftium.url) as client:
        for request in (post(ASK, *offer), without_body):
            for _ in range(2):
                client.socket.settimeout(2)
                client.send(request)
                said = client.answer()
                assert (said.status, said.body) == (200, completion("Hi."))
    posts = [r for r in relayed.upstream.requests if r.method == "POST"]
    assert [r.body for r in posts] == [ASK, ASK]
    assert posts[0].header("upgrade") is None


def test_nothing_went_wrong_unseen(relayed: Relayed):
    """Of all the above, the proxy's standard error tells of no exception."""
    said = relayed.driftium.stderr.read_text()
    assert "Traceback" not in said, said
    assert "never retrieved" not in said
