"""Canaries: how they stand, a round now, and a new reference."""

import time
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import Parameter

from proxy.canary.planning import midnight, too_many
from proxy.canary.settings import Canary, messages_of
from proxy.canary.views import CanaryView, canary_view
from proxy.canary.wording import reference_message
from proxy.context import Context
from proxy.routes.problems import Problem
from proxy.section import ConfigError
from proxy.stores.canaries import plan, read_plan, read_rounds, requests_since, write_round

MOST_ROUNDS = 500
Name = Annotated[str, Parameter(description="A [[canary]] of the settings.")]


class CanaryViews(msgspec.Struct, frozen=True, kw_only=True):
    canaries: list[CanaryView]
    message: str


@get("/canaries", sync_to_thread=True, tags=["canaries"])
def canaries(context: Context) -> CanaryViews:
    """Every canary: a fixed set of prompts, asked on a schedule. What it costs, its last rounds and what they say."""
    found = [canary_view(context.history.engine, one) for one in context.settings.canary]
    if not found:
        return CanaryViews(canaries=[], message="No canary is configured: add a [[canary]] to config.toml.")
    changed = [one.name for one in found if one.changed]
    said = f"The model has changed, says {', '.join(changed)}." if changed else "No canary has seen a changed model."
    return CanaryViews(canaries=found, message=said)


@get("/canaries/{name:str}", sync_to_thread=True, tags=["canaries"])
def canary(
    context: Context, name: Name, limit: Annotated[int, Parameter(ge=1, le=MOST_ROUNDS)] = MOST_ROUNDS
) -> CanaryView:
    """One canary with its rounds, the newest first."""
    return canary_view(context.history.engine, _configured(context, name), rounds_shown=limit)


@post("/canaries/{name:str}/run", status_code=202, sync_to_thread=True, tags=["canaries"])
def run_canary(context: Context, name: Name) -> CanaryView:
    """Ask a round now. It counts against max_requests_per_day like any other."""
    one, engine = _configured(context, name), context.history.engine
    try:
        prompts = len(messages_of(one))
    except ConfigError as error:
        raise Problem(409, str(error)) from None
    if why := too_many(one, prompts, requests_since(engine, name, midnight(time.time()))):
        raise Problem(409, why)
    last = read_rounds(engine, name, limit=1)
    if last and last[0].status == "asking":
        raise Problem(409, f"Round {last[0].number} of {name} is being asked: wait for it.")
    plan(engine, name, asked_at=time.time())
    context.history.tell("canary", {"canary": name, "status": "asked"})
    return canary_view(engine, one)


@post("/canaries/{name:str}/reference", status_code=200, sync_to_thread=True, tags=["canaries"])
def renew_reference(context: Context, name: Name) -> CanaryView:
    """Make the last complete round the first of a new reference, after a change that is wanted.

    The other rounds of the reference are asked at once.
    """
    one, engine = _configured(context, name), context.history.engine
    rounds = read_rounds(engine, name)
    last = next((found for found in rounds if found.status in ("reference", "compared")), None)
    if last is None:
        raise Problem(409, f"{name} has no complete round yet: the first ones become its reference by themselves.")
    body = msgspec.structs.replace(last.body, message=reference_message(1, one.reference_rounds))
    write_round(engine, msgspec.structs.replace(last, status="reference", changed=False, body=body))
    if last.number > read_plan(engine, name).reference_from:
        plan(engine, name, reference_from=last.number)
    context.history.tell("canary", {"canary": name, "status": "reference"})
    return canary_view(engine, one)


def _configured(context: Context, name: str) -> Canary:
    for one in context.settings.canary:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in context.settings.canary) or "none; add a [[canary]] to config.toml"
    raise Problem(404, f"canary = {name!r}: there is no such canary; there are: {known}")
