"""The transport alone, against sockets that do on demand what servers do at their worst."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import uvloop

from proxy.connection import HIGH_WATER
from proxy.transport import Transport

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Calls `serve` for each connection; `connections` counts them, `open` those that still are."""

    def __init__(self, serve: Serve):
        self._serve = serve
        self.connections = self.open = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def serving(serve: Serve, **settings: float) -> AsyncIterator[tuple[Server, Transport, httpx.URL]]:
    server = Server(serve)
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0)
    url = httpx.URL(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    bounds = {"connect_seconds": 2.0, "first_byte_seconds": 2.0, "chunk_seconds": 2.0} | settings
    transport = Transport(url, **bounds)
    try:
        yield server, transport, url
    finally:
        await transport.aclose()
        await until(lambda: server.open == 0)
        listener.close()
        await listener.wait_closed()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (the condition is a peer's, which sets no event)
            await asyncio.sleep(0.01)


async def ask(transport: Transport, body: bytes | AsyncIterator[bytes] = b"", **headers: str) -> bytes:
    """The body of the answer; the connection is given back."""
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    connection = await transport.ask("POST", b"/v1/x", pairs, body)
    try:
        parts = []
        while part := await connection.read():
            parts.append(part)
        return b"".join(parts)
    finally:
        connection.release()


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server as it should be."""
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(OK)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Runs a test on the loop of production, and fails it for what asyncio would only log."""
    unseen: list[dict[str, object]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
        await test()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(watched())
    assert not unseen


def test_requests_share_a_connection():
    async def test() -> None:
        async with serving(answers) as (server, transport, _):
            for _ in range(50):
                assert await ask(transport) == b"ok"
            assert server.connections == 1

    run(test)


def test_httpx_may_call_it_too():
    """A client of httpx's own gets status, headers, reason and body, and its connection serves the next request."""

    async def test() -> None:
        async with serving(answers) as (server, transport, url):
            async with httpx.AsyncClient(transport=transport) as client:
                for _ in range(3):
                    response = await client.get(url, extensions={"target": b"/v1/models"})
                    assert (response.status_code, response.reason_phrase, response.text) == (200, "OK", "ok")
                    assert response.headers["content-length"] == "2"
            assert server.connections == 1

    run(test)


def test_idle_connections_are_closed_with_time(monkeypatch: pytest.MonkeyPatch):
    """Also those of a burst that are never needed again."""
    monkeypatch.setattr("proxy.transport.IDLE_SECONDS", 0.1)

    async def test() -> None:
        async with serving(answers) as (server, transport, _):
            await asyncio.gather(*(ask(transport) for _ in range(20)))
            assert server.open > 1
            await asyncio.sleep(0.15)
            assert await ask(transport) == b"ok"
            await until(lambda: server.open == 1)

    run(test)


def test_a_connection_that_closed_unseen_is_not_taken():
    """The end is already in the socket, but the event loop has not yet come to read it."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)

    async def test() -> None:
        async with serving(once) as (_, transport, _):
            for _ in range(200):
                assert await ask(transport) == b"ok"

    run(test)


async def parts(*given: bytes | Exception) -> AsyncIterator[bytes]:
    """An upload in parts; an exception among them is raised."""
    for part in given:
        await asyncio.sleep(0)
        if isinstance(part, Exception):
            raise part
        yield part


def test_an_upload_that_fails_is_raised_and_ends_the_connection():
    """The chunked body gets no last chunk: half a request must not look whole."""
    seen: list[bytes] = []

    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(-1))

    async def test() -> None:
        async with serving(keeps) as (server, transport, _):
            with pytest.raises(KeyError):
                await ask(transport, parts(b"half", b"", KeyError()), **{"transfer-encoding": "chunked"})
            await until(lambda: server.open == 0)
        assert seen[0].endswith(b"\r\n\r\n4\r\nhalf\r\n")

    run(test)


def test_a_connection_with_half_a_request_is_not_used_again():
    """Although its answer came whole and early, the next request would be read as the rest of the first one's body."""

    async def test() -> None:
        async with serving(answers) as (server, transport, _):
            failing = parts(b"half", *[b"more"] * 20, KeyError())
            assert await ask(transport, failing, **{"transfer-encoding": "chunked"}) == b"ok"
            assert await ask(transport) == b"ok"
            assert server.connections == 2

    run(test)


def test_a_body_of_another_length_than_declared_is_not_sent():
    """The next request on its connection would be read as the rest of it."""

    async def test() -> None:
        async with serving(answers) as (server, transport, _):
            for length in ("1", "3"):
                with pytest.raises(httpx.LocalProtocolError):
                    await ask(transport, b"ab", **{"content-length": length})
            assert server.connections == 0

    run(test)


def test_reading_pauses_while_nobody_reads_the_answer():
    """At most the high water mark and one read of the socket wait in memory; then all of it comes."""
    size = 20_000_000
    sent = 0

    async def pours(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(bytes(100_000))
            await writer.drain()
            sent += 100_000

    async def test() -> None:
        async with serving(pours) as (_, transport, _):
            connection = await transport.ask("POST", b"/", [], b"")
            before = -1
            while sent != before:
                before = sent
                await asyncio.sleep(0.1)
            assert connection._buffered <= HIGH_WATER + 256 * 1024
            received = 0
            while part := await connection.read():
                received += len(part)
            assert received == size
            connection.release()

    run(test)


def test_a_connection_is_refused_as_httpx_would_say_it():
    async def test() -> None:
        async with serving(answers) as (_, _, url):
            pass
        transport = Transport(url, connect_seconds=1, first_byte_seconds=1, chunk_seconds=1)
        with pytest.raises(httpx.ConnectError):
            await ask(transport)

    run(test)


def test_a_plain_server_behind_https_is_a_connect_error():
    """It answers the handshake with HTTP."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def test() -> None:
        async with serving(plain) as (_, _, url):
            secure = url.copy_with(scheme="https")
            transport = Transport(secure, connect_seconds=2, first_byte_seconds=1, chunk_seconds=1)
            with pytest.raises(httpx.ConnectError) as caught:
                await ask(transport)
            assert isinstance(caught.value.__cause__, ssl.SSLError)

    run(test)


def test_a_cancelled_request_closes_its_connection():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async def test() -> None:
        async with serving(silent) as (server, transport, _):
            waiting = asyncio.ensure_future(ask(transport))
            await until(lambda: server.open == 1)
            waiting.cancel()
            await until(lambda: server.open == 0)
            assert waiting.cancelled()

    run(test)
