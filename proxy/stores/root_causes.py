"""Finished root cause analyses with their trace."""

import msgspec
import sqlalchemy as sa
import structlog

from proxy.completions import UNREADABLE
from proxy.rca.records import Run, RunRow
from proxy.stores import tables as t
from proxy.stores.database import reading

log = structlog.get_logger()

KEEP = 100
"""Of each monitor, as many as it has evidence."""


class RootCauses:
    """At most `keep` runs of each monitor. Its table is one of the history's; the web process writes it."""

    def __init__(self, engine: sa.Engine, *, keep: int = KEEP):
        self._engine = engine
        self._keep = keep
        self._unreadable: set[str] = set()
        """Runs that were logged as such: once each."""

    def add(self, run: Run) -> None:
        """Store a run, and forget the monitor's oldest that are no longer kept."""
        report, c = run.report, t.root_causes.c
        row = {
            "id": run.id,
            "monitor": report.monitor,
            "at": run.at,
            "evidence_id": report.evidence_id,
            "model_asked": run.model_asked,
            "source": report.diagnosis.source,
            "severity": report.triage.severity,
            "cause": report.diagnosis.cause,
            "summary": report.diagnosis.summary,
            "body": msgspec.json.encode(run).decode(),
        }
        mine = c.monitor == report.monitor
        newest = sa.select(c.number).where(mine).order_by(c.number.desc())
        with self._engine.begin() as db:
            db.execute(sa.insert(t.root_causes).values(row))
            last = db.execute(newest.offset(self._keep).limit(1)).scalar()
            if last is not None:
                db.execute(sa.delete(t.root_causes).where(mine, c.number <= last))

    def find(self, evidence_id: str, model_asked: str | None = None) -> Run | None:
        """The newest run on that evidence; of those with that model when it is named."""
        return self._newest(t.root_causes.c.evidence_id == evidence_id, model_asked)

    def get(self, run_id: str) -> Run | None:
        return self._newest(t.root_causes.c.id == run_id, None)

    def rows(self, *, limit: int, monitor: str | None = None) -> list[RunRow]:
        """The newest first; those of one monitor when it is named."""
        c = t.root_causes.c
        query = sa.select(*(c[name] for name in RunRow.__struct_fields__)).order_by(c.number.desc()).limit(limit)
        if monitor is not None:
            query = query.where(c.monitor == monitor)
        with reading(self._engine) as db:
            return [RunRow(**dict(row)) for row in db.execute(query).mappings()]

    def _newest(self, condition: sa.ColumnElement[bool], model_asked: str | None) -> Run | None:
        c = t.root_causes.c
        query = sa.select(c.id, c.body).where(condition).order_by(c.number.desc()).limit(1)
        if model_asked is not None:
            query = query.where(c.model_asked == model_asked)
        with reading(self._engine) as db:
            row = db.execute(query).first()
        if row is None:
            return None
        try:
            return msgspec.json.decode(row.body, type=Run)
        except UNREADABLE as error:
            # Of another version, or garbled by the disk: a new one is made.
            if row.id not in self._unreadable:
                self._unreadable.add(row.id)
                log.warning("a stored root cause analysis cannot be read", run_id=row.id, error=str(error))
            return None
