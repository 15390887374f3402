"""Rounds of canaries: asked by the scheduler, compared by the worker, read by everybody.

A canary is a fixed set of prompts. A *round* asks each of them some times. The first complete rounds are the
*reference*; later ones are compared with it.
"""

from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from drift.features import Behaviour
from drift.rounds import CanaryComparison
from proxy.stores import tables as t
from proxy.stores.database import INSERTS, reading, upsert

PREFIX = "canary:"
"""Begins the name of a canary's monitor. No client may name one that is not configured."""

Status = Literal["asking", "waiting", "incomplete", "reference", "compared"]
"""waiting: for the worker, which compares; incomplete: too few answers, so nothing was compared."""

KEEP_ROUNDS = 1_000
"""Of each canary; at one a day nearly three years."""
KEEP_VECTORS = 20
"""Of the newest rounds: a reference can be made of them, and only then they are read again."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a round, as it was asked for."""

    prompt: int
    """Its place among the canary's prompts."""
    exchange_id: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a round, as the worker measured it; its vector is the row of `vectors` at its place."""

    prompt: int
    features: Behaviour | None


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What else is kept of a round."""

    digest: str
    """Of what is asked: only rounds that ask the same are compared."""
    model: str
    prompts: int
    input_tokens: int = 0
    output_tokens: int = 0
    failures: dict[str, int] = {}
    """{what went wrong: how often}"""
    seconds: float = 0.0
    asked: tuple[Asked, ...] = ()
    answers: tuple[Answer, ...] = ()
    encoder: str = ""
    response_models: tuple[str, ...] = ()
    """As the answers name them."""
    comparison: CanaryComparison | None = None
    reference_at: float | None = None
    """When the first round of the reference began."""
    monitors: tuple[str, ...] = ()
    """Whose evidence it is; empty: monitors of the same model."""
    message: str = ""


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round. Times in unix seconds; `tokens` are those asked and answered."""

    canary: str
    number: int
    at: float
    status: Status
    requests: int = 0
    answers: int = 0
    tokens: int = 0
    p_value: float | None = None
    effect: float | None = None
    changed: bool = False
    """Whether the model counts as changed from this round on: see drift.canary.changed."""
    body: Body

    @property
    def message(self) -> str:
        return self.body.message


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What people asked of a canary, and what its scheduler plans."""

    reference_from: int = 0
    """Number of the round from which the reference is made."""
    asked_at: float | None = None
    next_at: float | None = None
    problem: str = ""


def read_plan(engine: sa.Engine, canary: str) -> Plan:
    c = t.canaries.c
    with reading(engine) as db:
        row = db.execute(
            sa.select(c.reference_from, c.asked_at, c.next_at, c.problem).where(c.canary == canary)
        ).first()
    return Plan(**row._mapping) if row else Plan()


def plan(engine: sa.Engine, canary: str, **changes: Any) -> None:
    """Write the named fields of a canary's plan; the others stay as they are."""
    row = {"canary": canary, "reference_from": 0, "problem": ""} | changes
    with engine.begin() as db:
        statement = INSERTS[db.dialect.name](t.canaries).values(row)
        db.execute(statement.on_conflict_do_update(index_elements=["canary"], set_=changes))


def write_round(engine: sa.Engine, one: Round, vectors: bytes | None = None) -> None:
    """Write a round, or write it anew, and forget what is older than anybody reads."""
    c = t.canary_rounds.c
    row = msgspec.structs.asdict(one) | {"body": msgspec.json.encode(one.body).decode()}
    if vectors is not None:
        row["vectors"] = vectors
    with engine.begin() as db:
        upsert(db, t.canary_rounds, row, ["canary", "number"])
        own = c.canary == one.canary
        db.execute(sa.delete(t.canary_rounds).where(own, c.number <= one.number - KEEP_ROUNDS, c.status != "reference"))
        old = sa.and_(own, c.number <= one.number - KEEP_VECTORS, c.status != "reference", c.vectors.is_not(None))
        db.execute(sa.update(t.canary_rounds).where(old).values(vectors=None))


def read_rounds(engine: sa.Engine, canary: str, *, limit: int = KEEP_ROUNDS, first: int = 0) -> list[Round]:
    """The newest first, from number `first` on."""
    c = t.canary_rounds.c
    query = sa.select(*_columns()).where(c.canary == canary, c.number >= first).order_by(c.number.desc()).limit(limit)
    with reading(engine) as db:
        return [_round(row) for row in db.execute(query).mappings()]


def read_vectors(engine: sa.Engine, canary: str, number: int) -> bytes | None:
    c = t.canary_rounds.c
    with reading(engine) as db:
        found = db.execute(sa.select(c.vectors).where(c.canary == canary, c.number == number)).scalar()
    return bytes(found) if found is not None else None


def latest_rounds(engine: sa.Engine) -> list[Round]:
    """The last round of each canary that was compared with its present reference: has the model changed?"""
    c, standing = t.canary_rounds.c, t.canaries.c
    newest = (
        sa.select(c.canary, sa.func.max(c.number))
        .join(t.canaries, standing.canary == c.canary, isouter=True)
        .where(c.status == "compared", c.number >= sa.func.coalesce(standing.reference_from, 0))
        .group_by(c.canary)
    )
    query = sa.select(*_columns()).where(sa.tuple_(c.canary, c.number).in_(newest)).order_by(c.canary)
    with reading(engine) as db:
        return [_round(row) for row in db.execute(query).mappings()]


def requests_since(engine: sa.Engine, canary: str, start: float) -> int:
    """How often a canary asked in rounds that began since then."""
    c = t.canary_rounds.c
    total = sa.func.coalesce(sa.func.sum(c.requests), 0)
    with reading(engine) as db:
        return int(db.execute(sa.select(total).where(c.canary == canary, c.at >= start)).scalar_one())


def _columns() -> list[Any]:
    return [column for column in t.canary_rounds.c if column.name != "vectors"]


def _round(row: Any) -> Round:
    return Round(**{**row, "body": msgspec.json.decode(row["body"], type=Body)})
