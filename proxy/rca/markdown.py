"""The report as Markdown, ready for a ticket. Words of users and models are data: nothing in them takes effect."""

import re
from collections.abc import Iterable, Sequence

from drift.rca.records import Action, Fact, Statement, Step
from proxy.rca.views import AgenticView, NothingYet
from proxy.rca.wording import CHANGED, URGENCIES, percent
from proxy.tabular.words import arrows

_JOINER = "\u2060"
_SYNTAX = re.compile(r"[\\`*_\[\]#|~!$^{}]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_OPENING = re.compile(r"^(\d{1,9})([.)])|^([-+=:])")
"""What begins a list, a heading's underline or a definition at the start of a line."""
_REACHING_OUT = re.compile(r"(@)|(#)(?=\w)|(:)(?=//)|(www)(?=\.)|(GH)(?=-\d)", re.IGNORECASE)
"""Addresses and issues become links, and names notify people, in renderers that look for them in plain text."""


def text(said: str) -> str:
    """Any words as one line of Markdown that shows them as they are.

    An invisible word joiner (U+2060) breaks addresses and @names.
    """
    line = arrows(" ".join(said.split()))
    line = _SYNTAX.sub(r"\\\g<0>", "".join(_ENTITIES.get(c, c) for c in line))
    line = _REACHING_OUT.sub(lambda found: found.group() + _JOINER, line)
    return _OPENING.sub(lambda found: (found[1] or "") + "\\" + (found[2] or found[3]), line)


def markdown(view: AgenticView) -> str:
    """The report: what moved, why, what to do, the evidence that each sentence links to, and how it was found."""
    links = {fact.id: f"evidence-{number}" for number, fact in enumerate(view.evidence, 1)}
    diagnosis = view.diagnosis
    severity = view.severity or "No severity yet"
    parts = [
        f"# {severity}: {text(diagnosis.cause.label)} (monitor {text(view.monitor)})",
        text(diagnosis.summary),
        _about(view),
        "## What moved",
        _statements(view.triage.moved, links) or "Nothing beyond chance.",
        "## Cause",
        f"**{text(diagnosis.cause.label)}**, with a confidence of {percent(diagnosis.confidence)}. "
        f"Who changed: {CHANGED[diagnosis.changed]}.",
        text(diagnosis.possible_cause),
        _statements(diagnosis.statements, links),
        _suspects(view, links),
        "## What to do",
        *_actions(view.recommendations, links),
        "## Evidence",
        "\n".join(_fact(fact, links[fact.id]) for fact in view.evidence),
        "## How this was found",
        _trace(view.agent_collaboration_log, links),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def nothing_yet(view: NothingYet) -> str:
    """Why there is no report, and what to do."""
    of = f" of {text(view.monitor)}" if view.monitor else ""
    return f"# No root cause analysis{of} yet\n\n{text(view.message)}\n"


def _about(view: AgenticView) -> str:
    words = f"the model {text(view.model)}" if view.source == "model" and view.model else "rules"
    when = f"Evidence of {view.evidence_timestamp}" + (f", analysed {view.timestamp}" if view.timestamp else "")
    run = f" Run {text(view.id)}." if view.id else ""
    return (
        f"{when}: {view.telemetry_size:,} answers against a baseline of {view.baseline_size:,}. "
        f"That something moved: {percent(view.triage.confidence)} sure. Words by {words}.{run}"
    )


def _statements(statements: Iterable[Statement], links: dict[str, str]) -> str:
    return "\n".join(f"- {text(each.text)}{_cited(each.evidence, links)}" for each in statements)


def _suspects(view: AgenticView, links: dict[str, str]) -> str:
    said = view.diagnosis.statements
    others = [
        one for one in view.diagnosis.suspects if one.cause is not view.diagnosis.cause and one.statement not in said
    ]
    if not others:
        return ""
    rows = (
        f"- {text(one.cause.label)} (strength {percent(one.strength)}): {text(one.statement.text)}"
        f"{_cited(one.statement.evidence, links)}"
        for one in others
    )
    return "Something speaks for these too:\n\n" + "\n".join(rows)


def _actions(actions: Sequence[Action], links: dict[str, str]) -> Iterable[str]:
    for urgency, title in URGENCIES.items():
        rows = [f"- [ ] {text(a.text)}{_cited(a.evidence, links)}" for a in actions if a.urgency == urgency]
        if rows:
            yield f"### {title}"
            yield "\n".join(rows)


def _fact(fact: Fact, anchor: str) -> str:
    ids = ", ".join(text(one) for one in fact.exchange_ids)
    exchanges = f" (exchanges: {ids})" if ids else ""
    return f'- <a id="{anchor}"></a>**{text(fact.id)}**: {text(fact.text)}{exchanges}'


def _trace(steps: Iterable[Step], links: dict[str, str]) -> str:
    head = "| step | agent | given | concluded | why | evidence | by | ms |"
    rule = "| ---: | --- | --- | --- | --- | --- | --- | ---: |"
    rows = (
        f"| {s.number} | {s.agent} | {text(s.input)} | {text(s.conclusion)} | {text(s.why)} "
        f"| {_cites(s.evidence, links)} | {s.source} | {s.milliseconds:.1f} |"
        for s in steps
    )
    return "\n".join([head, rule, *rows])


def _cited(ids: Iterable[str], links: dict[str, str]) -> str:
    cites = _cites(ids, links)
    return f" ({cites})" if cites else ""


def _cites(ids: Iterable[str], links: dict[str, str]) -> str:
    return ", ".join(f"[{text(one)}](#{links[one]})" if one in links else text(one) for one in ids)
