"""A sample as people read it."""

import msgspec

from drift.features import Behaviour
from proxy.moments import iso
from proxy.stores.history import SampleRow


class SampleView(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    timestamp: str | None
    prompt: str
    response: str
    model: str
    finish_reason: str
    output_tokens: int | None
    duration_seconds: float | None
    source: str
    session: str | None
    features: Behaviour | None
    settings: dict[str, str]


def sample_view(row: SampleRow) -> SampleView:
    shown = [name for name in SampleView.__struct_fields__ if name in row.text.__struct_fields__]
    text = {name: getattr(row.text, name) for name in shown}
    return SampleView(id=row.exchange_id, timestamp=iso(row.at), **text)
