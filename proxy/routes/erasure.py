"""Erasing an exchange or a monitor: from the log, the history, the vectors and the worker's memory."""

import asyncio
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Response, delete
from litestar.openapi import ResponseSpec
from litestar.params import Parameter

from proxy.context import Context
from proxy.routes.drift import ask_worker
from proxy.routes.mute import NAME
from proxy.routes.problems import Problem, no_such_monitor
from proxy.stores import erasure
from proxy.stores.database import give_back

ID = Parameter(description="The exchange's id: an answer's header x-driftium-exchange-id has it.")


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    message: str
    exchange_id: str | None = None
    monitor: str | None = None


LATER = {202: ResponseSpec(Erased, description="Texts are gone; vectors go as soon as a worker can.")}


@delete("/exchanges/{exchange_id:str}", status_code=200, responses=LATER, tags=["erasure"])
async def erase_exchange(context: Context, exchange_id: Annotated[str, ID]) -> Response[Erased]:
    """Erase an exchange: its texts, numbers and vectors, and the words that evidence has of it and others.

    A baseline that it was part of has a sample less then, and is calibrated anew. 202 while the worker is busy or
    does not run: texts are gone at once, vectors later.
    """
    # The tap may hold it still.
    await context.head()
    since = await asyncio.to_thread(_erase_exchange, context, exchange_id)
    done = await _by_worker(context, {"exchange_id": exchange_id, "since": since})
    await asyncio.to_thread(context.history.tell, "erased", {"exchange_id": exchange_id})
    return _answer(done, Erased(message=f"The exchange {exchange_id} is erased.", exchange_id=exchange_id))


@delete("/monitors/{name:str}", status_code=200, responses=LATER, tags=["erasure"])
async def erase_monitor(context: Context, name: Annotated[str, NAME]) -> Response[Erased]:
    """Erase a monitor with everything that is known of it, and its exchanges in the log.

    New traffic under its name begins a new monitor. 202 while the worker is busy or does not run.
    """
    monitor = unquote(name)
    await context.head()
    up_to = await asyncio.to_thread(_erase_monitor, context, monitor)
    done = await _by_worker(context, {"monitor": monitor, "up_to": up_to})
    await asyncio.to_thread(context.history.tell, "erased", {"monitor": monitor})
    return _answer(done, Erased(message=f"The monitor {monitor} is erased.", monitor=monitor))


def _erase_exchange(context: Context, exchange_id: str) -> dict[str, float]:
    """Erase what can be erased without the worker; returns {monitor: since when} it has seen the exchange."""
    history, log = context.history, context.log
    logged = log.erase_exchange(exchange_id)
    if not logged and not erasure.knows_exchange(history.engine, exchange_id):
        raise Problem(404, f"exchange_id = {exchange_id!r}: there is no such exchange, or no longer")
    since = erasure.erase_exchange(history.engine, exchange_id)
    _overwrite(context)
    return since


def _erase_monitor(context: Context, monitor: str) -> int:
    """Erase what can be erased without the worker; returns the log's last sequence number when that began."""
    history, rows = context.history, context.history.monitors()
    names, up_to = [row.name for row in rows], context.log.last_given()
    logged = context.log.erase_monitor(monitor, names, up_to)
    if not logged and monitor not in names:
        raise no_such_monitor(monitor, rows)
    erasure.erase_monitor(history.engine, monitor)
    _overwrite(context)
    return up_to


def _overwrite(context: Context) -> None:
    for engine in (context.history.engine, context.log.engine):
        give_back(engine)


async def _by_worker(context: Context, asked: dict[str, Any]) -> bool:
    # It need not wait for what has passed: unread, it is gone from the log.
    return await ask_worker(context, "erase", asked | {"head": 0}) is not None


def _answer(done: bool, erased: Erased) -> Response[Erased]:
    if done:
        return Response(erased, status_code=200)
    later = f"{erased.message} Its vectors go as soon as a worker can."
    return Response(msgspec.structs.replace(erased, message=later), status_code=202)
