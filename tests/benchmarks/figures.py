"""Figures of single parts on real answers: precision of witnesses, delays, and power of a fixed-sample test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from drift.policy import Policy
from drift.semantic.mmd import Doubles, Floats, median_distance
from drift.semantic.witness import witness_values
from tests.benchmarks.cases import Case, Part, Population, all_of, arenahard, llmdrift
from tests.benchmarks.embeddings import embedded
from tests.benchmarks.monitored import TESTS, Vectors, make_calibrated, make_sample, watch_monitor
from tests.benchmarks.streams import Lengths, Outcome, Stream, Tally, make_stream

_MEDICAL = all_of("medquad")


def _with(corpus: str, share: float) -> Population:
    """Medical answers of which a share are from another corpus."""
    return (Part("medquad", share=1 - share), Part(corpus, share=share))


class Figure(NamedTuple):
    """A number to reach."""

    name: str
    reference: Population
    current: Population
    reach: str


WITNESSES = (
    Figure("customer support in medical answers", _MEDICAL, _with("bitext_v2", 0.1), ".90"),
    Figure("refusals in medical answers", _MEDICAL, _with("refusals", 0.1), ".90"),
)
DELAYS = (
    Figure("20 % refusals, medical answers", _MEDICAL, _with("refusals", 0.2), "40"),
    Figure(
        "full swap, gpt-4-0314 -> gpt-4-0613",
        llmdrift("opinionqa", "gpt-4-0314"),
        llmdrift("opinionqa", "gpt-4-0613"),
        "50",
    ),
    Figure("full swap, release of a support bot", all_of("bitext_v1"), all_of("bitext_v2"), "50"),
    Figure("20 % of another topic, medical answers", _MEDICAL, _with("bitext_v2", 0.2), "110"),
)
POWERS = (
    Figure("arenahard, gpt-4-0314 -> gpt-4-0613", arenahard("gpt-4-0314"), arenahard("gpt-4-0613"), ".95"),
    Figure(
        "composite, gpt-3.5-turbo-0301 -> 0613",
        llmdrift("composite", "gpt-3.5-turbo-0301"),
        llmdrift("composite", "gpt-3.5-turbo-0613"),
        ".95",
    ),
    Figure("arenahard, gpt-4-0314 unchanged", arenahard("gpt-4-0314"), arenahard("gpt-4-0314"), "level .05"),
)


def print_figures(data: Path, cache: Path, policy: Policy) -> None:
    print_witness_precision(data, cache)
    print_delays(data, cache, policy)
    print_power(data, cache)


def print_witness_precision(data: Path, cache: Path, repetitions: int = 30) -> None:
    """Of the k window samples ranked first, the share that was injected, where k were injected."""
    print("\nprecision@k at 10 % contamination, n = 500, W = 200, k = 20, mean (worst) of", repetitions)
    print("| injected | witness | centroid distance | nearest neighbour | reach |\n" + "| --- " * 5 + "|")
    for figure in WITNESSES:
        found: dict[str, list[float]] = {name: [] for name in RANKINGS}
        for split in range(repetitions):
            stream = _stream(figure, split, data, Lengths(500, 0, 200))
            vectors = _vectors(stream, cache)
            baseline, window = (
                np.stack([vectors[row.response] for row in rows]) for rows in (stream.baseline, stream.changed)
            )
            injected = np.array([row.id[0] != "medquad" for row in stream.changed])
            for name, ranking in RANKINGS.items():
                first = np.argsort(-ranking(baseline, window), kind="stable")[: injected.sum()]
                found[name].append(float(injected[first].mean()))
        cells = " | ".join(f"{np.mean(shares):.2f} ({np.min(shares):.2f})" for shares in found.values())
        print(f"| {figure.name} | {cells} | {figure.reach} |", flush=True)


def _witness(baseline: Floats, window: Floats) -> Doubles:
    phi, _ = witness_values(baseline, window, bandwidth=median_distance(baseline))
    return phi


def _centroid(baseline: Floats, window: Floats) -> Doubles:
    return np.asarray(-(window @ baseline.mean(axis=0)), dtype=np.float64)


def _nearest(baseline: Floats, window: Floats) -> Doubles:
    return np.asarray(-(window @ baseline.T).max(axis=1), dtype=np.float64)


RANKINGS: dict[str, Callable[[Floats, Floats], Doubles]] = {
    "witness": _witness,
    "centroid distance": _centroid,
    "nearest neighbour": _nearest,
}
"""How strange each window sample is: by its witness value, or by its distance from the baseline."""


def print_delays(data: Path, cache: Path, policy: Policy, repetitions: int = 10) -> None:
    """Responses from a change to the alarm, after 200 without a change."""
    print(f"\nmedian delay, run length {policy.expected_run_length}, n = 500, {repetitions} streams each")
    print("| change | found | median delay | slowest | reach |\n" + "| --- " * 5 + "|")
    baselines: dict[tuple[str, int], Any] = {}
    for figure in DELAYS:
        outcomes: list[tuple[Outcome, bool]] = []
        for split in range(repetitions):
            stream = _stream(figure, split, data, Lengths(500, 200, 300))
            vectors = _vectors(stream, cache)
            sampled = [[make_sample(row, vectors) for row in rows] for rows in stream[2:]]
            key = (repr(figure.reference), split)
            if key not in baselines:
                baselines[key] = make_calibrated(sampled[0], policy, np.random.default_rng(split))
            outcomes.append((watch_monitor(baselines[key], policy, sampled[1], sampled[2]), True))
        tally = Tally.of(outcomes)
        slowest = max(tally.delays)
        print(
            f"| {figure.name} | {tally.found}/{len(tally.delays)} | {tally.median_delay:.0f} | {slowest:.0f} "
            f"| {figure.reach} |",
            flush=True,
        )


def print_power(data: Path, cache: Path, repetitions: int = 40) -> None:
    """Rejections at .05 of tests of one full window; baseline and window answer different prompts."""
    print(f"\nfixed-sample tests at .05, n = 250, W = 200, rejections in {repetitions} splits")
    print(f"| change | {' | '.join(TESTS)} | reach |\n" + "| --- " * (len(TESTS) + 2) + "|")
    for figure in POWERS:
        rejected: dict[str, list[bool]] = {name: [] for name in TESTS}
        for split in range(repetitions):
            stream = _stream(figure, split, data, Lengths(500, 250, 200))
            vectors = _vectors(stream, cache)
            # Without a change all live rows are in the quiet phase.
            window = (stream.changed or stream.quiet)[:200]
            for name, test in TESTS.items():
                rng = np.random.default_rng([split, 5])
                rejected[name].append(test(stream.baseline, window, vectors, rng) <= 0.05)
        cells = " | ".join(f"{np.mean(some):.2f}" for some in rejected.values())
        print(f"| {figure.name} | {cells} | {figure.reach} |", flush=True)


def _stream(figure: Figure, split: int, data: Path, lengths: Lengths) -> Stream:
    truth = "no_drift" if figure.reference == figure.current else "drift"
    return make_stream(Case(figure.name, truth, "", figure.reference, figure.current), split, data, lengths)


def _vectors(stream: Stream, cache: Path) -> Vectors:
    rows = (*stream.baseline, *stream.live)
    texts = sorted({text for row in rows for text in (row.prompt, row.response)})
    return dict(zip(texts, embedded(texts, cache), strict=True))
