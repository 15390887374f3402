"""How far each source was read and what became of it: in the history, where it outlives the log."""

import time
from collections import Counter
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from proxy.ingest.settings import Ingest
from proxy.stores import counters
from proxy.stores import tables as t
from proxy.stores.database import reading, upsert

METRIC = "ingested_exchanges"
KEEP_ERRORS = 10
_KEEP_FILES_SECONDS = 90 * 86_400.0
"""After so long a file that is not there any more does not come back under another name."""

_AT_ONCE = 500
"""Rows of one statement: SQLite bounds its parameters."""

State = Literal["running", "waiting", "idle", "failed"]


class BadLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line or record that could not be taken. Never a word of what it says."""

    file: str
    line: int | None
    """Counted from 1; None for what has no lines."""
    result: str
    why: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the collecting of one source goes."""

    place: str = ""
    format: str = ""
    monitor: str = ""
    state: State = "idle"
    message: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    last: dict[str, int] = {}
    """{result: exchanges} of the run that began at started_at."""
    errors: list[BadLine] = []
    """The last ones."""
    problems: list[str] = []
    """What was wrong with whole files, or with the source, in that run."""
    cursor: dict[str, Any] = {}
    """How far an API was read."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How far a file was read: it is known again by its first line and by what lies before the offset."""

    place: str
    head: str
    head_bytes: int
    tail: str = ""
    tail_bytes: int = 0
    offset: int = 0
    line: int = 0
    path: str = ""
    version: str = ""
    """The file's size and time of change when all of it had been read, else empty."""
    seen_at: float = 0.0


class Checkpoints:
    """Those of one source."""

    def __init__(self, engine: sa.Engine, name: str):
        self.engine = engine
        self.name = name

    def status(self) -> Status:
        c = t.ingest_sources.c
        with reading(self.engine) as db:
            body = db.execute(sa.select(c.body).where(c.name == self.name)).scalar()
        return _decoded(body) if body else Status()

    def write_status(self, status: Status, db: sa.Connection | None = None) -> None:
        row = {"name": self.name, "at": time.time(), "body": msgspec.json.encode(status).decode()}
        if db is not None:
            upsert(db, t.ingest_sources, row, ["name"])
            return
        with self.engine.begin() as own:
            upsert(own, t.ingest_sources, row, ["name"])

    def files(self) -> list[Checkpoint]:
        """Of all files that were read, the ones that were read farthest first."""
        c = t.ingest_files.c
        with reading(self.engine) as db:
            rows = db.execute(sa.select(t.ingest_files).where(c.source == self.name).order_by(c.offset.desc()))
            return [Checkpoint(**{k: v for k, v in row.items() if k != "source"}) for row in rows.mappings()]

    def write_file(self, db: sa.Connection, checkpoint: Checkpoint) -> None:
        row = msgspec.structs.asdict(checkpoint) | {"source": self.name, "seen_at": time.time()}
        upsert(db, t.ingest_files, row, ["source", "place", "head"])

    def forget_files(self, kept: list[str]) -> None:
        """Note that the files at these places are still there, and forget those that are gone for long."""
        c, now = t.ingest_files.c, time.time()
        with self.engine.begin() as db:
            for i in range(0, len(kept), _AT_ONCE):
                there = c.place.in_(kept[i : i + _AT_ONCE])
                old = sa.and_(c.source == self.name, there, c.seen_at < now - 86_400)
                db.execute(sa.update(t.ingest_files).where(old).values(seen_at=now))
            db.execute(sa.delete(t.ingest_files).where(c.source == self.name, c.seen_at < now - _KEEP_FILES_SECONDS))

    def recent(self, ids: list[str]) -> set[str]:
        """Which of these were taken already."""
        c = t.ingest_recent.c
        with reading(self.engine) as db:
            return set(db.execute(sa.select(c.id).where(c.source == self.name, c.id.in_(ids))).scalars())

    def write_recent(self, db: sa.Connection, ids: list[str]) -> None:
        now = time.time()
        rows = [{"source": self.name, "id": one, "at": now} for one in sorted(set(ids))]
        for i in range(0, len(rows), _AT_ONCE):
            upsert(db, t.ingest_recent, rows[i : i + _AT_ONCE], ["source", "id"])

    def forget_recent(self, before: float) -> None:
        c = t.ingest_recent.c
        with self.engine.begin() as db:
            db.execute(sa.delete(t.ingest_recent).where(c.source == self.name, c.at < before))

    def count(self, db: sa.Connection, counts: Counter[str]) -> None:
        # In the same order wherever it is done: two that count at once must not wait for each other.
        for result, number in sorted(counts.items()):
            counters.add(db, METRIC, {"source": self.name, "result": result}, number)


def job_id(name: str) -> str:
    """The scheduler's name for a source."""
    return f"ingest:{name}"


def read_statuses(engine: sa.Engine) -> dict[str, tuple[float, Status]]:
    """{source: (unix seconds of the last change, status)}"""
    c = t.ingest_sources.c
    with reading(engine) as db:
        return {name: (at, _decoded(body)) for name, at, body in db.execute(sa.select(c.name, c.at, c.body))}


def _decoded(body: str) -> Status:
    try:
        return msgspec.json.decode(body, type=Status)
    except msgspec.ValidationError:
        return Status()


def begun(status: Status, source: Ingest, *, state: State = "running", message: str = "") -> Status:
    """The status of a source that is read from now on."""
    return msgspec.structs.replace(
        status,
        place=source.place,
        format=source.format,
        monitor=source.monitor,
        state=state,
        message=message,
        started_at=time.time(),
        ended_at=None,
        last={},
        problems=[],
    )
