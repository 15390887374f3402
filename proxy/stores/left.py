"""How far the comparison with a baseline had come when that ceased to be the active one: what an undo goes back to."""

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from proxy.stores import tables as t
from proxy.stores.database import reading, upsert
from proxy.stores.history import MonitorRow


def as_left(engine: sa.Engine, now: MonitorRow, baseline_id: str) -> MonitorRow | None:
    """The monitor as it was when it left that baseline; None where it never did, or answers were scored since: they
    were compared with something else.
    """
    c = t.left.c
    query = sa.select(c.baseline_at, c.observed).where(
        c.monitor == now.name, c.baseline_id == baseline_id, c.received == now.received
    )
    with reading(engine) as db:
        found = db.execute(query).first()
    if found is None:
        return None
    return msgspec.structs.replace(now, baseline_id=baseline_id, baseline_at=found[0], observed=found[1])


def write(db: sa.Connection, rows: Iterable[MonitorRow]) -> None:
    """Monitors as they leave their baselines, inside the ledger's transaction."""
    for row in rows:
        if row.baseline_id is not None:
            names = ("baseline_id", "baseline_at", "observed", "received")
            values = {"monitor": row.name} | {name: getattr(row, name) for name in names}
            upsert(db, t.left, values, ["monitor", "baseline_id"])
