"""Stored reports of comparisons."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import Parameter

from proxy.context import Context
from proxy.leaving import unless_left
from proxy.moments import iso
from proxy.routes.problems import Problem
from proxy.tabular.page import page
from proxy.tabular.records import Run

HTML = ".html"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""The page brings its styles and pictures in it, and no script."""
_DRAWING = ThreadPoolExecutor(1, thread_name_prefix="report page")
"""Pages are made one at a time: many at once would take the threads, and the core, that everything else runs on."""


class ReportView(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    generated_at: str | None
    dataset: str
    drifted: int
    message: str


class ReportsView(msgspec.Struct, frozen=True, kw_only=True):
    reports: list[ReportView]
    message: str


@get("/api/monitoring/reports", sync_to_thread=True, tags=["tabular"])
def reports(
    context: Context,
    limit: Annotated[int, Parameter(ge=1, le=1000)] = 20,
    dataset: Annotated[str | None, Parameter(description="Only those of this dataset.")] = None,
) -> ReportsView:
    """Stored reports without their rows, the latest first."""
    views = [
        ReportView(id=row.id, generated_at=iso(row.at), dataset=row.dataset, drifted=row.drifted, message=row.message)
        for row in context.runs.latest(limit=limit, dataset=dataset)
    ]
    message = f"{len(views)} reports." if views else "No report yet; send a table to POST /api/monitoring/upload."
    return ReportsView(reports=views, message=message)


@get("/api/monitoring/reports/{report_id:str}", tags=["tabular"])
async def report(request: Request[Any, Any, Any], context: Context, report_id: str) -> Response[Run]:
    """A stored report; with .html after the id, as a page that stands alone."""
    if not report_id.endswith(HTML):
        return _stored(await find(context, report_id), media_type="application/json")
    html = await unless_left(request.receive, _drawn(context, report_id.removesuffix(HTML)))
    return _stored(html, media_type="text/html", headers={"content-security-policy": POLICY})


def _stored(body: bytes, **more: Any) -> Response[Any]:
    """An answer that is encoded already."""
    return Response(body, **more)


async def find(context: Context, report_id: str) -> bytes:
    """The report as JSON. Raises Problem where there is none."""
    return await asyncio.to_thread(_find, context, report_id)


async def _drawn(context: Context, report_id: str) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(_DRAWING, _page, context, report_id)


def _page(context: Context, report_id: str) -> bytes:
    return page(msgspec.json.decode(_find(context, report_id), type=Run)).encode()


def _find(context: Context, report_id: str) -> bytes:
    body = context.runs.body(report_id)
    if body is None:
        kept = context.settings.tabular.keep_reports
        raise Problem(
            404,
            f"report_id = {report_id!r}: there is no such report; at most the latest {kept} are kept, "
            "and GET /api/monitoring/reports lists them",
        )
    return body
