"""An upstream whose messages say when it received the request and when it sent them, and which counts its connections.

    python -m tests.benchmarks.stamped     prints its port; ends when its standard input does

The request's header `x-plan: serial,events,gap_ms,jitter_ms` says what is answered: the text of that number, whole
(0 events) or in so many server-sent events. `GET /bench` tells the connections and who has left inside a stream.
Times are CLOCK_MONOTONIC in nanoseconds, one clock for all processes of the machine.
"""

import asyncio
import functools
import gc
import gzip
import itertools
import json
import random
import re
import sys
from pathlib import Path
from time import monotonic_ns

import httptools

TIMES = re.compile(rb'"times":\[(\d+),(\d+)\]')
DONE = b"data: [DONE]\n\n"
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_HEAD = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_MODELS = b'{"object":"list","data":[{"id":"replay","object":"model"}]}'
_COMPLETION = (
    b'{"id":"chatcmpl-%d","object":"chat.completion","created":1,"model":"replay","times":[%d,%d],"choices":[{"index":0,'
    b'"message":{"role":"assistant","content":%b},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":90,'
    b'"total_tokens":99}}'
)
_EVENT = (
    b'data: {"id":"chatcmpl-%d","object":"chat.completion.chunk","created":1,"model":"replay","sequence":%d,'
    b'"times":[%d,%d],"choices":[{"index":0,"delta":%b,"finish_reason":%b}]}\n\n'
)


@functools.cache
def texts() -> list[tuple[str, str]]:
    """Real prompts and answers."""
    with gzip.open(Path(__file__).parents[1] / "data" / "answers.jsonl.gz", "rt") as lines:
        return [(row["prompt"], row["response"]) for row in map(json.loads, lines)]


@functools.cache
def _whole(row: int) -> bytes:
    return json.dumps(texts()[row][1]).encode()


@functools.cache
def _deltas(row: int, events: int) -> list[bytes]:
    """The text in one event less than there are; the last one says why the answer ends."""
    words = re.findall(r"\S+\s*", texts()[row][1])
    cuts = [len(words) * i // (events - 1) for i in range(events)] if events > 1 else []
    parts = ["".join(words[a:b]) for a, b in itertools.pairwise(cuts)]
    return [json.dumps({"content": part}).encode() for part in parts] + [b"{}"]


def completion(serial: int, received: int, sent: int) -> bytes:
    return _COMPLETION % (serial, received, sent, _whole(serial % len(texts())))


def event(serial: int, i: int, events: int, received: int, sent: int) -> bytes:
    """Event `i` of a stream of `events`; [DONE] follows the last."""
    deltas = _deltas(serial % len(texts()), events)
    return _EVENT % (serial, i, received, sent, deltas[i], b'"stop"' if i == events - 1 else b"null")


def offsets(serial: int, events: int, gap: float, jitter: float) -> list[float]:
    """When each event of a stream is due, in seconds after the first: the same whenever the stream is asked for."""
    draw = random.Random(serial)
    return [0.0] + [max(0.0, i * gap + draw.uniform(-jitter, jitter)) for i in range(1, events)]


class Counts:
    """What the upstream knows of its connections."""

    def __init__(self) -> None:
        self.open: set[Answering] = set()
        self.accepted = 0
        self.left: dict[int, int] = {}
        """When the client of a stream was seen to have left, by the stream's serial."""


class Answering(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, counts: Counts):
        self._counts = counts
        self._streaming: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._plan = b""
        self._counts.open.add(self)
        self._counts.accepted += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._counts.open.discard(self)
        if self._streaming is not None:
            self._counts.left[self._streaming] = monotonic_ns()
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received = monotonic_ns()
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-plan":
            self._plan = value

    def on_message_complete(self) -> None:
        plan, self._plan = self._plan, b""
        if plan:
            serial, events, gap_ms, jitter_ms = plan.split(b",")
            self._answer(int(serial), int(events), float(gap_ms) / 1000, float(jitter_ms) / 1000)
        elif self._url == b"/bench":
            counts = self._counts
            told = {"open": len(counts.open) - 1, "accepted": counts.accepted, "left": counts.left}
            counts.left = {}
            self._say(json.dumps(told).encode())
        elif self._url.endswith(b"/models"):
            self._say(_MODELS)
        else:
            self._say(b"{}", b"404 Not Found")

    def _say(self, body: bytes, status: bytes = b"200 OK") -> None:
        self._transport.write(_HEAD % (status, len(body)) + body)

    def _answer(self, serial: int, events: int, gap: float, jitter: float) -> None:
        if not events:
            self._say(completion(serial, self._received, monotonic_ns()))
            return
        self._streaming = serial
        self._due = [self._loop.time() + offset for offset in offsets(serial, events, gap, jitter)]
        self._transport.write(_STREAM_HEAD)
        self._next(0)

    def _next(self, i: int) -> None:
        """Send event `i`, and see to the one after it. Each event is one write, the last one's with the end."""
        serial, events = self._streaming, len(self._due)
        assert serial is not None
        data = event(serial, i, events, self._received, monotonic_ns())
        if i < events - 1:
            self._timer = self._loop.call_at(self._due[i + 1], self._next, i + 1)
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))
            return
        self._streaming = self._timer = None
        self._transport.write(b"%x\r\n%b%b\r\n0\r\n\r\n" % (len(data) + len(DONE), data, DONE))


async def _serve() -> None:
    loop, counts, parent_ended = asyncio.get_running_loop(), Counts(), asyncio.Event()
    server = await loop.create_server(lambda: Answering(counts), "127.0.0.1", 0, backlog=2048)
    loop.add_reader(sys.stdin, parent_ended.set)
    texts()
    gc.freeze()
    print(server.sockets[0].getsockname()[1], flush=True)
    await parent_ended.wait()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(_serve())
    except ImportError:
        asyncio.run(_serve())
