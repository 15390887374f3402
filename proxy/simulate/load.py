"""The load: an open loop of requests to proxies and, for comparison, to the upstream itself; a process of its own.

    python -m proxy.simulate.load PLAN      a line of JSON each second and at the end; SIGINT ends it early

A request is sent when it is due, whether or not earlier ones came back, and its latency counts from then: a server that
stalls is seen to stall. Arrivals are random (Poisson) as those of many users are, or evenly spaced.
"""

import asyncio
import contextlib
import gc
import random
import resource
import signal
import ssl
import sys
from collections import Counter, deque
from time import perf_counter
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from proxy.simulate.answers import rows
from proxy.simulate.client import Client, Request
from proxy.simulate.upstream import model_name

DIRECT = -1
MONITORS = "simulate-"
CONNECTIONS = 8_192
"""To one target; past it a request fails, as it would where no more are allowed."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, of whom and how often."""

    targets: list[str]
    """Base URLs of the proxies, which are asked in turn."""
    upstream: str = ""
    """Asked directly too; "": nothing is."""
    rate: float
    seconds: float
    arrivals: Literal["poisson", "constant"] = "poisson"
    monitors: int = 1
    streamed: float = 0.3
    direct_share: float = 0.05
    """So many more go to the upstream itself."""
    patience_seconds: float = 30.0
    """How long answers may take after the last request was due."""
    seed: int = 1
    answers: str = ""
    """A file with what is asked; "": what is shipped."""


class Quantiles(msgspec.Struct, frozen=True):
    """Of a number of times, in milliseconds; None where there is none."""

    n: int
    p50: float | None = None
    p99: float | None = None
    largest: float | None = None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen until now. Times are without what the upstream took."""

    seconds: float
    sent: int
    """To the proxies; so are the next ones."""
    answered: int
    failed: dict[str, int]
    """{what went wrong: how often}"""
    whole: Quantiles
    """Of answers that are no streams."""
    first: Quantiles
    """Until a stream's first byte."""
    direct_whole: Quantiles
    direct_first: Quantiles
    direct_failed: int
    late: Quantiles
    """By how much this generator was late itself."""
    cpu_seconds: float = 0.0
    """Of this generator, and so is the next."""
    memory_bytes: int = 0
    done: bool = False
    """Until then the times are those of the last second."""


def quantiles(seconds: list[float]) -> Quantiles:
    if not seconds:
        return Quantiles(0)
    ms = sorted(value * 1000 for value in seconds)
    p50, p99 = (round(ms[min(len(ms) - 1, int(q * len(ms)))], 3) for q in (0.5, 0.99))
    return Quantiles(len(ms), p50, p99, round(ms[-1], 3))


class Pool:
    """The connections to one target."""

    def __init__(self, url: str, ended: Any):
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.prefix = parts.path.rstrip("/")
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.authority = parts.netloc.rpartition("@")[2]
        self.idle: deque[Client] = deque()
        self.open: set[Client] = set()
        self._ended = ended

    async def connect(self) -> Client:
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(
            lambda: Client(self._finished, self._lost), self.host, self.port, ssl=self.tls
        )
        self.open.add(client)
        return client

    def _finished(self, client: Client, request: Request, keep: bool) -> None:
        if keep:
            self.idle.append(client)
        elif client.transport:
            client.transport.close()
        self._ended(request)

    def _lost(self, client: Client) -> None:
        self.open.discard(client)
        if client in self.idle:
            self.idle.remove(client)


class Load:
    """Sends what is due, on a connection that is free, else on a new one."""

    def __init__(self, plan: Plan):
        self._plan = plan
        self._draw = random.Random(plan.seed)
        self._pools = [Pool(url, self._ended) for url in plan.targets]
        self._direct = Pool(plan.upstream, self._ended) if plan.upstream else None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sent = self._answered = self._in_flight = self._direct_failed = 0
        self._failed: Counter[str] = Counter()
        names = ("whole", "first", "direct_whole", "direct_first", "late")
        self._times: dict[str, list[float]] = {name: [] for name in names}
        self._drained = asyncio.Event()
        self._told = dict.fromkeys(names, 0)

    async def run(self) -> None:
        plan, loop = self._plan, asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._stop)
        for pool in self._pools:
            # One that is down fails its requests, and not the others'.
            with contextlib.suppress(OSError):
                pool.idle.append(await pool.connect())
        self._rows = rows(plan.answers)
        gc.freeze()
        self._began = due = perf_counter() + 0.05
        self._end = due + plan.seconds
        self._over = asyncio.Event()
        reporting = loop.create_task(self._report())
        while (due := self._following(due)) < self._end and not self._over.is_set():
            if (early := due - perf_counter()) > 0:
                await asyncio.sleep(early)
            self._send(due)
        if self._in_flight and not self._over.is_set():
            self._drained.clear()
            try:
                await asyncio.wait_for(self._drained.wait(), plan.patience_seconds)
            except TimeoutError:
                self._failed["no answer"] += self._in_flight
        reporting.cancel()
        self._tell(self._times, done=True)

    def _following(self, due: float) -> float:
        rate = self._plan.rate * (1 + (self._plan.direct_share if self._direct else 0.0))
        return due + (self._draw.expovariate(rate) if self._plan.arrivals == "poisson" else 1 / rate)

    def _stop(self) -> None:
        self._end = 0.0
        self._over.set()
        self._drained.set()

    def _send(self, due: float) -> None:
        plan, draw = self._plan, self._draw
        direct = self._direct is not None and draw.random() < plan.direct_share / (1 + plan.direct_share)
        streamed = draw.random() < plan.streamed
        monitor = draw.randrange(plan.monitors)
        if direct and self._direct:
            target, pool = DIRECT, self._direct
        else:
            target = self._sent % len(self._pools)
            pool = self._pools[target]
            self._sent += 1
        self._times["late"].append(perf_counter() - due)
        self._in_flight += 1
        request = Request(due, self._data(pool, monitor, streamed), streamed, target)
        if pool.idle:
            # The one that was used last: those that idle for long may be closed by the server.
            pool.idle.pop().ask(request)
        elif len(pool.open) >= CONNECTIONS:
            request.wrong = f"more than {CONNECTIONS} at once"
            self._ended(request)
        else:
            task = asyncio.get_running_loop().create_task(self._ask_anew(pool, request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask_anew(self, pool: Pool, request: Request) -> None:
        try:
            client = await pool.connect()
        except OSError as error:
            request.wrong = f"no connection: {error.strerror or error}"
            self._ended(request)
            return
        client.ask(request)

    def _data(self, pool: Pool, monitor: int, streamed: bool) -> bytes:
        asked: dict[str, Any] = {"model": model_name(monitor), "temperature": 0.7}
        asked["messages"] = [{"role": "user", "content": self._draw.choice(self._rows).prompt}]
        if streamed:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        body = msgspec.json.encode(asked)
        return (
            b"POST %b/v1/chat/completions HTTP/1.1\r\nhost: %b\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer simulated\r\nx-driftium-monitor: %b%02d\r\ncontent-length: %d\r\n\r\n%b"
            % (pool.prefix.encode(), pool.authority.encode(), MONITORS.encode(), monitor + 1, len(body), body)
        )

    def _ended(self, request: Request) -> None:
        self._in_flight -= 1
        direct = request.target == DIRECT
        if not request.wrong:
            self._answered += not direct
        elif direct:
            self._direct_failed += 1
        else:
            self._failed[request.wrong] += 1
        prefix = "direct_" if direct else ""
        if request.whole is not None:
            self._times[prefix + "whole"].append(request.whole)
        elif request.first is not None:
            self._times[prefix + "first"].append(request.first)
        if not self._in_flight:
            self._drained.set()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(1)
            since, self._told = self._told, {name: len(some) for name, some in self._times.items()}
            self._tell({name: some[since[name] :] for name, some in self._times.items()}, done=False)

    def _tell(self, times: dict[str, list[float]], *, done: bool) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        seen = Seen(
            cpu_seconds=round(used.ru_utime + used.ru_stime, 3),
            memory_bytes=used.ru_maxrss * 1024,
            seconds=perf_counter() - self._began,
            sent=self._sent,
            answered=self._answered,
            failed=dict(self._failed),
            direct_failed=self._direct_failed,
            done=done,
            **{name: quantiles(some) for name, some in times.items()},
        )
        print(msgspec.json.encode(seen).decode(), flush=True)


def main() -> None:
    import uvloop

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))
    uvloop.run(Load(msgspec.json.decode(sys.argv[1], type=Plan)).run())


if __name__ == "__main__":
    main()
