"""Hours: what is left of a monitor's reports once they are no longer kept."""

from typing import Any

import sqlalchemy as sa

from proxy.stores import tables as t
from proxy.stores.database import reading


def read_hours(
    engine: sa.Engine, monitor: str, start: float, end: float, *, limit: int | None = None
) -> list[dict[str, Any]]:
    """Hours that begin by `end` and end after `start`, the newest first."""
    c = t.rollups.c
    query = sa.select(t.rollups).where(c.monitor == monitor, c.hour > _exactly(start - 3600), c.hour <= _exactly(end))
    with reading(engine) as db:
        return [dict(row) for row in db.execute(query.order_by(c.hour.desc()).limit(limit)).mappings()]


def _exactly(at: float) -> sa.ColumnElement[float]:
    """Compared with whole numbers as it is, not rounded to one first."""
    return sa.literal(at, sa.Float)


def oldest_report(engine: sa.Engine, monitor: str, start: float, end: float) -> float | None:
    """When the oldest report of that time was made."""
    c = t.reports.c
    query = sa.select(sa.func.min(c.at)).where(c.monitor == monitor, c.at >= start, c.at <= end)
    with reading(engine) as db:
        return db.execute(query).scalar()
