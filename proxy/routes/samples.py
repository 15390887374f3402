"""The samples behind a monitor's drift."""

from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.params import Parameter

from proxy.context import Context
from proxy.findings import Status
from proxy.routes.drift import MAX_INTEGER, Limit, MonitorName
from proxy.sample_view import SampleView, sample_view
from proxy.stores.history import Pair
from proxy.views import choose, drift_view, status_of


class SamplesView(msgspec.Struct, frozen=True, kw_only=True):
    status: Status
    message: str
    monitor: str | None
    baseline: list[str]
    current: list[str]
    baseline_items: list[SampleView]
    current_items: list[SampleView]
    pairs: list[Pair]
    next_cursor: int | None = None


@get("/samples", sync_to_thread=True, tags=["drift"])
def samples(
    context: Context,
    monitor: MonitorName = None,
    limit: Limit = 20,
    cursor: Annotated[int | None, Parameter(ge=0, le=MAX_INTEGER)] = None,
    order: Literal["time", "witness"] = "time",
) -> SamplesView:
    """Answers of the baseline and of now, and the pairs that carry the drift.

    `order=witness` puts the current answers that carry most of it first.
    """
    row, _ = choose(context.history, monitor)
    if row is None:
        view = drift_view(context.history, context.log, {}, monitor, context.hint)
        return SamplesView(
            status=view.status,
            message=view.message,
            monitor=monitor,
            baseline=[],
            current=[],
            baseline_items=[],
            current_items=[],
            pairs=[],
        )
    history, name = context.history, row.name
    old = history.baseline_samples(row.baseline_id, limit=limit) if row.baseline_id else []
    first = row.received - row.observed if row.baseline_id else 0
    new = history.samples(name, limit=limit, before=cursor, since=first)
    pairs = history.pairs(name) if row.baseline_id else []
    following = new[-1].number if len(new) == limit and new[-1].number > first else None
    if order == "witness":
        rank = {pair.exchange_id: i for i, pair in enumerate(pairs)}
        carried = [s for s in history.samples(name, limit=1000, since=first) if s.exchange_id in rank]
        new, following = sorted(carried, key=lambda s: rank[s.exchange_id])[:limit], None
    status, message = status_of(history, row)
    return SamplesView(
        status=status,
        message=message,
        monitor=name,
        baseline=[s.text.response for s in old],
        current=[s.text.response for s in new],
        baseline_items=[sample_view(s) for s in old],
        current_items=[sample_view(s) for s in new],
        pairs=pairs[:limit],
        next_cursor=following,
    )
