"""Acknowledging drift: somebody knows of it and deals with it. It is over by itself when the drift grows or ends."""

import asyncio
import time
from typing import Annotated
from urllib.parse import unquote

import msgspec
from litestar import delete, post
from msgspec import Meta

from drift.records import Severity
from proxy.context import Context
from proxy.routes.mute import NAME
from proxy.routes.problems import Problem, no_such_monitor
from proxy.stores.acknowledgements import Acknowledgement, delete_acknowledgement, write_acknowledgement
from proxy.stores.history import History
from proxy.views import AcknowledgementView, acknowledgement_view, choose, is_current


class AcknowledgeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    note: Annotated[str, Meta(max_length=1000)] = ""
    by: Annotated[str, Meta(max_length=100)] = ""
    """Who deals with it."""


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    monitor: str
    acknowledged: AcknowledgementView | None
    message: str


@post("/monitors/{name:str}/acknowledge", status_code=200, tags=["drift"])
async def acknowledge(
    context: Context, name: Annotated[str, NAME], data: AcknowledgeRequest | None = None
) -> Acknowledged:
    """Say that somebody deals with a monitor's drift: nobody is told of it again, until it grows worse or is over.

    409 where there is no drift to acknowledge.
    """
    monitor, asked = unquote(name), data or AcknowledgeRequest()
    one = await asyncio.to_thread(_acknowledge, context.history, monitor, asked)
    message = f"{monitor} is acknowledged at {one.severity}; when it is LOW again, or worse, this is over."
    return Acknowledged(monitor=monitor, acknowledged=acknowledgement_view(one), message=message)


@delete("/monitors/{name:str}/acknowledge", status_code=200, tags=["drift"])
async def withdraw(context: Context, name: Annotated[str, NAME]) -> Acknowledged:
    """Nobody deals with it any more: it is told of again."""
    monitor = unquote(name)
    await asyncio.to_thread(_withdraw, context.history, monitor)
    return Acknowledged(monitor=monitor, acknowledged=None, message=f"{monitor} is not acknowledged.")


def _acknowledge(history: History, monitor: str, asked: AcknowledgeRequest) -> Acknowledgement:
    row, rows = choose(history, monitor)
    if row is None:
        raise no_such_monitor(monitor, rows)
    report = history.latest(monitor)
    severity = report.severity if report and is_current(report, row) else None
    if severity in (None, Severity.LOW):
        raise Problem(
            409, f"{monitor} has not drifted (severity {severity or 'not known yet'}): nothing to acknowledge."
        )
    assert severity
    one = Acknowledgement(severity=severity, at=time.time(), by=asked.by, note=asked.note)
    write_acknowledgement(history.engine, monitor, one)
    history.tell("acknowledge", {"monitor": monitor, "acknowledged": acknowledgement_view(one)})
    return one


def _withdraw(history: History, monitor: str) -> None:
    row, rows = choose(history, monitor)
    if row is None:
        raise no_such_monitor(monitor, rows)
    if delete_acknowledgement(history.engine, monitor):
        history.tell("acknowledge", {"monitor": monitor, "acknowledged": None})
