"""What the scheduler does, as it tells it: a row of the history's table `state`."""

import msgspec
import sqlalchemy as sa

from proxy.stores import tables as t
from proxy.stores.database import reading, upsert

NAME = "scheduler"


class JobState(msgspec.Struct, frozen=True, kw_only=True):
    """How a job has fared since the scheduler began. Times in unix seconds."""

    last_run_at: float | None = None
    next_run_at: float | None = None
    failures: int = 0
    """In a row: 0 once it has run through."""
    last_error: str = ""


class SchedulerState(msgspec.Struct, frozen=True, kw_only=True):
    pid: int
    since: float
    heartbeat_at: float
    jobs: dict[str, JobState] = {}


def read_heartbeat(engine: sa.Engine) -> SchedulerState | None:
    """The last one told; None where there never was a scheduler."""
    with reading(engine) as db:
        body = db.execute(sa.select(t.state.c.body).where(t.state.c.name == NAME)).scalar()
    try:
        return msgspec.json.decode(body, type=SchedulerState) if body else None
    except msgspec.ValidationError:
        return None


def write_heartbeat(engine: sa.Engine, state: SchedulerState) -> None:
    with engine.begin() as db:
        upsert(db, t.state, {"name": NAME, "body": msgspec.json.encode(state).decode()}, ["name"])
