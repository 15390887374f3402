"""The load generator: an open loop of requests to a stamped upstream, directly or through a proxy.

    echo '{"port": 8000, "rate": 50, "seconds": 5}' | python -m tests.benchmarks.load

One JSON plan on standard input, a line of JSON figures (milliseconds) every `report_seconds` and at the end. A request
is sent when it is due, whether or not earlier ones came back, and what the upstream itself took is taken off, as its
answers tell it. Every answer is compared byte for byte with what the upstream makes of the same serial and times.
"""

import asyncio
import gc
import json
import random
import signal
import sys
from collections import deque
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any

import httptools

from tests.benchmarks import stamped
from tests.benchmarks.tally import Tally


@dataclass(frozen=True)
class Plan:
    """What is asked, how often, and in which connections."""

    port: int
    rate: float
    seconds: float
    connections: int = 16
    """Opened before the first request; when all are busy, a request opens one more and waits for it."""
    streamed: float = 0.0
    """Share of the requests that ask for a stream of `events`, one every `gap_ms`, sooner or later by `jitter_ms`."""
    events: int = 24
    gap_ms: float = 10.0
    jitter_ms: float = 0.0
    leave_after: int = 0
    """Every second stream is left after so many events; 0: none."""
    requests_each: int = 0
    """About so many requests until a connection is closed and another opened; 0: connections are kept."""
    from_due: bool = True
    """Latencies count from when a request was due; false: from when it was sent."""
    report_seconds: float = 0.0
    patience_seconds: float = 30.0
    """How long answers may take after the last request was due."""
    serial: int = 0
    """Of the request before the first."""


class Client(asyncio.Protocol):
    """One connection; asks one thing at a time."""

    def __init__(self, load: "Load", requests_left: float):
        self._load = load
        self.requests_left = requests_left
        self.busy = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._parser = httptools.HttpResponseParser(self)
        self._load.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._load.open.discard(self)
        if self.busy:
            self._done("connection lost")
        elif self in self._load.idle:
            self._load.idle.remove(self)

    def ask(self, serial: int, events: int, leave_after: int, since: int) -> None:
        plan, self._serial, self._events, self._leave_after = self._load.plan, serial, events, leave_after
        self.busy, self._body, self._arrivals = True, b"", []
        self.requests_left -= 1
        now = monotonic_ns()
        self._load.tally.late.append(now - since)
        self._since = since if plan.from_due else now
        prompt = stamped.texts()[serial % len(stamped.texts())][0]
        asked = {"model": "replay", "stream": bool(events), "messages": [{"role": "user", "content": prompt}]}
        body = json.dumps(asked).encode()
        assert self.transport
        self.transport.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"x-plan: %d,%d,%g,%g\r\ncontent-length: %d\r\n\r\n%b"
            % (serial, events, plan.gap_ms, plan.jitter_ms, len(body), body)
        )

    def data_received(self, data: bytes) -> None:
        self._now = monotonic_ns()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._done(f"not HTTP: {error}")

    def on_body(self, data: bytes) -> None:
        before = len(self._body) - 1
        self._body += data
        if not self._events:
            return
        ended = self._body.count(b"\n\n", max(0, before))
        self._arrivals += [self._now] * ended
        if 0 < self._leave_after <= len(self._arrivals) and self.busy:
            self._leave()

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if self.busy:
            self._done(f"status {status}" if status != 200 else self._read())

    def _leave(self) -> None:
        wrong = self._read()
        assert self.transport
        self._load.tally.left[self._serial] = monotonic_ns()
        self.transport.abort()
        self._done(wrong)

    def _read(self) -> str:
        """Check the answer and note its times; what is wrong, or ""."""
        tally, got = self._load.tally, stamped.TIMES.findall(self._body)
        received, sent = [int(a) for a, _ in got], [int(b) for _, b in got]
        if not self._events:
            if len(got) != 1 or self._body != stamped.completion(self._serial, received[0], sent[0]):
                return "other bytes"
            tally.json.append(self._now - self._since - (sent[0] - received[0]))
            return ""
        serial, events, n = self._serial, self._events, len(got)
        expected = b"".join(stamped.event(serial, i, events, received[i], sent[i]) for i in range(min(n, events)))
        if n == events:
            expected += stamped.DONE
        elif not self._leave_after:
            return "a stream without its end"
        if self._body != expected or not got:
            return "other bytes"
        delays = [arrived - at for arrived, at in zip(self._arrivals, sent, strict=False)]
        delays[0] = self._arrivals[0] - self._since - (sent[0] - received[0])
        tally.first.append(delays[0])
        tally.later += delays[1:]
        tally.summed.append(sum(delays))
        return ""

    def _done(self, wrong: str) -> None:
        self.busy = False
        if wrong:
            self._load.tally.errors[wrong] += 1
        self._load.freed(self, keep=not wrong and self._parser.should_keep_alive() and self.requests_left > 0)


class Load:
    """Sends what is due, on a connection that is free."""

    def __init__(self, plan: Plan):
        self.plan, self.tally = plan, Tally()
        self.idle: deque[Client] = deque()
        self.open: set[Client] = set()
        self._draw, self._tasks = random.Random(plan.serial), set[asyncio.Task[None]]()
        self._asked, self._in_flight, self._all = 0, 0, round(plan.rate * plan.seconds)
        self._drained = asyncio.Event()

    async def run(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        for _ in range(self.plan.connections):
            self.idle.append(await self._connect())
        stamped.texts()
        gc.freeze()
        self.tally, self._start = Tally(), monotonic_ns() + 20_000_000
        if self.plan.report_seconds:
            loop.call_later(self.plan.report_seconds, self._report)
        # Event loops time to the millisecond; the kernel's interval timer is finer.
        loop.add_signal_handler(signal.SIGALRM, self._pace)
        self._pace()
        try:
            await asyncio.wait_for(self._drained.wait(), self.plan.seconds + self.plan.patience_seconds)
        except TimeoutError:
            self.tally.errors["no answer"] += self._in_flight
        print(json.dumps(self.tally.report(len(self.open))), flush=True)

    def _pace(self) -> None:
        while self._asked < self._all:
            due = self._start + int(self._asked * 1e9 / self.plan.rate)
            if (early := due - monotonic_ns()) > 0:
                signal.setitimer(signal.ITIMER_REAL, early / 1e9)
                return
            self._asked += 1
            self._in_flight += 1
            self._send(self.plan.serial + self._asked, due)

    def _send(self, serial: int, due: int) -> None:
        plan = self.plan
        streamed = int(serial * plan.streamed) > int((serial - 1) * plan.streamed)
        asked = (serial, plan.events if streamed else 0, plan.leave_after if serial % 2 else 0, due)
        if self.idle:
            self.idle.popleft().ask(*asked)
        else:
            self._spawn(self._ask_anew(asked))

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_anew(self, asked: tuple[int, int, int, int]) -> None:
        try:
            client = await self._connect()
        except OSError as error:
            self.tally.errors[f"no connection: {error}"] += 1
            self._ended()
            return
        client.ask(*asked)

    async def _connect(self) -> Client:
        each = self.plan.requests_each
        limit = self._draw.uniform(0.5, 1.5) * each if each else float("inf")
        _, client = await self._loop.create_connection(lambda: Client(self, limit), "127.0.0.1", self.plan.port)
        return client

    def freed(self, client: Client, *, keep: bool) -> None:
        """A request on this connection has ended."""
        if keep:
            self.idle.append(client)
        elif client.transport:
            client.transport.close()
        self._ended()

    def _ended(self) -> None:
        self._in_flight -= 1
        if not self._in_flight and self._asked == self._all:
            self._drained.set()

    def _report(self) -> None:
        self._loop.call_later(self.plan.report_seconds, self._report)
        done, self.tally = self.tally, Tally()
        print(json.dumps(done.report(len(self.open))), flush=True)


if __name__ == "__main__":
    made = Plan(**json.loads(sys.stdin.readline()))
    try:
        import uvloop

        uvloop.run(Load(made).run())
    except ImportError:
        asyncio.run(Load(made).run())
