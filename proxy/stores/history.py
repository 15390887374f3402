"""The history: everything that people read, and the commands they leave for the worker."""

import time
import uuid
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from drift.evidence import Evidence
from drift.features import Behaviour
from drift.records import Report
from drift.semantic.calibration import Calibration
from proxy.stores import events
from proxy.stores import tables as t
from proxy.stores.database import reading
from proxy.stores.migrations import HISTORY, Schema
from proxy.stores.sqlite import open_sqlite
from proxy.stores.state import WorkerState
from proxy.stores.workers import read_workers, together

FILE = "drift_history.db"
SCHEMA = Schema(t.schema, HISTORY, "history")

KEEP_EVENTS = 1_000

decode = msgspec.json.decode


class MonitorRow(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor as it stood after the worker's last commit."""

    name: str
    created_at: float
    last_scored_at: float | None
    model: str
    response_model: str
    received: int
    observed: int
    baseline_id: str | None = None
    baseline_at: float | None = None
    """When that baseline was made the active one."""
    counts: dict[str, int] = {}

    @property
    def seen(self) -> int:
        return sum(self.counts.values())


class BaselineRow(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    monitor: str
    created_at: float
    size: int
    encoder: str
    note: str
    calibration: str | None

    @property
    def thresholds(self) -> Calibration | None:
        """The stored calibration; None when there is none, or one of an earlier version: then it is made anew."""
        try:
            return decode(self.calibration, type=Calibration) if self.calibration else None
        except msgspec.ValidationError:
            return None


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept to read of a sample. Texts are empty where privacy.store_text is false."""

    prompt: str = ""
    response: str = ""
    model: str = ""
    finish_reason: str = ""
    output_tokens: int | None = None
    duration_seconds: float | None = None
    source: str = "proxy"
    session: str | None = None
    """A digest: the name itself may be a person's."""
    features: Behaviour | None = None
    settings: dict[str, str] = {}
    """Names of the model, a digest of the system prompt, sampling parameters."""
    encoder: str = ""
    """Whose its vectors are; "" of a sample from before this was kept."""

    def is_of(self, encoder: str) -> bool:
        """Whether its vectors can be compared with this encoder's."""
        return self.encoder in ("", encoder)


class SampleRow(msgspec.Struct, frozen=True, kw_only=True):
    """One sample; `number` counts a monitor's samples, or the places of a baseline, from 0."""

    number: int
    exchange_id: str
    at: float
    text: Text


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A witness and the baseline exchange whose prompt is nearest, so that like is compared with like."""

    exchange_id: str
    baseline_exchange_id: str
    prompt: str
    baseline_prompt: str
    baseline: str
    current: str
    witness: float
    """phi_j: the sample's share of MMD^2, times the window's size."""
    prompt_similarity: float
    """Cosine of the two prompts."""


class History:
    """Reads, and leaves commands. The worker's writes are in ledger.py."""

    def __init__(self, engine: sa.Engine):
        self.engine = engine

    def state(self) -> WorkerState | None:
        """What the worker does, or all of them together; None before the first."""
        with reading(self.engine) as db:
            if self.engine.dialect.name == "postgresql":
                return together(read_workers(db))
            body = db.execute(sa.select(t.state.c.body).where(t.state.c.name == "worker")).scalar()
        return decode(body, type=WorkerState) if body else None

    def cursor(self) -> int:
        """The log's sequence number up to which the worker has committed."""
        with reading(self.engine) as db:
            body = db.execute(sa.select(t.state.c.body).where(t.state.c.name == "cursor")).scalar()
        return int(body or 0)

    def monitors(self) -> list[MonitorRow]:
        """All monitors, the busiest first: the one with most answers, then with most exchanges."""
        with reading(self.engine) as db:
            rows = [
                MonitorRow(**(row | {"counts": decode(row["counts"])}))
                for row in map(dict, db.execute(sa.select(t.monitors)).mappings())
            ]
        return sorted(rows, key=lambda row: (-row.received, -row.seen, row.name))

    def reports(
        self,
        monitor: str,
        *,
        limit: int,
        start: float | None = None,
        end: float | None = None,
        cursor: int | None = None,
    ) -> list[tuple[int, Report]]:
        """The newest reports first, each with its id; `cursor` is the id before which to go on."""
        c = t.reports.c
        query = sa.select(c.id, c.body).where(c.monitor == monitor).order_by(c.id.desc()).limit(limit)
        for condition in (
            c.at >= start if start is not None else None,
            c.at <= end if end is not None else None,
            c.id < cursor if cursor is not None else None,
        ):
            if condition is not None:
                query = query.where(condition)
        with reading(self.engine) as db:
            return [(number, decode(body, type=Report)) for number, body in db.execute(query)]

    def latest(self, monitor: str) -> Report | None:
        found = self.reports(monitor, limit=1)
        return found[0][1] if found else None

    def evidence(self, monitor: str) -> Evidence | None:
        """What was last found out about a monitor's drift."""
        c = t.evidence.c
        query = sa.select(c.body).where(c.monitor == monitor).order_by(c.at.desc()).limit(1)
        with reading(self.engine) as db:
            body = db.execute(query).scalar()
        return decode(body, type=Evidence) if body else None

    def looks(self, monitor: str, start: float | None = None, end: float | None = None) -> list[Evidence]:
        """All evidence of a monitor that is kept, of that time, the oldest first."""
        c = t.evidence.c
        query = sa.select(c.body).where(c.monitor == monitor).order_by(c.at)
        if start is not None:
            query = query.where(c.at >= start)
        if end is not None:
            query = query.where(c.at <= end)
        with reading(self.engine) as db:
            return [decode(body, type=Evidence) for body in db.execute(query).scalars()]

    def annotations(self, monitor: str, start: float, end: float) -> list[dict[str, Any]]:
        c = t.annotations.c
        query = sa.select(c.at, c.kind, c.text).where(c.monitor == monitor, c.at >= start, c.at <= end).order_by(c.id)
        with reading(self.engine) as db:
            return [dict(row) for row in db.execute(query).mappings()]

    def baselines(self, monitor: str | None = None) -> list[BaselineRow]:
        """The newest first."""
        query = sa.select(t.baselines).order_by(t.baselines.c.created_at.desc())
        if monitor is not None:
            query = query.where(t.baselines.c.monitor == monitor)
        with reading(self.engine) as db:
            return [BaselineRow(**dict(row)) for row in db.execute(query).mappings()]

    def baseline(self, baseline_id: str) -> BaselineRow | None:
        query = sa.select(t.baselines).where(t.baselines.c.id == baseline_id)
        with reading(self.engine) as db:
            row = db.execute(query).mappings().first()
        return BaselineRow(**dict(row)) if row else None

    def baseline_samples(self, baseline_id: str, *, limit: int, before: int | None = None) -> list[SampleRow]:
        """The newest first; `before` is the position before which to go on."""
        c = t.baseline_samples.c
        query = sa.select(c.position, c.exchange_id, c.at, c.body).where(c.baseline_id == baseline_id)
        return self._samples(query, c.position, limit, before)

    def samples(self, monitor: str, *, limit: int, before: int | None = None, since: int = 0) -> list[SampleRow]:
        """The newest first, from number `since` on; `before` is the number before which to go on."""
        c = t.samples.c
        query = sa.select(c.number, c.exchange_id, c.at, c.body).where(c.monitor == monitor, c.number >= since)
        return self._samples(query, c.number, limit, before)

    def _samples(self, query: sa.Select[Any], number: Any, limit: int, before: int | None) -> list[SampleRow]:
        if before is not None:
            query = query.where(number < before)
        with reading(self.engine) as db:
            return [
                SampleRow(number=n, exchange_id=exchange_id, at=at, text=decode(body, type=Text))
                for n, exchange_id, at, body in db.execute(query.order_by(number.desc()).limit(limit))
            ]

    def pairs(self, monitor: str) -> list[Pair]:
        """The window's witnesses at the last report, largest first."""
        with reading(self.engine) as db:
            body = db.execute(sa.select(t.witnesses.c.body).where(t.witnesses.c.monitor == monitor)).scalar()
        return decode(body, type=list[Pair]) if body else []

    def events(self, after: int, limit: int = 200) -> list[tuple[int, str, str]]:
        """(id, kind, body) after an id, oldest first."""
        c = t.events.c
        query = sa.select(c.id, c.kind, c.body).where(c.id > after).order_by(c.id).limit(limit)
        with reading(self.engine) as db:
            return [(number, kind, body) for number, kind, body in db.execute(query)]

    def last_event(self) -> int:
        with reading(self.engine) as db:
            return int(db.execute(sa.select(sa.func.coalesce(sa.func.max(t.events.c.id), 0))).scalar_one())

    def ask(self, kind: str, arguments: dict[str, Any]) -> str:
        """Leave a command for the worker; returns its id."""
        command_id = uuid.uuid4().hex
        body = msgspec.json.encode(arguments).decode()
        with self.engine.begin() as db:
            db.execute(
                sa.insert(t.commands).values(id=command_id, at=time.time(), kind=kind, arguments=body, answer=None)
            )
        return command_id

    def tell(self, kind: str, body: Any) -> None:
        """Write an event of the web process's own, and forget the oldest: there may be no worker that does."""
        text = msgspec.json.encode(body).decode()
        with self.engine.begin() as db:
            last = events.write(db, [(kind, text)])
            db.execute(sa.delete(t.events).where(t.events.c.id <= last - KEEP_EVENTS))

    def answer(self, command_id: str) -> dict[str, Any] | None:
        """The worker's answer to a command, None while there is none."""
        with reading(self.engine) as db:
            body = db.execute(sa.select(t.commands.c.answer).where(t.commands.c.id == command_id)).scalar()
        return decode(body) if body else None

    def close(self) -> None:
        self.engine.dispose()


def open_history(data_dir: Path) -> History:
    return History(open_sqlite(data_dir / FILE, SCHEMA))
