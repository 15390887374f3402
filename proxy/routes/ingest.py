"""Collected logs: how each source goes."""

from litestar import get

from proxy.context import Context
from proxy.ingest.views import Sources, sources


@get("/ingest", sync_to_thread=True, tags=["operations"])
def ingest(context: Context) -> Sources:
    """Every place that answers are collected from: when it was read, what became of it, what could not be read."""
    return sources(context.settings, context.history, context.log)
