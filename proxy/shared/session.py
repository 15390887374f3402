"""A worker's session: one PostgreSQL connection whose advisory locks are what the worker holds.

When it ends, for whatever reason, the server frees them: at once when the process is
killed, and after LEASE_SECONDS without a word when the machine is gone or the process
hangs. Then everything is another's, and this worker begins anew.
"""

import threading
import time
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from proxy.stores.state import WorkerState
from proxy.stores.workers import application_name

log = structlog.get_logger()

LEASE_SECONDS = 6
"""A thread of the worker says a word each second. One that is too busy for that for so long loses its monitors."""
WORD_SECONDS = 1.0

_LIMITS = {
    # Available from PostgreSQL 14 on; before that a hanging process keeps what it holds.
    "idle_session_timeout": f"{LEASE_SECONDS}s",
    "statement_timeout": f"{LEASE_SECONDS}s",
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "5000",
}

_REGISTER = """
    WITH new AS (
        INSERT INTO workers (name, started_at, heartbeat_at, body) VALUES (:name, :now, :now, :body) RETURNING number
    )
    SELECT number, pg_advisory_lock(hashtextextended(current_schema() || '/worker/' || number, 0)) FROM new
"""
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(current_schema() || :what, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(current_schema() || :what, 0))"


class Lost(Exception):
    """What this worker held may be another's by now."""


class Session:
    """Registers the worker under a number of its own, which is never given twice. Use it in a with statement."""

    def __init__(self, engine: sa.Engine, name: str, state: WorkerState):
        """Raises SQLAlchemyError where the database cannot be reached."""
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._lost = False
        self._db = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            # Out of the pool, which would give it to others, or keep it for them.
            self._db.detach()
            # What is not answered within the lease is lost anyway.
            self._db.connection.dbapi_connection.patience = LEASE_SECONDS / 2  # type: ignore[union-attr]
            for setting, value in _LIMITS.items():
                known = "SELECT set_config(name, :value, false) FROM pg_settings WHERE name = :name"
                self._db.execute(sa.text(known), {"name": setting, "value": value})
            body = msgspec.json.encode(state).decode()
            row = self._db.execute(sa.text(_REGISTER), {"name": name, "now": time.time(), "body": body}).one()
            self.number: int = row[0]
            self._db.execute(sa.text(self._naming))
        except BaseException:
            self._db.close()
            raise
        self._engine = engine
        sa.event.listen(engine, "connect", self._name)
        self._thread = threading.Thread(target=self._keep, name="session", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all that is held."""
        if self._ended.is_set():
            return
        self._ended.set()
        sa.event.remove(self._engine, "connect", self._name)
        with self._mutex:
            self._db.close()

    def _name(self, connection: Any, _: Any) -> None:
        connection.execute(self._naming)
        connection.commit()

    @property
    def _naming(self) -> str:
        return f"SELECT set_config('application_name', {application_name(self.number)}, false)"

    def lock(self, what: str) -> bool:
        """Take a lock of that name; False where another session holds it. Raises Lost."""
        return bool(self._run(_LOCK, what=what))

    def unlock(self, what: str) -> None:
        self._run(_UNLOCK, what=what)

    def check(self) -> None:
        """Raises Lost once the server has ended the session."""
        if self._lost:
            raise Lost("the session with PostgreSQL has ended")

    def _run(self, statement: str, **values: Any) -> Any:
        self.check()
        try:
            with self._mutex:
                return self._db.execute(sa.text(statement), values).scalar()
        except sa.exc.SQLAlchemyError as error:
            self._lost = True
            raise Lost("the session with PostgreSQL has ended") from error

    def _keep(self) -> None:
        while not self._ended.wait(WORD_SECONDS):
            try:
                self._run("SELECT 1")
            except Lost:
                return
