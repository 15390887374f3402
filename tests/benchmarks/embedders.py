"""The ways to embed side by side: agreement with torch fp32, speed, memory, and what they do to the scores.

`python -m tests.benchmarks.embedders`: each is a process of its own; every round asks each in turn for the same
texts, so that what else the machine does meets all of them. Quoted are medians over the rounds, as a ratio to torch
fp32 with as many threads.
"""

import argparse
import gzip
import json
import os
import tempfile
import threading
import time
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import structlog

from drift.samples import Matrix
from drift.semantic.centroid import centroid_distance
from drift.semantic.mmd import median_distance, mmd2, null_deviation
from proxy.embedding import make_embedder
from proxy.settings import Data, Embedder, Settings
from proxy.stores.history import open_history

ANSWERS = Path(__file__).parents[1] / "data" / "answers.jsonl.gz"
KINDS: dict[str, dict[str, Any]] = {
    "torch fp32": {"backend": "torch", "precision": "fp32"},
    "torch bf16": {"backend": "torch", "precision": "bf16"},
    "onnx fp32": {"backend": "onnx", "precision": "fp32"},
    "onnx int8": {"backend": "onnx", "precision": "int8"},
}
LLAMA = "llama.cpp fp32"
REFERENCE = "torch fp32"
BASELINE, WINDOW = 200, 50


def child(pipe: Connection, settings: Settings) -> None:
    """Loads an encoder, says how large the process is, and embeds what it is sent."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    began = time.perf_counter()
    history = open_history(settings.data_dir)
    embedder = make_embedder(settings, history.engine, stop=threading.Event(), say=print)
    assert embedder
    embedder.embed(["first"])
    pipe.send((embedder.encoder, time.perf_counter() - began, _megabytes("VmRSS")))
    while texts := pipe.recv():
        began = time.perf_counter()
        vectors = embedder.embed(texts)
        pipe.send((vectors, time.perf_counter() - began, _megabytes("VmHWM")))


def _megabytes(what: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1024


class Process:
    """One way to embed."""

    def __init__(self, name: str, folder: Path, threads: int, **wanted: Any):
        self.name, self.threads = name, threads
        self._pipe, theirs = get_context("spawn").Pipe()
        folder.mkdir()
        settings = Settings(data=Data(dir=str(folder)), embedder=Embedder(device="cpu", threads=threads, **wanted))
        self._process = get_context("spawn").Process(target=child, args=(theirs, settings))
        self._process.start()
        self.encoder, self.loaded_seconds, self.megabytes = self._pipe.recv()
        self.seconds: list[float] = []

    def embed(self, texts: list[str]) -> Matrix:
        self._pipe.send(texts)
        vectors, seconds, self.megabytes = self._pipe.recv()
        self.seconds.append(seconds)
        return vectors

    def close(self) -> None:
        self._pipe.send([])
        self._process.join()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.embedders", description=__doc__)
    parser.add_argument("--texts", type=int, default=64, help="answers embedded in each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2], help="none: agreement and scores alone")
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32], help="embedder.batch_size")
    parser.add_argument("--scored", type=int, default=500, help="answers for agreement and scores")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    with gzip.open(ANSWERS, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    # Every topic alike; the corpus has them one after the other.
    texts = [rows[place]["response"] for place in np.random.default_rng(1).permutation(len(rows))]
    print(
        f"{len(texts)} answers, {median(map(len, texts)):.0f} characters in the median; load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for threads in arguments.threads:
            _speed(Path(folder), stack, texts[: arguments.texts], arguments.rounds, threads, arguments.batch)
        _agreement(Path(folder), rows, arguments.scored)


def _started(folder: Path, threads: int, batch: int) -> list[Process]:
    return [
        Process(name, folder / f"{name}-{threads}-{batch}", threads, batch_size=batch, **wanted)
        for name, wanted in KINDS.items()
    ]


def _llama(folder: Path, stack: ExitStack, threads: int) -> list[Process]:
    try:
        from tests.embedding_server import EmbeddingServer

        server = stack.enter_context(EmbeddingServer(threads=threads))
    except (ImportError, RuntimeError) as error:
        print(f"no llama.cpp: {error}")
        return []
    return [Process(LLAMA, folder / f"llama-{threads}", threads, url=server.url)]


def _speed(folder: Path, stack: ExitStack, texts: list[str], rounds: int, threads: int, batches: list[int]) -> None:
    for batch in batches:
        processes = _started(folder, threads, batch)
        if batch == batches[0]:
            processes += _llama(folder, stack, threads)
        for one in processes:
            one.embed(texts[:16])
            one.seconds.clear()
        for _ in range(rounds):
            for one in processes:
                one.embed(texts)
        reference = next(one for one in processes if one.name == REFERENCE)
        print(
            f"\n{threads} thread(s), batches of {batch}: texts/s; ratio to {REFERENCE}, median (least, most);"
            " start; memory"
        )
        for one in processes:
            ratios = sorted(r / s for r, s in zip(reference.seconds, one.seconds, strict=True))
            speed = len(texts) / median(one.seconds)
            print(
                f"  {one.name:15} {speed:7.1f}  {median(ratios):5.2f} ({ratios[0]:.2f}, {ratios[-1]:.2f})"
                f"  {one.loaded_seconds:5.1f} s  {one.megabytes:5.0f} MB"
            )
        for one in processes:
            one.close()


def _agreement(folder: Path, rows: list[dict[str, str]], count: int) -> None:
    """Cosines to torch fp32, and the scores of the same answers with each."""
    topics = list(dict.fromkeys(row["topic"] for row in rows))
    first = [row["response"] for row in rows if row["topic"] == topics[0]]
    other = [row["response"] for row in rows if row["topic"] == topics[1]]
    order = np.random.default_rng(2).permutation(len(first))
    first = [first[place] for place in order]
    baseline, same, changed = first[:BASELINE], first[BASELINE : BASELINE + WINDOW], other[:WINDOW]
    mixed = same[: WINDOW - WINDOW // 5] + changed[: WINDOW // 5]
    spread = [row["response"] for row in rows[:: max(1, len(rows) // count)]][:count]
    print(f"\nagreement over {len(spread)} answers; scores of {BASELINE} against {WINDOW}")
    known: dict[str, Any] = {}
    for name, wanted in KINDS.items():
        process = Process(name, folder / f"{name}-agreement", 1, **wanted)
        vectors = {what: process.embed(some) for what, some in (("spread", spread), ("baseline", baseline))}
        vectors |= {what: process.embed(some) for what, some in (("same", same), ("mixed", mixed), ("other", changed))}
        process.close()
        known.setdefault("reference", vectors)
        cosines = (vectors["spread"] * known["reference"]["spread"]).sum(axis=1)
        print(f"  {name:11} {process.encoder:38} cosine min {cosines.min():.6f} median {np.median(cosines):.6f}")
        print(
            "    " + "; ".join(_scores(what, vectors["baseline"], vectors[what]) for what in ("same", "mixed", "other"))
        )
        if name != REFERENCE:
            print(
                "    "
                + _scores(f"same, with a baseline of {REFERENCE}", known["reference"]["baseline"], vectors["same"])
            )


def _scores(what: str, baseline: Matrix, window: Matrix) -> str:
    bandwidth = median_distance(baseline)
    found = mmd2(baseline, window, bandwidth=bandwidth)
    sigma = _null_sigma(baseline, len(window), bandwidth)
    return f"{what}: MMD2 {found:.5f} ({found / sigma:.2f} sigma), centroid {centroid_distance(baseline, window):.5f}"


def _null_sigma(baseline: Matrix, size: int, bandwidth: float) -> float:
    """Standard deviation of MMD2 between random parts of the baseline, brought to the sizes of the comparison."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(200):
        order = rng.permutation(len(baseline))
        found.append(mmd2(baseline[order[size:]], baseline[order[:size]], bandwidth=bandwidth))
    rest = len(baseline) - size
    return float(np.std(found) * null_deviation(len(baseline), size) / null_deviation(rest, size))


if __name__ == "__main__":
    main()
