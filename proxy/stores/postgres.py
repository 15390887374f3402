"""A PostgreSQL database that several machines share: how it is reached, and brought up to date at the first use."""

from typing import Any

import sqlalchemy as sa

from proxy.settings import Database
from proxy.stores.migrations import Schema, bring_up_shared
from proxy.stores.patience import give_patience

LOCK_SECONDS = 10
"""How long a writer waits for another before it fails."""
STATEMENT_SECONDS = 60
IDLE_SECONDS = 60
"""After so long inside a transaction without a word the server lets its rows go: whoever held them hangs."""


def place(url: str) -> str:
    """Where database.url leads, for people: without user and password."""
    parts = sa.make_url(url)
    host = parts.host or parts.query.get("host") or "localhost"
    return f"PostgreSQL at {host}{f':{parts.port}' if parts.port else ''}/{parts.database or ''}"


def open_postgres(settings: Database, *schemas: Schema) -> sa.Engine:
    """The engine of log and history together. Nothing is connected before the first use; where that fails, so does
    the use, and the next one tries again.
    """
    url = sa.make_url(settings.url)
    # Errors end in logs and answers: what was to be written, prompts among it, is no part of them.
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        # A connection that the server has closed, when it was started anew, is found out before it is used.
        pool_pre_ping=True,
        pool_timeout=settings.connect_seconds,
        connect_args=CONNECT | {"connect_timeout": max(2, round(settings.connect_seconds))},
    )
    give_patience(engine)
    where = place(settings.url)
    ready: set[Schema] = set()

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        before, connection.autocommit = connection.autocommit, True
        try:
            prepare_session(connection, settings.schema)
            for schema in schemas:
                if schema not in ready:
                    bring_up_shared(connection, schema, where)
                    ready.add(schema)
        except BaseException:
            connection.close()
            raise
        connection.autocommit = before

    @sa.event.listens_for(engine, "handle_error")
    def name_it(context: sa.engine.ExceptionContext) -> None:
        if context.original_exception:
            context.original_exception.add_note(where)
        # The tables may be gone, with a database that was made anew: they are looked for at the next connection.
        if getattr(context.original_exception, "sqlstate", "") == "42P01":
            ready.clear()
            context.is_disconnect = True

    return engine


CONNECT: dict[str, Any] = {
    "application_name": "driftium",
    # A server whose machine is gone is noticed within seconds, not within the hours of the system's defaults.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def prepare_session(connection: Any, schema: str) -> None:
    """Set what holds for a psycopg connection of ours; it is in autocommit meanwhile."""
    name = '"' + schema.replace('"', '""') + '"'
    connection.execute(f"SET search_path TO {name}")
    connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
    connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    # And the other way round: a client whose machine is gone holds its locks for seconds only.
    for name, value in (("idle", 3), ("interval", 1), ("count", 3)):
        connection.execute(f"SET tcp_keepalives_{name} = {value}")
    connection.execute("SET tcp_user_timeout = 8000")
