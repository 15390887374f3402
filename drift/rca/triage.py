"""The first agent: how bad it is, how sure that is, and what moved. All of it is computed."""

from collections.abc import Sequence

from drift.policy import CAUSE, health_index
from drift.rca.reading import Reading
from drift.rca.records import Cause, Fact, Statement, Suspect, Triage
from drift.rca.symptoms import slower
from drift.records import Severity
from drift.tabular.words import percentage

_FAILED = ((0.5, Severity.CRITICAL), (0.2, Severity.HIGH), (0.05, Severity.MEDIUM))
"""Rise of the share of exchanges without an answer, from which the operation's severity is that."""
_LATE = ((10.0, 2.0, Severity.HIGH), (2.0, 0.0, Severity.MEDIUM))
"""The same of the factor by which answers come later, and of the seconds."""
_SURE_OF_COUNTS = 0.95
"""Failures and changed settings are counted, and told of only beyond chance; so are features below the line."""
_MOVED = ("setting", "canary", "topic", "feature", "template", "sessions", "outcomes")
_MOST = 8
_TIMES = ("_seconds", "_per_second")
"""Features that the alarm leaves out."""


def triage(reading: Reading, facts: Sequence[Fact], suspects: Sequence[Suspect]) -> Triage:
    """From evidence, facts and suspects to the severity; the sentence of `reason` says what it rests on."""
    evidence = reading.evidence
    trouble = any(one.cause is Cause.PROVIDER_TROUBLE for one in suspects)
    operational = _operational(reading) if trouble else Severity.LOW
    ratio = evidence.ratio
    sure = 0.0 if ratio is None else 1.0 - health_index(ratio) / 100
    if operational.rank or any(fact.kind in ("setting", "template") for fact in facts) or reading.moved:
        sure = max(sure, _SURE_OF_COUNTS if operational.rank or not reading.drifted else sure)
    worse = max((evidence.severity or Severity.LOW, operational), key=lambda one: one.rank)
    return Triage(
        severity=worse if evidence.severity or operational.rank else None,
        drift_severity=evidence.severity,
        operational_severity=operational,
        confidence=round(sure, 3),
        reason=_reason(reading, operational),
        moved=_moved(reading, facts),
    )


def _operational(reading: Reading) -> Severity:
    before, after = reading.failures()
    found = [severity for least, severity in _FAILED if after - before >= least]
    for then, now in slower(reading).values():
        found += [severity for factor, seconds, severity in _LATE if now >= factor * then and now - then >= seconds]
    wrong_before, wrong = reading.refused()
    if wrong - wrong_before >= CAUSE.least_failed:
        # Whoever sends wrong requests is told so by each answer.
        found.append(Severity.MEDIUM)
    return max(found, key=lambda one: one.rank, default=Severity.LOW)


def _reason(reading: Reading, operational: Severity) -> str:
    evidence = reading.evidence
    if evidence.severity is None:
        said = "There are too few answers for a severity"
    else:
        worst = max(evidence.detectors, key=lambda one: one.ratio or 0.0, default=None)
        name = f" ({worst.name})" if worst and worst.ratio else ""
        said = f"Drift is {evidence.severity}: the worst detector{name} stands at {evidence.ratio or 0.0:.2f} times "
        said += "its alarm line"
    if not operational.rank:
        return said + "."
    before, after = reading.failures()
    refused = reading.refused()[1]
    trouble = f"{percentage(after)} of the exchanges fail" if after > before else "answers come late"
    if refused and not after > before:
        trouble = f"{percentage(refused)} of the requests are refused as wrong"
    return f"{said}; the operation is {operational}, since {trouble}."


def _moved(reading: Reading, facts: Sequence[Fact]) -> tuple[Statement, ...]:
    """What moved, settings and topics before behaviour, the largest first."""
    shown = [fact for fact in facts if fact.kind in _MOVED and _matters(reading, fact)]
    shown.sort(key=lambda fact: (_MOVED.index(fact.kind), -fact.figures.get("effect", 0.0)))
    return tuple(Statement(text=fact.text, evidence=(fact.id,)) for fact in shown[:_MOST])


def _matters(reading: Reading, fact: Fact) -> bool:
    if fact.kind == "canary":
        return bool(fact.figures["changed"])
    if fact.kind == "sessions":
        return fact.figures["window_share"] - fact.figures["expected_share"] >= CAUSE.least_newcomers
    if fact.kind == "feature" and fact.id.endswith(_TIMES):
        # Times come and go with load: those are told that are trouble.
        return fact.id.partition(":")[2] in slower(reading)
    if fact.kind in ("feature", "topic") and not reading.moved:
        # Twenty tests and more at each look: below the line some of them find something.
        return False
    column = reading.feature(fact.id.partition(":")[2]) if fact.kind == "feature" else None
    return fact.kind != "feature" or bool(column and column.drifted)
