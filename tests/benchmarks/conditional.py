"""Did the users change, or did the model? How often the tests and the verdict are right, on real answers.

    python -m tests.benchmarks.conditional --data FOLDER [--cache FOLDER] [--repetitions 500] [--splits 20]
                                           [--parts rates verdicts paired costs] [--features both]

The rates: baselines of 250 and windows of 120 with prompts of their own, of one model or of two, with or without a
change of prompts between them. The verdicts: cases of CASES_text.csv whose truth is known. Several processes with
other --seed values can share the work: rates are printed with their counts.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.features import ALARMED, BOOLEAN, NUMERIC, behaviour
from drift.records import Exchange, Outcome
from drift.samples import Matrix
from drift.semantic.conditional import conditional_test, principal_components
from drift.semantic.mmd import Doubles, median_distance
from drift.semantic.permutation import permutation_test
from drift.verdict import attribute
from tests.benchmarks.cases import Case, Population, Row, arenahard, llmdrift, read_cases, rows_of
from tests.benchmarks.embeddings import embedded

BASELINE, WINDOW = 250, 120
LEVEL = 0.05
SWAPS = {
    "opinionqa gpt-3.5 March -> June": (
        llmdrift("opinionqa", "gpt-3.5-turbo-0301"),
        llmdrift("opinionqa", "gpt-3.5-turbo-0613"),
    ),
    "opinionqa gpt-4 March -> June": (llmdrift("opinionqa", "gpt-4-0314"), llmdrift("opinionqa", "gpt-4-0613")),
    "arenahard gpt-4 March -> June": (arenahard("gpt-4-0314"), arenahard("gpt-4-0613")),
    "arenahard gpt-4 -> gpt-3.5": (arenahard("gpt-4-0613"), arenahard("gpt-3.5-turbo-0125")),
}
VERDICTS = (
    *("L_composite_35", "L_composite_4", "L_counthappynumber_35", "L_counthappynumber_4"),
    *("L_opinionqa_35", "L_opinionqa_4", "H01", "H02", "Q01"),
    *("L_opinionqa_null", "L_composite_null", "H03", "Q02", "Q05"),
    *("Q03", "Q04", "Q06", "Q07", "Q08_05", "Q08_10", "Q08_20", "Q08_50", "Q09", "Q10", "C02"),
)
NUMBERS = [name for name in (*NUMERIC, *BOOLEAN) if name in ALARMED]
"""Behaviour of the answers alone: what the prompts look like is theirs."""

Places = NDArray[np.intp]
Mix = Callable[[Matrix, np.random.Generator], tuple[Places, Places]]
"""Prompts (N, d) -> the places of a baseline's and a window's, none in both."""


class Answers(NamedTuple):
    """What one side holds, row by row of one exchange."""

    prompts: Matrix
    responses: Matrix
    features: Doubles

    def at(self, places: Places) -> "Answers":
        return Answers(self.prompts[places], self.responses[places], self.features[places])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "driftium-benchmarks")
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", nargs="+", default=["rates", "verdicts", "paired", "costs"])
    parser.add_argument("--features", choices=["with", "without", "both"], default="both")
    parser.add_argument("--only", default="", help='part of a case, a swap, or "swap, mix"')
    options = parser.parse_args()
    joined = {"with": [True], "without": [False], "both": [False, True]}[options.features]
    if "rates" in options.parts:
        rates(options, joined)
    if "verdicts" in options.parts:
        verdicts(options, joined)
    if "paired" in options.parts:
        paired(options)
    if "costs" in options.parts:
        costs()


def rates(options: argparse.Namespace, joined: Sequence[bool]) -> None:
    """Rejections at .05 of the conditional test and, beside it, of the responses alone."""
    print(
        "| answers | prompts | model | responses | conditional | with features | repetitions |\n" + "| --- " * 7 + "|"
    )
    for swap, (before, after) in SWAPS.items():
        mixes = {kind: mix for kind, mix in MIXES.items() if options.only in f"{swap}, {kind}"}
        if not mixes:
            continue
        old, new = same_prompts(before, after, options.data, options.cache)
        for kind, mix in mixes.items():
            for name, model in (("same", old), ("swapped", new)):
                counts = np.zeros(3, dtype=int)
                for repetition in range(options.repetitions):
                    rng = np.random.default_rng([options.seed, repetition])
                    left, right = mix(old.prompts, rng)
                    baseline, window = old.at(left), model.at(right)
                    counts[0] += responses_differ(baseline, window, rng)
                    for with_features in joined:
                        counts[1 + with_features] += conditionally_differ(baseline, window, with_features, rng)
                shares = " | ".join(f"{count / options.repetitions:.3f}" for count in counts)
                print(f"| {swap} | {kind} | {name} | {shares} | {options.repetitions} |", flush=True)


def responses_differ(baseline: Answers, window: Answers, rng: np.random.Generator) -> bool:
    bandwidth = median_distance(baseline.responses)
    test = permutation_test(baseline.responses, window.responses, bandwidth=bandwidth, permutations=199, rng=rng)
    return test.p_value <= LEVEL


def conditionally_differ(baseline: Answers, window: Answers, with_features: bool, rng: np.random.Generator) -> bool:
    test = conditional_test(
        baseline.prompts,
        baseline.responses,
        window.prompts,
        window.responses,
        rng=rng,
        baseline_features=baseline.features if with_features else None,
        window_features=window.features if with_features else None,
    )
    return test.p_value <= LEVEL


def as_before(prompts: Matrix, rng: np.random.Generator) -> tuple[Places, Places]:
    places = rng.permutation(len(prompts))
    return places[:BASELINE], places[BASELINE : BASELINE + WINDOW]


def clusters(before: float, after: float) -> Mix:
    """Two clusters of prompts, the smaller one's share changes."""

    def mix(prompts: Matrix, rng: np.random.Generator) -> tuple[Places, Places]:
        small, large = (rng.permutation(places) for places in two_clusters(prompts.tobytes(), prompts.shape[1]))
        a, b = round(before * BASELINE), round(after * WINDOW)
        left = np.concatenate([small[:a], large[: BASELINE - a]])
        return left, np.concatenate([small[a : a + b], large[BASELINE - a : BASELINE - a + WINDOW - b]])

    return mix


def tilted(score: Callable[[Matrix], Doubles], strength: float) -> Mix:
    """Every prompt is drawn for the window with the odds exp(strength * score), the rest for the baseline."""

    def mix(prompts: Matrix, rng: np.random.Generator) -> tuple[Places, Places]:
        values = score(prompts)
        chances = 1 / (1 + np.exp(-strength * (values - values.mean()) / values.std()))
        # The largest of u^(1/w) are a draw without replacement with weights w (Efraimidis and Spirakis, 2006).
        window = np.argsort(-np.log(rng.random(len(prompts))) / chances)[:WINDOW]
        rest = np.setdiff1d(np.arange(len(prompts)), window)
        baseline = np.argsort(-np.log(rng.random(len(rest))) / (1 - chances[rest]))[:BASELINE]
        return rest[baseline], window

    return mix


@cache
def two_clusters(prompts: bytes, dimension: int) -> tuple[Places, Places]:
    """Places of the smaller and of the larger of two k-means clusters."""
    vectors = np.frombuffer(prompts, dtype=np.float32).reshape(-1, dimension)
    centres = vectors[np.random.default_rng(0).choice(len(vectors), 2, replace=False)]
    for _ in range(30):
        nearest = (vectors @ centres.T - np.square(centres).sum(axis=1) / 2).argmax(axis=1)
        centres = np.stack([vectors[nearest == k].mean(axis=0) for k in (0, 1)])
    small, large = sorted((np.flatnonzero(nearest == k) for k in (0, 1)), key=len)
    return small, large


def first_component(prompts: Matrix) -> Doubles:
    return principal_components(prompts, 1)[:, 0]


def away_from_mean(prompts: Matrix) -> Doubles:
    """Distance from the mean in ten components: a change that no linear propensity sees."""
    distances: Doubles = np.linalg.norm(principal_components(prompts, 10), axis=1)
    return distances


MIXES: dict[str, Mix] = {
    "as before": as_before,
    "cluster 20 -> 60 %": clusters(0.2, 0.6),
    "cluster 60 -> 20 %": clusters(0.6, 0.2),
    "first component": tilted(first_component, 1.0),
    "away from the mean": tilted(away_from_mean, 1.0),
}


def same_prompts(before: Population, after: Population, data: Path, stored: Path) -> tuple[Answers, Answers]:
    """Two models' answers to the prompts that both answered, row by row."""
    sides = [{row.prompt: row for part in side for row in rows_of(part, data)} for side in (before, after)]
    prompts = [prompt for prompt in sides[0] if prompt in sides[1]]
    old, new = (answers([side[prompt] for prompt in prompts], stored) for side in sides)
    return old, new


def answers(rows: Sequence[Row], stored: Path) -> Answers:
    return Answers(
        embedded([row.prompt for row in rows], stored),
        embedded([row.response for row in rows], stored),
        np.array([numbers(row.prompt, row.response) for row in rows], dtype=np.float64),
    )


@cache
def numbers(prompt: str, response: str) -> tuple[float, ...]:
    """The answer's behaviour; nan where there is none."""
    exchange = Exchange(id="", at=0.0, endpoint="", outcome=Outcome.COMPLETE, prompt=prompt, response=response)
    row = behaviour(exchange)
    return tuple(float("nan") if (value := getattr(row, name)) is None else float(value) for name in NUMBERS)


def verdicts(options: argparse.Namespace, joined: Sequence[bool]) -> None:
    """How often each verdict is given on cases of known truth: baselines of 250, windows of 200."""
    print("\n| case | truth | features | " + " | ".join(NAMES) + " |\n" + "| --- " * (3 + len(NAMES)) + "|")
    for case in read_cases(options.data):
        if case.id not in VERDICTS or options.only not in case.id:
            continue
        for with_features in joined:
            counts: Counter[str] = Counter()
            for split in range(options.splits):
                rng = np.random.default_rng([split, 1])
                baseline, window = (answers(rows, options.cache) for rows in sides(case, options.data, rng))
                rng = np.random.default_rng([options.seed, split])
                counts[verdict_of(baseline, window, with_features, rng)] += 1
            cells = " | ".join(str(counts[name] or "") for name in NAMES)
            print(f"| {case.id} | {case.truth} | {'with' if with_features else 'without'} | {cells} |", flush=True)


def sides(case: Case, data: Path, rng: np.random.Generator) -> tuple[list[Row], list[Row]]:
    """250 rows of the reference and 200 of the current population, every prompt once."""
    baseline = drawn(case.reference, 250, set(), data, rng)
    return baseline, drawn(case.current, 200, {row.prompt for row in baseline}, data, rng)


def drawn(population: Population, count: int, taken: set[str], data: Path, rng: np.random.Generator) -> list[Row]:
    chosen: dict[str, Row] = {}
    for part in population:
        rows = [row for row in rows_of(part, data) if row.prompt not in taken and row.prompt not in chosen]
        by_prompt = {rows[place].prompt: rows[place] for place in rng.permutation(len(rows))}
        chosen |= dict(list(by_prompt.items())[: round(part.share * count)])
    return list(chosen.values())


NAMES = ("no_change", "prompts_changed", "model_changed", "both", "insufficient_overlap", "insufficient_data")


def verdict_of(baseline: Answers, window: Answers, with_features: bool, rng: np.random.Generator) -> str:
    return attribute(
        baseline.prompts,
        baseline.responses,
        window.prompts,
        window.responses,
        rng=rng,
        baseline_features=baseline.features if with_features else None,
        window_features=window.features if with_features else None,
    ).verdict.value


def paired(options: argparse.Namespace) -> None:
    """The same 60 prompts on both sides: how often the paired verdict finds the swap, and imagines one."""
    print("\n| same 60 prompts | model | model_changed without features | with | repetitions |\n" + "| --- " * 5 + "|")
    repetitions = min(options.repetitions, 200)
    for swap, (before, after) in SWAPS.items():
        if options.only not in swap:
            continue
        old, new = same_prompts(before, after, options.data, options.cache)
        for name in ("same", "swapped"):
            counts = np.zeros(2, dtype=int)
            for repetition in range(repetitions):
                rng = np.random.default_rng([options.seed, repetition])
                places = rng.permutation(len(old.prompts))[:60]
                baseline, window = old.at(places), new.at(places)
                if name == "same":
                    # Two answers of one model to one prompt: which of both models gave which is drawn for each.
                    flip = rng.random(60) < 0.5
                    baseline, window = exchanged(baseline, window, flip)
                for with_features in (False, True):
                    counts[with_features] += verdict_of(baseline, window, with_features, rng) == "model_changed"
            shares = " | ".join(f"{count / repetitions:.3f}" for count in counts)
            print(f"| {swap} | {name} | {shares} | {repetitions} |", flush=True)


def exchanged(baseline: Answers, window: Answers, flip: NDArray[np.bool_]) -> tuple[Answers, Answers]:
    pairs = [
        (np.where(flip[:, None], b, a), np.where(flip[:, None], a, b)) for a, b in zip(baseline, window, strict=True)
    ]
    return Answers(*(pair[0] for pair in pairs)), Answers(*(pair[1] for pair in pairs))


def costs() -> None:
    """Seconds of processor time of one verdict."""
    rng = np.random.default_rng(0)
    for n, m in ((500, 200), (2_000, 200)):
        vectors = rng.normal(size=(2, n + m, 384)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        sides = [Answers(*vectors[:, part], rng.normal(size=(len(vectors[0, part]), 10))) for part in _parts(n)]
        seconds = []
        for _ in range(3):
            start = time.process_time()
            verdict_of(sides[0], sides[1], True, rng)
            seconds.append(time.process_time() - start)
        print(f"\none verdict, n = {n}, W = {m}: {min(seconds):.2f} s of one core")


def _parts(n: int) -> tuple[slice, slice]:
    return slice(0, n), slice(n, None)


if __name__ == "__main__":
    main()
