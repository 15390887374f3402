"""How long the whole monitor runs before a false alarm, against what it states, on real answers; and what it costs.

    python -m tests.benchmarks.run_length --data FOLDER [--baselines 50] [--runs 10] [--baseline-size 500] [--costs]

The answers are GPTeacher's (one model, three tasks): a baseline is a random part, each stream the rest in random
order. The change is another topic, Bitext's customer support. Embedding takes minutes and is kept in the cache folder.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from drift.baseline import Baseline
from drift.detectors import Detectors
from drift.policy import Policy
from drift.samples import Sample
from drift.semantic.calibration import calibrate, responses_per_alarm
from drift.semantic.mmd import Doubles
from drift.semantic.permutation import permutation_test
from tests.benchmarks.cases import Row, corpus
from tests.benchmarks.embeddings import embedded
from tests.benchmarks.monitored import alarmed, make_calibrated, make_monitor, make_sample

_CHUNK = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "driftium-benchmarks")
    parser.add_argument("--pool", type=int, default=6_000, help="answers embedded")
    parser.add_argument("--baselines", type=int, default=50)
    parser.add_argument("--baseline-size", type=int, default=500)
    parser.add_argument("--runs", type=int, default=10, help="streams per baseline")
    parser.add_argument("--run-length", type=int, default=1_000)
    parser.add_argument("--paths", type=int, default=300, help="simulated streams that fit the thresholds")
    parser.add_argument("--costs", action="store_true", help="measure times instead")
    options = parser.parse_args()

    pool = samples_of(corpus("gpteacher", options.data), options.pool, options.cache)
    if options.costs:
        costs(pool)
        return
    other = samples_of(corpus("bitext_v2", options.data), 400, options.cache)
    run_lengths(pool, other, options)


def samples_of(rows: Sequence[Row], limit: int, cache: Path) -> list[Sample]:
    """A random `limit` of the rows, embedded."""
    chosen = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))[:limit]]
    texts = sorted({text for row in chosen for text in (row.prompt, row.response)})
    vectors = dict(zip(texts, embedded(texts, cache), strict=True))
    return [make_sample(row, vectors) for row in chosen]


def run_lengths(pool: list[Sample], other: list[Sample], options: argparse.Namespace) -> None:
    """Streams without drift until the first alarm, and delays after three kinds of change."""
    policy = Policy(
        expected_run_length=options.run_length, calibration_paths=options.paths, validation_paths=options.paths // 3
    )
    horizon = 15 * options.run_length
    changes = {"full change of topic": 1.0, "20 % of another topic": 0.2, "10 % of another topic": 0.1}
    delays: dict[str, list[float]] = {name: [] for name in changes}
    times: list[float] = []
    stated = []
    first: dict[str, int] = {}
    for seed in range(options.baselines):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(pool))
        reference = [pool[place] for place in order[: options.baseline_size]]
        rest = [pool[place] for place in order[options.baseline_size :]]
        baseline = make_calibrated(reference, policy, rng)
        assert baseline.calibration is not None
        stated.append(baseline.calibration.run_length.realised)
        for _ in range(options.runs):
            time_, detector = first_alarm(baseline, policy, drawn(rest, rng), horizon)
            times.append(time_)
            first[detector] = first.get(detector, 0) + 1
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
    early, early_error = responses_per_alarm(np.array(times), options.run_length / 2)
    print(f"  per false alarm / stated     {early / options.run_length:.2f} +- {early_error / options.run_length:.2f}")
    print(f"  median run / stated          {np.median(times) / options.run_length:.2f}  (.69 if exponential)")
    print(f"  alarm in the first 50        {np.mean(np.array(times) <= 50):.3f}")
    print(f"  reported by the calibration  {np.mean(stated):.0f}")
    print(f"  who raised the false alarm   {dict(sorted(first.items()))}")
    for name, found in delays.items():
        print(f"  median delay, {name:<22} {np.median(found):.0f}  (missed {np.mean(np.isinf(found)):.0%})")


def mean_run_length(times: Doubles, horizon: float) -> tuple[float, float]:
    """Mean time to the first alarm and its standard error, from times that are cut off at a horizon.

    times holds one value per path, infinite where no alarm came by the horizon. Up to the horizon the mean is
    exact; beyond it the paths left alarm at the rate measured in the last two thirds, which is lower than the
    first rate, because the paths that last are those with a lucky baseline. Infinite when none alarmed.
    """
    alarmed = np.isfinite(times)
    observed = np.minimum(times, horizon)
    start = horizon / 3
    if not (alarmed & (times > start)).any():
        start = 0.0
    exposure = float(np.maximum(observed - start, 0).sum())
    alarms = int((alarmed & (times > start)).sum())
    if alarms == 0:
        return float("inf"), float("inf")
    beyond = exposure / alarms
    mean = float(observed.mean()) + float((~alarmed).mean()) * beyond
    left = np.where(alarmed, observed, observed + beyond)
    # The tail's rate has its own error, beside that of the mean.
    tail_error = float((~alarmed).mean()) * beyond / alarms**0.5
    return mean, float(np.hypot(left.std() / len(times) ** 0.5, tail_error))


def drawn(pool: list[Sample], rng: np.random.Generator) -> Iterator[Sample]:
    """An endless stream from the pool: in random order, then in another one."""
    while True:
        yield from (pool[place] for place in rng.permutation(len(pool)))


def first_alarm(baseline: Baseline, policy: Policy, stream: Iterator[Sample], horizon: int) -> tuple[float, str]:
    """Number of the sample at which a monitor first leaves LOW, infinite if not by the horizon; and who raised it."""
    monitor = make_monitor(baseline, policy)
    for start in range(0, horizon, _CHUNK):
        for place, _ in enumerate(monitor.observe_all(list(islice(stream, _CHUNK)))):
            if alarmed(monitor):
                return float(start + place + 1), monitor.report(0.0).detector
    return float("inf"), "none"


def delay(
    baseline: Baseline,
    policy: Policy,
    *,
    rest: list[Sample],
    other: list[Sample],
    share: float,
    rng: np.random.Generator,
) -> float:
    """Samples from a change to the alarm, after 200 without a change (again when one of those alarms)."""
    while True:
        monitor = make_monitor(baseline, policy)
        stream, foreign = drawn(rest, rng), drawn(other, rng)
        if sum(monitor.observe_all(list(islice(stream, 200)))) == 1:
            break
    for time_ in range(1, 2_001):
        monitor.observe(next(foreign if rng.random() < share else stream))
        if alarmed(monitor):
            return float(time_)
    return float("inf")


def costs(pool: list[Sample]) -> None:
    """Time of an update, of a permutation test and of a calibration."""
    rng = np.random.default_rng(0)
    for n, sizes in ((500, (50, 200)), (2_000, (50, 200)), (10_000, (50, 1_000))):
        many = [like(pool[place % len(pool)], rng) for place in range(n)]
        baseline = make_calibrated(many, Policy(calibrated_from=n + 1), rng)
        detectors = Detectors(baseline, sizes=sizes, recompute_every=1_000, first_index=0, largest_session=0.2)
        stream = [like(pool[place], rng) for place in range(sizes[-1] + 960)]
        for _ in detectors.push(stream[: sizes[-1]]):
            pass
        for batch in (1, 32):
            taken = []
            for start in range(sizes[-1], sizes[-1] + 480, batch):
                began = time.perf_counter()
                for _ in detectors.push(stream[start : start + batch]):
                    for size in sizes:
                        for detector in ("mmd", "residual_mmd", "behaviour"):
                            detectors.statistic(detector, size)
                taken.append((time.perf_counter() - began) / batch)
            print(
                f"update, n = {n}, W = {sizes}, in batches of {batch}: median {np.median(taken) * 1e6:.0f} us, "
                f"best {min(taken) * 1e6:.0f} us"
            )
    vectors = np.stack([sample.response for sample in pool[:700]])
    median, _ = timed(
        lambda: permutation_test(vectors[:500], vectors[500:], bandwidth=1.4, permutations=999, rng=rng), 30
    )
    print(f"999 permutations, N = 700: median {median * 1e3:.1f} ms")
    for n in (500, 2_000):
        policy = Policy()
        baseline = make_calibrated(pool[:n], Policy(calibrated_from=n + 1), rng)
        sizes = policy.window_sizes(n)
        steps = calibrate(
            baseline.sources(),
            windows=sizes,
            minimum_samples=policy.minimum_samples(sizes),
            expected_run_length=policy.expected_run_length,
            fitting_paths=policy.calibration_paths,
            validation_paths=policy.validation_paths,
            rng=rng,
        )
        began, spent, slices = time.perf_counter(), time.process_time(), []
        while True:
            started = time.perf_counter()
            try:
                next(steps)
            except StopIteration as finished:
                found = finished.value.run_length
                break
            slices.append(time.perf_counter() - started)
        print(
            f"calibration, n = {n}, run length 10,000: {time.perf_counter() - began:.0f} s, "
            f"{time.process_time() - spent:.0f} s of one core, longest slice {max(slices) * 1e3:.0f} ms, "
            f"realised {found.realised:.0f} +- {found.realised_stderr:.0f}"
        )


def like(sample: Sample, rng: np.random.Generator) -> Sample:
    """A sample of random vectors with the behaviour of this one: costs do not depend on what is said."""
    vectors = rng.normal(size=(2, len(sample.response))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Sample(
        exchange_id=sample.exchange_id, at=0.0, response=vectors[0], prompt=vectors[1], features=sample.features
    )


def timed(action: Callable[[], object], times: int) -> tuple[float, float]:
    """Median and 99 % quantile, in seconds."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken)), float(np.quantile(taken, 0.99))


if __name__ == "__main__":
    main()
