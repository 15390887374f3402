"""What a second worker gains: answers scored a second by one and by two, over the same backlog of real answers.

    python -m tests.benchmarks.second_worker [--answers 600] [--rounds 2]

Each worker embeds with one thread (torch, on the CPU), and the backlog is written when all of them are ready, so that
no model is loaded in the time measured. PostgreSQL and a stand-in for a Qdrant server run on the same machine: it must
be idle otherwise, and a machine of two cores gives the second worker what these two leave.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
import uuid
from pathlib import Path

import msgspec

from proxy.capture import encode
from proxy.simulate.load import MONITORS
from proxy.stores.log import Entry
from proxy.stores.opening import opened
from tests.benchmarks.past_one_machine_parts import Deployment, Part, cpu_seconds, owners
from tests.benchmarks.past_one_machine_preload import capture, preload
from tests.conftest import wait_until

MONITORED = 12
BATCH = 64


def entries(count: int, run: int) -> list[Entry]:
    """Real answers to their monitors in turn, under ids that no other run has."""
    found = []
    for i in range(count):
        name = f"{MONITORS}{i % MONITORED + 1:02d}"
        one = msgspec.structs.replace(
            capture(i % 1_200), id=uuid.UUID(int=run * 10**6 + i).hex, at=time.time(), monitor=name
        )
        found.append(
            Entry(id=one.id, at=one.at, monitor=name, model="simulated", outcome="complete", capture=encode(one))
        )
    return found


def measure(deployed: Deployment, workers: int, answers: int, run: int) -> tuple[float, float]:
    """(answers scored a second, cores that the workers used)"""
    parts: list[Part] = []
    with contextlib.ExitStack() as stack:
        for i in range(workers):
            parts.append(deployed.worker(i).start())
            stack.callback(parts[-1].stop)
        pids = {str(part.pid) for part in parts}
        wait_until(
            lambda: {who.rpartition(":")[2] for who in owners(deployed).values()} == pids,
            seconds=180,
            what="every worker owns monitors",
        )
        written = entries(answers, run)
        used, began = cpu_seconds([part.pid for part in parts]), time.monotonic()
        with opened(deployed.settings) as stores:
            for i in range(0, len(written), BATCH):
                stores.log.append(written[i : i + BATCH], {"logged": answers})
        wait_until(lambda: deployed.read("SELECT count(*) FROM queue") == [(0,)], seconds=900, what="all is scored")
        took = time.monotonic() - began
        return answers / took, (cpu_seconds([part.pid for part in parts]) - used) / took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    found: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftium-second-")))
        deployed = Deployment(folder, stack, monitors=MONITORED, max_lag=1e6, served=False)
        preload(deployed.settings, MONITORED)
        for run in range(asked.rounds):
            for workers in found:
                found[workers].append(measure(deployed, workers, asked.answers, 10 * run + workers))
                rate, cores = found[workers][-1]
                print(f"round {run + 1}, {workers} at work: {rate:.2f} answers/s, {cores:.2f} cores", flush=True)
    middle = {workers: statistics.median(rate for rate, _ in rounds) for workers, rounds in found.items()}
    print("\n| workers, one thread each | answers/s scored, median | cores |\n| --- | --- | --- |")
    for workers, rounds in found.items():
        cores = statistics.median(one for _, one in rounds)
        print(f"| {workers} | {middle[workers]:.2f} | {cores:.2f} |")
    print(f"\nthe second worker's gain: {middle[2] / middle[1] - 1:+.0%}")


if __name__ == "__main__":
    main()
