"""Health, metrics and events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage
from msgspec import UNSET, UnsetType
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from sqlalchemy.exc import SQLAlchemyError

from proxy.context import Context
from proxy.health import Health
from proxy.health import health as all_parts
from proxy.routes.authorisation import METRICS, OPEN
from proxy.storage import storage_fault
from proxy.views import MonitorView, monitor_views

UNRECORDED = "Traffic is forwarded and not recorded: storage in /api/health says why."
"""Without a path or a reason: whoever asks needs no token."""

READY_SECONDS = 0.7
POLL_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 15.0
MAX_EVENT_DIGITS = 18
"""Any number of so many digits fits the database's 64 bits."""


class Liveness(msgspec.Struct, frozen=True):
    status: Literal["ok", "draining"]


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["ok", "draining"]
    message: str | UnsetType = UNSET
    """What is not recorded, and why, while requests are served all the same."""


class Monitors(msgspec.Struct, frozen=True):
    monitors: list[MonitorView]


@get("/api/health", sync_to_thread=True, tags=["operations"])
def health(context: Context) -> Health:
    """Every part of Driftium with its status, and what to do where something is wrong."""
    return all_parts(context)


@get("/live", sync_to_thread=False, tags=["operations"], opt=OPEN)
def live() -> Liveness:
    """Whether the process answers."""
    return Liveness("ok")


@get(
    "/ready",
    responses={503: ResponseSpec(Readiness, description="It is about to stop.")},
    tags=["operations"],
    opt=OPEN,
)
async def ready(context: Context) -> Response[Readiness]:
    """Whether new requests should be sent here. Worker and disk play no part: the proxy serves without them.

    `message` says so where nothing can be recorded.
    """
    if context.relay.draining:
        return Response(Readiness(status="draining"), status_code=503)
    looked = asyncio.to_thread(storage_fault, context.history, context.log)
    # Whoever asks waits for a second, as a rule: a database that hangs must not take the proxy out of service.
    seconds = READY_SECONDS if context.settings.database.url else None
    try:
        fine = await asyncio.wait_for(looked, seconds) is None
    except TimeoutError:
        fine = False
    return Response(Readiness(status="ok") if fine else Readiness(status="ok", message=UNRECORDED))


@get("/metrics", sync_to_thread=True, include_in_schema=False, opt=METRICS)
def metrics(request: Request[Any, Any, Any], registry: CollectorRegistry) -> Response[bytes]:
    """Prometheus text or OpenMetrics, as the scraper accepts."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"content-type": content_type})


@get("/monitors", sync_to_thread=True, tags=["drift"])
def monitors(context: Context) -> Monitors:
    """Every monitor with its status, severity and counts, the busiest first."""
    return Monitors(monitor_views(context.history, context.tap.totals))


@get("/events", tags=["operations"])
async def events(
    context: Context,
    last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
) -> ServerSentEvent:
    """Server-sent events: score, evidence, rca, baseline, worker.

    A client that comes back with Last-Event-ID misses nothing kept. 503 where a hundred clients follow already.
    """
    context.followers.check()
    known = last_event_id and last_event_id.isdecimal() and len(last_event_id) <= MAX_EVENT_DIGITS
    return ServerSentEvent(_follow(context, int(last_event_id) if last_event_id and known else None))


async def _follow(context: Context, resume: int | None) -> AsyncIterator[ServerSentEventMessage]:
    with context.followers.one_more():
        async for message in _messages(context, resume):
            yield message


async def _messages(context: Context, resume: int | None) -> AsyncIterator[ServerSentEventMessage]:
    newest = await _newest(context)
    # One beyond the newest is of another data folder: waited for, it would silence the stream.
    last = newest if resume is None or resume > newest else resume
    yield ServerSentEventMessage(data=None, comment="driftium", retry=2000)
    quiet = 0.0
    while not context.relay.draining:
        try:
            found = await asyncio.to_thread(context.history.events, last)
        except SQLAlchemyError:
            # The console keeps its place: what is wrong stands in /api/health.
            found = []
        for number, kind, body in found:
            last = number
            yield ServerSentEventMessage(data=body, event=kind, id=str(number))
        quiet = 0.0 if found else quiet + POLL_SECONDS
        if quiet >= KEEP_ALIVE_SECONDS:
            quiet = 0.0
            yield ServerSentEventMessage(data=None, comment="still here")
        await asyncio.sleep(POLL_SECONDS)


async def _newest(context: Context) -> int:
    """The last event's number; 0 where the history cannot be read yet."""
    try:
        return await asyncio.to_thread(context.history.last_event)
    except SQLAlchemyError:
        return 0
