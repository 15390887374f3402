"""The exchange log: durable, append-only, the queue between the proxy and the worker."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from proxy.names import OTHER, wanted_name
from proxy.stores.database import add_to, reading
from proxy.stores.migrations import LOG, Schema
from proxy.stores.sqlite import open_sqlite
from proxy.stores.tables import Number

FILE = "exchanges.db"

_PRUNED_AT_ONCE = 200

_schema = sa.MetaData()


def columns() -> list[sa.Column[Any]]:
    """Of an entry, but for its sequence number."""
    return [
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("monitor", sa.Text),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("size", Number, nullable=False),
        sa.Column("capture", sa.LargeBinary),
    ]


exchanges = sa.Table(
    "exchanges",
    _schema,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    *columns(),
    sa.UniqueConstraint("id"),
    # A sequence number is never given twice, so that a cursor stays true after rows were erased.
    sqlite_autoincrement=True,
)


def totals_in(schema: sa.MetaData) -> sa.Table:
    name = sa.String(16).with_variant(sa.String(64), "postgresql")
    return sa.Table(
        "tap_totals", schema, sa.Column("name", name, primary_key=True), sa.Column("value", Number, nullable=False)
    )


tap_totals = totals_in(_schema)

SCHEMA = Schema(_schema, LOG, "log")

# Made once: SQLAlchemy takes longer to build and compile a statement than SQLite to run it.
# An entry that was written before is the same entry: a flush that failed half-way may be repeated.
_APPEND = sqlite.insert(exchanges).on_conflict_do_nothing(index_elements=["id"])
_SET_TOTAL = sqlite.insert(tap_totals)
_SET_TOTAL = _SET_TOTAL.on_conflict_do_update(index_elements=["name"], set_={"value": _SET_TOTAL.excluded.value})


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One logged exchange. `capture` is an encoded proxy.capture.Capture, None once it was erased."""

    id: str
    at: float
    monitor: str | None
    model: str
    outcome: str
    capture: bytes | None
    seq: int = 0


def row_of(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": entry.at,
        "monitor": entry.monitor,
        "model": entry.model,
        "outcome": entry.outcome,
        "size": len(entry.capture or b""),
        "capture": entry.capture,
    }


def is_of(name: str, monitor: str | None, model: str, others: Collection[str]) -> bool:
    """Whether entries with this header and model are a monitor's; what has none of the other names is of "other"."""
    its_name = wanted_name(monitor, model)
    return its_name == name or (name == OTHER and its_name not in others)


class Log:
    """One process appends, others read after their own cursor."""

    def __init__(self, engine: sa.Engine):
        self.engine = engine

    def append(self, entries: list[Entry], totals: dict[str, int]) -> None:
        """Write entries and the tap's totals in one transaction."""
        rows = [row_of(entry) for entry in entries]
        with self.engine.begin() as db:
            if rows:
                db.execute(_APPEND, rows)
            db.execute(_SET_TOTAL, [{"name": name, "value": value} for name, value in totals.items()])

    def collect(self, entries: list[Entry]) -> set[str]:
        """Write entries that did not pass the tap, in one transaction; returns the ids that were there already."""
        c = exchanges.c.id
        with self.engine.begin() as db:
            known = set(db.execute(sa.select(c).where(c.in_([entry.id for entry in entries]))).scalars())
            if rows := [row_of(entry) for entry in entries if entry.id not in known]:
                db.execute(_APPEND, rows)
        return known

    def unread_bytes(self, cursor: int) -> int:
        """Size of the captures after the cursor."""
        query = sa.select(sa.func.coalesce(sa.func.sum(exchanges.c.size), 0)).where(exchanges.c.seq > cursor)
        with reading(self.engine) as db:
            return int(db.execute(query).scalar_one())

    def add_total(self, name: str, number: int) -> None:
        with self.engine.begin() as db:
            add_to(db, tap_totals, {"name": name, "value": number}, "value")

    def totals(self) -> dict[str, int]:
        """Totals since the log began: logged, dropped and skipped by the tap; expired before they were read;
        unredacted, of which no text was kept.
        """
        with reading(self.engine) as db:
            return {name: value for name, value in db.execute(sa.select(tap_totals.c.name, tap_totals.c.value))}

    def head(self) -> int:
        """The sequence number of the last entry, 0 in an empty log."""
        with reading(self.engine) as db:
            return int(db.execute(sa.select(sa.func.coalesce(sa.func.max(exchanges.c.seq), 0))).scalar_one())

    def last_given(self) -> int:
        """The last sequence number that was given, whatever has become of its entry; 0 in a new log."""
        query = sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'exchanges'")
        with reading(self.engine) as db:
            return int(db.execute(query).scalar() or 0)

    def after(self, cursor: int, limit: int) -> list[Entry]:
        """The next entries after a sequence number, without their captures."""
        c = exchanges.c
        query = (
            sa.select(c.seq, c.id, c.at, c.monitor, c.model, c.outcome)
            .where(c.seq > cursor)
            .order_by(c.seq)
            .limit(limit)
        )
        with reading(self.engine) as db:
            return [Entry(**row, capture=None) for row in db.execute(query).mappings()]

    def entry(self, exchange_id: str) -> Entry | None:
        """The entry of an exchange, without its capture; None where it is not, or no longer, in the log."""
        c = exchanges.c
        query = sa.select(c.seq, c.id, c.at, c.monitor, c.model, c.outcome).where(c.id == exchange_id)
        with reading(self.engine) as db:
            row = db.execute(query).mappings().first()
        return Entry(**row, capture=None) if row else None

    def captures(self, seqs: list[int], times: tuple[float, float] | None = None) -> dict[int, bytes]:
        """The captures of these entries by sequence number; erased ones are missing.

        `times` is when the first and the last of them came: a log in partitions looks in those alone.
        """
        query = sa.select(exchanges.c.seq, exchanges.c.capture).where(
            exchanges.c.seq.in_(seqs), exchanges.c.capture.is_not(None)
        )
        if times:
            query = query.where(exchanges.c.at.between(*times))
        with reading(self.engine) as db:
            return {seq: capture for seq, capture in db.execute(query)}

    def waiting(self, cursor: int) -> tuple[int, float | None]:
        """How many entries lie after the cursor, and when the first of them came."""
        c = exchanges.c
        with reading(self.engine) as db:
            first = db.execute(sa.select(c.seq, c.at).where(c.seq > cursor).order_by(c.seq).limit(1)).first()
            if first is None:
                return 0, None
            # Sequence numbers have no gaps but for pruned rows, which are the oldest; counting would read them all.
            return int(db.execute(sa.select(sa.func.max(c.seq))).scalar_one()) - first.seq + 1, first.at

    def erase(self, seqs: list[int]) -> None:
        """Erase the captures of these entries; that they were there stays known."""
        with self.engine.begin() as db:
            db.execute(sa.update(exchanges).where(exchanges.c.seq.in_(seqs)).values(capture=None, size=0))

    def erase_exchange(self, exchange_id: str) -> bool:
        """Erase the capture of an exchange; False where no such exchange is in the log.

        That it was there stays known: collected anew from where it came from, it must not come back.
        """
        row = exchanges.c.id == exchange_id
        with self.engine.begin() as db:
            return db.execute(sa.update(exchanges).where(row).values(capture=None, size=0)).rowcount > 0

    def erase_monitor(self, name: str, others: Collection[str], up_to: int) -> bool:
        """Delete a monitor's entries up to a sequence number, read or not; False where there was none.

        `others` are the monitors that have a name of their own: what has no such name is of "other".
        """
        c, found = exchanges.c, False
        with reading(self.engine) as db:
            kinds = db.execute(sa.select(c.monitor, c.model).where(c.seq <= up_to).distinct()).all()
        for monitor, model in kinds:
            if not is_of(name, monitor, model, others):
                continue
            found = True
            rows = sa.and_(c.monitor.is_not_distinct_from(monitor), c.model == model, c.seq <= up_to)
            some = sa.select(c.seq).where(rows).limit(_PRUNED_AT_ONCE).scalar_subquery()
            while True:
                with self.engine.begin() as db:
                    if not db.execute(sa.delete(exchanges).where(c.seq.in_(some))).rowcount:
                        break
        return found

    def erase_up_to(self, seq: int) -> None:
        """Erase the captures of all entries up to this one."""
        c = exchanges.c
        with self.engine.begin() as db:
            db.execute(sa.update(exchanges).where(c.seq <= seq, c.capture.is_not(None)).values(capture=None, size=0))

    def prune(self, *, before: float, max_bytes: int, cursor: int) -> int:
        """Delete the oldest entries that are too old or too many; returns how many went.

        Those after the cursor, which nobody has read, are counted in the totals as "expired".
        """
        c, gone = exchanges.c, 0
        with reading(self.engine) as db:
            total = db.execute(sa.select(sa.func.coalesce(sa.func.sum(c.size), 0))).scalar_one()
        while True:
            # In small transactions, which the proxy's own writes need not wait for.
            with self.engine.begin() as db:
                oldest = db.execute(sa.select(c.seq, c.at, c.size).order_by(c.seq).limit(_PRUNED_AT_ONCE)).all()
                last = unread = count = 0
                for seq, at, size in oldest:
                    if at >= before and total <= max_bytes:
                        break
                    last, total, count, unread = seq, total - size, count + 1, unread + (seq > cursor)
                if not last:
                    return gone
                db.execute(sa.delete(exchanges).where(c.seq <= last))
                if unread:
                    add_to(db, tap_totals, {"name": "expired", "value": unread}, "value")
            gone += count

    def close(self) -> None:
        self.engine.dispose()


def open_log(data_dir: Path) -> Log:
    return Log(open_sqlite(data_dir / FILE, SCHEMA))
