"""What moved, since when, and whose doing it was: the evidence of one monitor, computed when somebody needs it."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from drift.alterations import alterations
from drift.baseline import Baseline
from drift.errors import TooFewSamples
from drift.evidence import Attribution, ChangePoint, Evidence, Outcomes, Template, Topics, Verdict, WitnessPair
from drift.features import BOOLEAN, CATEGORICAL, NUMERIC, Behaviour, table
from drift.monitor import Monitor
from drift.newcomers import newcomers
from drift.policy import VERDICT
from drift.records import Report
from drift.samples import Sample, session_codes
from drift.semantic.changepoint import change_point
from drift.semantic.mmd import Doubles, Floats, median_distance
from drift.semantic.topics import TopicModel, compare_topics, fit_topics
from drift.semantic.witness import WitnessValues, witness_values
from drift.tabular.compare import compare
from drift.tabular.result import ColumnResult
from drift.templates import templates
from drift.verdict import attribute

KINDS = (
    dict.fromkeys(NUMERIC, "numeric") | dict.fromkeys(BOOLEAN, "boolean") | dict.fromkeys(CATEGORICAL, "categorical")
)

_NUMBERS = ("code_share", "list_share", "markdown_share", "repetition", "refusal", "json", "tool_call", "truncated")
"""What of an answer's behaviour joins the test of the answers given their prompts, beside its length."""


def baseline_topics(baseline: Baseline, texts: Sequence[str] | None) -> TopicModel | None:
    """The topics of a baseline, with its prompts' texts (n) or None; None when it is too small for any."""
    try:
        return fit_topics(baseline.prompts, texts, seed=len(baseline))
    except TooFewSamples:
        return None


def explain(
    monitor: Monitor,
    report: Report,
    *,
    id: str,
    recent: Sequence[Sample],
    topics: TopicModel | None,
    texts: Mapping[str, str] | None,
    asked: bool,
    rng: np.random.Generator,
    baseline_texts: Mapping[str, str] | None = None,
    outcomes: Outcomes | None = None,
) -> Evidence:
    """The evidence for a report just made by the monitor.

    recent are the samples since the baseline was activated, the oldest first, as far back as they are kept; at least
    the largest window. topics is what baseline_topics gave; texts and baseline_texts map exchange ids to prompts, None
    where none are kept; outcomes, which the caller counts, are repeated. Whose doing it was is tested when the severity
    is above LOW or somebody asked: three tests at every look would find something in the end. What cannot be computed
    yet is named in the notes. For a baseline of 2,000 about a second, and two when a change is dated.
    """
    baseline, policy = monitor.baseline, monitor.policy
    window = list(monitor.detectors.recent)
    notes: list[str] = []
    witnesses = _witnesses(monitor, window, notes)
    # A severity is held a little below the line; what it rests on is looked for as long.
    drifted = bool(report.severity and report.severity.rank)
    changed = _since(baseline, recent, report.detector, policy.largest_session, rng) if drifted else None
    prompts = np.array([sample.prompt for sample in window], dtype=np.float32).reshape(-1, baseline.prompts.shape[1])
    attribution = None
    if drifted or asked:
        attribution = _attribution(monitor, window, rng)
        if drifted and changed and attribution.verdict is Verdict.NO_CHANGE:
            attribution = _too_soon(attribution, changed.samples_ago)
    return Evidence(
        id=id,
        monitor=monitor.name,
        at=report.at,
        baseline_id=baseline.id,
        baseline_samples=len(baseline),
        window_samples=len(window),
        severity=report.severity,
        ratio=report.ratio,
        mmd2=report.mmd2,
        detectors=report.detectors,
        attribution=attribution,
        changed_at=changed,
        witness_total=witnesses.mmd2 if witnesses else None,
        pairs=_pairs(baseline, window, prompts, witnesses, policy.witnesses) if witnesses else (),
        topics=_topics(topics, window, prompts, witnesses, texts, rng) if witnesses else None,
        features=_features(baseline.samples, window, rng),
        alterations=alterations(baseline.samples, window),
        observed=report.observed,
        outcomes=outcomes,
        templates=_templates(baseline.samples, window, baseline_texts, texts),
        newcomers=newcomers(baseline.samples, window),
        notes=tuple(notes),
    )


def _attribution(monitor: Monitor, window: Sequence[Sample], rng: np.random.Generator) -> Attribution:
    """Users or model, from the largest window."""
    baseline = monitor.baseline
    shape = (-1, baseline.prompts.shape[1])
    return attribute(
        baseline.prompts,
        baseline.responses.vectors,
        np.array([sample.prompt for sample in window], dtype=np.float32).reshape(shape),
        np.array([sample.response for sample in window], dtype=np.float32).reshape(shape),
        rng=rng,
        baseline_features=_numbers(baseline.samples),
        window_features=_numbers(window),
        baseline_sessions=baseline.codes,
        window_sessions=monitor.detectors.responses.sessions(monitor.window_sizes[-1]),
    )


def _too_soon(attribution: Attribution, since: int) -> Attribution:
    """Few answers after a change are lost among those before it, and finding no change in all of them says nothing.

    The answers after the estimated change are not tested alone: the split was chosen because they differ.
    """
    if since >= VERDICT.least_samples:
        return attribution
    return msgspec.structs.replace(
        attribution,
        verdict=Verdict.INSUFFICIENT_DATA,
        message=f"{since} answers since the change: {VERDICT.least_samples} are needed to tell whether users or model "
        "changed.",
    )


def _witnesses(monitor: Monitor, window: Sequence[Sample], notes: list[str]) -> WitnessValues | None:
    """Of the responses in the largest window, with the sessions that its statistic leaves out."""
    baseline = monitor.baseline
    try:
        if len(window) < 2:
            raise TooFewSamples(f"{len(window)} sample(s) in the window; 2 are needed")
        return witness_values(
            baseline.responses.vectors,
            np.stack([sample.response for sample in window]),
            bandwidth=baseline.responses.bandwidth,
            baseline_sessions=baseline.codes,
            window_sessions=monitor.detectors.responses.sessions(monitor.window_sizes[-1]),
        )
    except TooFewSamples as error:
        notes.append(f"witnesses: {error}")
        return None


def _pairs(
    baseline: Baseline, window: Sequence[Sample], prompts: Floats, witnesses: WitnessValues, count: int
) -> tuple[WitnessPair, ...]:
    """The strongest witnesses, each with the baseline exchange whose prompt is nearest."""
    strongest = np.argsort(-witnesses.phi, kind="stable")[:count]
    cosines = prompts[strongest] @ baseline.prompts.T
    nearest = cosines.argmax(axis=1)
    ids = baseline.exchange_ids
    return tuple(
        WitnessPair(
            exchange_id=window[place].exchange_id,
            baseline_exchange_id=ids[other],
            witness=float(witnesses.phi[place]),
            prompt_similarity=float(cosine[other]),
        )
        for place, other, cosine in zip(strongest, nearest, cosines, strict=True)
    )


def _topics(
    model: TopicModel | None,
    window: Sequence[Sample],
    prompts: Floats,
    witnesses: WitnessValues,
    texts: Mapping[str, str] | None,
    rng: np.random.Generator,
) -> Topics | None:
    if model is None:
        return None
    ids = [sample.exchange_id for sample in window]
    known = None if texts is None or model.texts is None else [texts.get(one, "") for one in ids]
    return compare_topics(model, prompts.astype(np.float32), known, witnesses.phi, witnesses.psi, ids, rng=rng)


def _templates(
    baseline: Sequence[Sample],
    window: Sequence[Sample],
    before: Mapping[str, str] | None,
    after: Mapping[str, str] | None,
) -> tuple[Template, ...]:
    if before is None or after is None:
        return ()
    sides = ((baseline, before), (window, after))
    old, new = ([texts.get(sample.exchange_id, "") for sample in samples] for samples, texts in sides)
    return templates(old, new)


def _features(
    baseline: Sequence[Sample], window: Sequence[Sample], rng: np.random.Generator
) -> tuple[ColumnResult, ...]:
    """Every behaviour feature's test, those that differ most first."""
    before, after = _measured(baseline), _measured(window)
    if not before or not after:
        return ()
    return compare(table(before), table(after), kinds=KINDS, rng=rng).columns


def _measured(samples: Sequence[Sample]) -> list[Behaviour]:
    return [sample.features for sample in samples if sample.features is not None]


def _numbers(samples: Sequence[Sample]) -> Doubles | None:
    """The answers' behaviour as numbers, shape (n, f), NaN where there is none; None where it was not measured."""
    rows = _measured(samples)
    if len(rows) < len(samples) or not rows:
        return None
    columns = [[getattr(row, name) for name in _NUMBERS] for row in rows]
    lengths = np.log1p([row.response_characters for row in rows])
    return np.column_stack([lengths, np.array(columns, dtype=np.float64)])


def _since(
    baseline: Baseline, recent: Sequence[Sample], detector: str, largest_session: float, rng: np.random.Generator
) -> ChangePoint | None:
    """Since when, as the detector sees it that is farthest beyond its line."""
    names = [sample.session if baseline.uses_sessions else None for sample in recent]
    responses = np.stack([sample.response for sample in recent])
    prompts = np.stack([sample.prompt for sample in recent])
    before: Floats = baseline.responses.vectors
    after: Floats = responses
    bandwidth = baseline.responses.bandwidth
    if detector.startswith(("residual", "alignment")):
        before, bandwidth = baseline.residuals.vectors, baseline.residuals.bandwidth
        after = baseline.ridge.residuals(prompts, responses)
    elif detector.startswith("behaviour"):
        before, after = baseline.answers.astype(np.float32), _answers(baseline, recent)
        bandwidth = median_distance(before)
    return change_point(
        before,
        after,
        bandwidth=bandwidth,
        times=[sample.at for sample in recent],
        exchange_ids=[sample.exchange_id for sample in recent],
        rng=rng,
        baseline_sessions=baseline.codes,
        recent_sessions=session_codes(names, largest_share=largest_session),
    )


def _answers(baseline: Baseline, samples: Sequence[Sample]) -> Floats:
    return np.array([baseline.questions.answer(sample.features) for sample in samples], dtype=np.float32)
