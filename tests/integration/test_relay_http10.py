"""Clients of HTTP/1.0 are still about, among them proxies."""

from collections.abc import Iterator

import pytest

from tests.integration.bare import bare
from tests.integration.relayed import ASK, Relayed, post, relay_to
from tests.scripted import BREAK, STREAM_HEAD, answer, chunk, completion, events, replay

HI = completion("Hi.")
EVENTS = b"".join(events("one two"))


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("relay"), TAP__FLUSH_SECONDS="0.02") as running:
        yield running


@pytest.mark.parametrize("framing", ["length", "chunked", "until the end"])
def test_a_client_of_http_1_0_gets_an_answer_that_it_can_read(relayed: Relayed, framing: str):
    """It knows no chunks (RFC 9112, 7.1): what has no length ends with the connection."""
    if framing == "length":
        relayed.say(answer(HI))
    elif framing == "chunked":
        relayed.say(STREAM_HEAD + chunk(HI[:9]) + chunk(HI[9:]) + chunk(b""))
    else:
        relayed.say(b"HTTP/1.1 200 OK\r\n\r\n", HI, BREAK)
    head, _, body = relayed.raw(post().replace(b"HTTP/1.1", b"HTTP/1.0")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"transfer-encoding" not in head.lower()
    assert body == HI
    assert relayed.got.body == ASK


def test_a_break_is_seen_by_a_client_of_http_1_0(relayed: Relayed):
    """Where the connection's end is the answer's, only a reset tells that it was cut short."""
    relayed.say(STREAM_HEAD, chunk(EVENTS), BREAK)
    with bare(relayed.driftium.url) as client:
        client.send(post().replace(b"HTTP/1.1", b"HTTP/1.0"))
        with pytest.raises(ConnectionResetError):
            b"".join(iter(lambda: client.socket.recv(65536), b""))


def test_a_kept_connection_of_http_1_0_is_closed(relayed: Relayed):
    """Keep-alive is offered there and may be declined, but it has to be declined: the client waits for it else."""
    relayed.say(answer(HI))
    with bare(relayed.driftium.url) as client:
        client.send(post(ASK, "connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"))
        said = client.answer("POST")
        assert (said.body, client.closed) == (HI, True)
