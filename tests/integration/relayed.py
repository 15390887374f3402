"""A proxy before a scripted upstream, and what tests of the data plane ask of the two."""

import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx

from proxy.capture import Capture, decode
from proxy.stores.log import open_log
from proxy.upstream import HOP_BY_HOP
from tests.conftest import Driftium, wait_until
from tests.scripted import Request, Script, Upstream

PATH = "/v1/chat/completions"
ASK = json.dumps({"model": "replay", "messages": [{"role": "user", "content": "Hello?"}]}).encode()
CLOSE_SECONDS = 0.25
"""Within this time an upstream learns that the client has left."""


class Relayed:
    """A running proxy and its upstream, whose script each test sets."""

    def __init__(self, driftium: Driftium, upstream: Upstream):
        self.driftium = driftium
        self.upstream = upstream

    def play(self, script: Script) -> None:
        self.upstream.script = script
        self.upstream.requests.clear()
        self.upstream.left.clear()

    def say(self, *parts: bytes) -> None:
        """Whatever is asked, the upstream sends these bytes."""

        async def script(_: Request) -> AsyncIterator[bytes]:
            for part in parts:
                yield part

        self.play(script)

    @property
    def got(self) -> Request:
        """What the upstream received last; the proxy's own look at its models is not meant."""
        return next(r for r in reversed(self.upstream.requests) if r.header("accept") != "application/json")

    def wait_for_request(self) -> Request:
        return wait_until(lambda: next((r for r in self.upstream.requests if r.method == "POST"), None), seconds=5)

    def both(self, method: str, target: str, **more: object) -> tuple[httpx.Response, httpx.Response]:
        """The answers to the same request, from the upstream directly and through the proxy."""
        with httpx.Client(trust_env=False, timeout=30) as client:
            direct, relayed = (
                client.request(method, url + target, **more)  # type: ignore[arg-type]
                for url in (self.upstream.url, self.driftium.url)
            )
        return direct, relayed

    def logged(self, exchange_id: str) -> Capture:
        """The log's copy of an exchange, once it is there."""
        return wait_until(lambda: find(self.driftium.data_dir, exchange_id), seconds=5, what="the exchange is logged")

    @contextlib.contextmanager
    def socket(self) -> Iterator[socket.socket]:
        """A bare connection to the proxy."""
        address = httpx.URL(self.driftium.url)
        with socket.create_connection((address.host, address.port or 80), timeout=10) as connection:
            yield connection

    def raw(self, request: bytes) -> bytes:
        """What comes back for bytes that no client library would send, until the proxy closes."""
        with self.socket() as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@contextlib.contextmanager
def relay_to(script: Script, data_dir: Path, *, worker: bool = False, **env: str) -> Iterator[Relayed]:
    """A proxy, without a worker unless one is asked for; `env` holds settings as SECTION__KEY."""
    settings = {f"DRIFTIUM_{name}": value for name, value in env.items()}
    # What is left open is told on standard error, where a test looks for it.
    settings["PYTHONWARNINGS"] = "always::ResourceWarning"
    with Upstream(script) as upstream:
        flags = [] if worker else ["--no-worker"]
        driftium = Driftium(data_dir, upstream.url, *flags, env=settings).start()
        try:
            yield Relayed(driftium, upstream)
        finally:
            driftium.stop()


def find(data_dir: Path, exchange_id: str) -> Capture | None:
    log = open_log(data_dir)
    try:
        seqs = [entry.seq for entry in log.after(0, 100_000) if entry.id == exchange_id]
        return decode(log.captures(seqs)[seqs[0]]) if seqs else None
    finally:
        log.close()


def post(body: bytes = ASK, *headers: str, target: str = PATH) -> bytes:
    """The bytes of a POST, with its length."""
    lines = [f"POST {target} HTTP/1.1", "host: here", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def end_to_end(response: httpx.Response) -> list[tuple[bytes, bytes]]:
    """An answer's headers less those of one connection and our own."""
    mine = {*HOP_BY_HOP, b"transfer-encoding", b"x-driftium-exchange-id"}
    pairs = [(name.lower(), value) for name, value in response.headers.raw]
    return sorted(pair for pair in pairs if pair[0] not in mine)
