"""Evidence of incidents made to order: behaviour features are compared for real, the rest is said."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from drift.evidence import (
    Attribution,
    ChangePoint,
    Evidence,
    PopulationTest,
    Topic,
    Topics,
    Verdict,
)
from drift.explain import KINDS
from drift.features import Behaviour, table
from drift.rca.orchestrator import investigate
from drift.rca.records import Answer, Brief, Question, RootCause, Step
from drift.records import DetectorScore, Severity
from drift.tabular.compare import compare

BEGAN = 1_800_000_000.0


def behaviours(count: int, *, seed: int = 0, share: float = 0.0, **changed: Any) -> list[Behaviour]:
    """Rows of ordinary behaviour, of which a share has other fields; a function is called with its generator."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        row: dict[str, Any] = {
            "prompt_characters": int(rng.normal(80, 20)),
            "response_characters": int(rng.normal(900, 150)),
            "output_tokens": int(rng.normal(220, 40)),
            "duration_seconds": float(rng.gamma(20, 0.1)),
            "first_chunk_seconds": float(rng.gamma(20, 0.01)),
            "tokens_per_second": float(rng.normal(100, 10)),
            "finish_reason": "stop",
            "refusal": False,
            "language": "en",
            "prompt_language": "en",
            "code_share": 0.0,
            "list_share": float(rng.uniform(0, 0.3)),
            "markdown_share": float(rng.uniform(0, 0.2)),
            "json": False,
            "tool_call": False,
            "truncated": False,
            "repetition": float(rng.uniform(0, 0.03)),
        }
        if rng.random() < share:
            row |= {name: value(rng) if callable(value) else value for name, value in changed.items()}
        rows.append(Behaviour(**row))
    return rows


def evidence(
    window: Sequence[Behaviour] | None = None,
    *,
    severity: Severity | None = Severity.HIGH,
    ratio: float | None = 2.5,
    verdict: Verdict | None = Verdict.MODEL_CHANGED,
    topics: dict[str, tuple[float, float]] | None = None,
    baseline: Sequence[Behaviour] | None = None,
    **more: Any,
) -> Evidence:
    """What was found out about a window of 200 answers against a baseline of 400."""
    before = behaviours(400, seed=1) if baseline is None else baseline
    after = behaviours(200, seed=2) if window is None else window
    drifted = severity not in (None, Severity.LOW)
    return Evidence(
        id="e1",
        monitor="assistant",
        at=BEGAN + 600,
        baseline_id="b1",
        baseline_samples=len(before),
        window_samples=len(after),
        severity=severity,
        ratio=ratio,
        mmd2=0.02,
        detectors=(_score("mmd_200", ratio if window is None else (ratio or 0.0) / 2), _score("behaviour_200", ratio))
        if ratio
        else (),
        attribution=_attribution(verdict) if verdict else None,
        changed_at=_since() if drifted else None,
        topics=_topics(topics or {}),
        features=compare(table(before), table(after), kinds=KINDS, rng=np.random.default_rng(3)).columns,
        **more,
    )


def _score(name: str, ratio: float | None) -> DetectorScore:
    return DetectorScore(name=name, window=200, samples=200, statistic=0.02, threshold=0.01, ratio=ratio)


def _attribution(verdict: Verdict) -> Attribution:
    prompts = verdict in (Verdict.PROMPTS_CHANGED, Verdict.BOTH, Verdict.INSUFFICIENT_OVERLAP)
    model = verdict in (Verdict.MODEL_CHANGED, Verdict.BOTH)
    tests = tuple(
        PopulationTest(name=name, statistic=0.01, p_value=p, p_adjusted=min(1.0, 3 * p), rejected=rejected)
        for name, rejected in (("prompts", prompts), ("responses", prompts or model), ("conditional", model))
        for p in [0.002 if rejected else 0.5]
    )
    tested = verdict is not Verdict.INSUFFICIENT_DATA
    return Attribution(verdict=verdict, message=f"The verdict is {verdict}.", tests=tests if tested else ())


def _since() -> ChangePoint:
    return ChangePoint(
        at=BEGAN,
        earliest=BEGAN - 60,
        latest=BEGAN + 60,
        level=0.9,
        exchange_id="x1",
        samples_ago=120,
        samples_ago_least=110,
        samples_ago_most=130,
    )


def _topics(shares: dict[str, tuple[float, float]]) -> Topics:
    found = [
        Topic(
            name=name,
            words=tuple(name.split()),
            baseline_share=before,
            window_share=after,
            baseline_count=int(400 * before),
            window_count=int(200 * after),
            residual=5.0,
            p_value=0.001,
            p_adjusted=0.002,
            moved=True,
        )
        for name, (before, after) in shares.items()
    ]
    return Topics(topics=tuple(found), statistic=20.0, p_value=0.001)


def report(found: Evidence | Brief, answers: Sequence[Answer] = ()) -> RootCause:
    """The report of an investigation, in which a model gives these answers; without any, none is asked."""
    brief = found if isinstance(found, Brief) else Brief(evidence=found)
    return run(brief, answers)[0]


def run(brief: Brief, answers: Sequence[Answer] = ()) -> tuple[RootCause, list[Step], list[Question]]:
    """The report, the steps as they were told, and what the model was asked."""
    waiting, ticks = list(answers), iter(range(1_000))
    running = investigate(brief, clock=lambda: next(ticks) / 1_000, ask_model=bool(answers))
    steps, questions, sent = [], [], None
    while True:
        try:
            told = running.send(sent)
        except StopIteration as finished:
            return finished.value, steps, questions
        sent = None
        if isinstance(told, Question):
            questions.append(told)
            sent = waiting.pop(0)
        else:
            steps.append(told)


def answer(**fields: Any) -> Answer:
    """A model's answer with these fields."""
    return Answer(content=msgspec.json.encode(fields), model="a-model")
