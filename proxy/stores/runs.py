"""Finished comparisons of tables, and what the gauges say of each dataset's last one."""

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from proxy.stores import tables as t
from proxy.stores.database import reading, upsert
from proxy.tabular.gauges import Gauges, gauges_of
from proxy.tabular.records import Run

MAX_STORED_BYTES = 256 * 2**20
"""Of all reports together: one of two thousand columns takes five million."""


def _bytes(engine: sa.Engine, text: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
    """How long a text is. As SQLite counts it: its releases before 3.43 have no octet_length."""
    if engine.dialect.name == "sqlite":
        return sa.func.length(sa.cast(text, sa.LargeBinary))
    return sa.func.octet_length(text)


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run without its report."""

    id: str
    at: float
    dataset: str
    drifted: int
    message: str


class Runs:
    """At most `keep` runs of at most `max_bytes` together, and the gauges of the `max_datasets` that ran last.

    Tables are those of the history.
    """

    def __init__(self, engine: sa.Engine, *, keep: int, max_datasets: int, max_bytes: int = MAX_STORED_BYTES):
        self._engine = engine
        self._keep = keep
        self._max_bytes = max_bytes
        self._max_datasets = max_datasets

    def add(self, run: Run, *, at: float) -> None:
        """Store a run, and forget what is no longer kept; the run itself is, whatever its size."""
        c, g = t.tabular_runs.c, t.tabular_gauges.c
        summary = run.summary
        row = {
            "id": run.report_id,
            "at": at,
            "dataset": run.dataset,
            "drifted": summary.drifted,
            "message": summary.message,
            "body": msgspec.json.encode(run).decode(),
        }
        sizes = sa.select(c.number, _bytes(self._engine, c.body)).order_by(c.number.desc())
        # A dataset's gauges outlive its report: many unnamed uploads must not end an alert.
        latest = sa.select(g.dataset).order_by(g.at.desc(), g.dataset).limit(self._max_datasets)
        with self._engine.begin() as db:
            db.execute(sa.insert(t.tabular_runs).values(row))
            kept = self._kept((number, size) for number, size in db.execute(sizes.limit(self._keep)))
            db.execute(sa.delete(t.tabular_runs).where(c.number < kept))
            if run.dataset:
                gauges = msgspec.json.encode(gauges_of(run)).decode()
                found = {"dataset": run.dataset, "at": at, "body": gauges}
                upsert(db, t.tabular_gauges, found, ["dataset"])
                db.execute(sa.delete(t.tabular_gauges).where(g.dataset.not_in(latest)))

    def _kept(self, sizes: Iterable[tuple[int, int]]) -> int:
        """The number of the oldest run that is kept, of (number, bytes) from the newest on."""
        (first, total), *older = sizes
        for number, size in older:
            total += size
            if total > self._max_bytes:
                break
            first = number
        return first

    def latest(self, *, limit: int, dataset: str | None = None) -> list[RunRow]:
        """The newest first; those of one dataset when it is named."""
        c = t.tabular_runs.c
        query = sa.select(c.id, c.at, c.dataset, c.drifted, c.message).order_by(c.number.desc()).limit(limit)
        if dataset is not None:
            query = query.where(c.dataset == dataset)
        with reading(self._engine) as db:
            return [RunRow(**dict(row)) for row in db.execute(query).mappings()]

    def body(self, run_id: str) -> bytes | None:
        """A run as JSON."""
        query = sa.select(t.tabular_runs.c.body).where(t.tabular_runs.c.id == run_id)
        with reading(self._engine) as db:
            body = db.execute(query).scalar()
        return body.encode() if body else None

    def gauges(self) -> list[tuple[str, float, Gauges]]:
        """(dataset, unix seconds, gauges) of each named dataset's last run."""
        g = t.tabular_gauges.c
        with reading(self._engine) as db:
            rows = db.execute(sa.select(g.dataset, g.at, g.body).order_by(g.dataset)).all()
        return [(dataset, at, msgspec.json.decode(body, type=Gauges)) for dataset, at, body in rows]
