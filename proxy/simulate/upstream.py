"""A small upstream on this machine that replays recorded answers; a process of its own.

    python -m proxy.simulate.upstream PLAN      prints its port as JSON; ends when its standard input does

Each answer's header `x-simulate-upstream-ms` says how long this server took until its first byte, so that a client can
take that off.
"""

import asyncio
import contextlib
import gc
import itertools
import sys
from collections.abc import Iterator
from time import perf_counter
from zlib import crc32

import httptools
import msgspec

from proxy.simulate.answers import DONE, by_prompt, filled, mean_length, recorded

TOOK = "x-simulate-upstream-ms"
MODELS = "simulated-"
"""Begins the name of each model: whoever lists them forwards to a simulation."""
FIRST_BYTE_SHARE = 0.1
"""Of the time that a stream takes."""

_HEAD = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-simulate-upstream-ms: %.3f\r\n\r\n%b"
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    b"x-simulate-upstream-ms: %.3f\r\n\r\n"
)


class Plan(msgspec.Struct, frozen=True):
    """Where it listens, and how long an answer takes."""

    host: str = "127.0.0.1"
    port: int = 0
    models: int = 1
    answer_seconds: float = 1.0
    """Of an answer of average length; longer ones take longer."""
    answers: str = ""
    """A file with what is answered; "": what is shipped."""


class _Message(msgspec.Struct):
    content: str = ""


class _Options(msgspec.Struct):
    include_usage: bool = False


class _Asked(msgspec.Struct):
    """All that is read of a request."""

    model: str = ""
    messages: list[_Message] = []
    stream: bool = False
    stream_options: _Options | None = None


def model_name(i: int) -> str:
    return f"{MODELS}{i + 1:02d}"


class Answering(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, plan: Plan, numbers: "itertools.count[int]"):
        self._plan = plan
        self._numbers = numbers
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._url = self._body = b""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        self._url = self._body = b""
        self._began = perf_counter()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._url.endswith(b"/models"):
            names = [{"id": model_name(i), "object": "model", "created": 0, "owned_by": "driftium"}
                     for i in range(self._plan.models)]  # fmt: skip
            self._say(msgspec.json.encode({"object": "list", "data": names}))
        elif self._url.partition(b"?")[0].endswith(b"/chat/completions"):
            self._answer()
        else:
            self._refuse(b"404 Not Found", "the simulation's upstream answers /v1/chat/completions and /v1/models only")

    def _answer(self) -> None:
        try:
            asked = msgspec.json.decode(self._body, type=_Asked)
        except msgspec.MsgspecError as error:
            self._refuse(b"400 Bad Request", str(error))
            return
        prompt = asked.messages[-1].content if asked.messages else ""
        file = self._plan.answers
        every, place = recorded(file), by_prompt(file).get(prompt)
        one = every[crc32(prompt.encode()) % len(every) if place is None else place]
        seconds = self._plan.answer_seconds * len(one.response) / mean_length(file)
        answer_id, model = b"chatcmpl-sim%012d" % next(self._numbers), msgspec.json.encode(asked.model)
        if not asked.stream:
            body = filled(one.whole, answer_id, model)
            self._timer = self._loop.call_later(seconds, self._say, body)
            return
        usage = [one.usage] if asked.stream_options and asked.stream_options.include_usage else []
        parts = [filled(part, answer_id, model) for part in (*one.parts, *usage)]
        gap = seconds * (1 - FIRST_BYTE_SHARE) / len(parts)
        self._timer = self._loop.call_later(seconds * FIRST_BYTE_SHARE, self._stream, parts, gap)

    def _stream(self, parts: list[bytes], gap: float) -> None:
        self._transport.write(_STREAM_HEAD % self._took())
        self._next(iter(parts), gap, self._loop.time())

    def _next(self, parts: Iterator[bytes], gap: float, due: float) -> None:
        data = next(parts, None)
        if data is None:
            self._timer = None
            self._transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(DONE), DONE))
            return
        self._timer = self._loop.call_at(due + gap, self._next, parts, gap, due + gap)
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _took(self) -> float:
        """Milliseconds since the request came."""
        return (perf_counter() - self._began) * 1000

    def _refuse(self, status: bytes, message: str) -> None:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
        self._say(msgspec.json.encode({"error": error}), status)

    def _say(self, body: bytes, status: bytes = b"200 OK") -> None:
        self._timer = None
        self._transport.write(_HEAD % (status, len(body), self._took(), body))


async def serve(plan: Plan) -> None:
    loop, ended, numbers = asyncio.get_running_loop(), asyncio.Event(), itertools.count(1)
    try:
        server = await loop.create_server(lambda: Answering(plan, numbers), plan.host, plan.port, backlog=2048)
    except OSError as error:
        print(msgspec.json.encode({"error": error.strerror or str(error)}).decode(), flush=True)
        return
    loop.add_reader(sys.stdin, ended.set)
    # Made now: the first answers would wait for it.
    _ = recorded(plan.answers), by_prompt(plan.answers), mean_length(plan.answers)
    gc.freeze()
    print(msgspec.json.encode({"port": server.sockets[0].getsockname()[1]}).decode(), flush=True)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    import uvloop

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(msgspec.json.decode(sys.argv[1], type=Plan)))
