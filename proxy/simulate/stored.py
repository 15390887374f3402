"""How much lies in log and history, and what was written: SQLite's files, or a schema of PostgreSQL."""

from pathlib import Path

import msgspec
import sqlalchemy as sa

from proxy.settings import Settings
from proxy.stores.history import FILE as HISTORY
from proxy.stores.log import FILE as LOG


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes on the disk, and what was written since the server began to count; None where nobody counts."""

    log_bytes: int
    history_bytes: int
    vector_bytes: int | None
    rows: int | None = None
    wal_bytes: int | None = None
    """Of the whole server."""


def stored(settings: Settings, data_dir: Path) -> Stored:
    """What is there now. Raises SQLAlchemyError."""
    vectors = None if settings.qdrant.url else _size(data_dir / "vectors")
    if settings.database.url:
        return _in_postgres(settings, vectors)
    return Stored(log_bytes=_file(data_dir / LOG), history_bytes=_file(data_dir / HISTORY), vector_bytes=vectors)


_TABLES = sa.text(
    "SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = :schema AND c.relkind = 'r'"
)
_ROWS = sa.text(
    "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables WHERE schemaname = :schema"
)
_WAL = sa.text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")


def _in_postgres(settings: Settings, vectors: int | None) -> Stored:
    engine = sa.create_engine(settings.database.url)
    try:
        with engine.connect() as db:
            own = {"schema": settings.database.schema}
            sizes = {name: int(size) for name, size in db.execute(_TABLES, own)}
            rows, wal = int(db.execute(_ROWS, own).scalar_one()), int(db.execute(_WAL).scalar_one())
    finally:
        engine.dispose()
    log = sum(size for name, size in sizes.items() if name.startswith(("exchanges", "queue", "tap_totals")))
    return Stored(
        log_bytes=log, history_bytes=sum(sizes.values()) - log, vector_bytes=vectors, rows=rows, wal_bytes=wal
    )


def _file(path: Path) -> int:
    """With what has not been written into it yet."""
    return sum(one.stat().st_size for one in (path, path.with_name(path.name + "-wal")) if one.exists())


def _size(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
