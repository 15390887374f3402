"""Baselines, drift, its history, and the samples behind it."""

import asyncio
import time
import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, post
from litestar.params import Parameter, QueryParameter
from msgspec import Meta

from drift.features import Behaviour
from proxy.context import Context
from proxy.moments import iso, seconds
from proxy.routes.problems import Problem
from proxy.stores.history import Pair, SampleRow
from proxy.views import DriftView, HistoryPoint, choose, drift_view, history_points, status_of

WAIT_SECONDS = 5.0
LOOK_SECONDS = 30.0
"""For a fresh look at a large window on a busy machine, as long as a worker runs."""
MonitorName = Annotated[str | None, Parameter(description="Which monitor; the busiest when absent.")]
Limit = Annotated[int, Parameter(ge=1, le=1000)]
MAX_INTEGER = 2**63 - 1
"""The largest that the database takes."""


class BaselineRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which answers become the baseline; without any choice, those since the last baseline."""

    monitor: str | None = None
    last: Annotated[int, Meta(ge=1)] | None = None
    since: datetime | None = None
    exchange_ids: Annotated[list[str], Meta(max_length=10_000)] | None = None
    note: Annotated[str, Meta(max_length=1000)] = ""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    message: str
    baseline_id: str
    baseline_size: int | None = None
    monitor: str | None = None


class BaselineView(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    monitor: str
    created_at: str | None
    size: int
    encoder: str
    note: str
    active: bool
    calibration: Any


class Baselines(msgspec.Struct, frozen=True):
    baselines: list[BaselineView]
    message: str


class HistoryView(msgspec.Struct, frozen=True, kw_only=True):
    history: list[HistoryPoint]
    annotations: list[dict[str, Any]]
    monitor: str | None
    status: str
    message: str
    next_cursor: int | None = None


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


class SamplesView(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    message: str
    monitor: str | None
    baseline: list[str]
    current: list[str]
    baseline_items: list[SampleView]
    current_items: list[SampleView]
    pairs: list[Pair]
    next_cursor: int | None = None


async def ask_worker(
    context: Context, kind: str, arguments: dict[str, Any], *, longest: float = WAIT_SECONDS
) -> dict[str, Any] | None:
    """The worker's answer to a command, None when there is none within five seconds, or `longest` while one runs.

    Raises Problem with what the worker refused.
    """
    arguments["head"] = await context.head()
    command = await asyncio.to_thread(context.history.ask, kind, arguments)
    loop = asyncio.get_running_loop()
    began, deadline = loop.time(), loop.time() + WAIT_SECONDS
    while loop.time() < deadline:
        answer = await asyncio.to_thread(context.history.answer, command)
        if answer is not None:
            if "error" in answer:
                raise Problem(answer["status"], answer["error"])
            return answer
        await asyncio.sleep(0.05)
        if loop.time() >= deadline and (await asyncio.to_thread(context.status))["worker"]:
            deadline = min(began + longest, loop.time() + 1.0)
    return None


@get("/drift", tags=["drift"])
async def drift(context: Context, monitor: MonitorName = None, fresh: bool = False) -> DriftView:
    """How far the answers have moved. `fresh` waits for the worker to score what has come, and adds a p-value."""
    answer = await ask_worker(context, "score", {"monitor": monitor}, longest=LOOK_SECONDS) if fresh else None
    view = await asyncio.to_thread(drift_view, context.history, context.log, context.tap.totals, monitor, context.hint)
    if answer and answer.get("monitor") == view.monitor:
        view = msgspec.structs.replace(view, p_value=answer.get("p_value"))
    return view


@get("/drift/history", sync_to_thread=True, tags=["drift"])
def drift_history(
    context: Context,
    monitor: MonitorName = None,
    limit: Limit = 20,
    start: Annotated[datetime | None, QueryParameter(name="from", description="UTC, ISO 8601")] = None,
    end: Annotated[datetime | None, QueryParameter(name="to", description="UTC, ISO 8601")] = None,
    cursor: Annotated[int | None, Parameter(ge=1, le=MAX_INTEGER)] = None,
) -> HistoryView:
    """Reports, newest first, with what happened to the baseline and the model meanwhile."""
    first, last = seconds(start), seconds(end)
    if first is not None and last is not None and first > last:
        raise Problem(400, f"from = {start}: must not be after to = {end}")
    row, _ = choose(context.history, monitor)
    if row is None:
        view = drift_view(context.history, context.log, {}, monitor, context.hint)
        return HistoryView(history=[], annotations=[], monitor=monitor, status=view.status, message=view.message)
    points, following = history_points(context.history, row.name, limit=limit, start=first, end=last, cursor=cursor)
    marks = context.history.annotations(row.name, first or 0.0, last or time.time())
    status, message = status_of(context.history, row)
    return HistoryView(
        history=points,
        annotations=[{"timestamp": iso(mark["at"]), "kind": mark["kind"], "text": mark["text"]} for mark in marks],
        monitor=row.name,
        status=status,
        message=message,
        next_cursor=following,
    )


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
        baseline_items=[_sample(s) for s in old],
        current_items=[_sample(s) for s in new],
        pairs=pairs[:limit],
        next_cursor=following,
    )


def _sample(row: SampleRow) -> SampleView:
    text = {name: getattr(row.text, name) for name in row.text.__struct_fields__}
    return SampleView(id=row.exchange_id, timestamp=iso(row.at), **text)


@get("/baseline", sync_to_thread=True, tags=["baseline"])
def baselines(context: Context, monitor: MonitorName = None) -> Baselines:
    """All baselines, newest first; those of one monitor when it is named."""
    active = {row.baseline_id for row in context.history.monitors()}
    views = [
        BaselineView(
            id=row.id,
            monitor=row.monitor,
            created_at=iso(row.created_at),
            size=row.size,
            encoder=row.encoder,
            note=row.note,
            active=row.id in active,
            calibration=msgspec.json.decode(row.calibration) if row.calibration else None,
        )
        for row in context.history.baselines(monitor)
    ]
    return Baselines(views, f"{len(views)} baselines." if views else "No baseline yet; make one with POST /baseline.")


@post("/baseline", status_code=201, tags=["baseline"])
async def make_baseline(context: Context, data: BaselineRequest | None = None) -> Response[Answered]:
    """Make a baseline of answers that have passed, and compare the following ones with it.

    202 when the worker is busy; it is made as soon as it can. 409 below two answers.
    """
    asked = data or BaselineRequest()
    given = [name for name in ("last", "since", "exchange_ids") if getattr(asked, name) is not None]
    if len(given) > 1:
        raise Problem(400, f"{' and '.join(given)}: choose one of last, since and exchange_ids")
    arguments = {
        "id": uuid.uuid4().hex,
        "monitor": asked.monitor,
        "last": asked.last,
        "since": seconds(asked.since),
        "exchange_ids": asked.exchange_ids,
        "note": asked.note,
    }
    return await _change(context, "baseline", arguments)


@post("/baseline/{baseline_id:str}/activate", status_code=200, tags=["baseline"])
async def activate(context: Context, baseline_id: str) -> Response[Answered]:
    """Go back to an earlier baseline; the window starts anew."""
    if await asyncio.to_thread(context.history.baseline, baseline_id) is None:
        raise Problem(404, f"baseline_id = {baseline_id!r}: there is no such baseline; GET /baseline lists them")
    return await _change(context, "activate", {"id": baseline_id})


async def _change(context: Context, kind: str, arguments: dict[str, Any]) -> Response[Answered]:
    answer = await ask_worker(context, kind, arguments)
    if answer is None:
        running = (await asyncio.to_thread(context.status))["worker"]
        why = "The worker is busy" if running else "No worker runs (GET /api/health says why)"
        message = f"{why}; this is done as soon as one can. GET /baseline shows when."
        return Response(Answered(message=message, baseline_id=arguments["id"]), status_code=202)
    return Response(
        Answered(
            message=answer["message"],
            baseline_id=answer["baseline_id"],
            baseline_size=answer["baseline_size"],
            monitor=answer["monitor"],
        ),
        status_code=201 if kind == "baseline" else 200,
    )
