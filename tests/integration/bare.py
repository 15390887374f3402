"""A client that sends any bytes and tells exactly what came back, parsed by another parser than the proxy's."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import h11
import httpx

from proxy.upstream import HOP_BY_HOP
from tests.integration.relayed import Relayed, post
from tests.scripted import Request


@dataclass
class Said:
    """One answer as it came. `whole` tells whether it ended as its framing says."""

    interim: list[int] = field(default_factory=list)
    status: int = 0
    reason: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False

    @property
    def end_to_end(self) -> list[tuple[bytes, bytes]]:
        """The headers less those of one connection and our own, sorted."""
        mine = {*HOP_BY_HOP, b"transfer-encoding", b"x-driftium-exchange-id"}
        return sorted(pair for pair in self.headers if pair[0] not in mine)

    @property
    def passed(self) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool]:
        """What has to be the same directly and through the proxy."""
        return self.status, self.end_to_end, self.body, self.whole


class Bare:
    """A bare connection to a server."""

    def __init__(self, connection: socket.socket):
        self.socket = connection
        self._left = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, method: str = "GET") -> Said:
        """Read one answer; what follows it is kept for the next."""
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
        parser.send(h11.Request(method=method, target="/", headers=[("host", "here")]))
        parser.send(h11.EndOfMessage())
        said = Said()
        if self._left:
            parser.receive_data(self._left)
        with contextlib.suppress(h11.RemoteProtocolError, ConnectionError):
            while not said.whole:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    parser.receive_data(self.socket.recv(65536))
                elif isinstance(event, h11.InformationalResponse):
                    said.interim.append(event.status_code)
                elif isinstance(event, h11.Response):
                    said.status, said.reason, said.headers = event.status_code, event.reason, list(event.headers)
                elif isinstance(event, h11.Data):
                    said.body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    said.whole = True
                else:
                    break
        self._left = parser.trailing_data[0]
        return said

    @property
    def closed(self) -> bool:
        """Whether the server has closed; waits until it does or says something."""
        try:
            return not self._left and self.socket.recv(1) == b""
        except ConnectionError:
            return True


@contextlib.contextmanager
def bare(url: str) -> Iterator[Bare]:
    """A bare connection to the server at `url`."""
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 80), timeout=10) as connection:
        yield Bare(connection)


def ask(url: str, request: bytes) -> Said:
    """The answer to these bytes."""
    with bare(url) as connection:
        connection.send(request)
        return connection.answer(request.split(b" ", 1)[0].decode())


def same(request: bytes, relayed: Relayed) -> tuple[Said, Said]:
    """The answers of the upstream and of the proxy, which have to be the same to the client."""
    direct, through = (ask(url, request) for url in (relayed.upstream.url, relayed.driftium.url))
    assert direct.whole
    assert through.passed == direct.passed
    return direct, through


SMUGGLED = b"GET /v1/smuggled HTTP/1.1\r\nhost: here\r\n\r\n"


def came(relayed: Relayed) -> list[Request]:
    """What the upstream received; the proxy's own look at its models is not meant."""
    return [r for r in relayed.upstream.requests if r.header("accept") != "application/json"]


def refused(relayed: Relayed, request: bytes) -> None:
    """A 4xx (or 501) or a closed connection, and no request at the upstream, not even a smuggled one."""
    with bare(relayed.driftium.url) as client:
        client.send(request + SMUGGLED)
        said = client.answer()
        assert said.status == 0 or 400 <= said.status <= 501, said
        following = client.answer()
    # A refusal that leaves the connection open knows where the refused request ends.
    assert [r.target for r in came(relayed)] == ([] if following.status == 0 else ["/v1/smuggled"])
    assert following.body == (b"" if following.status == 0 else b"its own")
    assert ask(relayed.driftium.url, post()).body == b"its own"
