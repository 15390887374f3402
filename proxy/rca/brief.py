"""What an investigation starts from, collected from the history."""

from collections.abc import Iterator

import msgspec

from drift.evidence import Evidence
from drift.rca.records import Brief, CanarySaid, Mark, PairTexts, TableRow
from proxy.canary.standing import said_of
from proxy.stores.canaries import latest_rounds, read_rounds
from proxy.stores.history import History
from proxy.stores.runs import Runs
from proxy.tabular.records import Run as TabularRun

TABLES_SECONDS = 86_400.0
MAX_COLUMNS = 20
"""Of one table; those that drifted most."""
MAX_RUNS = 1_000


def brief_of(history: History, runs: Runs, evidence: Evidence, *, until: float) -> Brief:
    """The evidence with what is kept around it; `until` is the time, unix seconds, up to which marks count."""
    return Brief(
        evidence=evidence,
        tables=tuple(_tables(runs, evidence.at)),
        pairs=tuple(_pairs(history, evidence)),
        marks=tuple(_marks(history, evidence, until)),
        canaries=tuple(_canaries(history, evidence, until)),
    )


def _tables(runs: Runs, at: float) -> list[TableRow]:
    """The drifted columns of each named dataset's last run within a day of the evidence."""
    found: list[TableRow] = []
    seen: set[str] = set()
    for row in runs.latest(limit=MAX_RUNS):
        if not row.dataset or row.dataset in seen or abs(row.at - at) > TABLES_SECONDS:
            continue
        seen.add(row.dataset)
        body = runs.body(row.id) if row.drifted else None
        if body is None:
            continue
        columns = [c for c in msgspec.json.decode(body, type=TabularRun).display_rows if c.drifted]
        found += [
            TableRow(
                dataset=row.dataset,
                report_id=row.id,
                column=column.name,
                effect=column.effect or 0.0,
                direction=column.direction,
            )
            for column in columns[:MAX_COLUMNS]
        ]
    return found


def _pairs(history: History, evidence: Evidence) -> list[PairTexts]:
    """Those pairs of the evidence whose texts are kept: the history has the texts of the last look alone."""
    mine = {(pair.exchange_id, pair.baseline_exchange_id) for pair in evidence.pairs}
    return [
        PairTexts(exchange_id=pair.exchange_id, prompt=pair.prompt, baseline=pair.baseline, current=pair.current)
        for pair in history.pairs(evidence.monitor)
        if (pair.exchange_id, pair.baseline_exchange_id) in mine and (pair.prompt or pair.current)
    ]


def _marks(history: History, evidence: Evidence, until: float) -> list[Mark]:
    """What happened since the evidence's baseline was made active."""
    marks = history.annotations(evidence.monitor, _start(history, evidence), until)
    return [Mark(at=mark["at"], kind=mark["kind"], text=mark["text"]) for mark in marks]


def _canaries(history: History, evidence: Evidence, until: float) -> Iterator[CanarySaid]:
    """What canaries of the monitor's model say of the time since the baseline."""
    row = next((row for row in history.monitors() if row.name == evidence.monitor), None)
    start = _start(history, evidence)
    begun = evidence.changed_at.at if evidence.changed_at and evidence.changed_at.at is not None else None
    for last in latest_rounds(history.engine):
        named = last.body.monitors
        own = evidence.monitor in named if named else row is not None and row.model == last.body.model
        rounds = [one for one in read_rounds(history.engine, last.canary) if one.at <= until] if own else []
        said = said_of(rounds)
        if said is None:
            continue
        # One that changed before the baseline is behind both sides; one that was last asked before the drift, or whose
        # reference is of later, says nothing of it.
        relevant = (
            said.since is not None and said.since >= start
            if said.changed
            else said.at >= (begun or start) and said.reference_at <= (begun or evidence.at)
        )
        if relevant:
            yield said


def _start(history: History, evidence: Evidence) -> float:
    """When the evidence's baseline was made active."""
    row = next((row for row in history.monitors() if row.name == evidence.monitor), None)
    if row and row.baseline_id == evidence.baseline_id and row.baseline_at and row.baseline_at <= evidence.at:
        return row.baseline_at
    baseline = history.baseline(evidence.baseline_id)
    return baseline.created_at if baseline else evidence.at
