"""PostgreSQL connections that give up on a server that has stopped answering, so that no thread waits for it for ever.

A server whose process hangs keeps its sockets open, and its kernel goes on confirming what
is sent: no timeout of TCP or of the server's own ever ends the wait.
"""

import time
from collections.abc import Generator
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.types.string import StrDumperUnknown

ANSWER_SECONDS = 65.0
"""Longest wait for an answer; the server itself ends a statement a little earlier."""
PING_SECONDS = 3.0
"""The same of a connection that lay idle, before it is used: there the answer takes milliseconds."""
REST_SECONDS = 2.0
"""After it did not answer, uses fail at once for so long, instead of each waiting for it anew."""


class Silent(psycopg.OperationalError):
    """The server has not answered in time. The connection is closed."""


class Patient(psycopg.Connection[Any]):
    """A connection with bounded patience."""

    patience = ANSWER_SECONDS
    door: "_Door | None" = None

    def wait(self, gen: Any, *args: Any, **more: Any) -> Any:
        try:
            return super().wait(self._bounded(gen), *args, **more)
        except Silent:
            # Whatever it answers later would be taken for the answer to something else.
            self.close()
            raise

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The same, until nothing has come for too long: it is woken ten times a second, come something or not."""
        seconds = self.patience
        until = time.monotonic() + seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    until = time.monotonic() + seconds
                elif time.monotonic() > until:
                    raise Silent(f"no answer within {seconds:g} s")
                elif self.door and self.door.closed:
                    raise Silent("no answer before the end")
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value


class _Door:
    """Where an engine's connections come in."""

    def __init__(self) -> None:
        self.closed = False
        """Whether the engine was disposed of: then nobody waits for an answer any more."""
        self._shut_until = 0.0
        self._why = ""

    def close(self, _: Any) -> None:
        self.closed = True

    def connect(self, *args: Any, **more: Any) -> Patient:
        self.closed = False
        began = time.monotonic()
        if began < self._shut_until:
            raise Silent(self._why)
        try:
            connection = Patient.connect(*args, **more)
        except psycopg.OperationalError as error:
            # A refusal comes at once; only waiting is spared those who come next.
            if time.monotonic() - began > 1.0:
                self._shut_until, self._why = time.monotonic() + REST_SECONDS, str(error)
            raise
        connection.door = self
        connection.adapters.register_dumper(str, _Text)
        return connection


class _Text(StrDumperUnknown):
    """Texts without the one character that PostgreSQL's cannot hold."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\ufffd"))


def give_patience(engine: sa.Engine, *, answer_seconds: float = ANSWER_SECONDS) -> None:
    """See to it that all connections of an engine are of this kind. Call it before its first use."""
    door = _Door()

    @sa.event.listens_for(engine, "do_connect")
    def connect(_: Any, __: Any, args: Any, more: Any) -> Patient:
        return door.connect(*args, **more)

    sa.event.listen(engine, "engine_disposed", door.close)

    @sa.event.listens_for(engine, "checkin")
    def lies_idle(connection: Any, _: Any) -> None:
        if connection is not None:
            connection.patience = PING_SECONDS

    @sa.event.listens_for(engine, "checkout")
    def is_used(connection: Any, _: Any, __: Any) -> None:
        connection.patience = answer_seconds
