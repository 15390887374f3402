"""What stands behind Ollama's model names, told by one proxy to all workers."""

import msgspec
import sqlalchemy as sa

from proxy.stores.database import reading, upsert
from proxy.stores.state import Models
from proxy.stores.tables import state

_NAME = "models"


def read_models(engine: sa.Engine) -> Models:
    with reading(engine) as db:
        body = db.execute(sa.select(state.c.body).where(state.c.name == _NAME)).scalar()
    return msgspec.json.decode(body, type=Models) if body else Models()


def write_models(db: sa.Connection, models: Models) -> None:
    upsert(db, state, {"name": _NAME, "body": msgspec.json.encode(models).decode()}, ["name"])
