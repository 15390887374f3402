"""Erasure in the history: of one exchange, or of a whole monitor. Each is one transaction and may be repeated.

The worker holds the vectors and what it needs in memory; its part is in proxy/erasing.py.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from drift.evidence import Evidence
from proxy.stores import tables as t
from proxy.stores.canaries import PREFIX
from proxy.stores.database import reading
from proxy.stores.history import Pair

_EMPTY = "{}"
"""The text of a sample of which nothing is kept."""


def knows_exchange(engine: sa.Engine, exchange_id: str) -> bool:
    """Whether the history has a sample of it, in a monitor's ring or in a baseline."""
    with reading(engine) as db:
        return any(
            db.execute(sa.select(table.c.exchange_id).where(table.c.exchange_id == exchange_id).limit(1)).first()
            for table in (t.samples, t.baseline_samples)
        )


def erase_exchange(engine: sa.Engine, exchange_id: str, known: dict[str, float] | None = None) -> dict[str, float]:
    """Erase an exchange's texts, and those that were made of it and others: topics' words, quotes, root causes.

    Numbers stay. Evidence from before the exchange cannot hold a word of it, and keeps its own. Its place in a
    baseline stays until the worker takes it out, together with its vectors.

    Returns {monitor: since when} of those that have seen it; done again, it is to be told what was `known` then.
    """
    with engine.begin() as db:
        since = (known or {}) | _since(db, exchange_id)
        db.execute(sa.delete(t.samples).where(t.samples.c.exchange_id == exchange_id))
        in_baselines = t.baseline_samples.c.exchange_id == exchange_id
        db.execute(sa.update(t.baseline_samples).where(in_baselines).values(body=_EMPTY))
        for monitor, at in since.items():
            _erase_pairs(db, monitor, exchange_id)
            _erase_findings(db, monitor, at, exchange_id)
        answered = t.commands.c.answer.contains(exchange_id, autoescape=True)
        db.execute(sa.delete(t.commands).where(t.commands.c.kind == "place", answered))
    return since


def _since(db: sa.Connection, exchange_id: str) -> dict[str, float]:
    """{monitor: since when} of those that have seen the exchange."""
    s, b = t.samples.c, t.baseline_samples.c
    found = list(db.execute(sa.select(s.monitor, s.at).where(s.exchange_id == exchange_id)))
    joined = sa.select(t.baselines.c.monitor, b.at).join(t.baselines, t.baselines.c.id == b.baseline_id)
    found += db.execute(joined.where(b.exchange_id == exchange_id))
    return {monitor: min(at for name, at in found if name == monitor) for monitor, _ in found}


def _erase_pairs(db: sa.Connection, monitor: str, exchange_id: str) -> None:
    mine = t.witnesses.c.monitor == monitor
    # Held until they are written: the worker may be about to write others.
    if body := db.execute(sa.select(t.witnesses.c.body).where(mine).with_for_update()).scalar():
        pairs = msgspec.json.decode(body, type=list[Pair])
        kept = [pair for pair in pairs if exchange_id not in (pair.exchange_id, pair.baseline_exchange_id)]
        db.execute(sa.update(t.witnesses).where(mine).values(body=msgspec.json.encode(kept).decode()))


def _erase_findings(db: sa.Connection, monitor: str, since: float, exchange_id: str) -> None:
    """The words in what was found out since then, and all that was written about it."""
    e, r = t.evidence.c, t.root_causes.c
    rows = db.execute(sa.select(e.id, e.body).where(e.monitor == monitor, e.at >= since).with_for_update()).all()
    for number, body in rows:
        try:
            found = _without_words(msgspec.json.decode(body, type=Evidence), exchange_id)
        except msgspec.ValidationError:
            # Of another version: nobody knows where in it the words are.
            db.execute(sa.delete(t.evidence).where(e.id == number))
            continue
        db.execute(sa.update(t.evidence).where(e.id == number).values(body=msgspec.json.encode(found).decode()))
    db.execute(sa.delete(t.root_causes).where(r.monitor == monitor, r.at >= since))
    told = [number for number, kind, body in _events(db) if kind == "rca" and _monitor(body) == monitor]
    _delete_events(db, told)


def _without_words(found: Evidence, exchange_id: str) -> Evidence:
    topics, replace = found.topics, msgspec.structs.replace
    if topics:
        shown = tuple(
            replace(
                topic,
                name=f"topic {number}",
                words=(),
                examples=tuple(one for one in topic.examples if one != exchange_id),
            )
            for number, topic in enumerate(topics.topics, 1)
        )
        topics = replace(topics, topics=shown)
    return replace(
        found,
        topics=topics,
        templates=tuple(replace(template, text="") for template in found.templates),
        pairs=tuple(p for p in found.pairs if exchange_id not in (p.exchange_id, p.baseline_exchange_id)),
    )


def erase_monitor(engine: sa.Engine, name: str) -> None:
    """Erase all rows of a monitor, whatever table they are in; its baselines too."""
    with engine.begin() as db:
        # In the order in which a worker writes: each would wait for the other else.
        db.execute(sa.select(t.monitors.c.name).where(t.monitors.c.name == name).with_for_update())
        mine = sa.select(t.baselines.c.id).where(t.baselines.c.monitor == name)
        db.execute(sa.delete(t.baseline_samples).where(t.baseline_samples.c.baseline_id.in_(mine)))
        for table in t.schema.sorted_tables:
            if "monitor" in table.c:
                db.execute(sa.delete(table).where(table.c.monitor == name))
        db.execute(sa.delete(t.monitors).where(t.monitors.c.name == name))
        _delete_events(db, [number for number, _, body in _events(db) if _monitor(body) == name])
        if name.startswith(PREFIX):
            _erase_canary(db, name.removeprefix(PREFIX))
        c = t.commands.c
        answers = db.execute(sa.select(c.id, c.answer).where(c.kind == "place", c.answer.is_not(None))).all()
        mine_too = [number for number, answer in answers if _monitor(answer) == name]
        db.execute(sa.delete(t.commands).where(c.id.in_(mine_too)))


def _erase_canary(db: sa.Connection, canary: str) -> None:
    """Its rounds, with their reference, and its plan."""
    for table in (t.canary_rounds, t.canaries):
        db.execute(sa.delete(table).where(table.c.canary == canary))
    told = [number for number, kind, body in _events(db) if kind == "canary" and _told(body).get("canary") == canary]
    _delete_events(db, told)


def _events(db: sa.Connection) -> Iterable[tuple[int, str, str]]:
    e = t.events.c
    return [(number, kind, body) for number, kind, body in db.execute(sa.select(e.id, e.kind, e.body))]


def _delete_events(db: sa.Connection, numbers: list[int]) -> None:
    if numbers:
        db.execute(sa.delete(t.events).where(t.events.c.id.in_(numbers)))


def _monitor(body: str) -> str | None:
    return _told(body).get("monitor")


def _told(body: str) -> dict[str, Any]:
    told = msgspec.json.decode(body)
    return told if isinstance(told, dict) else {}
