"""A scripted upstream: replays real answers, and misbehaves where a real server will not do so on demand."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

END = b"\r\n"


class Request:
    """What the upstream received, byte for byte."""

    def __init__(self, head: bytes, body: bytes):
        line, *headers = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = line.split(" ", 2)
        self.headers = [(name, value.strip(" ")) for name, _, value in (h.partition(":") for h in headers if h)]
        self.body = body

    def header(self, name: str) -> str | None:
        return next((v for k, v in self.headers if k.lower() == name), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Script = Callable[[Request], AsyncIterator[bytes]]
"""Yields the bytes of an answer, head included; a script that ends early leaves the answer incomplete."""


def answer(
    body: bytes, *, status: str = "200 OK", headers: tuple[str, ...] = (), kind: str = "application/json"
) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def completion(text: str, model: str = "replay") -> bytes:
    """A chat completion that says `text`."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": len(text.split()), "total_tokens": 10 + len(text.split())}
    return json.dumps(
        {"id": "c-1", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}
    ).encode()


def events(text: str, model: str = "replay") -> list[bytes]:
    """The same as a stream of server-sent events, a word each."""
    words = text.split(" ")
    parts = [w if i == 0 else " " + w for i, w in enumerate(words)]

    def event(delta: dict[str, str], finish: str | None = None) -> bytes:
        body = {"model": model, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    return [*(event({"content": part}) for part in parts), event({}, "stop"), b"data: [DONE]\n\n"]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def replay(answers: dict[str, str]) -> Script:
    """Answers each prompt with the text that a real model gave to it, as a stream where it is asked for one."""

    async def script(request: Request) -> AsyncIterator[bytes]:
        if request.method == "GET":
            yield answer(json.dumps({"object": "list", "data": [{"id": "replay", "object": "model"}]}).encode())
            return
        asked = request.json
        text = answers.get(asked["messages"][-1]["content"], "I do not know.")
        if asked.get("stream"):
            yield STREAM_HEAD
            for event in events(text, asked["model"]):
                yield chunk(event)
            yield chunk(b"")
        else:
            yield answer(completion(text, asked["model"]))

    return script


def early(script: Script) -> Script:
    """Answers as soon as the head has come; the body stays unread and the connection closes."""
    script.early = True  # type: ignore[attr-defined]
    return script


class Upstream:
    """Runs a script on a port of its own, in a thread.

    `requests` holds what came whole, `begun` counts their heads and those of the others, `accepted` counts
    connections, `left` is set when a client hangs up inside a request or an answer.
    """

    def __init__(self, script: Script):
        self.script = script
        self.requests: list[Request] = []
        self.left = threading.Event()
        self.accepted = self.begun = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> "Upstream":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._tasks)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.accepted += 1
        task.add_done_callback(self._tasks.discard)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(END * 2)).removesuffix(END * 2)
        request = Request(head, b"")
        self.begun += 1
        unread = getattr(self.script, "early", False)
        if not unread:
            try:
                request.body = await _body(request, reader)
            except asyncio.IncompleteReadError:
                self.left.set()
                raise
        self.requests.append(request)
        script = self.script(request)
        # An idle read tells when the proxy hangs up in the middle of an answer.
        watch = asyncio.ensure_future(reader.read(1))
        if not unread:
            watch.add_done_callback(lambda read: read.cancelled() or self.left.set())
        complete = not unread
        try:
            async for part in script:
                if part in (BREAK, RESET, HALF_CLOSE):
                    complete = False
                    if part is HALF_CLOSE:
                        writer.write_eof()
                        await asyncio.wait([watch])
                    elif part is RESET:
                        reset(writer)
                    break
                writer.write(part)
                await writer.drain()
                if watch.done() and not unread:
                    complete = False
                    break
        finally:
            watch.cancel()
            # Until it has ended, the stream refuses to be read for the next request.
            await asyncio.wait([watch])
        return complete


async def _body(request: Request, reader: asyncio.StreamReader) -> bytes:
    if length := request.header("content-length"):
        return await reader.readexactly(int(length))
    body = b""
    if request.header("transfer-encoding"):
        while size := int((await reader.readuntil(END)).partition(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    return body


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


BREAK = b"<break the connection here>"
RESET = b"<reset the connection here>"
HALF_CLOSE = b"<say no more, and wait until the client has closed>"
