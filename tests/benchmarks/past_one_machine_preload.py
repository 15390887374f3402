"""Monitors with calibrated baselines, written as the worker writes them, so that a run need not wait for twenty."""

import threading
import time
import uuid

import msgspec
import numpy as np

from drift.baseline import make_baseline
from drift.policy import Policy
from drift.records import Outcome
from drift.samples import Sample
from drift.semantic.calibration import Calibration, calibrate
from proxy.capture import Capture
from proxy.embedding import make_embedder
from proxy.population import said, sample_of, text_of
from proxy.settings import Settings
from proxy.simulate.answers import filled, recorded
from proxy.simulate.load import MONITORS
from proxy.simulate.upstream import model_name
from proxy.stores.endings import SCORED
from proxy.stores.history import BaselineRow, MonitorRow, SampleRow, Text
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.opening import opened
from proxy.stores.vectors import BASELINE, Vectors
from proxy.wire import read
from tests.benchmarks.past_one_machine_parts import ANSWERS

SIZE = 104
"""Answers in a baseline: more than drift.policy asks for thresholds of their own."""
PATHS = 150
"""Of a calibration: an eighth of the usual, so that the thresholds scatter, which nothing here depends on."""


def policy_of(settings: Settings) -> Policy:
    drift = settings.drift
    return Policy(windows=drift.windows, expected_run_length=drift.expected_run_length, max_baseline=drift.max_baseline)


def preload(settings: Settings, monitors: int, distinct: int = 3) -> None:
    """Write so many monitors, each with a baseline, its vectors and its thresholds.

    So many baselines differ, and each is many monitors': a calibration is of a baseline, and takes its time.
    """
    with opened(settings) as stores:
        embedder = make_embedder(settings, stores.history.engine, stop=threading.Event(), say=print)
    assert embedder
    policy = policy_of(settings)
    kinds = [_kind(embedder, policy, i, distinct) for i in range(distinct)]
    vectors = Vectors(settings.qdrant, settings.data_dir, embedder.dimension)
    try:
        with opened(settings) as stores:
            ledger = Ledger(stores.history, settings.history, settings.drift.recent_samples)
            for i in range(monitors):
                samples, texts, calibration = kinds[i % len(kinds)]
                _write(ledger, vectors, embedder.encoder, i, samples, texts, calibration)
    finally:
        vectors.close()


def _kind(embedder: object, policy: Policy, i: int, distinct: int) -> tuple[list[Sample], list[Text], Calibration]:
    exchanges = [read(capture(j)) for j in range(i, distinct * SIZE, distinct)]
    given = [said(one) for one in exchanges] + [one.prompt for one in exchanges]
    found = embedder.embed(given)  # type: ignore[attr-defined]
    samples = [
        sample_of(one, response=found[j], prompt=found[len(exchanges) + j], digests={}, details={})
        for j, one in enumerate(exchanges)
    ]
    texts = [text_of(one, sample, True) for one, sample in zip(exchanges, samples, strict=True)]
    baseline = make_baseline(
        id=uuid.uuid4().hex,
        encoder=embedder.encoder,  # type: ignore[attr-defined]
        created_at=0.0,
        samples=samples,
        largest_session=policy.largest_session,
    )
    sizes = policy.window_sizes(len(baseline))
    slices = calibrate(
        baseline.sources(),
        windows=sizes,
        expected_run_length=policy.expected_run_length,
        rng=np.random.default_rng(i),
        minimum_samples=policy.minimum_samples(sizes),
        fitting_paths=PATHS,
        validation_paths=PATHS // 3,
    )
    while True:
        try:
            next(slices)
        except StopIteration as done:
            return samples, texts, done.value


def capture(j: int) -> Capture:
    """A recorded answer as it would have been logged."""
    one, model = recorded(str(ANSWERS))[j], b'"simulated"'
    asked = {"model": "simulated", "messages": [{"role": "user", "content": one.prompt}]}
    return Capture(
        id=str(uuid.UUID(int=j)),
        at=time.time(),
        endpoint="chat/completions",
        status=200,
        request_type="application/json",
        request=msgspec.json.encode(asked),
        response_type="application/json",
        response=filled(one.whole, b"chatcmpl-%d" % j, model),
        duration_seconds=1.0,
        outcome=Outcome.COMPLETE,
    )


def _write(
    ledger: Ledger,
    vectors: Vectors,
    encoder: str,
    i: int,
    samples: list[Sample],
    texts: list[Text],
    calibration: Calibration,
) -> None:
    name, baseline_id, now = f"{MONITORS}{i + 1:02d}", uuid.uuid4().hex, time.time()
    rows = [
        SampleRow(number=j, exchange_id=sample.exchange_id, at=sample.at, text=text)
        for j, (sample, text) in enumerate(zip(samples, texts, strict=True))
    ]
    monitor = MonitorRow(
        name=name, created_at=now, last_scored_at=None, model=model_name(i), response_model="", received=0, observed=0,
        baseline_id=baseline_id, baseline_at=now,
    )  # fmt: skip
    made = BaselineRow(
        id=baseline_id, monitor=name, created_at=now, size=len(rows), encoder=encoder, note="preloaded",
        calibration=msgspec.json.encode(calibration).decode(),
    )  # fmt: skip
    vectors.put(BASELINE, baseline_id, list(enumerate(samples)), {"monitor": name, "baseline": baseline_id})
    ledger.commit(
        Changes(
            monitors=[monitor],
            baseline=made,
            baseline_samples=rows,
            endings=[(name, baseline_id, {SCORED: len(rows)}), (name, "", [])],
        )
    )
