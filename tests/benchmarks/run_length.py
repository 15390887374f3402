"""How long the whole monitor runs before a false alarm, against what it states, on real answers.

    python tests/benchmarks/run_length.py --data FOLDER [--cache FOLDER] [--baselines 50] [--runs 4]

FOLDER holds text/gpteacher.jsonl.gz (answers without drift) and text/bitext_support_v2.jsonl.gz (another topic), each
line with the field "text". Embedding 6,000 answers takes minutes and is kept in the cache folder.
"""

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np

from drift.baseline import Baseline, make_baseline
from drift.embedder import Embedder, find_weights
from drift.monitor import Monitor
from drift.policy import Policy
from drift.records import Severity
from drift.samples import Matrix, Sample, Vector
from drift.semantic.calibration import Calibration, calibrate, mean_run_length
from drift.semantic.mmd import permutation_test
from drift.window import Window


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "driftium-benchmarks")
    parser.add_argument("--pool", type=int, default=6_000, help="answers embedded")
    parser.add_argument("--baselines", type=int, default=50)
    parser.add_argument("--baseline-size", type=int, default=500)
    parser.add_argument("--runs", type=int, default=4, help="streams per baseline")
    parser.add_argument("--run-length", type=int, default=1_000)
    parser.add_argument("--skip-costs", action="store_true")
    options = parser.parse_args()

    pool = embedded(options.data / "text" / "gpteacher.jsonl.gz", options.pool, options.cache)
    other = embedded(options.data / "text" / "bitext_support_v2.jsonl.gz", 400, options.cache)
    run_lengths(pool, other, options)
    if not options.skip_costs:
        costs(pool)


def embedded(source: Path, limit: int, cache: Path) -> Matrix:
    """Unit vectors of a random `limit` of the source's texts, from the cache when they are there."""
    name = source.name.removesuffix(".jsonl.gz")
    kept = cache / f"{name}-{limit}.npy"
    if kept.is_file():
        vectors: Matrix = np.load(kept)
        return vectors
    if not source.is_file():
        sys.exit(f"{source} is absent: this benchmark needs the data folder, see --help")
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    chosen = np.random.default_rng(0).permutation(len(texts))[:limit]
    print(f"embedding {len(chosen)} answers of {name} ...", flush=True)
    vectors = Embedder(find_weights(), threads=1).embed([texts[place] for place in chosen])
    cache.mkdir(parents=True, exist_ok=True)
    np.save(kept, vectors)
    return vectors


def run_lengths(pool: Matrix, other: Matrix, options: argparse.Namespace) -> None:
    """Streams without drift until the first alarm, and delays after three kinds of change."""
    policy = Policy(expected_run_length=options.run_length)
    horizon = 15 * options.run_length
    changes = {"full change of topic": 1.0, "20 % of another topic": 0.2, "10 % of another topic": 0.1}
    delays: dict[str, list[float]] = {name: [] for name in changes}
    times, stated = [], []
    for seed in range(options.baselines):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(pool))
        reference, rest = pool[order[: options.baseline_size]], pool[order[options.baseline_size :]]
        baseline = calibrated(reference, policy, rng)
        stated.append(thresholds_of(baseline).run_length.realised)
        times += [first_alarm(baseline, policy, drawn(rest, rng), horizon) for _ in range(options.runs)]
        for name, share in changes.items():
            delays[name].append(delay(baseline, policy, rest=rest, other=other, share=share, rng=rng))
    by_baseline = np.minimum(times, horizon).reshape(options.baselines, options.runs).mean(axis=1)
    mean, _ = mean_run_length(np.array(times), horizon)
    # Streams against one baseline share its luck, so the error is that of the means per baseline.
    stderr = by_baseline.std(ddof=1) / len(by_baseline) ** 0.5
    print(f"n = {options.baseline_size}, windows {policy.window_sizes(options.baseline_size)}, pool {len(pool)}")
    print(f"run length: stated {options.run_length}, realised {mean:.0f} +- {stderr:.0f}")
    print(f"  realised / stated            {mean / options.run_length:.2f} +- {stderr / options.run_length:.2f}")
    print(f"  from                         {len(times)} runs over {options.baselines} baselines")
    print(f"  median run / stated          {np.median(times) / options.run_length:.2f}  (.69 if exponential)")
    print(f"  alarm in the first 50        {np.mean(np.array(times) <= 50):.3f}")
    print(f"  reported by the calibration  {np.mean(stated):.0f}")
    for name, found in delays.items():
        print(f"  median delay, {name:<22} {np.median(found):.0f}  (missed {np.mean(np.isinf(found)):.0%})")


def drawn(pool: Matrix, rng: np.random.Generator) -> Iterator[Vector]:
    """An endless stream from the pool: in random order, then in another one."""
    while True:
        yield from pool[rng.permutation(len(pool))]


def first_alarm(baseline: Baseline, policy: Policy, stream: Iterator[Vector], horizon: int) -> float:
    """Number of the sample at which a monitor first leaves LOW, infinite if not by the horizon."""
    monitor = Monitor("benchmark", baseline, policy)
    for time_, vector in zip(range(1, horizon + 1), stream, strict=False):
        if monitor.observe(sample_of(vector)) and monitor.severity is not Severity.LOW:
            return float(time_)
    return float("inf")


def delay(
    baseline: Baseline, policy: Policy, *, rest: Matrix, other: Matrix, share: float, rng: np.random.Generator
) -> float:
    """Samples from a change to the alarm, after 200 without a change (again when one of those alarms)."""
    while True:
        monitor = Monitor("benchmark", baseline, policy)
        stream, foreign = drawn(rest, rng), drawn(other, rng)
        quiet = [monitor.observe(sample_of(next(stream))) for _ in range(200)]
        if sum(quiet) == 1:
            break
    for time_ in range(1, 2_001):
        monitor.observe(sample_of(next(foreign if rng.random() < share else stream)))
        if monitor.severity is not Severity.LOW:
            return float(time_)
    return float("inf")


def costs(pool: Matrix) -> None:
    """Time of an update, of a permutation test and of a calibration."""
    rng = np.random.default_rng(0)
    sphere = rng.normal(size=(12_000, pool.shape[1])).astype(np.float32)
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    for n, sizes in ((500, (50, 125)), (2_000, (50, 200)), (10_000, (1_000,))):
        window = Window(sphere[:n], pair_mean=0.0, bandwidth=1.4, sizes=sizes)
        for vector in sphere[-1_500:]:
            window.push(vector)
        stream = iter(sphere[-1_999:])
        median, worst = timed(lambda window=window, stream=stream: window.push(next(stream)), 1_500)
        print(f"update, n = {n}, W = {sizes}: median {median * 1e6:.0f} us, 99 % {worst * 1e6:.0f} us")
    median, _ = timed(lambda: permutation_test(pool[:500], pool[500:700], bandwidth=1.4, permutations=999, rng=rng), 30)
    print(f"999 permutations, N = 700: median {median * 1e3:.1f} ms")
    for n in (500, 2_000):
        started = time.perf_counter()
        slices: list[float] = []
        found = thresholds_of(calibrated(pool[:n], Policy(), rng, slices))
        print(
            f"calibration, n = {n}, run length 10,000: {time.perf_counter() - started:.0f} s, "
            f"longest slice {max(slices) * 1e3:.0f} ms, realised {found.run_length.realised:.0f} "
            f"+- {found.run_length.realised_stderr:.0f}"
        )


def timed(action: Callable[[], object], times: int) -> tuple[float, float]:
    """Median and 99 % quantile, in seconds."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken)), float(np.quantile(taken, 0.99))


_ids = count()


def sample_of(vector: Vector) -> Sample:
    return Sample(exchange_id=str(next(_ids)), at=0.0, response=vector, prompt=vector)


def calibrated(
    vectors: Matrix, policy: Policy, rng: np.random.Generator, slices: list[float] | None = None
) -> Baseline:
    """A baseline of these vectors with its thresholds; slices takes the seconds between two yields."""
    baseline = make_baseline(
        id="benchmark",
        encoder="all-MiniLM-L6-v2",
        created_at=0.0,
        exchange_ids=[str(place) for place in range(len(vectors))],
        responses=vectors,
        prompts=vectors,
    )
    sizes = policy.window_sizes(len(vectors))
    steps = calibrate(
        baseline.kernel(),
        windows=sizes,
        minimum_samples=policy.minimum_samples(sizes),
        expected_run_length=policy.expected_run_length,
        fitting_paths=policy.calibration_paths,
        validation_paths=policy.validation_paths,
        rng=rng,
    )
    while True:
        started = time.perf_counter()
        try:
            next(steps)
        except StopIteration as finished:
            return baseline.with_calibration(finished.value)
        if slices is not None:
            slices.append(time.perf_counter() - started)


def thresholds_of(baseline: Baseline) -> Calibration:
    assert baseline.calibration is not None
    return baseline.calibration


if __name__ == "__main__":
    main()
