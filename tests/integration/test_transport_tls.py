"""The transport over TLS: the same answers, and clear words where a certificate cannot be trusted."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from proxy.transport import Transport
from tests.integration.test_transport import Serve, Server, answers, ask, parts, run, until

AUTHORITY = trustme.CA()


@asynccontextmanager
async def serving(
    serve: Serve, *, name: str = "localhost", trusted: bool = True
) -> AsyncIterator[tuple[Server, Transport]]:
    """A server with a certificate for `name`, and a transport to localhost that trusts its authority or does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name).configure_cert(context)
    server = Server(serve)
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0, ssl=context)
    url = httpx.URL(f"https://localhost:{listener.sockets[0].getsockname()[1]}")
    transport = Transport(url, connect_seconds=2, first_byte_seconds=2, chunk_seconds=0.5)
    if trusted:
        assert transport._tls
        AUTHORITY.configure_trust(transport._tls)
    try:
        yield server, transport
    finally:
        await transport.aclose()
        await until(lambda: server.open == 0)
        listener.close()
        await listener.wait_closed()


def test_requests_share_an_encrypted_connection():
    """One after the other on one, and many at once on as many."""

    async def test() -> None:
        async with serving(answers) as (server, transport):
            for _ in range(20):
                assert await ask(transport) == b"ok"
            assert server.connections <= 2  # a session ticket that comes late may cost the first
            assert await asyncio.gather(*(ask(transport) for _ in range(30))) == [b"ok"] * 30

    run(test)


def test_large_bodies_pass_in_both_directions():
    body = bytes(range(256)) * 8192

    async def echoes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(await reader.readexactly(len(body)))
        await writer.drain()
        await reader.read(-1)

    async def test() -> None:
        async with serving(echoes) as (_, transport):
            upload = parts(*(body[i : i + 50_000] for i in range(0, len(body), 50_000)))
            assert await ask(transport, upload, **{"content-length": str(len(body))}) == body

    run(test)


@pytest.mark.parametrize(
    ("name", "trusted"), [("localhost", False), ("elsewhere.example", True)], ids=["authority", "name"]
)
def test_a_certificate_that_cannot_be_trusted_is_a_connect_error(name: str, trusted: bool):
    """Nothing is sent, and the error says that it is the certificate."""
    seen: list[bytes] = []

    async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(1))

    async def test() -> None:
        async with serving(listens, name=name, trusted=trusted) as (_, transport):
            with pytest.raises(httpx.ConnectError, match="certificate"):
                await ask(transport)

    run(test)
    assert not any(seen)


def test_an_answer_that_breaks_off_is_an_error():
    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf of it")

    async def test() -> None:
        async with serving(breaks) as (_, transport):
            with pytest.raises(httpx.RemoteProtocolError):
                await ask(transport)

    run(test)


def test_an_answer_that_pauses_is_a_timeout():
    async def pauses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf")
        await reader.read(-1)

    async def test() -> None:
        async with serving(pauses) as (_, transport):
            with pytest.raises(httpx.ReadTimeout):
                await ask(transport)

    run(test)


def test_the_usual_variable_names_further_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A company's own certificate authority: SSL_CERT_FILE, as for every OpenSSL program."""
    bundle = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))

    async def test() -> None:
        async with serving(answers, trusted=False) as (_, transport):
            assert await ask(transport) == b"ok"

    run(test)
