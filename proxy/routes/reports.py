"""Stored reports of comparisons."""

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.params import Parameter

from proxy.context import Context
from proxy.moments import iso
from proxy.routes.problems import Problem
from proxy.tabular.page import page
from proxy.tabular.records import Run

HTML = ".html"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""The page brings its styles and pictures in it, and no script."""


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
async def report(context: Context, report_id: str) -> Response[Any]:
    """A stored report; with .html after the id, as a page that stands alone."""
    body = await find(context, report_id.removesuffix(HTML))
    if not report_id.endswith(HTML):
        return Response(body, media_type="application/json")
    html = await asyncio.to_thread(_page, body)
    return Response(html, media_type="text/html", headers={"content-security-policy": POLICY})


async def find(context: Context, report_id: str) -> bytes:
    """The report as JSON. Raises Problem where there is none."""
    body = await asyncio.to_thread(context.runs.body, report_id)
    if body is None:
        kept = context.settings.tabular.keep_reports
        raise Problem(
            404,
            f"report_id = {report_id!r}: there is no such report; the latest {kept} are kept, "
            "and GET /api/monitoring/reports lists them",
        )
    return body


def _page(body: bytes) -> str:
    return page(msgspec.json.decode(body, type=Run))
