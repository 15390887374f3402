"""How well the moment of a change is found: streams of real answers that change at a known place.

    python -m tests.benchmarks.since_when --data FOLDER [--cache FOLDER] [--streams 100]

FOLDER holds text/ with gpteacher, medquad, bitext_support_v2, arenahard/gpt-4-0314, arenahard/gpt-4-0613 and
llmdrift/responses (.jsonl.gz). Before the change come 20 to 200 answers (fewer where an answer per prompt runs short),
after it W; errors and widths are counted in answers.
"""

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from drift.samples import Matrix
from drift.semantic.changepoint import change_point
from drift.semantic.mmd import median_distance
from tests.benchmarks.embeddings import embedded

AFTER = (50, 100, 200)
FEWEST_BEFORE, MOST_BEFORE = 20, 200

Stream = Callable[[np.random.Generator, int], tuple[Matrix, Matrix, Matrix]]
"""Baseline, answers before the change and W answers after it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "driftium-benchmarks")
    parser.add_argument("--streams", type=int, default=100)
    options = parser.parse_args()
    print(f"{options.streams} streams each; errors, intervals and widths in answers\n")
    print(
        "| change | n | W | median error | 90 % of errors | interval holds the change | median width | not found | ms |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, n, stream in streams(options.data, options.cache):
        for after in AFTER:
            print(f"| {name} | {n} | {after} | {figures(stream, after, options.streams)} |", flush=True)


def figures(stream: Stream, after: int, repetitions: int) -> str:
    errors, held, widths, seconds = [], [], [], []
    for seed in range(repetitions):
        rng = np.random.default_rng(seed)
        baseline, before, changed = stream(rng, after)
        recent = np.concatenate([before, changed])
        bandwidth = median_distance(baseline)
        started = time.process_time()
        found = change_point(
            baseline,
            recent,
            bandwidth=bandwidth,
            times=range(len(recent)),
            exchange_ids=[str(place) for place in range(len(recent))],
            rng=rng,
        )
        seconds.append(time.process_time() - started)
        if found is not None:
            errors.append(abs(found.samples_ago - after))
            held.append(found.samples_ago_least <= after <= found.samples_ago_most)
            widths.append(found.samples_ago_most - found.samples_ago_least)
    missed = 1 - len(errors) / repetitions
    return (
        f"{np.median(errors):.0f} | {np.quantile(errors, 0.9):.0f} | {np.mean(held):.2f} | {np.median(widths):.0f} | "
        f"{missed:.0%} | {np.median(seconds) * 1e3:.0f}"
    )


def streams(data: Path, cache: Path) -> list[tuple[str, int, Stream]]:
    teacher = rows(data, "gpteacher")[:6_000]
    roleplay, codegen = (answers(teacher, cache, label=label) for label in ("roleplay", "codegen"))
    medicine = answers(rows(data, "medquad")[:1_200], cache)
    support = answers(rows(data, "bitext_support_v2")[:500], cache)
    arena = [answers(rows(data, f"arenahard/gpt-4-{version}"), cache) for version in ("0314", "0613")]
    drifted = rows(data, "llmdrift/responses")

    def versions(task: str, model: str, before: str, after: str) -> list[Matrix]:
        both = (answers(drifted, cache, source=task, label=f"{model}-{version}") for version in (before, after))
        return list(both)

    composite = versions("composite", "gpt-3.5-turbo", "0301", "0613")
    opinion = versions("opinionqa", "gpt-4", "0314", "0613")
    return [
        ("roleplay to code", 500, topics(roleplay, codegen, 500, 1.0)),
        ("medicine to support", 500, topics(medicine, support, 500, 1.0)),
        ("50 % support", 500, topics(medicine, support, 500, 0.5)),
        ("20 % support", 500, topics(medicine, support, 500, 0.2)),
        ("gpt-4-0314 to 0613, Arena-Hard", 250, models(*arena, 250)),
        ("gpt-3.5-turbo-0301 to 0613, LLMDrift composite", 250, models(*composite, 250)),
        ("gpt-4-0314 to 0613, LLMDrift OpinionQA", 500, models(*opinion, 500)),
    ]


def topics(old: Matrix, new: Matrix, n: int, share: float) -> Stream:
    """A share of the answers is of a new topic after the change."""

    def draw(rng: np.random.Generator, after: int) -> tuple[Matrix, Matrix, Matrix]:
        before = int(rng.integers(FEWEST_BEFORE, MOST_BEFORE + 1))
        chosen = old[rng.permutation(len(old))]
        changed = chosen[n + before : n + before + after].copy()
        foreign = rng.random(after) < share
        changed[foreign] = new[rng.permutation(len(new))[: foreign.sum()]]
        return chosen[:n], chosen[n : n + before], changed

    return draw


def models(old: Matrix, new: Matrix, n: int) -> Stream:
    """Another model answers after the change; row i of both answers prompt i, and no prompt comes twice."""

    def draw(rng: np.random.Generator, after: int) -> tuple[Matrix, Matrix, Matrix]:
        before = int(rng.integers(FEWEST_BEFORE, min(MOST_BEFORE, len(old) - n - after) + 1))
        order = rng.permutation(len(old))
        return old[order[:n]], old[order[n : n + before]], new[order[n + before : n + before + after]]

    return draw


def rows(data: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a file in the random order of seed 0, those with prompts in the order of their ids."""
    source = data / "text" / f"{name}.jsonl.gz"
    if not source.is_file():
        raise SystemExit(f"{source} is absent: this benchmark needs the data folder, see --help")
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    if "prompt_id" in found[0]:
        return sorted(found, key=lambda row: str(row["prompt_id"]))
    return [found[place] for place in np.random.default_rng(0).permutation(len(found))]


def answers(found: list[dict[str, Any]], cache: Path, **fields: str) -> Matrix:
    """Vectors of the answers whose fields have these values."""
    return embedded([row["text"] for row in found if fields.items() <= row.items()], cache)


if __name__ == "__main__":
    main()
