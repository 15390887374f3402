"""Comparisons of tables: the shipped one with itself, or with what people send."""

import asyncio
import time
import uuid
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import Parameter
from msgspec import Meta

from drift.policy import TABLE
from proxy.context import Context
from proxy.leaving import unless_left
from proxy.moments import iso
from proxy.routes.drift import MAX_INTEGER
from proxy.routes.problems import Problem
from proxy.routes.table_body import TakesComparison
from proxy.tabular.records import BANK, Compare, Run, Simulate, TableFile
from proxy.tabular.summary import finished
from proxy.tabular.uploads import Sent

MAX_DATASET = 64
_PARAMETERS = ("reference", "p_threshold", "effect_threshold", "dataset")

EffectThreshold = Annotated[float, Parameter(ge=0, le=1, description="Smallest effect that counts as drift.")]
PThreshold = Annotated[float, Parameter(gt=0, lt=1, description="Largest adjusted p of a column that has drifted.")]
Dataset = Annotated[
    str, Parameter(max_length=MAX_DATASET, description="What the gauges call this comparison; none when absent.")
]


class _Fields(msgspec.Struct, frozen=True, kw_only=True):
    """A form's text fields."""

    reference: str | None = None
    p_threshold: Annotated[float, Meta(gt=0, lt=1)] | None = None
    effect_threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    dataset: Annotated[str, Meta(max_length=MAX_DATASET)] | None = None


@get("/api/monitoring/simulated", tags=["tabular"])
async def simulated(
    request: Request[Any, Any, Any],
    context: Context,
    age_threshold: Annotated[int, Parameter(ge=0, le=150, description="Rows below this age are current.")] = 35,
    p_threshold: PThreshold = 0.05,
    seed: Annotated[int, Parameter(ge=0, le=MAX_INTEGER, description="How the rows are split.")] = 0,
    dataset: Dataset = "",
) -> Run:
    """A drift made on purpose: one half of the shipped bank marketing rows, and the young of the other half."""
    _check_query(request, "age_threshold", "p_threshold", "seed", "dataset")
    job = Simulate(age_threshold=age_threshold, p_threshold=p_threshold, seed=seed)
    _check_dataset(dataset)
    with context.uploads.place():
        return await unless_left(request.receive, _compare(context, job, dataset))


@post(
    "/api/monitoring/upload",
    status_code=200,
    request_max_body_size=None,
    operation_class=TakesComparison,
    tags=["tabular"],
)
async def upload(
    request: Request[Any, Any, Any],
    context: Context,
    reference: Annotated[
        str | None, Parameter(description="A stored reference; the shipped bank marketing rows when absent.")
    ] = None,
    p_threshold: PThreshold = TABLE.p_threshold,
    effect_threshold: EffectThreshold = TABLE.effect_threshold,
    dataset: Dataset = "",
) -> Run:
    """Compare a table, column by column, with a reference.

    The body is CSV, gzipped CSV or Parquet, or a form (multipart/form-data) with the file as `file`, and optionally
    `reference` (a stored one's name, or a file), `p_threshold`, `effect_threshold` and `dataset`.
    """
    _check_query(request, *_PARAMETERS)
    _check_dataset(dataset)
    if reference is not None and reference != BANK:
        await asyncio.to_thread(context.references.find, reference)
    with context.uploads.place():
        parts = context.uploads.receive(request, form_files=("file", "reference"), form_fields=_PARAMETERS)
        async with parts as sent:
            fields = _fields(sent.fields)
            named = dataset if fields.dataset is None else fields.dataset
            _check_dataset(named)
            job = Compare(
                reference=await _reference(context, sent, fields.reference or reference),
                current=sent.files["file"],
                p_threshold=fields.p_threshold or p_threshold,
                effect_threshold=effect_threshold if fields.effect_threshold is None else fields.effect_threshold,
                max_bytes=context.settings.tabular.max_bytes,
            )
            return await unless_left(request.receive, _compare(context, job, named))


async def _reference(context: Context, sent: Sent, name: str | None) -> TableFile | None:
    """The file to compare with; None is the shipped one."""
    if "reference" in sent.files:
        return sent.files["reference"]
    if name is None or name == BANK:
        return None
    return await asyncio.to_thread(context.references.lend, name, sent.folder)


async def _compare(context: Context, job: Compare | Simulate, dataset: str) -> Run:
    compared = await context.jobs.compare(job)
    at = time.time()
    run = finished(compared, report_id=uuid.uuid4().hex, generated_at=iso(at) or "", dataset=dataset)
    await asyncio.to_thread(context.runs.add, run, at=at)
    return run


def _fields(given: dict[str, str]) -> _Fields:
    """Raises Problem, which names field, value and rule."""
    try:
        return msgspec.convert(given, _Fields, strict=False)
    except msgspec.ValidationError as error:
        rule, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`")
        raise Problem(400, f"{name} = {given[name]!r}: {rule[:1].lower()}{rule[1:].replace('`', '')}") from None


def _check_query(request: Request[Any, Any, Any], *known: str) -> None:
    """A parameter with a slip in its name would be as if it had not been sent."""
    for name in request.query_params:
        if name not in known:
            raise Problem(400, f"{name}: no such parameter; there are {', '.join(known)}")


def _check_dataset(name: str) -> None:
    if not name.isprintable():
        raise Problem(400, f"dataset = {name!r}: must be printable characters")
