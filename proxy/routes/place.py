"""Where one answer falls among the baseline's."""

import asyncio
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import Parameter

from proxy.context import Context
from proxy.place import NOT_SCORED, Place, not_scored
from proxy.routes.drift import ask_worker
from proxy.routes.problems import Problem
from proxy.stores.log import Entry
from proxy.stores.samples import find_sample

LONGEST_SECONDS = 10.0

FAILED = NOT_SCORED.keys() - {"client_closed", "empty", "erased"}
"""Outcomes that no look at the bytes can mend."""


@get("/exchanges/{exchange_id:str}/place", tags=["drift"])
async def place(
    context: Context,
    exchange_id: str,
    neighbours: Annotated[int, Parameter(ge=0, le=20, description="How many of the baseline's nearest answers.")] = 5,
) -> Place:
    """Where an answer falls among the baseline's. Waits up to ten seconds until the worker has scored it."""
    await context.head()
    entry, kept = await asyncio.to_thread(_find, context, exchange_id)
    if entry is not None and entry.outcome in FAILED:
        return not_scored(exchange_id, entry.outcome, context.settings.drift.recent_samples)
    if entry is None and not kept:
        raise Problem(
            404,
            f"exchange_id = {exchange_id!r}: there is no such exchange. Those that asked to be skipped are not kept, "
            f"and others for {context.settings.log.keep_days:g} days.",
        )
    if not (await asyncio.to_thread(context.status))["worker"]:
        return _pending(exchange_id, "No worker runs (GET /api/health says why)")
    asked = {"exchange_id": exchange_id, "neighbours": neighbours}
    answer = await ask_worker(context, "place", asked, longest=LONGEST_SECONDS)
    return msgspec.convert(answer, Place) if answer else _pending(exchange_id, "The worker is busy")


def _find(context: Context, exchange_id: str) -> tuple[Entry | None, bool]:
    """Its entry in the log, and whether its sample is kept."""
    return context.log.entry(exchange_id), find_sample(context.history.engine, exchange_id) is not None


def _pending(exchange_id: str, why: str) -> Place:
    return Place(status="pending", message=f"{why}: ask again in a moment.", exchange_id=exchange_id)
