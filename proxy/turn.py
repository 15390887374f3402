"""Whose turn it is: of several schedulers on one PostgreSQL database one works, the others stand by.

It is that of whoever holds an advisory lock, on a connection of its own. When the process is killed the server frees
the lock at once; when its machine is gone, or it hangs, after LEASE_SECONDS without a word.
"""

from contextlib import suppress

import sqlalchemy as sa

WORD_SECONDS = 1.0
"""How often `mine` is to be called."""
LEASE_SECONDS = 6
ANSWER_SECONDS = 3.0

_LIMITS = {
    # PostgreSQL 13 does not know it: there a process that hangs keeps its turn.
    "idle_session_timeout": f"{LEASE_SECONDS}s",
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": f"{LEASE_SECONDS}s",
}
_LIMIT = sa.text("SELECT set_config(name, :value, false) FROM pg_settings WHERE name = :name")
_LOCK = sa.text("SELECT pg_try_advisory_lock(hashtextextended(current_schema() || :what, 0))")


class Turn:
    """To work at something that one process does at a time. Use it in a with statement."""

    def __init__(self, engine: sa.Engine, what: str):
        self._engine = engine
        self._what = what
        self._db: sa.Connection | None = None
        self._locked = False

    def __enter__(self) -> "Turn":
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def mine(self) -> bool:
        """Whether it is this process's turn now; it keeps it as long as it goes on asking.

        Raises SQLAlchemyError where the database cannot tell.
        """
        try:
            db = self._db or self._enter()
            if self._locked:
                db.execute(sa.select(1))
            else:
                self._locked = bool(db.execute(_LOCK, {"what": f"/{self._what}"}).scalar())
        except sa.exc.SQLAlchemyError:
            self._leave()
            raise
        return self._locked

    def _enter(self) -> sa.Connection:
        self._db = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        # Out of the pool, which would give it to others, or keep it for them.
        self._db.detach()
        self._db.connection.dbapi_connection.patience = ANSWER_SECONDS  # type: ignore[union-attr]
        for name, value in _LIMITS.items():
            self._db.execute(_LIMIT, {"name": name, "value": value})
        return self._db

    def _leave(self) -> None:
        db, self._db, self._locked = self._db, None, False
        if db is not None:
            with suppress(sa.exc.SQLAlchemyError):
                db.close()
