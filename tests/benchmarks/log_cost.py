"""What the exchange log costs an answer: SQLite against PostgreSQL, in one run.

    python -m tests.benchmarks.log_cost [--batches 1 8 32 128] [--answers 2000] [--rounds 3]

Recorded real answers, a share of them as streams, go through the recorder's own `Log.append` in batches. Of each store
and size: wall clock and CPU per answer here, CPU of the database's processes, bytes on the disk and of write-ahead log.
Medians of the rounds, in which the stores take turns, so that the machine's mood falls on both.
"""

import argparse
import contextlib
import itertools
import os
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from drift.records import Outcome
from proxy.capture import Capture, encode
from proxy.settings import Data, Database, Qdrant, Settings
from proxy.simulate.answers import DONE, filled, recorded
from proxy.simulate.usage import usage
from proxy.stores.log import Entry, Log
from proxy.stores.opening import open_stores
from tests.postgres import Postgres


class Cost(NamedTuple):
    """Per answer: microseconds, and bytes."""

    wall: float
    client: float
    server: float
    disk: float
    wal: float


def entries(count: int, streamed: float) -> list[Entry]:
    """Answers as the recorder gives them to the log."""
    draw, every = random.Random(1), recorded()
    found = []
    for i in range(count):
        one, streams = every[i % len(every)], draw.random() < streamed
        asked: dict[str, Any] = {"model": "simulated", "messages": [{"role": "user", "content": one.prompt}]}
        body = b"".join((*one.parts, one.usage, DONE)) if streams else one.whole
        capture = Capture(
            id=uuid.UUID(int=draw.getrandbits(128)).hex,
            at=time.time(),
            endpoint="chat/completions",
            monitor=f"monitor-{i % 20}",
            status=200,
            request_type="application/json",
            request=msgspec.json.encode(asked | ({"stream": True} if streams else {})),
            response_type="text/event-stream" if streams else "application/json",
            response=filled(body, b"chatcmpl-%024x" % draw.getrandbits(96), b'"simulated"'),
            duration_seconds=1.0,
            outcome=Outcome.COMPLETE,
        )
        written = encode(capture)
        found.append(
            Entry(id=capture.id, at=capture.at, monitor=capture.monitor, model="m", outcome="complete", capture=written)
        )
    return found


def measure(
    log: Log, written: list[Entry], batch: int, server: int | None, size: Callable[[], tuple[int, int]]
) -> Cost:
    """Append all of them in batches of that size; `size` tells bytes on the disk and of write-ahead log."""
    log.append([], {"logged": 0})
    disk, wal = size()
    served = _cpu(server)
    began, used = time.perf_counter(), time.process_time()
    for i in range(0, len(written), batch):
        log.append(written[i : i + batch], {"logged": i + batch, "dropped": 0, "skipped": 0})
    wall, client = time.perf_counter() - began, time.process_time() - used
    served = _cpu(server) - served
    disk_after, wal_after = size()
    n = len(written)
    return Cost(1e6 * wall / n, 1e6 * client / n, 1e6 * served / n, (disk_after - disk) / n, (wal_after - wal) / n)


def _cpu(pid: int | None) -> float:
    found = usage([pid]) if pid else None
    return found.cpu_seconds if found else 0.0


def _sqlite(folder: Path, written: list[Entry], batch: int) -> Cost:
    log = open_stores(Settings(data=Data(dir=str(folder)))).log

    def size() -> tuple[int, int]:
        # The write-ahead log is written over; what passed through it is not told.
        with contextlib.closing(log.engine.raw_connection()) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return sum(file.stat().st_size for file in folder.iterdir()), 0

    try:
        return measure(log, written, batch, None, size)
    finally:
        log.close()


def _postgres(server: Postgres, folder: Path, written: list[Entry], batch: int, schema: str) -> Cost:
    settings = Settings(
        data=Data(dir=str(folder)), database=Database(url=server.url, schema=schema), qdrant=Qdrant(url="http://unused")
    )
    stores = open_stores(settings)

    def size() -> tuple[int, int]:
        server.execute("CHECKPOINT")
        tables = server.execute(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c JOIN pg_namespace n "
            f"ON n.oid = c.relnamespace WHERE n.nspname = '{schema}' AND c.relkind = 'r'"
        )
        wal = server.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
        return int(str(tables[0][0])), int(str(wal[0][0]))

    try:
        assert server.process
        cost = measure(stores.log, written, batch, server.process.pid, size)
    finally:
        stores.close()
    server.execute(f'DROP SCHEMA "{schema}" CASCADE')
    return cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--answers", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streamed", type=float, default=0.3)
    asked = parser.parse_args()
    written = entries(asked.answers, asked.streamed)
    mean = statistics.fmean(len(one.capture or b"") for one in written)
    costs: dict[tuple[str, int], list[Cost]] = {}
    numbers = itertools.count()
    with Postgres() as server, tempfile.TemporaryDirectory() as name:
        for _ in range(asked.rounds):
            for batch in asked.batches:
                # Of a batch of one a tenth: each waits for the disk.
                some = written if batch > 1 else written[: max(1, len(written) // 10)]
                folder = Path(name) / str(next(numbers))
                folder.mkdir()
                costs.setdefault(("SQLite", batch), []).append(_sqlite(folder, some, batch))
                schema = f"cost_{os.getpid()}_{next(numbers)}"
                costs.setdefault(("PostgreSQL", batch), []).append(_postgres(server, folder, some, batch, schema))
    what = f"{asked.answers} answers, {asked.streamed:.0%} as streams, {mean:,.0f} bytes as captured"
    print(f"{what}, medians of {asked.rounds}")
    print("\n| log | batch | wall, µs | CPU here, µs | CPU of the server, µs | bytes on disk | bytes of WAL |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (store, batch), rounds in sorted(costs.items(), key=lambda one: (one[0][1], one[0][0])):
        cost = Cost(*(statistics.median(column) for column in zip(*rounds, strict=True)))
        served, wal = (f"{cost.server:,.0f}", f"{cost.wal:,.0f}") if store != "SQLite" else ("", "")
        print(f"| {store} | {batch} | {cost.wall:,.0f} | {cost.client:,.0f} | {served} | {cost.disk:,.0f} | {wal} |")


if __name__ == "__main__":
    main()
