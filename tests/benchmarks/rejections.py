"""How often tests reject real answers that did not drift: at the level .05, .04 to .06 of them should be.

    python -m tests.benchmarks.rejections --data FOLDER [--cache FOLDER] [--repetitions 2000]

FOLDER holds text/gpteacher.jsonl.gz and text/bitext_support_v1.jsonl.gz, each line with the field "text". A session
is an answer with its nearest neighbours (GPTeacher), or one canned answer several times (Bitext).
"""

import argparse
import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from drift.samples import Codes, Matrix
from drift.semantic.mmd import median_distance
from drift.semantic.permutation import permutation_test
from tests.benchmarks.embeddings import embedded

BASELINE, WINDOW = 250, 100
LARGEST_SESSION = 8
LEVEL = 0.05
PERMUTATIONS = 199

Draw = Callable[[np.random.Generator], tuple[Matrix, Codes]]
"""A stream of BASELINE + WINDOW answers of one population, with the session of each."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "driftium-benchmarks")
    parser.add_argument("--repetitions", type=int, default=2_000)
    options = parser.parse_args()
    mixed = embedded(texts(options.data, "gpteacher")[:6_000], options.cache)
    canned = embedded(texts(options.data, "bitext_support_v1"), options.cache)
    print(f"n = {BASELINE}, W = {WINDOW}, level {LEVEL}, {options.repetitions} repetitions, no drift\n")
    print("| answers | sessions masked and permuted | sessions ignored |\n| --- | --- | --- |")
    for name, draw in {
        "GPTeacher, independent": independent(mixed),
        "GPTeacher, sessions of nearest neighbours": sessions(neighbours(mixed)),
        "Bitext v1, independent": independent(canned),
        "Bitext v1, sessions of one canned answer": sessions(copies(canned)),
    }.items():
        print(f"| {name} | {' | '.join(permutation_rejections(draw, options.repetitions))} |", flush=True)


def texts(folder: Path, name: str) -> list[str]:
    """The answers of a file, in the random order of seed 0."""
    source = folder / "text" / f"{name}.jsonl.gz"
    if not source.is_file():
        raise SystemExit(f"{source} is absent: this benchmark needs the data folder, see --help")
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        found = [json.loads(line)["text"] for line in lines]
    return [found[place] for place in np.random.default_rng(0).permutation(len(found))]


def permutation_rejections(draw: Draw, repetitions: int) -> list[str]:
    """Share of permutation tests that reject, with its standard error: with the sessions, and without them."""
    rejected: list[list[bool]] = []
    for seed in range(repetitions):
        rng = np.random.default_rng(seed)
        vectors, codes = draw(rng)
        baseline, window = vectors[:BASELINE], vectors[BASELINE:]
        bandwidth = median_distance(baseline)
        ways: list[dict[str, Codes]] = [{"baseline_sessions": codes[:BASELINE], "window_sessions": codes[BASELINE:]}]
        if (codes >= 0).any():
            ways.append({})
        tests = [
            permutation_test(baseline, window, bandwidth=bandwidth, permutations=PERMUTATIONS, rng=rng, **known)
            for known in ways
        ]
        rejected.append([test.p_value <= LEVEL for test in tests])
    rates = np.mean(rejected, axis=0)
    return [f"{rate:.3f} +- {(rate * (1 - rate) / repetitions) ** 0.5:.3f}" for rate in rates]


def independent(pool: Matrix) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[Matrix, Codes]:
        return pool[rng.permutation(len(pool))[: BASELINE + WINDOW]], np.full(BASELINE + WINDOW, -1)

    return draw


def sessions(member: Callable[[np.random.Generator], Callable[[int], Matrix]]) -> Draw:
    """Sessions of 1 to 8 answers, one after the other; the last one of a side is cut to its size."""

    def draw(rng: np.random.Generator) -> tuple[Matrix, Codes]:
        take = member(rng)
        parts: list[Matrix] = []
        for side in (BASELINE, WINDOW):
            missing = side
            while missing:
                parts.append(take(int(rng.integers(1, LARGEST_SESSION + 1)))[:missing])
                missing -= len(parts[-1])
        return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])

    return draw


def neighbours(pool: Matrix) -> Callable[[np.random.Generator], Callable[[int], Matrix]]:
    """An answer with those nearest to it; no answer is in two sessions."""
    nearest = np.concatenate([np.argsort(-(rows @ pool.T), axis=1)[:, :64] for rows in np.array_split(pool, 20)])

    def start(rng: np.random.Generator) -> Callable[[int], Matrix]:
        unused = np.ones(len(pool), dtype=bool)

        def take(size: int) -> Matrix:
            leader = rng.choice(np.flatnonzero(unused))
            chosen = nearest[leader][unused[nearest[leader]]][:size]
            unused[chosen] = False
            return pool[chosen]

        return take

    return start


def copies(pool: Matrix) -> Callable[[np.random.Generator], Callable[[int], Matrix]]:
    """One answer, several times; other sessions may have drawn the same one."""

    def start(rng: np.random.Generator) -> Callable[[int], Matrix]:
        return lambda size: np.repeat(pool[rng.integers(len(pool))][None], size, axis=0)

    return start


if __name__ == "__main__":
    main()
