"""How far a monitor's answers have moved, and how that went on."""

import asyncio
import time
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.params import Parameter, QueryParameter

from proxy.context import Context
from proxy.findings import Status
from proxy.history_points import HistoryPoint, history_points
from proxy.moments import iso, seconds
from proxy.routes.problems import Problem
from proxy.views import DriftView, choose, drift_view, status_of

WAIT_SECONDS = 5.0
LOOK_SECONDS = 30.0
"""For a fresh look at a large window on a busy machine, as long as a worker runs."""
MonitorName = Annotated[str | None, Parameter(description="Which monitor; the busiest when absent.")]
Limit = Annotated[int, Parameter(ge=1, le=1000)]
MAX_INTEGER = 2**63 - 1
"""The largest that the database takes."""


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """A mark on the history."""

    timestamp: str | None
    kind: str
    """baseline, digest or model."""
    text: str


class HistoryView(msgspec.Struct, frozen=True, kw_only=True):
    history: list[HistoryPoint]
    annotations: list[Annotation]
    monitor: str | None
    status: Status
    message: str
    next_cursor: int | None = None


async def ask_worker(
    context: Context, kind: str, arguments: dict[str, Any], *, longest: float = WAIT_SECONDS
) -> dict[str, Any] | None:
    """The worker's answer to a command, None when there is none within five seconds, or `longest` while one runs.

    Raises Problem with what the worker refused.
    """
    head = await context.head()
    # Some need not wait until all that has passed is scored.
    arguments.setdefault("head", head)
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
    cursor: Annotated[int | None, Parameter(ge=-MAX_INTEGER, le=MAX_INTEGER)] = None,
) -> HistoryView:
    """Reports, newest first, with what happened to the baseline and the model meanwhile.

    With `from` the hours before the oldest report that is kept follow, each as one point.
    """
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
        annotations=[Annotation(timestamp=iso(mark["at"]), kind=mark["kind"], text=mark["text"]) for mark in marks],
        monitor=row.name,
        status=status,
        message=message,
        next_cursor=following,
    )
