"""Which monitors are muted, until when and why. Its table is one of the history's; the web process writes it."""

import msgspec
import sqlalchemy as sa

from proxy.stores import tables as t
from proxy.stores.database import reading, upsert


class Mute(msgspec.Struct, frozen=True, kw_only=True):
    """Times in unix seconds."""

    until: float
    note: str
    since: float


def read_mutes(engine: sa.Engine, now: float) -> dict[str, Mute]:
    """{monitor: its mute} of those that are not over."""
    c = t.mutes.c
    with reading(engine) as db:
        rows = db.execute(sa.select(c.monitor, c.until, c.note, c.since).where(c.until > now)).all()
    return {monitor: Mute(until=until, note=note, since=since) for monitor, until, note, since in rows}


def write_mute(engine: sa.Engine, monitor: str, mute: Mute) -> None:
    """Mute a monitor, instead of how it was muted before."""
    with engine.begin() as db:
        upsert(db, t.mutes, {"monitor": monitor, **msgspec.structs.asdict(mute)}, ["monitor"])


def delete_mute(engine: sa.Engine, monitor: str) -> None:
    with engine.begin() as db:
        db.execute(sa.delete(t.mutes).where(t.mutes.c.monitor == monitor))
