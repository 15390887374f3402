"""What points cost in Qdrant's local mode, and what the client costs that writes them to a server.

    python -m tests.benchmarks.vector_store [points ...]

The server is the stand-in of tests/qdrant_server.py, in a process of its own: of it only this side is measured.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np

from drift.samples import Sample
from proxy.settings import Qdrant
from proxy.stores.vectors import WINDOW, Vectors
from tests.conftest import free_port, wait_until

DIMENSION, RING, BATCH = 384, 2_000, 32


def main() -> None:
    sizes = [int(word) for word in sys.argv[1:]] or [2_000, 20_000, 100_000]
    print("| store | points | MB of memory | MB on disk | ms per 32 points | 2,000 points read, s | opened again, s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for size in sizes:
        # In a process of its own: its memory is that of these points alone.
        subprocess.run([sys.executable, "-m", __spec__.name, "--local", str(size)], check=True)
    subprocess.run([sys.executable, "-m", __spec__.name, "--server", str(sizes[0])], check=True)


def measure(kind: str, settings: Qdrant, folder: Path, points: int) -> None:
    with closing(Vectors(settings, folder, DIMENSION)) as vectors:
        before = resident()
        rng = np.random.default_rng(0)
        began, cpu, last = time.perf_counter(), time.process_time(), 0.0
        for first in range(0, points, BATCH):
            numbers = rng.normal(size=(BATCH, 2, DIMENSION)).astype(np.float32)
            numbers /= np.linalg.norm(numbers, axis=2, keepdims=True)
            ring = [
                ((first + i) % RING, Sample(exchange_id=f"{first + i:032d}", at=1.8e9, prompt=p, response=r))
                for i, (p, r) in enumerate(numbers)
            ]
            last = timed(lambda ring=ring, first=first: vectors.put_windows({f"m-{first // RING}": ring}))
        batches = -(-points // BATCH)
        each, own = (time.perf_counter() - began) / batches, (time.process_time() - cpu) / batches
        grown = resident() - before
        read = timed(lambda: vectors.kept(WINDOW, "m-0", range(RING)))
    on_disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    again = timed(lambda: Vectors(settings, folder, DIMENSION).close())
    print(
        f"| {kind} | {points:,} | {grown / 2**20:.0f} | {on_disk / 2**20:.0f} | {each * 1e3:.1f} "
        f"(last {last * 1e3:.1f}, own CPU {own * 1e3:.1f}) | {read:.2f} | {again:.2f} |",
        flush=True,
    )


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def local(points: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        measure("local mode", Qdrant(), Path(folder), points)


def server(points: int) -> None:
    port = free_port()
    stand_in = subprocess.Popen(
        [sys.executable, "-m", "tests.qdrant_server", "--port", str(port)], stdout=subprocess.DEVNULL
    )
    settings = Qdrant(url=f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: _answers(settings))
        with tempfile.TemporaryDirectory() as folder:
            measure("client of a server (stand-in)", settings, Path(folder), points)
    finally:
        stand_in.terminate()
        stand_in.wait()


def _answers(settings: Qdrant) -> bool:
    try:
        return httpx.get(settings.url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] in ("--local", "--server"):
        (local if sys.argv[1] == "--local" else server)(int(sys.argv[2]))
    else:
        main()
