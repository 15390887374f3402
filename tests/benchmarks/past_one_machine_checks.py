"""What must be true after a run: every logged exchange counted once, and reports as a single process makes them."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from drift.baseline import make_baseline
from drift.monitor import Monitor
from drift.samples import Sample
from proxy.stores.history import History, Text
from proxy.stores.opening import opened
from proxy.stores.vectors import BASELINE, WINDOW, Vectors
from tests.benchmarks.past_one_machine_parts import Deployment
from tests.benchmarks.past_one_machine_preload import policy_of

TOLERANCE = 1e-6
QUOTIENT_TOLERANCE = 1e-5
QUOTIENTS = ("ratio", "health_index")
"""A statistic divided by its threshold, some thousandths, and what follows from it. One process that takes in the same
answers in other batches differs by 2e-6 there, and by 1e-8 in its statistics: their kernels are float32 products.
"""
WORDS = ("message", "detail")
"""Sentences with such numbers, rounded."""


class Exact(msgspec.Struct, frozen=True, kw_only=True):
    """How the rows of the log were counted. `wrong` says what does not add up."""

    logged: int
    complete: int
    """Of them, whole answers."""
    counted: int
    results: dict[str, int]
    wrong: list[str]


def check_counts(deployed: Deployment) -> Exact:
    """Each row that was ever logged is in its monitor's counts once; samples have no gap and no repetition."""
    wrong = []
    (logged, distinct), *_ = deployed.read("SELECT count(*), count(DISTINCT id) FROM exchanges")
    if logged != distinct:
        wrong.append(f"{logged - distinct} exchanges lie in the log twice")
    ((told,),) = deployed.read("SELECT coalesce(sum(value), 0) FROM tap_totals WHERE name LIKE '%logged'")
    if told != logged:
        wrong.append(f"the taps say that they logged {told}, and {logged} rows are there")
    ((waiting,),) = deployed.read("SELECT count(*) FROM queue")
    if waiting:
        wrong.append(f"{waiting} still wait")
    in_log = dict(deployed.read("SELECT coalesce(monitor, model), count(*) FROM exchanges GROUP BY 1"))
    results: Counter[str] = Counter()
    counts = {}
    for name, received, body in deployed.read("SELECT name, received, counts FROM monitors ORDER BY name"):
        counts[name] = msgspec.json.decode(body, type=dict[str, int])
        results.update(counts[name])
        seen = sum(counts[name].values())
        if seen != in_log.get(name, 0):
            wrong.append(f"{name}: {in_log.get(name, 0)} logged, {seen} counted")
        if counts[name].get("scored", 0) != received:
            wrong.append(f"{name}: {counts[name].get('scored', 0)} scored, but {received} samples")
    rows = deployed.read("SELECT monitor, number, exchange_id FROM samples ORDER BY monitor, number")
    numbers: dict[str, list[int]] = {}
    for monitor, number, _ in rows:
        numbers.setdefault(monitor, []).append(number)
    for name, have in numbers.items():
        if have != list(range(counts.get(name, {}).get("scored", 0))):
            wrong.append(f"{name}: the samples' numbers are not 0 to {counts[name].get('scored', 0) - 1}")
    if len({exchange for _, _, exchange in rows}) != len(rows):
        wrong.append("an exchange is a sample twice")
    strays = deployed.read(
        "SELECT count(*) FROM samples s LEFT JOIN exchanges e ON e.id = s.exchange_id "
        "WHERE e.id IS NULL OR e.monitor IS DISTINCT FROM s.monitor"
    )[0][0]
    if strays:
        wrong.append(f"{strays} samples are of no logged exchange, or of another monitor's")
    ((complete,),) = deployed.read("SELECT count(*) FROM exchanges WHERE outcome = 'complete'")
    return Exact(logged=logged, complete=complete, counted=sum(results.values()), results=dict(results), wrong=wrong)


class Same(msgspec.Struct, frozen=True, kw_only=True):
    """How the reports of the run compare with those of one process that saw the same answers in the same order."""

    reports: int
    monitors: int
    largest_difference: float
    """Of all numbers but the quotients, relative above 1; infinite where what is no number differs."""
    largest_quotient_difference: float
    wrong: list[str]


def check_reports(deployed: Deployment) -> Same:
    """Every report is made anew by a single Monitor from the kept vectors, and compared number by number."""
    settings = deployed.settings
    reports, compared, wrong = 0, 0, list[str]()
    largest = {False: 0.0, True: 0.0}
    vectors = Vectors(settings.qdrant, settings.data_dir)
    try:
        with opened(settings) as stores:
            for row in stores.history.monitors():
                kept = [report for report in _reports(deployed, row.name) if report.baseline_id == row.baseline_id]
                by_observed: dict[int, list[Any]] = {}
                for report in kept:
                    by_observed.setdefault(report.observed, []).append(report)
                monitor = _monitor(stores.history, vectors, settings, row)
                for sample in _samples(stores.history, vectors, settings, row):
                    monitor.observe(sample)
                    for report in by_observed.pop(monitor.detectors.observed, ()):
                        reports += 1
                        again = monitor.report(report.at)
                        for name, difference in _differences(report, again):
                            quotient = name in QUOTIENTS
                            largest[quotient] = max(largest[quotient], difference)
                            if difference > (QUOTIENT_TOLERANCE if quotient else TOLERANCE):
                                wrong.append(f"{row.name} after {report.observed}: {name} differs by {difference:g}")
                if by_observed.keys() - {0}:
                    wrong.append(f"{row.name}: reports after {sorted(by_observed)} samples, which are not kept")
                compared += bool(kept)
    finally:
        vectors.close()
    return Same(
        reports=reports,
        monitors=compared,
        largest_difference=largest[False],
        largest_quotient_difference=largest[True],
        wrong=wrong,
    )


def _reports(deployed: Deployment, monitor: str) -> list[Any]:
    from drift.records import Report

    rows = deployed.read("SELECT body FROM reports WHERE monitor = :monitor ORDER BY id", monitor=monitor)
    return [msgspec.json.decode(body, type=Report) for (body,) in rows]


def _monitor(history: History, vectors: Vectors, settings: Any, row: Any) -> Monitor:
    made = history.baseline(row.baseline_id)
    assert made
    assert made.thresholds, "the calibration was made for this"
    texts = {one.exchange_id: one.text for one in history.baseline_samples(made.id, limit=made.size)}
    policy = policy_of(settings)
    samples = [_whole(one, texts) for one in vectors.get(BASELINE, made.id, range(made.size))]
    baseline = make_baseline(
        id=made.id, encoder=made.encoder, created_at=made.created_at, samples=samples, calibration=made.thresholds,
        largest_session=policy.largest_session,
    )  # fmt: skip
    return Monitor(row.name, baseline, policy)


def _samples(history: History, vectors: Vectors, settings: Any, row: Any) -> list[Sample]:
    ring = settings.drift.recent_samples
    assert row.received <= ring, "all samples are kept"
    rows = history.samples(row.name, limit=ring)[::-1]
    texts = {one.exchange_id: one.text for one in rows}
    return [_whole(one, texts) for one in vectors.get(WINDOW, row.name, [one.number % ring for one in rows])]


def _whole(sample: Sample, texts: dict[str, Text]) -> Sample:
    text = texts[sample.exchange_id]
    return msgspec.structs.replace(sample, features=text.features, session=text.session, settings=text.settings)


def _differences(a: Any, b: Any, name: str = "report") -> Iterator[tuple[str, float]]:
    """(field, difference) of all that two reports hold but words."""
    if isinstance(a, msgspec.Struct):
        a, b = msgspec.to_builtins(a), msgspec.to_builtins(b)
    if isinstance(a, dict) and isinstance(b, dict):
        for key in (a.keys() | b.keys()) - set(WORDS):
            yield from _differences(a.get(key), b.get(key), key)
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        for one, other in zip(a, b, strict=True):
            yield from _differences(one, other, name)
    elif isinstance(a, int | float) and isinstance(b, int | float):
        yield name, abs(a - b) / max(1.0, abs(a))
    elif a != b:
        yield name, float("inf")
