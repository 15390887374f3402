"""Backfill of collected logs: `driftium ingest` over 100,000 exchanges, beside a stand-in for the worker.

    python -m tests.benchmarks.ingest [--exchanges 100000] [--pace 2000]

The stand-in reads the log as the worker does (in its order, after its cursor, pruned to log.max_bytes) and embeds
nothing: it goes on at the given pace, answers a second, and reports it as the worker does. Counted are the exchanges
that it was given, by id; the lag that it saw; and what the command's process held in memory.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from itertools import cycle, islice
from pathlib import Path

from proxy import capture, wire
from proxy.pace import share
from proxy.settings import Settings
from proxy.stores.history import WorkerState, open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import open_log
from tests.conftest import DATA

LOG_BYTES = 32 * 2**20
"""log.max_bytes here: a small part of what is collected, so that what is unread could be lost."""


def write(path: Path, exchanges: int) -> None:
    """Real answers, over and over, as pairs of an OpenAI-compatible API."""
    with gzip.open(DATA / "answers.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    with path.open("w") as file:
        for i, row in enumerate(islice(cycle(rows), exchanges)):
            message = {"role": "assistant", "content": row["response"]}
            answer = {
                "id": f"chatcmpl-{i}",
                "created": 1_760_000_000 + i,
                "model": "m-2",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            }
            asked = {"model": "m", "messages": [{"role": "user", "content": row["prompt"]}]}
            file.write(json.dumps({"request": asked, "response": answer, "latency_ms": 700}) + "\n")


class StandIn(threading.Thread):
    """Moves the cursor at a pace. What it was given is in `seen`, the least share it would have scored in `share`."""

    def __init__(self, data_dir: Path, pace: float):
        super().__init__(daemon=True)
        self._log, self._history = open_log(data_dir), open_history(data_dir)
        self._ledger = Ledger(self._history, Settings().history, 2_000)
        self._pace = pace
        self.seen: set[str] = set()
        self.share, self.waited = 1.0, 0
        self.done = threading.Event()

    def run(self) -> None:
        cursor, pruned, told = 0, time.monotonic(), 0.0
        while not self.done.is_set():
            began = time.monotonic()
            if began - told > 1.0:
                self._tell(cursor)
                told = began
            entries = self._log.after(cursor, max(32, int(self._pace / 10)))
            captures = self._log.captures([entry.seq for entry in entries])
            waiting, _ = self._log.waiting(cursor)
            self.waited = max(self.waited, waiting)
            self.share = min(self.share, share(waiting, self._pace, 60.0))
            for entry in entries:
                if wire.read(capture.decode(captures[entry.seq])).response:
                    self.seen.add(entry.id)
            if entries:
                cursor = entries[-1].seq
                self._tell(cursor)
            if time.monotonic() - pruned > 2:
                pruned = time.monotonic()
                self._log.prune(before=0, max_bytes=LOG_BYTES, cursor=cursor)
            self.done.wait(max(0.005, len(entries) / self._pace - (time.monotonic() - began)))

    def _tell(self, cursor: int) -> None:
        now = time.time()
        state = WorkerState(
            pid=os.getpid(), stage="ready", since=now, heartbeat_at=now, answers_per_second=self._pace, encoder="none"
        )
        self._ledger.commit(Changes(cursor=cursor, state=state))


def command(data_dir: Path, *arguments: str) -> tuple[float, float, int]:
    """(seconds, peak MB, exit code) of `driftium ingest`."""
    environ = os.environ | {"DRIFTIUM_LOG__MAX_BYTES": str(LOG_BYTES)}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "ingest", "--data-dir", str(data_dir), *arguments], env=environ
    )
    # Of this child alone, not of all.
    _, status, usage = os.wait4(process.pid, 0)
    return time.monotonic() - began, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=100_000)
    parser.add_argument("--pace", type=float, default=2_000.0, help="answers a second of the stand-in")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data_dir, file = Path(folder) / "data", Path(folder) / "calls.jsonl"
        write(file, asked.exchanges)
        size = file.stat().st_size / 2**20
        few = Path(folder) / "few.jsonl"
        write(few, 100)
        _, base, _ = command(data_dir, "--dry-run", str(few))
        seconds, dry_peak, code = command(data_dir, "--dry-run", str(file))
        print(f"{asked.exchanges:,} exchanges, {size:.0f} MiB; 100 of them: peak {base:.0f} MB")
        print(f"dry run: {asked.exchanges / seconds:,.0f} records/s, peak {dry_peak:.0f} MB, exit code {code}")
        worker = StandIn(data_dir, asked.pace)
        worker.start()
        seconds, peak, code = command(data_dir, str(file))
        again, _, second = command(data_dir, str(file))
        log = open_log(data_dir)
        deadline = time.monotonic() + 60
        while log.waiting(worker._history.cursor())[0] and time.monotonic() < deadline:
            time.sleep(0.1)
        worker.done.set()
        worker.join()
        print(f"collected: {asked.exchanges / seconds:,.0f} records/s (pace {asked.pace:,.0f}/s), peak {peak:.0f} MB")
        print(f"exit code {code}; the same again: {again:.1f} s, exit code {second}")
        lost, expired = asked.exchanges - len(worker.seen), log.totals().get("expired", 0)
        print(f"lost {lost}, expired unread {expired}; most waiting {worker.waited:,}, least share {worker.share:.2f}")


if __name__ == "__main__":
    main()
