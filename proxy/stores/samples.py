"""One sample by its exchange's id."""

import msgspec
import sqlalchemy as sa

from proxy.stores import tables as t
from proxy.stores.database import reading
from proxy.stores.history import SampleRow, Text


def find_sample(engine: sa.Engine, exchange_id: str) -> tuple[str, SampleRow] | None:
    """The monitor and the sample of an exchange, None where it is not among those kept."""
    c = t.samples.c
    query = sa.select(c.monitor, c.number, c.at, c.body).where(c.exchange_id == exchange_id).limit(1)
    with reading(engine) as db:
        row = db.execute(query).first()
    if row is None:
        return None
    text = msgspec.json.decode(row.body, type=Text)
    return row.monitor, SampleRow(number=row.number, exchange_id=exchange_id, at=row.at, text=text)
