"""Baselines: listed, made, activated and taken away; and what a new one would be."""

import asyncio
import uuid
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import Parameter
from msgspec import Meta

from drift.semantic.calibration import Calibration
from proxy.context import Context
from proxy.moments import iso, seconds
from proxy.preview import Preview, preview_of
from proxy.routes.drift import MonitorName, ask_worker
from proxy.routes.problems import Problem
from proxy.views import choose, drift_view


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
    calibration: Calibration | None


LATER = {202: ResponseSpec(Answered, description="The worker is busy; it is done as soon as it can.")}


class Baselines(msgspec.Struct, frozen=True):
    baselines: list[BaselineView]
    message: str


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
            calibration=row.thresholds,
        )
        for row in context.history.baselines(monitor)
    ]
    return Baselines(views, f"{len(views)} baselines." if views else "No baseline yet; make one with POST /baseline.")


@post("/baseline", status_code=201, responses=LATER, tags=["baseline"])
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


@post("/baseline/{baseline_id:str}/activate", status_code=200, responses=LATER, tags=["baseline"])
async def activate(context: Context, baseline_id: str) -> Response[Answered]:
    """Go back to an earlier baseline.

    The window starts anew, unless no answer was scored since that baseline was left: then the comparison goes on.
    """
    await _demand(context, baseline_id)
    return await _change(context, "activate", {"id": baseline_id})


@post("/baseline/{baseline_id:str}/deactivate", status_code=200, responses=LATER, tags=["baseline"])
async def deactivate(context: Context, baseline_id: str) -> Response[Answered]:
    """Take the active baseline away: its monitor has none then, as before its first. The baseline stays listed."""
    await _demand(context, baseline_id)
    return await _change(context, "deactivate", {"id": baseline_id})


async def _demand(context: Context, baseline_id: str) -> None:
    """Raises Problem where there is no such baseline."""
    if await asyncio.to_thread(context.history.baseline, baseline_id) is None:
        raise Problem(404, f"baseline_id = {baseline_id!r}: there is no such baseline; GET /baseline lists them")


async def _change(context: Context, kind: str, arguments: dict[str, Any]) -> Response[Answered]:
    answer = await ask_worker(context, kind, arguments)
    if answer is None:
        running = (await asyncio.to_thread(context.status))["worker"]
        why = "The worker is busy" if running else "No worker runs (GET /api/health says why)"
        message = f"{why}; this is done as soon as one can. GET /baseline shows when."
        return Response(Answered(message=message, baseline_id=arguments["id"]), status_code=202)
    return Response(msgspec.convert(answer, Answered), status_code=201 if kind == "baseline" else 200)


@get("/baseline/preview", sync_to_thread=True, tags=["baseline"])
def preview(
    context: Context,
    monitor: MonitorName = None,
    last: Annotated[int | None, Parameter(ge=1, description="Of the last so many answers.")] = None,
) -> Preview:
    """What POST /baseline would make a baseline of now, and what speaks against it. Changes nothing."""
    history = context.history
    row, _ = choose(history, monitor)
    if row is None:
        view = drift_view(history, context.log, {}, monitor, context.hint)
        return Preview(status=view.status, message=view.message, monitor=monitor)
    waiting, _ = context.log.waiting(history.cursor())
    return preview_of(context.settings, history, row, last=last, waiting=waiting)
