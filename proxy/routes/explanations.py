"""POST /api/rca: why one column of a table has drifted, in words."""

import asyncio
import time
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, post
from msgspec import Meta

from drift.errors import UnknownFeature
from drift.tabular.causes import Cause
from drift.tabular.explain import Explanation, explain
from drift.tabular.result import ColumnResult
from proxy.context import Context
from proxy.language_model import ModelFailed
from proxy.leaving import unless_left
from proxy.moments import iso
from proxy.routes import reports
from proxy.routes.drift_rows import row_of
from proxy.routes.problems import Problem, check_model_name
from proxy.tabular import wording
from proxy.tabular.records import Run

MAX_ROWS = 2_000
MAX_MODEL_SECONDS = 600.0


class ExplainRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows as a comparison gave them, or the id of a stored report."""

    feature: Annotated[str, Meta(min_length=1)] | None = None
    """The drifted column with the largest effect when absent."""
    drift_rows: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MAX_ROWS)] | None = None
    report_id: str | None = None
    incoming_source_description: Annotated[str, Meta(max_length=2_000)] | None = None
    model: Annotated[str, Meta(min_length=1)] | None = None
    timeout_seconds: Annotated[float, Meta(gt=0, le=MAX_MODEL_SECONDS)] | None = None


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    available: bool
    feature: str
    content: str
    """The rules' words, after the model's where each of their figures is the row's own."""
    error: str | None
    """Why the model's words were not taken."""
    source: Literal["model", "rules"]
    model: str | None
    rules: str
    """The rules' words, whoever's are the content."""
    causes: tuple[Cause, ...]
    """The most likely first."""
    checks: str
    generated_at: str | None


@post("/api/rca", status_code=200, tags=["tabular"])
async def explain_drift(request: Request[Any, Any, Any], context: Context, data: ExplainRequest) -> Explained:
    """Why one column has drifted, from its row's figures alone: by the model, or by the rules where it is no help."""
    if (data.drift_rows is None) == (data.report_id is None):
        raise Problem(400, "drift_rows and report_id: send one of the two")
    check_model_name(data.model)
    rows, schema = await _rows(context, data)
    source = data.incoming_source_description or ""
    feature = data.feature if data.feature is not None else _strongest(rows)
    try:
        explanation = await asyncio.to_thread(explain, feature, rows, schema=schema, source=source)
    except UnknownFeature as unknown:
        raise Problem(400, f"feature = {feature!r}: {unknown}") from None
    row = next(row for row in rows if row.name == feature)
    model, content, error = data.model, None, None
    try:
        model, content = await unless_left(request.receive, _ask(context, data, row, rows, explanation))
    except ModelFailed as failed:
        error = str(failed)
    return Explained(
        available=True,
        feature=feature,
        # What the model adds may be true and say little: the rules' text stands after it.
        content=f"{content}\n\n{explanation.text}" if content else explanation.text,
        error=error,
        source="model" if content else "rules",
        model=model,
        rules=explanation.text,
        causes=explanation.causes,
        checks=explanation.checks,
        generated_at=iso(time.time()),
    )


async def _ask(
    context: Context, data: ExplainRequest, row: ColumnResult, rows: list[ColumnResult], explanation: Explanation
) -> tuple[str, str]:
    """The model's name and its words. Raises ModelFailed, also where they cannot be taken."""
    if not row.drifted:
        raise ModelFailed("the column has not drifted: there is nothing for the model to explain")
    asked = context.language_model
    name = data.model or await asked.name()
    found = wording.evidence(row, rows, explanation, data.incoming_source_description or "")
    answer, name = await asked.ask(
        wording.messages(found),
        wording.SCHEMA,
        model=name,
        max_tokens=wording.MAX_TOKENS,
        seconds=data.timeout_seconds,
    )
    try:
        text = wording.read(answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ModelFailed(f"{name} did not answer in the form that was asked for") from None
    if why := wording.objection(text, found):
        raise ModelFailed(f"the words of {name} were not taken: {why}")
    return name, text


async def _rows(context: Context, data: ExplainRequest) -> tuple[list[ColumnResult], tuple[str, ...]]:
    """The rows, and what is known of the tables' columns."""
    if data.report_id is None:
        return await asyncio.to_thread(lambda: [row_of(n, given) for n, given in enumerate(data.drift_rows or [])]), ()
    body = await reports.find(context, data.report_id)
    run = await asyncio.to_thread(msgspec.json.decode, body, type=Run)
    if not run.display_rows:
        raise Problem(422, f"report_id = {data.report_id!r}: its report has no rows")
    return list(run.display_rows), run.summary.schema


def _strongest(rows: list[ColumnResult]) -> str:
    return max(rows, key=lambda row: (row.drifted, row.effect or 0.0)).name
