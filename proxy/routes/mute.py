"""Muting a monitor: nobody is told of its drift for a while. It is scored all the same."""

import asyncio
import time
from datetime import datetime
from typing import Annotated
from urllib.parse import unquote

import msgspec
from litestar import delete, post
from litestar.params import Parameter
from msgspec import Meta

from proxy.context import Context
from proxy.moments import iso, seconds
from proxy.routes.problems import Problem, no_such_monitor
from proxy.stores.mutes import Mute, delete_mute, write_mute
from proxy.views import MuteView, choose, mute_view

LONGEST_SECONDS = 366 * 86_400.0
"""A year, leap years too: who mutes for longer has forgotten it by then."""


class MuteRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    until: datetime
    """ISO 8601; UTC where it names no offset."""
    note: Annotated[str, Meta(max_length=1000)] = ""


class Muted(msgspec.Struct, frozen=True, kw_only=True):
    monitor: str
    mute: MuteView | None
    message: str


NAME = Parameter(description="The monitor, percent-encoded: names hold slashes.")


# Litestar registers a path's handlers anew with each further verb, and would wrap a synchronous one twice.
@post("/monitors/{name:str}/mute", status_code=200, tags=["drift"])
async def mute(context: Context, name: Annotated[str, NAME], data: MuteRequest) -> Muted:
    """Tell nobody of a monitor's drift until a time, at most a year from now; its scores go on."""
    monitor, now, until = unquote(name), time.time(), seconds(data.until)
    assert until is not None
    if until <= now:
        raise Problem(400, f"until = {data.until.isoformat()}: must be in the future")
    if until - now > LONGEST_SECONDS:
        raise Problem(400, f"until = {data.until.isoformat()}: must be within a year")
    asked = Mute(until=until, note=data.note, since=now)
    await asyncio.to_thread(_change, context, monitor, asked)
    return Muted(monitor=monitor, mute=mute_view(asked), message=f"{monitor} is muted until {iso(until)}.")


@delete("/monitors/{name:str}/mute", status_code=200, tags=["drift"])
async def unmute(context: Context, name: Annotated[str, NAME]) -> Muted:
    """Tell of a monitor's drift again."""
    monitor = unquote(name)
    await asyncio.to_thread(_change, context, monitor, None)
    return Muted(monitor=monitor, mute=None, message=f"{monitor} is not muted.")


def _change(context: Context, monitor: str, asked: Mute | None) -> None:
    """Write it down and tell of it. Raises Problem where there is no such monitor."""
    history = context.history
    row, rows = choose(history, monitor)
    if row is None:
        raise no_such_monitor(monitor, rows)
    if asked:
        write_mute(history.engine, monitor, asked)
    else:
        delete_mute(history.engine, monitor)
    history.tell("mute", {"monitor": monitor, "mute": mute_view(asked)})
