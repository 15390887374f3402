"""Driftium's side of the benchmarks: how rows become samples, a calibrated monitor and a verdict."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from drift.baseline import Baseline, make_baseline
from drift.features import ALARMED, Behaviour, behaviour, table
from drift.monitor import Monitor
from drift.policy import Policy
from drift.records import Exchange, Severity
from drift.records import Outcome as Ending
from drift.samples import Sample, Vector
from drift.semantic.calibration import calibrate
from drift.semantic.mmd import median_distance
from drift.semantic.permutation import permutation_test
from drift.semantic.residual import fit_ridge
from drift.tabular.compare import compare
from drift.verdict import attribute
from tests.benchmarks.cases import Row
from tests.benchmarks.streams import Outcome, Stream, watch

Vectors = Mapping[str, Vector]
"""The unit vector of each text."""


def make_sample(row: Row, vectors: Vectors) -> Sample:
    corpus, line = row.id
    return Sample(
        exchange_id=f"{corpus}-{line}",
        at=0.0,
        response=vectors[row.response],
        prompt=vectors[row.prompt],
        features=features(row),
    )


def make_calibrated(samples: Sequence[Sample], policy: Policy, rng: np.random.Generator) -> Baseline:
    """A baseline of these samples, with its thresholds when it is large enough for them."""
    baseline = make_baseline(id="benchmark", encoder="all-MiniLM-L6-v2", created_at=0.0, samples=samples)
    if len(baseline) < policy.calibrated_from:
        return baseline
    sizes = policy.window_sizes(len(baseline))
    steps = calibrate(
        baseline.sources(),
        windows=sizes,
        minimum_samples=policy.minimum_samples(sizes),
        expected_run_length=policy.expected_run_length,
        fitting_paths=policy.calibration_paths,
        validation_paths=policy.validation_paths,
        rng=rng,
    )
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return baseline.with_calibration(finished.value)


def make_monitor(baseline: Baseline, policy: Policy) -> Monitor:
    return Monitor("benchmark", baseline, policy)


def alarmed(monitor: Monitor) -> bool:
    return monitor.severity not in (None, Severity.LOW)


def watch_monitor(baseline: Baseline, policy: Policy, quiet: Sequence[Sample], changed: Sequence[Sample]) -> Outcome:
    """What a monitor with this baseline does on a stream."""
    monitor = make_monitor(baseline, policy)
    live = (*quiet, *changed)

    def restart() -> None:
        nonlocal monitor
        monitor = make_monitor(baseline, policy)

    def observe(place: int) -> bool:
        monitor.observe(live[place])
        return alarmed(monitor)

    return watch(observe, restart, len(quiet), len(changed))


def verdict(stream: Stream, vectors: Vectors, *, seen: int, size: int, rng: np.random.Generator) -> str:
    """Whose doing it was, from the last `size` of the first `seen` live responses."""
    window = stream.live[max(0, seen - size) : seen]
    if len(window) < 2:
        return "insufficient_data"
    prompts, responses = _matrices(stream.baseline, vectors)
    window_prompts, window_responses = _matrices(window, vectors)
    found = attribute(
        prompts,
        responses,
        window_prompts,
        window_responses,
        rng=rng,
        baseline_features=feature_matrix(stream.baseline),
        window_features=feature_matrix(window),
    )
    return str(found.verdict.value)


def _matrices(rows: Sequence[Row], vectors: Vectors) -> tuple[Any, Any]:
    return np.stack([vectors[row.prompt] for row in rows]), np.stack([vectors[row.response] for row in rows])


def responses_p(baseline: Sequence[Row], window: Sequence[Row], vectors: Vectors, rng: np.random.Generator) -> float:
    """p-value of the permutation test of the responses."""
    return _permutation_p(_matrices(baseline, vectors)[1], _matrices(window, vectors)[1], rng)


def residual_p(baseline: Sequence[Row], window: Sequence[Row], vectors: Vectors, rng: np.random.Generator) -> float:
    """The same of what the prompts do not explain of them."""
    ridge, residuals = fit_ridge(*_matrices(baseline, vectors))
    return _permutation_p(residuals, ridge.residuals(*_matrices(window, vectors)), rng)


def features_p(baseline: Sequence[Row], window: Sequence[Row], _: Vectors, rng: np.random.Generator) -> float:
    """The smallest p-value of the behaviour features that may raise an alarm, Benjamini-Hochberg over them."""
    before, after = (
        {name: values for name, values in table([features(row) for row in rows]).items() if name in ALARMED}
        for rows in (baseline, window)
    )
    found = [column.p_adjusted for column in compare(before, after, rng=rng).columns]
    return min((p for p in found if p is not None), default=1.0)


def residual_and_features_p(
    baseline: Sequence[Row], window: Sequence[Row], vectors: Vectors, rng: np.random.Generator
) -> float:
    """Bonferroni over the two."""
    return min(1.0, 2 * min(test(baseline, window, vectors, rng) for test in (residual_p, features_p)))


TESTS = {
    "responses": responses_p,
    "residuals": residual_p,
    "features": features_p,
    "residuals and features": residual_and_features_p,
}
"""Fixed-sample tests by what they look at."""


def feature_matrix(rows: Sequence[Row]) -> Any:
    """The features that may raise an alarm as numbers, shape (n, f): lengths as logarithms, flags as 0 and 1."""
    columns = table([features(row) for row in rows])
    lengths = np.log1p(np.array(columns["response_characters"], dtype=np.float64))
    rest = [columns[name] for name in ALARMED if name not in ("response_characters", "finish_reason", "language")]
    return np.column_stack([lengths, *(np.array(column, dtype=np.float64) for column in rest)])


def features(row: Row) -> Behaviour:
    """The behaviour of one row, of its texts alone: few of the data have tokens and seconds."""
    return _features(row.id, row.prompt, row.response)


@cache
def _features(row_id: tuple[str, int], prompt: str, response: str) -> Behaviour:
    return behaviour(
        Exchange(
            id=f"{row_id[0]}-{row_id[1]}",
            at=0.0,
            endpoint="/v1/chat/completions",
            outcome=Ending.COMPLETE,
            prompt=prompt,
            response=response,
        )
    )


def _permutation_p(baseline: Any, window: Any, rng: np.random.Generator) -> float:
    width = median_distance(baseline)
    return permutation_test(baseline, window, bandwidth=width, permutations=499, rng=rng).p_value
