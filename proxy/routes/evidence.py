"""What moved, since when, and whose doing it was."""

import asyncio

from litestar import get

from proxy.context import Context
from proxy.findings import EvidenceView, current_evidence, evidence_view
from proxy.routes.drift import LOOK_SECONDS, MonitorName, ask_worker
from proxy.views import choose, drift_view, status_of


@get("/drift/evidence", tags=["drift"])
async def evidence(context: Context, monitor: MonitorName = None, fresh: bool = False) -> EvidenceView:
    """The evidence behind a monitor's drift. `fresh` waits for the worker to look again."""
    if fresh:
        await ask_worker(context, "score", {"monitor": monitor}, longest=LOOK_SECONDS)
    return await asyncio.to_thread(_evidence, context, monitor)


def _evidence(context: Context, monitor: str | None) -> EvidenceView:
    row, _ = choose(context.history, monitor)
    if row is None:
        view = drift_view(context.history, context.log, {}, monitor, context.hint)
        return EvidenceView(status=view.status, message=view.message, monitor=monitor)
    status, message = status_of(context.history, row)
    found = current_evidence(context.history, row)
    if found is None:
        return EvidenceView(status=status, message=message, monitor=row.name, baseline_id=row.baseline_id)
    return evidence_view(found, status=status, message=message)
