"""What the worker costs the request path: latencies at a fixed rate beside no worker, a hung worker and a busy one.

    python -m tests.benchmarks.isolation [--seconds 60] [--rate 50] [--rounds 3]

Open loop: a request is sent when it is due, and its latency counts from then. Each round visits every
proxy in turn, so that the machine's mood falls on all alike; figures are medians of rounds.
"""

import argparse
import asyncio
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from tests.conftest import Driftium
from tests.scripted import Upstream, replay

ANSWER = "Tides rise and fall because the moon pulls at the sea, and the sea turns below it. " * 4


async def measure(url: str, rate: float, seconds: float) -> list[float]:
    """Latencies in milliseconds of requests that were sent when they were due."""
    body = {"model": "replay", "messages": [{"role": "user", "content": "Why are there tides?"}]}
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30, trust_env=False) as client:

        async def one(due: float) -> float:
            answer = await client.post("/v1/chat/completions", json=body)
            answer.raise_for_status()
            return (time.perf_counter() - due) * 1000

        began, tasks = time.perf_counter(), []
        for i in range(int(rate * seconds)):
            due = began + i / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(due)))
        return await asyncio.gather(*tasks)


def percentile(values: list[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    with Upstream(replay({"Why are there tides?": ANSWER})) as upstream:
        without = Driftium(folder / "without", upstream.url, "--no-worker").start()
        beside = Driftium(folder / "beside", upstream.url).start()
        try:
            beside.wait_for_worker()
            worker = beside.worker_pid
            figures: dict[str, list[tuple[float, float]]] = {"no worker": [], "worker hung": [], "worker embedding": []}
            for _ in range(asked.rounds):
                for name, proxy in (("no worker", without), ("worker hung", beside), ("worker embedding", beside)):
                    if name == "worker hung":
                        os.kill(worker, signal.SIGSTOP)
                    taken = asyncio.run(measure(proxy.url, asked.rate, asked.seconds))
                    os.kill(worker, signal.SIGCONT)
                    figures[name].append((percentile(taken, 0.5), percentile(taken, 0.99)))
        finally:
            without.stop()
            beside.stop()
    print(f"{asked.rate:g} requests/s for {asked.seconds:g} s, medians of {asked.rounds} rounds, client included")
    base = statistics.median(p99 for _, p99 in figures["no worker"])
    print("| | p50, ms | p99, ms | p99 against no worker |\n| --- | --- | --- | --- |")
    for name, rounds in figures.items():
        p50, p99 = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"| {name} | {p50:.2f} | {p99:.2f} | {p99 / base - 1:+.1%} |")


if __name__ == "__main__":
    main()
