"""The worker's side of the history: one transaction a batch, so that a killed worker never counts anything twice."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from drift.evidence import Evidence
from drift.records import Report
from proxy.settings import History as HistorySettings
from proxy.stores import acknowledgements, endings, events, left
from proxy.stores import tables as t
from proxy.stores.database import reading, upsert
from proxy.stores.history import KEEP_EVENTS, BaselineRow, History, MonitorRow, Pair, SampleRow
from proxy.stores.state import Models, WorkerState

KEEP_ANNOTATIONS = 10_000
KEEP_EVIDENCE = 100
"""Of each monitor, some 30 kB each: the last looks at it."""
QUESTIONS = ("score", "place")
KEEP_QUESTIONS_SECONDS = 60.0
"""Nobody waits that long for an answer to one; a baseline that was asked for is made however late."""
KEEP_ANSWERS_SECONDS = 3_600.0


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class Changes(msgspec.Struct):
    """What one batch changes. All of it is committed, or none."""

    cursor: int | None = None
    monitors: list[MonitorRow] = []
    samples: list[tuple[str, SampleRow]] = []
    endings: list[tuple[str, str, Any]] = []
    """(monitor, baseline id or "", how exchanges ended)"""
    left: list[MonitorRow] = []
    """Monitors as they were when they left their baselines."""
    reports: list[Report] = []
    evidence: list[Evidence] = []
    witnesses: dict[str, list[Pair]] = {}
    baseline: BaselineRow | None = None
    baseline_samples: list[SampleRow] = []
    smaller_baselines: dict[str, list[SampleRow]] = {}
    """{baseline id: all that is left of it, in its order}"""
    erased_baselines: list[str] = []
    calibrations: dict[str, str] = {}
    """{baseline id: calibration}"""
    annotations: list[tuple[str, str, str]] = []
    """(monitor, kind, text)"""
    events: list[tuple[str, Any]] = []
    """(kind, body)"""
    answers: dict[str, Any] = {}
    """{command id: answer}"""
    state: WorkerState | None = None
    models: Models | None = None
    """What stands behind Ollama's names from now on, where several workers are to know it."""
    done: list[int] = []
    """Sequence numbers of what was scored, where that is no matter of a cursor."""


class Ledger:
    """Writes the history, as the worker."""

    def __init__(
        self,
        history: History,
        settings: HistorySettings,
        ring: int,
        share: Callable[[sa.Connection, Changes], None] | None = None,
    ):
        """`share` is called first in each transaction, where several workers write: it may refuse, by an exception."""
        self._engine = history.engine
        self._share = share
        self._settings = settings
        self._ring = ring

    def commands(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(id, kind, arguments) of the commands that wait for an answer, oldest first."""
        c = t.commands.c
        with reading(self._engine) as db:
            query = sa.select(c.id, c.kind, c.arguments).where(c.answer.is_(None)).order_by(c.at)
            return [(number, kind, msgspec.json.decode(body)) for number, kind, body in db.execute(query)]

    def commit(self, changes: Changes) -> None:
        """Write a batch in one transaction."""
        now = time.time()
        with self._engine.begin() as db:
            if changes.cursor is not None:
                upsert(db, t.state, {"name": "cursor", "body": str(changes.cursor)}, ["name"])
            if self._share:
                self._share(db, changes)
            elif changes.state:
                upsert(db, t.state, {"name": "worker", "body": _json(changes.state)}, ["name"])
            for monitor in changes.monitors:
                row = msgspec.structs.asdict(monitor) | {"counts": _json(monitor.counts)}
                upsert(db, t.monitors, row, ["name"])
            for name, sample in changes.samples:
                row = _sample(sample) | {"monitor": name, "slot": sample.number % self._ring, "number": sample.number}
                upsert(db, t.samples, row, ["monitor", "slot"])
            endings.write(db, changes.endings)
            left.write(db, changes.left)
            if changes.baseline:
                self._baseline(db, changes.baseline, changes.baseline_samples)
            for baseline_id, some in changes.smaller_baselines.items():
                _shrink(db, baseline_id, some)
            for baseline_id in changes.erased_baselines:
                _erase_baseline(db, baseline_id)
            for baseline_id, calibration in changes.calibrations.items():
                db.execute(
                    sa.update(t.baselines).where(t.baselines.c.id == baseline_id).values(calibration=calibration)
                )
            for report in changes.reports:
                self._report(db, report)
            for found in changes.evidence:
                row = {"id": found.id, "monitor": found.monitor, "at": found.at, "body": _json(found)}
                db.execute(sa.insert(t.evidence).values(row))
            for name, pairs in changes.witnesses.items():
                upsert(db, t.witnesses, {"monitor": name, "at": now, "body": _json(pairs)}, ["monitor"])
            for name in acknowledgements.end(db, changes.reports, _compared_anew(changes)):
                changes.events.append(("acknowledge", {"monitor": name, "acknowledged": None}))
            for name, kind, text in changes.annotations:
                db.execute(sa.insert(t.annotations).values(monitor=name, at=now, kind=kind, text=text))
            for command_id, answer in changes.answers.items():
                db.execute(sa.update(t.commands).where(t.commands.c.id == command_id).values(answer=_json(answer)))
            events.write(db, [(kind, _json(body)) for kind, body in changes.events])

    def _baseline(self, db: sa.Connection, baseline: BaselineRow, samples: list[SampleRow]) -> None:
        db.execute(sa.insert(t.baselines).values(msgspec.structs.asdict(baseline)))
        rows = [_sample(s) | {"baseline_id": baseline.id, "position": s.number} for s in samples]
        db.execute(sa.insert(t.baseline_samples), rows)

    def _report(self, db: sa.Connection, report: Report) -> None:
        row = {"monitor": report.monitor, "at": report.at, "severity": report.severity, "body": _json(report)}
        number = db.execute(sa.insert(t.reports).values(row)).inserted_primary_key
        assert number
        mmd2, distance = report.mmd2 or 0.0, report.centroid_distance or 0.0
        new: dict[str, Any] = {
            "monitor": report.monitor,
            "hour": int(report.at // 3600 * 3600),
            "reports": 1,
            "mmd2_sum": mmd2,
            "mmd2_max": mmd2,
            "centroid_sum": distance,
            "health_min": report.health_index,
            "severity_max": report.severity.rank if report.severity else None,
        }
        c = t.rollups.c
        old = (
            db.execute(sa.select(t.rollups).where(c.monitor == new["monitor"], c.hour == new["hour"]))
            .mappings()
            .first()
        )
        if old:
            for name in ("reports", "mmd2_sum", "centroid_sum"):
                new[name] += old[name]
            new["mmd2_max"] = max(mmd2, old["mmd2_max"])
            new["health_min"] = _least(new["health_min"], old["health_min"])
            new["severity_max"] = _most(new["severity_max"], old["severity_max"])
        upsert(db, t.rollups, new, ["monitor", "hour"])

    def _keep_newest(self, db: sa.Connection, table: sa.Table, keep: int) -> None:
        """Of each monitor's rows."""
        c = table.c
        for (name,) in db.execute(sa.select(c.monitor).distinct()).all():
            query = sa.select(c.at).where(c.monitor == name).order_by(c.at.desc()).offset(keep).limit(1)
            oldest = db.execute(query).scalar()
            if oldest is not None:
                db.execute(sa.delete(table).where(c.monitor == name, c.at <= oldest))

    def prune(self) -> None:
        """Delete what the settings no longer keep."""
        now = time.time()
        with self._engine.begin() as db:
            self._keep_newest(db, t.reports, self._settings.keep_reports)
            self._keep_newest(db, t.evidence, KEEP_EVIDENCE)
            age = now - self._settings.keep_rollup_days * 86_400
            db.execute(sa.delete(t.rollups).where(t.rollups.c.hour < age))
            db.execute(sa.delete(t.annotations).where(t.annotations.c.at < age))
            newest = db.execute(sa.select(sa.func.max(t.events.c.id))).scalar() or 0
            db.execute(sa.delete(t.events).where(t.events.c.id <= newest - KEEP_EVENTS))
            newest = db.execute(sa.select(sa.func.max(t.annotations.c.id))).scalar() or 0
            db.execute(sa.delete(t.annotations).where(t.annotations.c.id <= newest - KEEP_ANNOTATIONS))
            forgotten = sa.and_(t.commands.c.kind.in_(QUESTIONS), t.commands.c.at < now - KEEP_QUESTIONS_SECONDS)
            db.execute(sa.delete(t.commands).where(forgotten, t.commands.c.answer.is_(None)))
            answered = sa.and_(t.commands.c.answer.is_not(None), t.commands.c.at < now - KEEP_ANSWERS_SECONDS)
            db.execute(sa.delete(t.commands).where(answered))


def _shrink(db: sa.Connection, baseline_id: str, samples: list[SampleRow]) -> None:
    """A baseline of these samples alone, to be calibrated anew."""
    c = t.baselines.c
    db.execute(sa.update(t.baselines).where(c.id == baseline_id).values(size=len(samples), calibration=None))
    db.execute(sa.delete(t.baseline_samples).where(t.baseline_samples.c.baseline_id == baseline_id))
    rows = [_sample(s) | {"baseline_id": baseline_id, "position": i} for i, s in enumerate(samples)]
    db.execute(sa.insert(t.baseline_samples), rows)


def _erase_baseline(db: sa.Connection, baseline_id: str) -> None:
    for table in (t.baseline_samples, t.endings, t.left):
        db.execute(sa.delete(table).where(table.c.baseline_id == baseline_id))
    db.execute(sa.delete(t.baselines).where(t.baselines.c.id == baseline_id))


def _compared_anew(changes: Changes) -> set[str]:
    """Monitors whose baseline is another one now, or none."""
    return {body["monitor"] for kind, body in changes.events if kind == "baseline" and "size" in body}


def _sample(sample: SampleRow) -> dict[str, Any]:
    return {"exchange_id": sample.exchange_id, "at": sample.at, "body": _json(sample.text)}


def _least(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else min(a, b)


def _most(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)
