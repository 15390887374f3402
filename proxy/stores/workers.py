"""What the workers do, as /metrics and health tell it: each of several has a row, in PostgreSQL, and one that lives
holds its row's advisory lock.

A row stays when its worker is gone, since counters never fall, until its counts are added to the row with number 0.
"""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
import structlog

from proxy.stores.database import reading
from proxy.stores.shared_tables import workers as table
from proxy.stores.state import WorkerState

log = structlog.get_logger()

GONE = 0
"""Number of the row with the counts of workers that are gone."""

WORKING = ("ready", "embedding")
"""Stages of a worker that scores."""


class WorkerRow(msgspec.Struct, frozen=True):
    number: int
    name: str
    """host:process"""
    live: bool
    state: WorkerState

    @property
    def works(self) -> bool:
        return self.live and self.state.stage in WORKING


_ROWS = sa.text("""
    WITH held AS MATERIALIZED (
        SELECT (classid::bigint << 32 | objid::bigint) AS key FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
    SELECT number, name, body, key IS NOT NULL AS live FROM workers
    LEFT JOIN held ON key = hashtextextended(current_schema() || '/worker/' || number, 0)
    ORDER BY number
""")


def read_workers(db: sa.Connection) -> list[WorkerRow]:
    """All rows, of one moment."""
    return [
        WorkerRow(row.number, row.name, row.live, msgspec.json.decode(row.body, type=WorkerState))
        for row in db.execute(_ROWS)
    ]


def write_state(db: sa.Connection, number: int, state: WorkerState) -> bool:
    """Write what a worker does; False where its row is gone, since it was taken for dead."""
    values = {"heartbeat_at": state.heartbeat_at, "body": msgspec.json.encode(state).decode()}
    return db.execute(sa.update(table).where(table.c.number == number).values(values)).rowcount > 0


def application_name(number: int) -> str:
    """What a worker's connections are called, so that they can be ended when it hangs. SQL for the schema's name."""
    return f"'driftium worker ' || left(current_schema(), 30) || '/{number}'"


def bury(engine: sa.Engine) -> None:
    """End what workers that are gone have left open, and add their counts to the row for them."""
    with reading(engine) as db:
        gone = [row for row in read_workers(db) if not row.live and row.number != GONE]
    if not gone:
        return
    # First: one that hangs may hold its row, and rows that others wait for.
    _end_connections(engine, gone)
    with engine.begin() as db:
        if not db.exec_driver_sql(_ONE_AT_A_TIME).scalar():
            return
        free = sa.select(table.c.number).where(table.c.number.in_([GONE, *(row.number for row in gone)]))
        numbers = set(db.execute(free.with_for_update(skip_locked=True)).scalars())
        gone = [row for row in read_workers(db) if row.number in numbers]
        buried = [row for row in gone if row.number != GONE]
        if not buried:
            return
        db.execute(sa.delete(table).where(table.c.number.in_([row.number for row in gone])))
        newest = max(gone, key=lambda row: row.state.heartbeat_at).state
        state = msgspec.structs.replace(newest, **_counts([row.state for row in gone], newest.encoder))
        body = msgspec.json.encode(state).decode()
        at = {"started_at": state.since, "heartbeat_at": state.heartbeat_at}
        db.execute(sa.insert(table).values(number=GONE, name="", body=body, **at))
    for row in buried:
        log.info("a worker is gone; others take its monitors", worker=row.name)


_ONE_AT_A_TIME = "SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || '/bury', 0))"


def _end_connections(engine: sa.Engine, gone: Sequence[WorkerRow]) -> None:
    for row in gone:
        named = f"application_name = {application_name(row.number)} AND datname = current_database()"
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {named} AND pid <> pg_backend_pid()"
        try:
            with engine.begin() as db:
                db.exec_driver_sql(end)
        except sa.exc.SQLAlchemyError as error:
            log.warning("its connections could not be ended", worker=row.name, error=str(error.__cause__ or error))


def read_state(db: sa.Connection, number: int) -> WorkerState | None:
    """What a worker said last of itself."""
    body = db.execute(sa.select(table.c.body).where(table.c.number == number)).scalar()
    return msgspec.json.decode(body, type=WorkerState) if body else None


def together(rows: Sequence[WorkerRow]) -> WorkerState | None:
    """All workers as one: that of the living which has come furthest, with the sums of all. None before the first."""
    live = [row for row in rows if row.live]
    if not rows:
        return None
    if not live:
        last = max(rows, key=lambda row: row.state.heartbeat_at).state
        return msgspec.structs.replace(
            last,
            stage="failed" if last.stage == "failed" else "stopped",
            processes=[],
            **_counts([row.state for row in rows], last.encoder),
        )
    working = [row.state for row in live if row.works]
    states = working or [row.state for row in live]
    # Of those that embed and those that wait, what is said is what takes long.
    first = max(states, key=lambda state: (state.stage == "embedding", state.heartbeat_at))
    speeds = [state.answers_per_second for state in states if state.answers_per_second]
    errors = dict.fromkeys(row.state.error for row in live if row.state.error)
    return msgspec.structs.replace(
        first,
        heartbeat_at=max(state.heartbeat_at for state in states),
        error=" ".join(errors),
        embedder_note=" ".join(dict.fromkeys(state.embedder_note for state in states if state.embedder_note)),
        embedder_away=all(state.embedder_away for state in states),
        answers_per_second=sum(speeds) if speeds else None,
        share=min(state.share for state in states),
        calibrating={name: done for state in states for name, done in state.calibrating.items()},
        processes=[row.name for row in live],
        **_counts([row.state for row in rows], first.encoder),
    )


def _counts(states: Sequence[WorkerState], encoder: str) -> dict[str, object]:
    """The sums of what workers count: embeddings with this encoder, and tokens."""
    alike = [state for state in states if state.encoder == encoder and state.embedding_counts]
    tokens: dict[str, tuple[int, int]] = {}
    for state in states:
        for model, (given, made) in state.tokens.items():
            before = tokens.get(model, (0, 0))
            tokens[model] = before[0] + given, before[1] + made
    return {
        "embedding_counts": [sum(some) for some in zip(*(state.embedding_counts for state in alike), strict=False)],
        "embedding_seconds": sum(state.embedding_seconds for state in alike),
        "tokens": tokens,
    }
