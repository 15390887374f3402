"""What waits to be scored, in PostgreSQL, shared by all workers.

A row comes with its log entry. Any worker *claims* new rows, embeds them and makes them
*ready*; the worker that owns a monitor scores its ready rows in the log's order, and they
go in the transaction that writes what became of them: none is scored twice, and none is lost.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import sqlalchemy as sa

from proxy.stores.database import reading
from proxy.stores.log import Entry, exchanges
from proxy.stores.shared_tables import queue

c = queue.c

_ENTRY = (c.seq, c.id, c.at, c.monitor, c.model, c.outcome)


DRAWN_BYTES = 32 * 2**20
"""They are held several times while they are read: packed, unpacked and parsed."""


class Overtaken(sa.exc.SQLAlchemyError):
    """Another worker has done this meanwhile; nothing was written."""


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a claimed entry: the name of its monitor, and the vectors of an answer that is scored.

    `prompt` and `response` are float32 in bytes; `drawn` says whether it is in the sample that is scored.
    """

    seq: int
    population: str
    drawn: bool
    prompt: bytes | None = None
    response: bytes | None = None
    encoder: str | None = None


class ReadyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that can be scored."""

    entry: Entry
    ready: Ready


class Claimed:
    """Rows that no other worker gets while the block lasts."""

    def __init__(self, db: sa.Connection, entries: list[Entry]):
        self._db = db
        self.entries = entries
        """The oldest first, without their captures."""

    def finish(self, found: Sequence[Ready]) -> None:
        """Make them ready, when the block ends; those that are not named stay new."""
        if found:
            self._db.execute(_FINISH, [{"of": one.seq, **_values(one)} for one in found])


class Queue:
    """Exchanges between the log and their scores."""

    def __init__(self, engine: sa.Engine):
        self._engine = engine

    @contextmanager
    def claim(self, limit: int) -> Iterator[Claimed]:
        """The oldest new entries that nobody else holds, at most so many.

        They are held by a transaction: free again when the block fails, or this process is killed.
        """
        # While they are embedded nothing is said; the connections of a worker that hangs are ended by the others.
        patient = sa.text("SET LOCAL idle_in_transaction_session_timeout = '10min'")
        query = sa.select(*_ENTRY).where(~c.ready).order_by(c.seq).limit(limit).with_for_update(skip_locked=True)
        with self._engine.begin() as db:
            db.execute(patient)
            yield Claimed(db, [Entry(**row, capture=None) for row in db.execute(query).mappings()])

    def ready(self, populations: Collection[str], limit: int, *, most_drawn: int = 256) -> list[ReadyEntry]:
        """Entries of these monitors that can be scored, in the log's order: at most so many, with at most `most_drawn`
        of the sample among them, whose captures together are of DRAWN_BYTES or fewer.

        None that came after one that is not ready: it may be of the same monitor, and the order is kept.
        """
        oldest = sa.select(sa.func.min(c.seq)).where(~c.ready).scalar_subquery()
        below = sa.or_(oldest.is_(None), c.seq < oldest)
        query = sa.select(queue).where(c.ready, c.population.in_(populations), below).order_by(c.seq).limit(limit)
        with reading(self._engine) as db:
            rows = db.execute(query).mappings().all()
        found: list[ReadyEntry] = []
        drawn = size = 0
        for row in rows:
            if row["drawn"]:
                drawn, size = drawn + 1, size + row["size"]
            if found and (drawn > most_drawn or size > DRAWN_BYTES):
                break
            found.append(_ready(row))
        return found

    def populations(self) -> set[str]:
        """Monitors of which something is ready."""
        with reading(self._engine) as db:
            return set(db.execute(sa.select(c.population).where(c.ready).distinct()).scalars())

    def done(self, db: sa.Connection, seqs: Sequence[int], *, erase: bool = False) -> None:
        """Take entries out, in the transaction that writes what became of them; with `erase` their captures go too.

        Raises Overtaken where one is gone: another has scored it, or it was erased.
        """
        if not seqs:
            return
        times = db.execute(sa.delete(queue).where(c.seq.in_(seqs)).returning(c.at)).scalars().all()
        if len(times) != len(seqs):
            raise Overtaken(f"{len(seqs) - len(times)} of {len(seqs)} exchanges were scored or erased by another")
        if erase:
            e = exchanges.c
            here = sa.and_(e.seq.in_(seqs), e.at.between(min(times), max(times)))
            db.execute(sa.update(exchanges).where(here).values(capture=None, size=0))

    def reached(self, head: int, population: str | None = None) -> bool:
        """Whether nothing up to that sequence number waits any more: of a monitor, or at all."""
        waits = sa.select(c.seq).where(c.seq <= head).limit(1)
        if population is not None:
            waits = waits.where(sa.or_(~c.ready, c.population == population))
        with reading(self._engine) as db:
            return db.execute(waits).first() is None

    def oldest(self) -> int | None:
        """The sequence number of the oldest that is not ready."""
        with reading(self._engine) as db:
            return db.execute(sa.select(sa.func.min(c.seq)).where(~c.ready)).scalar()

    def waiting(self) -> tuple[int, float | None]:
        """How many exchanges wait, and when the first of them came."""
        with reading(self._engine) as db:
            count, first = db.execute(sa.select(sa.func.count(), sa.func.min(c.at)).select_from(queue)).one()
        return count, first


_FINISH = (
    sa.update(queue)
    .where(c.seq == sa.bindparam("of"))
    .values({"ready": True, **{name: sa.bindparam(f"new_{name}") for name in Ready.__struct_fields__ if name != "seq"}})
)


def _values(one: Ready) -> dict[str, Any]:
    return {f"new_{name}": getattr(one, name) for name in Ready.__struct_fields__ if name != "seq"}


def _ready(row: Any) -> ReadyEntry:
    entry = Entry(**{column.name: row[column.name] for column in _ENTRY}, capture=None)
    return ReadyEntry(entry=entry, ready=Ready(**{name: row[name] for name in Ready.__struct_fields__}))
