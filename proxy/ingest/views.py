"""What people read of the sources: those of the config, and backfills by hand."""

import time
from typing import Literal

import msgspec

from proxy.heartbeat import SchedulerState, read_heartbeat
from proxy.ingest.checkpoints import METRIC, BadLine, Status, job_id, read_statuses
from proxy.ingest.room import NO_WORKER, room
from proxy.ingest.settings import Ingest
from proxy.moments import iso
from proxy.settings import Settings
from proxy.stores.counters import read_counters
from proxy.stores.history import History
from proxy.stores.log import Log

SILENT_SECONDS = 120.0
"""A run that has told nothing for so long is over, whatever it told last."""
SourceState = Literal["not_run", "running", "waiting", "idle", "failed"]


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """How the collecting of one source goes."""

    name: str
    status: SourceState
    message: str
    scheduled: bool
    """Whether it is in the config; else it is a backfill by hand."""
    place: str
    format: str
    monitor: str | None
    last_run_at: str | None
    ended_at: str | None
    next_run_at: str | None
    last_run: dict[str, int]
    """{result: exchanges} of the last run: logged, failed, duplicate, no_content, malformed, too_large, skipped."""
    counts: dict[str, int]
    """The same since the beginning."""
    errors: list[BadLine]
    """The last records that could not be taken, the newest last."""


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    sources: list[SourceView]
    message: str


def sources(settings: Settings, history: History, exchange_log: Log) -> Sources:
    """All sources, those of the config first."""
    told, heartbeat = read_statuses(history.engine), read_heartbeat(history.engine)
    counted: dict[str, dict[str, int]] = {}
    for labels, number in read_counters(history.engine).get(METRIC, {}).items():
        named = dict(labels)
        counted.setdefault(named.get("source", ""), {})[named.get("result", "")] = number
    configured = {one.name: one for one in settings.ingest}
    views = [
        _view(name, configured.get(name), told.get(name), counted.get(name, {}), heartbeat)
        for name in dict.fromkeys([*configured, *sorted(told)])
    ]
    return Sources(sources=views, message=_message(views, settings, history, exchange_log))


def _view(
    name: str,
    source: Ingest | None,
    told: tuple[float, Status] | None,
    counts: dict[str, int],
    heartbeat: SchedulerState | None,
) -> SourceView:
    at, status = told or (0.0, Status())
    state: SourceState = status.state if told else "not_run"
    message = status.message
    if not told:
        message = "It has not been read yet: the scheduler does so, which driftium serve starts."
    elif state in ("running", "waiting") and time.time() - at > SILENT_SECONDS:
        state, message = "idle", "The last run was cut off; what it had not taken is taken by the next."
    job = heartbeat.jobs.get(job_id(name)) if heartbeat and source else None
    return SourceView(
        name=name,
        status=state,
        message=message,
        scheduled=source is not None,
        place=source.place if source else status.place,
        format=source.format if source else status.format,
        monitor=(source.monitor if source else status.monitor) or None,
        last_run_at=iso(status.started_at),
        ended_at=iso(status.ended_at),
        next_run_at=iso(job.next_run_at) if job else None,
        last_run=status.last,
        counts=counts,
        errors=status.errors,
    )


def _message(views: list[SourceView], settings: Settings, history: History, exchange_log: Log) -> str:
    if not views:
        return "No logs are collected: name a source in [[ingest]] of config.toml, or run driftium ingest FILE."
    said = []
    waiting = any(view.status == "waiting" for view in views)
    if waiting and room(settings, history, exchange_log).why == NO_WORKER:
        said.append(NO_WORKER)
    if failed := [view.name for view in views if view.status == "failed"]:
        said.append(f"{', '.join(failed)} could not be read: see the message there.")
    for result, words in (
        ("no_content", "have no answer in them and cannot be scored"),
        ("malformed", "could not be read"),
        ("too_large", "are too large"),
        ("unredacted", "could not be redacted"),
    ):
        if lost := {view.name: view.counts[result] for view in views if view.counts.get(result)}:
            said.append(f"{sum(lost.values()):,} records {words} ({', '.join(lost)}).")
    return " ".join(said) or "All that was found could be read."
