"""Stored references: tables kept to compare others with."""

import asyncio
import time
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, put

from proxy.context import Context
from proxy.leaving import unless_left
from proxy.moments import iso
from proxy.routes.problems import Problem
from proxy.routes.table_body import TakesTable
from proxy.tabular.records import BANK, Describe, DescribedColumn, Description
from proxy.tabular.references import Reference, is_name


class ReferenceView(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    shipped: bool = False
    """Whether it came with Driftium; it cannot be replaced or deleted."""
    created_at: str | None
    bytes: int
    rows: int
    columns: tuple[DescribedColumn, ...]


class ReferencesView(msgspec.Struct, frozen=True, kw_only=True):
    references: list[ReferenceView]


@cache
def _shipped() -> ReferenceView:
    data = files("proxy.tabular") / "data"
    found = msgspec.json.decode(data.joinpath("bank_marketing.json").read_bytes(), type=Description)
    size = len(data.joinpath("bank_marketing.csv.gz").read_bytes())
    return ReferenceView(name=BANK, shipped=True, created_at=None, bytes=size, rows=found.rows, columns=found.columns)


def _view(reference: Reference) -> ReferenceView:
    return ReferenceView(
        name=reference.name,
        created_at=iso(reference.created_at),
        bytes=reference.bytes,
        rows=reference.rows,
        columns=reference.columns,
    )


def _check(name: str) -> None:
    """Raises Problem where the name is nobody's to give."""
    if name == BANK:
        raise Problem(409, f"name = {name!r}: comes with Driftium and stays as it is; choose another name")
    if not is_name(name):
        raise Problem(400, f"name = {name!r}: must be 1 to 64 of A-Z a-z 0-9 . _ - and not begin with a dot")


@get("/api/monitoring/references", sync_to_thread=True, tags=["tabular"])
def references(context: Context) -> ReferencesView:
    """What tables can be compared with: the shipped one, and the stored ones by name."""
    return ReferencesView(references=[_shipped(), *map(_view, context.references.all())])


# Litestar registers a path's handlers anew with each further verb, and would wrap a synchronous one twice.
@get("/api/monitoring/references/{name:str}", tags=["tabular"])
async def reference(context: Context, name: str) -> ReferenceView:
    """A reference's size, its columns and their kinds."""
    return _shipped() if name == BANK else _view(await asyncio.to_thread(context.references.find, name))


@put("/api/monitoring/references/{name:str}", request_max_body_size=None, operation_class=TakesTable, tags=["tabular"])
async def put_reference(request: Request[Any, Any, Any], context: Context, name: str) -> Response[ReferenceView]:
    """Store a table as a reference, or replace it; 201 where the name is new.

    The body is CSV, gzipped CSV or Parquet, or a form (multipart/form-data) with the file as `file`. What cannot be
    read as a table changes nothing.
    """
    _check(name)
    await asyncio.to_thread(context.references.room, name)
    with context.uploads.place():
        async with context.uploads.receive(request, form_files=("file",)) as sent:
            table = msgspec.structs.replace(sent.files["file"], name=name)
            job = Describe(table=table, max_bytes=context.settings.tabular.max_bytes)
            found = await unless_left(request.receive, context.jobs.describe(job))
            stored, new = await asyncio.to_thread(
                context.references.keep, name, Path(table.path), found, at=time.time()
            )
    return Response(_view(stored), status_code=201 if new else 200)


@delete("/api/monitoring/references/{name:str}", tags=["tabular"])
async def delete_reference(context: Context, name: str) -> None:
    """Delete a stored reference. Reports made with it stay."""
    _check(name)
    await asyncio.to_thread(context.references.remove, name)
