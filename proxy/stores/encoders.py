"""Which vectors an embedding server's model gave to fixed texts, in the history's table `state`.

A *generation* is a number for one set of vectors behind a model's name: other vectors under the same name are
another generation, and the first ones again are the first generation again. All workers share them.
"""

import hashlib

import msgspec
import numpy as np
import sqlalchemy as sa

from drift.samples import Matrix
from proxy.stores import tables as t
from proxy.stores.database import reading, upsert

_LAST = "encoder:last"


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    cut: str
    """How long texts were cut: cut otherwise they have other vectors."""
    number: int
    dimension: int
    at: float
    """First used, unix seconds."""
    probes: bytes
    """float32, a row for each probe."""

    @property
    def vectors(self) -> Matrix:
        return np.frombuffer(self.probes, dtype=np.float32).reshape(-1, self.dimension)

    @property
    def encoder(self) -> str:
        return f"url:{self.model}/{self.dimension}/{self.cut}/{self.number}"

    def agreement(self, vectors: Matrix) -> float:
        """The smallest cosine between the probes' unit vectors, (probes, d), and these; -1 where the shapes differ."""
        known = self.vectors
        return float((known * vectors).sum(axis=1).min()) if known.shape == vectors.shape else -1.0


class Encoders:
    def __init__(self, engine: sa.Engine):
        self._engine = engine

    def generation(self, model: str, cut: str, vectors: Matrix, *, same: float, at: float) -> Generation:
        """The generation whose probes agree by a cosine of `same` at least; a new one where none does."""
        while True:
            known = self._known(model, cut)
            found = max(known, key=lambda one: one.agreement(vectors), default=None)
            if found is None or found.agreement(vectors) < same:
                number = max((one.number for one in known), default=0) + 1
                probes = np.ascontiguousarray(vectors, dtype=np.float32)
                found = Generation(
                    model=model,
                    cut=cut,
                    number=number,
                    dimension=probes.shape[1],
                    at=at,
                    probes=probes.tobytes(),
                )
                try:
                    with self._engine.begin() as db:
                        db.execute(sa.insert(t.state).values(name=_row(found), body=_json(found)))
                except sa.exc.IntegrityError:
                    continue  # Another worker was first: perhaps with the same vectors.
            with self._engine.begin() as db:
                upsert(db, t.state, {"name": _LAST, "body": _row(found)}, ["name"])
            return found

    def last(self) -> Generation | None:
        """The one in use when a worker last reached the server."""
        with reading(self._engine) as db:
            name = db.execute(sa.select(t.state.c.body).where(t.state.c.name == _LAST)).scalar()
            body = db.execute(sa.select(t.state.c.body).where(t.state.c.name == name)).scalar()
        return msgspec.json.decode(body, type=Generation) if body else None

    def _known(self, model: str, cut: str) -> list[Generation]:
        query = sa.select(t.state.c.body).where(t.state.c.name.startswith(_prefix(model, cut)))
        with reading(self._engine) as db:
            return [msgspec.json.decode(body, type=Generation) for body in db.execute(query).scalars()]


def _prefix(model: str, cut: str) -> str:
    # The column is short, and names are long.
    return f"encoder:{hashlib.sha256(f'{cut} {model}'.encode()).hexdigest()[:12]}:"


def _row(one: Generation) -> str:
    return f"{_prefix(one.model, one.cut)}{one.number}"


def _json(one: Generation) -> str:
    return msgspec.json.encode(one).decode()
