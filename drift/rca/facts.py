"""The evidence as facts: each with an id to cite, a sentence for people and its figures.

Words of users and models (prompts, answers, names of models, topics) are data: they stand clipped and in quotes.
"""

import math
import re
from collections.abc import Iterator

import msgspec

from drift.evidence import Alteration, Topic
from drift.rca.reading import EMPTY, Reading, failed, merged
from drift.rca.records import Brief, Fact
from drift.rca.said import FEATURES, SETTINGS
from drift.tabular.result import ColumnResult
from drift.tabular.words import QUOTES, amount, clipped, day, listed, percentage, quoted

_DETECTORS, _TOPICS, _PAIRS, _TABLES, _MARKS, _NOTES = 4, 6, 3, 8, 5, 3
_NEAR_LINE = 0.8
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,59}")
_QUOTE = 160


def facts_of(brief: Brief, reading: Reading) -> tuple[Fact, ...]:
    """Everything that a report may cite; ids are unique, and the same evidence gives the same ones."""
    parts = (_standing, _attribution, _since, _topics, _features, _settings, _prompts, _operation, _canaries, _around)
    found: dict[str, Fact] = {}
    for fact in (fact for part in parts for fact in part(brief, reading)):
        finite = {name: value for name, value in fact.figures.items() if math.isfinite(value)}
        # JSON has no NaN: a report with one could not be read again.
        found.setdefault(fact.id, msgspec.structs.replace(fact, figures=finite))
    return tuple(found.values())


def _standing(brief: Brief, _: Reading) -> Iterator[Fact]:
    evidence = brief.evidence
    said = f"{evidence.window_samples} answers of now against {evidence.baseline_samples} of the baseline."
    if evidence.severity and evidence.ratio is not None:
        said = f"Severity {evidence.severity}: {_line(evidence.ratio)}, {said}"
    figures = {"ratio": evidence.ratio, "mmd2": evidence.mmd2}
    counts = {"baseline_samples": float(evidence.baseline_samples), "window_samples": float(evidence.window_samples)}
    yield Fact(
        id="severity",
        kind="severity",
        text=said,
        figures={name: value for name, value in figures.items() if value is not None} | counts,
    )
    ranked = sorted(evidence.detectors, key=lambda one: -(one.ratio or 0.0))
    for one in ranked[:_DETECTORS]:
        if one.ratio is not None and one.ratio >= _NEAR_LINE:
            text = f"Detector {one.name}: {_line(one.ratio)}{f' ({one.detail})' if one.detail else ''}."
            yield Fact(id=f"detector:{one.name}", kind="detector", text=text, figures={"ratio": one.ratio})


def _line(ratio: float) -> str:
    return f"{ratio:.2f} times the alarm line"


def _attribution(brief: Brief, _: Reading) -> Iterator[Fact]:
    found = brief.evidence.attribution
    if found is None:
        return
    figures = {f"{test.name}_p_adjusted": test.p_adjusted for test in found.tests}
    sizes = {"effective_baseline": found.effective_baseline, "effective_window": found.effective_window}
    figures |= {name: value for name, value in sizes.items() if value is not None}
    yield Fact(id="verdict", kind="verdict", text=found.message, figures=figures)


def _since(brief: Brief, _: Reading) -> Iterator[Fact]:
    if begun := brief.evidence.changed_at:
        text = (
            f"It began about {begun.samples_ago} answers ago, at {day(begun.at)} UTC "
            f"({percentage(begun.level)} interval: {day(begun.earliest)} to {day(begun.latest)})."
        )
        figures = {"samples_ago": float(begun.samples_ago), "at": begun.at, "level": begun.level}
        yield Fact(id="since", kind="since", text=text, figures=figures, exchange_ids=(begun.exchange_id,))


def _topics(brief: Brief, _: Reading) -> Iterator[Fact]:
    found = brief.evidence.topics
    moved = [one for one in found.topics if one.moved] if found else []
    for number, topic in enumerate(moved[:_TOPICS], 1):
        before, after = percentage(topic.baseline_share), percentage(topic.window_share)
        yield Fact(
            id=f"topic:{number}",
            kind="topic",
            text=f"Prompts about {named(topic)}: {before} -> {after}.",
            figures={
                "baseline_share": topic.baseline_share,
                "window_share": topic.window_share,
                "p_adjusted": topic.p_adjusted,
            },
            exchange_ids=topic.examples,
        )


def named(topic: Topic) -> str:
    """A topic by its words, in quotes."""
    return verbatim(", ".join(topic.words[:4]) or topic.name, 60)


def verbatim(text: str, characters: int) -> str:
    """Somebody's words on one line, in quotes that they cannot end."""
    return f"“{clipped(text.translate(QUOTES), characters)}”"


def _features(_: Brief, reading: Reading) -> Iterator[Fact]:
    for column in reading.evidence.features:
        if column.drifted or (reading.feature(column.name) and (column.effect or 0.0) >= 0.05):
            yield Fact(
                id=f"feature:{column.name}",
                kind="feature",
                text=f"{_feature(column)} (effect {column.effect or 0.0:.2f}, adjusted p {column.p_adjusted:.2g}).",
                figures=_figures(column),
            )


def _feature(column: ColumnResult) -> str:
    """ "Answers that decline: 0 % -> 20.5 %"."""
    said = FEATURES.get(column.name, (column.name.replace("_", " "), ""))
    if column.kind == "boolean":
        share = next((one for one in column.shares if one.label == "true"), None)
        before, after = (share.reference, share.current) if share else (0.0, 0.0)
        return f"{said[0]}: {percentage(before)} -> {percentage(after)}"
    if column.kind == "categorical":
        largest = sorted(column.shares, key=lambda one: -abs(one.current - one.reference))[:3]
        gone = (f"{quoted(one.label)} {percentage(one.reference)} -> {percentage(one.current)}" for one in largest)
        return f"{said[0]}: {listed(list(gone))}"
    before, after = column.figures.get("reference_mean", 0.0), column.figures.get("current_mean", 0.0)
    if f"{before:.3g}" == f"{after:.3g}" and column.direction:
        return f"{said[0]}: {clipped(column.direction, 120)}"
    if said[1] == "%":
        return f"{said[0]}, mean: {percentage(before)} -> {percentage(after)}"
    return f"{said[0]}, mean: {amount(before)} -> {amount(after)} {said[1]}".rstrip()


def _figures(column: ColumnResult) -> dict[str, float]:
    kept = ("reference_mean", "current_mean", "reference_median", "current_median")
    figures = {name: column.figures[name] for name in kept if name in column.figures}
    if column.kind != "numeric":
        for share in column.shares[:6]:
            figures |= {f"baseline_{share.label}": share.reference, f"window_{share.label}": share.current}
    tests = {"effect": column.effect, "p_adjusted": column.p_adjusted}
    return figures | {name: value for name, value in tests.items() if value is not None}


def _settings(brief: Brief, _: Reading) -> Iterator[Fact]:
    for one in brief.evidence.alterations:
        yield Fact(
            id=setting_id(one.what),
            kind="setting",
            text=f"{altered(one)}{f', since {day(one.at)} UTC' if one.at is not None else ''}.",
            figures={"baseline_share": one.baseline_share, "window_share": one.window_share},
        )


def setting_id(what: str) -> str:
    """The id of a setting's fact. Clients may name options as they like; an id is no place for their sentences."""
    return f"setting:{what if _NAME.fullmatch(what) else 'other'}"


def altered(one: Alteration) -> str:
    """ "Model named in the answers: gpt-4 -> gpt-4o in 100 % of the window (baseline 0 %)"."""
    said = SETTINGS.get(one.what, f"Request setting {quoted(one.what)}")
    shares = f"{percentage(one.window_share)} of the window (baseline {percentage(one.baseline_share)})"
    return f"{said}: {quoted(one.before)} -> {quoted(one.after)} in {shares}"


def _prompts(brief: Brief, _: Reading) -> Iterator[Fact]:
    for number, one in enumerate(brief.evidence.templates, 1):
        words = verbatim(one.text, 80) if one.text else f"the same {one.characters} characters"
        yield Fact(
            id=f"template:{number}",
            kind="template",
            text=f"Prompts with {words} at their {one.where}: {percentage(one.baseline_share)} -> "
            f"{percentage(one.window_share)}.",
            figures={"baseline_share": one.baseline_share, "window_share": one.window_share},
        )
    if new := brief.evidence.newcomers:
        yield Fact(
            id="sessions",
            kind="sessions",
            text=f"Exchanges of users who are not in the baseline: {percentage(new.window_share)}, where "
            f"{percentage(new.expected_share)} are usual.",
            figures={"window_share": new.window_share, "expected_share": new.expected_share},
        )


def _operation(brief: Brief, reading: Reading) -> Iterator[Fact]:
    outcomes = brief.evidence.outcomes
    before, after = reading.ended(_unanswered)
    if outcomes is None or not after:
        return
    common = merged(outcomes.window, _unanswered)[:4]
    results = ", ".join(f"{count} {result.replace('_', ' ')}" for result, count in common)
    yield Fact(
        id="outcomes",
        kind="outcomes",
        text=f"Exchanges without an answer: {percentage(before)} -> {percentage(after)} ({results} of "
        f"{sum(outcomes.window.values())}).",
        figures={"baseline_share": before, "window_share": after}
        | {f"window_{result}": float(count) for result, count in common},
    )


def _unanswered(result: str) -> bool:
    return failed(result) or result == EMPTY


def _canaries(brief: Brief, _: Reading) -> Iterator[Fact]:
    for one in brief.canaries:
        asked = f"Canary {quoted(one.name)} asks the same {one.prompts} prompts of {quoted(one.model)} in each round"
        apart = f"{one.distance:.2f} from its reference of {day(one.reference_at)} UTC, where {one.usual:.2f} is usual"
        if one.changed:
            begun = f" since {day(one.since)} UTC" if one.since is not None else ""
            said = f"the answers are other ones{begun} (p = {one.p_value:.2g}; {apart})"
        else:
            said = f"the answers are as they were (p = {one.p_value:.2g} at {day(one.at)} UTC; {apart})"
        figures = {"p_value": one.p_value, "distance": one.distance, "usual": one.usual, "at": one.at}
        figures |= {"changed": float(one.changed), "prompts": float(one.prompts)}
        yield Fact(id=canary_id(one.name), kind="canary", text=f"{asked}: {said}.", figures=figures)


def canary_id(name: str) -> str:
    """The id of a canary's fact."""
    return f"canary:{name}"


def _around(brief: Brief, reading: Reading) -> Iterator[Fact]:
    for number, row in enumerate(sorted(brief.tables, key=lambda row: -row.effect)[:_TABLES], 1):
        yield Fact(
            id=f"table:{number}",
            kind="table",
            text=f"Column {quoted(row.column)} of table {quoted(row.dataset)} has drifted"
            f"{f': {verbatim(row.direction, 120)}' if row.direction else ''} (effect {row.effect:.2f}).",
            figures={"effect": row.effect},
        )
    for number, mark in enumerate(brief.marks[-_MARKS:], 1):
        text = f"{day(mark.at)} UTC: {verbatim(mark.text, 200)}"
        yield Fact(id=f"mark:{number}", kind="mark", text=text, figures={"at": mark.at})
    for number, pair in enumerate(brief.pairs[:_PAIRS] if reading.moved else (), 1):
        yield Fact(
            id=f"pair:{number}",
            kind="pair",
            text=f"Asked {verbatim(pair.prompt, _QUOTE)}, the answer is {verbatim(pair.current, _QUOTE)}; in the "
            f"baseline it was, to the nearest prompt, {verbatim(pair.baseline, _QUOTE)}.",
            exchange_ids=(pair.exchange_id,),
        )
    for number, note in enumerate(brief.evidence.notes[:_NOTES], 1):
        yield Fact(id=f"note:{number}", kind="note", text=f"Not computed: {clipped(note, 200)}.")
