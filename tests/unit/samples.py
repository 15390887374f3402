"""Samples, baselines and calibrations for the tests of the statistics."""

import numpy as np

from drift.baseline import make_baseline
from drift.features import Behaviour
from drift.policy import Policy
from drift.records import RunLength
from drift.samples import Sample
from drift.semantic.calibration import ALIGNMENT, BEHAVIOUR, MMD, RESIDUAL, Calibration, Line, calibrate


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def sphere(rng, count, shift=0.0, dimension=16):
    """Unit vectors of every direction, those of a shift nearer to the first axis."""
    vectors = rng.normal(size=(count, dimension))
    vectors[:, 0] += shift
    return unit(vectors)


def traffic(rng, count, *, asked=0.0, said=0.0, dimension=16):
    """(prompts, responses): answers follow their prompts; `asked` moves both, `said` the answers alone."""
    prompts = rng.normal(size=(count, dimension))
    prompts[:, 0] += asked
    responses = prompts + rng.normal(size=(count, dimension))
    responses[:, 1] += said
    return unit(prompts), unit(responses)


def samples_of(prompts, responses, *, start=0, prefix="x", features=None, sessions=None, settings=None):
    """One sample per row, a second apart."""
    return [
        Sample(
            exchange_id=f"{prefix}{start + place}",
            at=float(start + place),
            prompt=prompt,
            response=response,
            features=None if features is None else features[place],
            session=None if sessions is None else sessions[place],
            settings={} if settings is None else settings[place],
        )
        for place, (prompt, response) in enumerate(zip(prompts, responses, strict=True))
    ]


def row(**said):
    """The behaviour of a plain answer, but for what is said."""
    plain = {"prompt_characters": 40, "response_characters": 500, "refusal": False, "tool_call": False}
    return Behaviour(**(plain | said))


def behaviour(rng, count, *, refusals=0.05, growth=1.0):
    """Rows of answers whose lengths, ends, layout and refusals vary."""
    return [
        row(
            response_characters=int(growth * rng.lognormal(6, 0.5)),
            finish_reason=str(rng.choice(["stop", "length", "tool_calls"], p=[0.8, 0.15, 0.05])),
            refusal=bool(rng.random() < refusals),
            list_share=None if rng.random() < 0.1 else float(rng.choice([0.0, 0.2, 0.5])),
        )
        for _ in range(count)
    ]


def baseline_of(samples, *, id="b", calibration=None, **settings):
    return make_baseline(id=id, encoder="e", created_at=0.0, samples=samples, calibration=calibration, **settings)


def finish(steps):
    """What a generator returns, and what it yielded on the way."""
    yielded = []
    while True:
        try:
            yielded.append(next(steps))
        except StopIteration as stop:
            return stop.value, yielded


def calibrated(baseline, policy, seed=0):
    """The baseline with thresholds simulated as the policy says."""
    sizes = policy.window_sizes(len(baseline))
    calibration, _ = finish(
        calibrate(
            baseline.sources(),
            windows=sizes,
            minimum_samples=policy.minimum_samples(sizes),
            expected_run_length=policy.expected_run_length,
            fitting_paths=policy.calibration_paths,
            validation_paths=policy.validation_paths,
            rng=np.random.default_rng(seed),
        )
    )
    return baseline.with_calibration(calibration)


def lined(baseline, policy=None, factor=5.0):
    """The baseline with lines that many standard deviations away: nothing is simulated."""
    sizes = (policy or Policy()).window_sizes(len(baseline))
    found = [(MMD, size, factor, 0.12) for size in sizes] + [(RESIDUAL, size, factor, 0.12) for size in sizes]
    if baseline.questions.questions:
        found += [(BEHAVIOUR, size, factor**2, 1.0) for size in sizes]
    found.append((ALIGNMENT, sizes[-1], factor, 0.3))
    return baseline.with_calibration(
        Calibration(
            baseline_samples=len(baseline),
            lines=tuple(Line(detector=d, window=w, factor=f, scale=s) for d, w, f, s in found),
            run_length=RunLength(expected=10_000, realised=9_900.0, realised_stderr=400.0, paths=400),
        )
    )
