"""Drift that somebody knows of and deals with. It is over when the drift grows, ends, or is measured anew."""

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from drift.records import Report, Severity
from proxy.stores import tables as t
from proxy.stores.database import reading, upsert


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """Who knows of a monitor's drift, and how bad it was then. `at` is in unix seconds."""

    severity: Severity
    at: float
    by: str = ""
    note: str = ""


def read_acknowledgements(engine: sa.Engine) -> dict[str, Acknowledgement]:
    """{monitor: its acknowledgement} of those that are not over."""
    c = t.acknowledgements.c
    with reading(engine) as db:
        rows = db.execute(sa.select(c.monitor, c.severity, c.at, c["by"], c.note)).all()
    return {
        monitor: Acknowledgement(severity=Severity(severity), at=at, by=by, note=note)
        for monitor, severity, at, by, note in rows
    }


def write_acknowledgement(engine: sa.Engine, monitor: str, one: Acknowledgement) -> None:
    """Instead of the one before."""
    row = {"monitor": monitor, "severity": one.severity.value, "at": one.at, "by": one.by, "note": one.note}
    with engine.begin() as db:
        upsert(db, t.acknowledgements, row, ["monitor"])


def delete_acknowledgement(engine: sa.Engine, monitor: str) -> bool:
    """Whether there was one."""
    with engine.begin() as db:
        return db.execute(sa.delete(t.acknowledgements).where(t.acknowledgements.c.monitor == monitor)).rowcount > 0


def end(db: sa.Connection, reports: Iterable[Report], compared_anew: Iterable[str]) -> list[str]:
    """Inside the ledger's transaction: the monitors whose acknowledgement is over now.

    It is over when a report says LOW, or worse than was acknowledged, and when the monitor
    is compared with another baseline. A report without a severity says nothing.
    """
    c = t.acknowledgements.c
    known = {monitor: Severity(severity) for monitor, severity in db.execute(sa.select(c.monitor, c.severity))}
    over = set(compared_anew) & known.keys()
    for report in reports:
        before = known.get(report.monitor)
        if before and report.severity and (report.severity is Severity.LOW or report.severity.rank > before.rank):
            over.add(report.monitor)
    if over:
        db.execute(sa.delete(t.acknowledgements).where(c.monitor.in_(over)))
    return sorted(over)
