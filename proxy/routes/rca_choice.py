"""Which look at a monitor a root cause analysis explains, and whether a stored one already does."""

import asyncio
import time
from datetime import datetime
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta

from drift.evidence import Evidence
from proxy.context import Context
from proxy.findings import Status, current_evidence
from proxy.moments import iso, seconds
from proxy.rca.records import Run
from proxy.rca.views import NothingYet
from proxy.routes.drift import LOOK_SECONDS, ask_worker
from proxy.routes.problems import Problem, check_model_name
from proxy.stores.history import MonitorRow
from proxy.views import choose, drift_view, status_of

log = structlog.get_logger()

MAX_MODEL_SECONDS = 600.0


class RcaRequest(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}
):
    """What to explain, and how. Every field may be absent."""

    monitor: str | None = None
    """The busiest when absent."""
    start: datetime | None = None
    """With `to`: explain the look with the highest ratio in that time; the last look when both are absent."""
    end: datetime | None = None
    model: Annotated[str, Meta(min_length=1)] | None = None
    timeout: Annotated[float, Meta(gt=0, le=MAX_MODEL_SECONDS)] | None = None
    """Seconds that the model may take; then the rules' words stand."""
    use_model: bool = True
    fresh: bool = False
    """Look and run again even where a stored run would do."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor as it is now, with its status in words."""

    row: MonitorRow
    evidence: Evidence | None
    status: Status
    message: str


async def analysed(context: Context, asked: RcaRequest) -> tuple[Run, Standing] | NothingYet:
    """The run that answers the request, stored or new. Raises Problem."""
    start, end = seconds(asked.start), seconds(asked.end)
    if start is not None and end is not None and start > end:
        raise Problem(400, f"from = {asked.start}: must not be after to = {asked.end}")
    if asked.model and not asked.use_model:
        raise Problem(400, f"model = {asked.model!r}: must be absent where use_model is false")
    check_model_name(asked.model)
    now = await asyncio.to_thread(_standing, context, asked.monitor)
    if isinstance(now, NothingYet):
        return now
    if start is not None or end is not None:
        evidence = await asyncio.to_thread(_highest, context, now.row.name, start, end)
        if evidence is None:
            message = await asyncio.to_thread(_kept, context, now.row.name)
            return NothingYet(status=now.status, message=message, monitor=now.row.name)
    else:
        if not asked.fresh and (found := await _still_good(context, now, asked)):
            return found, now
        if now.row.baseline_id is not None:
            await _look(context, now.row.name)
            again = await asyncio.to_thread(_standing, context, now.row.name)
            now = again if isinstance(again, Standing) else now
        evidence = now.evidence
    if evidence is None:
        return NothingYet(status=now.status, message=now.message, monitor=now.row.name)
    run = await context.investigations.report(
        evidence, use_model=asked.use_model, model=asked.model, seconds=asked.timeout, fresh=asked.fresh
    )
    return run, now


def _standing(context: Context, monitor: str | None) -> Standing | NothingYet:
    row, _ = choose(context.history, monitor)
    if row is None:
        view = drift_view(context.history, context.log, context.tap.totals, monitor, context.hint)
        return NothingYet(status=view.status, message=view.message, monitor=monitor)
    status, message = status_of(context.history, row)
    return Standing(row=row, evidence=current_evidence(context.history, row), status=status, message=message)


async def _still_good(context: Context, now: Standing, asked: RcaRequest) -> Run | None:
    """The stored run on the last look, while nothing has come since, or little and at the same severity."""
    evidence = now.evidence
    if evidence is None:
        return None
    found = await context.investigations.find(evidence.id, use_model=asked.use_model, model=asked.model)
    if found is None or evidence.seen == now.row.seen:
        return found
    latest = await asyncio.to_thread(context.history.latest, now.row.name)
    young = time.time() - found.at < context.settings.drift.report_seconds
    return found if young and latest and latest.severity == evidence.severity else None


async def _look(context: Context, monitor: str) -> None:
    """Have the worker look anew; where it cannot, the last look has to do."""
    if not (await asyncio.to_thread(context.status))["worker"]:
        return
    try:
        await ask_worker(context, "score", {"monitor": monitor}, longest=LOOK_SECONDS)
    except Problem as refused:
        log.warning("no fresh look for a root cause analysis", monitor=monitor, why=refused.detail)


def _highest(context: Context, monitor: str, start: float | None, end: float | None) -> Evidence | None:
    """The look with the highest ratio in that time, the newest of equals."""
    looks = context.history.looks(monitor, start, end)
    return max(looks, key=lambda look: (-1.0 if look.ratio is None else look.ratio, look.at), default=None)


def _kept(context: Context, monitor: str) -> str:
    looks = context.history.looks(monitor)
    if not looks:
        return f"No look at {monitor} is kept yet: leave from and to out, and send answers to compare with a baseline."
    return (
        f"No look at {monitor} is kept of that time; {len(looks)} are, of {iso(looks[0].at)} to {iso(looks[-1].at)}. "
        "Choose from and to so that one lies between, or leave both out."
    )
