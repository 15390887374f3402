"""What notifications remember: incidents, messages that wait, and what became of the last ones.

Kept in memory and written after each change, so that a disk that is full, which somebody must be told of, keeps
nobody from being told. What could not be written is written with the next change.
"""

import uuid
from collections import Counter
from collections.abc import Collection

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from proxy.notify.records import Delivery, Incident, Memory, Queued
from proxy.stores import counters
from proxy.stores import tables as t
from proxy.stores.database import reading, upsert

log = structlog.get_logger()

RESULTS = ("sent", "failed", "retried", "expired", "suppressed")
"""Of a message. failed: refused for good; retried: each attempt that will be repeated; expired: repeated for a day;
suppressed: not written, for a mute, an acknowledgement or the cool-down."""
STATE = "notify"
"""The row of the table `state`."""


class Book:
    """Not safe for threads: whoever shares it holds a lock."""

    def __init__(self, engine: sa.Engine):
        self._engine = engine
        self.incidents, self.queue, self.memory = read(engine)
        self._written = self._parts()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._failing = False

    def count(self, channel: str, result: str, by: int = 1) -> None:
        """Count what became of a message: one of RESULTS."""
        self._counts[channel, result] += by

    def keep(self, channels: Collection[str]) -> None:
        """Forget what waits for channels that are no more."""
        self.queue = [queued for queued in self.queue if queued.channel in channels]
        deliveries = {name: one for name, one in self.memory.deliveries.items() if name in channels}
        self.memory = msgspec.structs.replace(self.memory, deliveries=deliveries)

    def delivered(self, channel: str, delivery: Delivery) -> None:
        self.memory = msgspec.structs.replace(self.memory, deliveries=self.memory.deliveries | {channel: delivery})

    def save(self) -> None:
        """Write what has changed; never raises for a database that cannot be written."""
        parts = self._parts()
        if parts == self._written and not self._counts:
            return
        try:
            with self._engine.begin() as db:
                self._write(db, *parts)
                for (channel, result), number in sorted(self._counts.items()):
                    counters.add(db, "notifications", {"channel": channel, "result": result}, number)
        except SQLAlchemyError as error:
            if not self._failing:
                log.error("notifications cannot be written down", error=str(error).partition("\n")[0])
            self._failing = True
            return
        self._failing = False
        self._written = parts
        self._counts.clear()

    def _parts(self) -> tuple[dict[str, str], list[str], str]:
        incidents = {key: _json(incident) for key, incident in self.incidents.items()}
        return incidents, [_json(queued) for queued in self.queue], _json(self.memory)

    def _write(self, db: sa.Connection, incidents: dict[str, str], queue: list[str], memory: str) -> None:
        # There are few of them: to write all is simpler than to know which have changed.
        db.execute(sa.delete(t.notify_incidents))
        db.execute(sa.delete(t.notify_outbox))
        if incidents:
            db.execute(sa.insert(t.notify_incidents), [{"key": key, "body": body} for key, body in incidents.items()])
        if queue:
            db.execute(sa.insert(t.notify_outbox), [{"position": n, "body": body} for n, body in enumerate(queue)])
        upsert(db, t.state, {"name": STATE, "body": memory}, ["name"])


def read(engine: sa.Engine) -> tuple[dict[str, Incident], list[Queued], Memory]:
    """Incidents by key, the queue in its order, and the rest. Of another version's rows: as if there were none."""
    with reading(engine) as db:
        incidents = db.execute(sa.select(t.notify_incidents.c.key, t.notify_incidents.c.body)).all()
        queue = db.execute(sa.select(t.notify_outbox.c.body).order_by(t.notify_outbox.c.position)).scalars().all()
        memory = db.execute(sa.select(t.state.c.body).where(t.state.c.name == STATE)).scalar()
    fresh = Memory(instance=uuid.uuid4().hex[:12])
    try:
        return (
            {key: msgspec.json.decode(body, type=Incident) for key, body in incidents},
            [msgspec.json.decode(body, type=Queued) for body in queue],
            msgspec.json.decode(memory, type=Memory) if memory else fresh,
        )
    except (msgspec.ValidationError, msgspec.DecodeError):
        return {}, [], fresh


def _json(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()
