"""Why a monitor has drifted: the report, the agents' records and their trace, as JSON or as Markdown."""

import asyncio
from typing import Any

import msgspec
from litestar import Request, Response, get, post

from proxy.context import Context
from proxy.findings import Status
from proxy.rca.accepting import wants_markdown
from proxy.rca.markdown import markdown, nothing_yet
from proxy.rca.records import Run
from proxy.rca.views import AgenticView, NothingYet, RcaView, RunView, agentic_view, rca_view, run_view
from proxy.routes.drift import Limit, MonitorName
from proxy.routes.problems import Problem
from proxy.routes.rca_choice import RcaRequest, analysed
from proxy.stores.root_causes import KEEP
from proxy.views import choose, status_of


class RunsView(msgspec.Struct, frozen=True, kw_only=True):
    runs: list[RunView]
    message: str


_Request = Request[Any, Any, Any]


@get("/drift/rca", tags=["root cause"])
async def rca(request: _Request, context: Context, monitor: MonitorName = None) -> Response[RcaView | NothingYet]:
    """What moved, why, and what to do; each statement cites its evidence. Markdown with `Accept: text/markdown`.

    A second request gets the stored report until something new was scored.
    """
    return await _rca(request, context, RcaRequest(monitor=monitor))


@post("/drift/rca", status_code=200, tags=["root cause"])
async def rca_with(
    request: _Request, context: Context, data: RcaRequest | None = None
) -> Response[RcaView | NothingYet]:
    """The same with options: an earlier time, another model or none, a time limit for it, or a new run in any case."""
    return await _rca(request, context, data or RcaRequest())


@get("/drift/agentic-rca", tags=["root cause"])
async def agentic(
    request: _Request, context: Context, monitor: MonitorName = None
) -> Response[AgenticView | NothingYet]:
    """The same report as each agent's record, with what each did and why. Markdown with `Accept: text/markdown`."""
    return await _agentic(request, context, RcaRequest(monitor=monitor))


@post("/drift/agentic-rca", status_code=200, tags=["root cause"])
async def agentic_with(
    request: _Request, context: Context, data: RcaRequest | None = None
) -> Response[AgenticView | NothingYet]:
    """The same with options, those of POST /drift/rca."""
    return await _agentic(request, context, data or RcaRequest())


@get("/drift/rca/runs", tags=["root cause"])
async def rca_runs(context: Context, monitor: MonitorName = None, limit: Limit = 20) -> RunsView:
    """Stored runs without their reports, the latest first; those of one monitor when it is named."""
    rows = await asyncio.to_thread(context.root_causes.rows, limit=limit, monitor=monitor)
    return RunsView(
        runs=[run_view(row) for row in rows],
        message=f"{len(rows)} runs." if rows else "No run yet; GET /drift/rca makes one.",
    )


@get("/drift/rca/runs/{run_id:str}", tags=["root cause"])
async def rca_run(request: _Request, context: Context, run_id: str) -> Response[AgenticView]:
    """A stored run with its trace. Markdown with `Accept: text/markdown`."""
    run = await asyncio.to_thread(context.root_causes.get, run_id)
    if run is None:
        raise Problem(
            404,
            f"run_id = {run_id!r}: there is no such run; the latest {KEEP} of each monitor are kept, "
            "and GET /drift/rca/runs lists them",
        )
    status, message = await asyncio.to_thread(_status, context, run.report.monitor)
    return _answer(request, run, _whole(run, status, message))


async def _rca(request: _Request, context: Context, asked: RcaRequest) -> Response[Any]:
    found = await analysed(context, asked)
    if isinstance(found, NothingYet):
        return _nothing(request, found)
    run, now = found
    return _answer(request, run, rca_view(run, status=now.status, message=now.message))


async def _agentic(request: _Request, context: Context, asked: RcaRequest) -> Response[Any]:
    found = await analysed(context, asked)
    if isinstance(found, NothingYet):
        return _nothing(request, found)
    run, now = found
    return _answer(request, run, _whole(run, now.status, now.message))


def _whole(run: Run, status: Status, message: str) -> AgenticView:
    return agentic_view(run.report, status=status, message=message, run_id=run.id, at=run.at)


def _answer(request: _Request, run: Run, view: RcaView | AgenticView) -> Response[Any]:
    if not wants_markdown(_accepted(request)):
        return Response(view, headers={"vary": "accept"})
    return _text(markdown(_whole(run, view.status, view.message)))


def _nothing(request: _Request, view: NothingYet) -> Response[Any]:
    if not wants_markdown(_accepted(request)):
        return Response(view, headers={"vary": "accept"})
    return _text(nothing_yet(view))


def _text(said: str) -> Response[Any]:
    return Response(said.encode(), media_type="text/markdown", headers={"vary": "accept"})


def _accepted(request: _Request) -> str:
    """All Accept headers as one."""
    return ",".join(request.headers.getall("accept", []))


def _status(context: Context, monitor: str) -> tuple[Status, str]:
    row, _ = choose(context.history, monitor)
    if row is None:
        return "not_initialized", f"{monitor} is no longer watched."
    return status_of(context.history, row)
