"""Every part of Driftium with its status and, where something is wrong, what to do and the command that mends it."""

import time
from importlib.metadata import version
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy.exc import SQLAlchemyError

from proxy.context import STALLED_SECONDS, Context
from proxy.heartbeat import read_heartbeat
from proxy.moments import iso
from proxy.ollama_models import ollama_lives_at
from proxy.storage import storage_fault
from proxy.stores.faults import Fault
from proxy.stores.state import WorkerState

MOST_MODELS = 20
"""Named in an answer."""
SMALL_MODEL = "smollm2:135m"
DOCTOR = "driftium doctor"


class EmbeddedHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The embedded model's last line."""

    stage: str | UnsetType = UNSET
    """starting, download or load; absent once it is ready, or has failed."""
    fraction: float | UnsetType = UNSET
    """Of the download, 0 to 1."""
    ready: bool | UnsetType = UNSET
    url: str | UnsetType = UNSET
    model: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


class UpstreamHealth(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["up", "down"]
    url: str
    models: list[str] | UnsetType = UNSET
    """At most twenty; absent while it is down."""
    message: str | UnsetType = UNSET
    """What is wrong and what to do; absent where nothing is."""
    mend: str | UnsetType = UNSET
    """The command that mends it."""
    embedded: EmbeddedHealth | UnsetType = UNSET


class WorkerHealth(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    """ready, loading, starting, restarting, stalled, failed or off."""
    message: str | UnsetType = UNSET
    mend: str | UnsetType = UNSET
    restarts: int | UnsetType = UNSET
    workers: int | UnsetType = UNSET
    """How many run; absent where there is one by design."""
    pid: int | UnsetType = UNSET
    stage: str | UnsetType = UNSET
    stage_seconds: float | UnsetType = UNSET
    answers_per_second: float | UnsetType | None = UNSET
    share: float | UnsetType = UNSET
    """Of the waiting exchanges, how many are scored, 0 to 1."""
    calibrating: dict[str, float] | UnsetType = UNSET
    """{monitor: progress from 0 to 1}"""


class TapHealth(msgspec.Struct, frozen=True, kw_only=True):
    logged: int
    dropped: int
    skipped: int
    pending: int
    lag_exchanges: int
    status: Literal["ok", "failing"]
    message: str | UnsetType = UNSET
    mend: str | UnsetType = UNSET


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["up", "down"]
    where: str | None
    message: str | UnsetType = UNSET
    mend: str | UnsetType = UNSET


class StorageHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange log and the history, in the data folder or in PostgreSQL."""

    status: Literal["ok", "failing"]
    message: str | UnsetType = UNSET
    mend: str | UnsetType = UNSET


class EmbedderHealth(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["ready", "not ready"]
    encoder: str | None
    message: str | UnsetType = UNSET
    mend: str | UnsetType = UNSET


class SchedulerHealth(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["ready", "standing by", "starting", "restarting", "stalled", "failing"]
    message: str | UnsetType = UNSET
    mend: str | UnsetType = UNSET
    restarts: int
    jobs: int
    """Scheduled: looks, deliveries, collections of logs, rounds of canaries."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    generated_at: str | None
    status: Literal["ok", "degraded"]
    version: str
    upstream: UpstreamHealth
    worker: WorkerHealth
    tap: TapHealth
    vector_store: StoreHealth
    embedder: EmbedderHealth
    storage: StorageHealth
    scheduler: SchedulerHealth | UnsetType = UNSET
    """Absent where nothing is scheduled."""


def health(context: Context) -> Health:
    """How every part is now."""
    fault = storage_fault(context.history, context.log)
    state = context.live_state()
    last = None if fault else context.history.state()
    waiting, first = (0, None) if fault else context.log.waiting(context.history.cursor())
    worker = _worker(context, state, last, first)
    tap = _tap(context, waiting)
    served = context.probe.up and not _ollama_is_empty(context) and not (state and state.embedder_away)
    scheduler = _scheduler(context)
    fine = served and worker.status in ("ready", "off") and tap.status == "ok" and fault is None
    fine = fine and (scheduler is UNSET or scheduler.status in ("ready", "standing by", "starting"))
    return Health(
        generated_at=iso(time.time()),
        status="ok" if fine else "degraded",
        version=version("driftium"),
        upstream=_upstream(context),
        worker=worker,
        tap=tap,
        vector_store=_vector_store(state, last, worker),
        embedder=_embedder(state, last, worker),
        storage=_storage(fault),
        scheduler=scheduler,
    )


def _upstream(context: Context) -> UpstreamHealth:
    probe, child = context.probe, context.embedded
    models: list[str] | UnsetType = UNSET
    message: str | UnsetType = UNSET
    mend: str | UnsetType = UNSET
    if not probe.up:
        message = context.upstream_advice()
        if child is None and ollama_lives_at(context.settings.upstream.url):
            mend = "ollama serve"
        elif child and "error" in child.last:
            mend = DOCTOR + " --embedded"
    else:
        models = probe.models[:MOST_MODELS]
        url = context.settings.upstream.url
        if _ollama_is_empty(context):
            message = f"Ollama at {url} answers, and has no model: every request fails."
            mend = f"ollama pull {context.settings.upstream.default_model or SMALL_MODEL}"
        elif probe.listed and not models and child is None:
            message = f"The model server at {url} answers, and lists no model: where requests fail, load one in it."
    embedded = msgspec.convert(child.last or {"stage": "starting"}, EmbeddedHealth) if child else UNSET
    return UpstreamHealth(
        status="up" if probe.up else "down",
        url=context.settings.upstream.url,
        models=models,
        message=message,
        mend=mend,
        embedded=embedded,
    )


def _ollama_is_empty(context: Context) -> bool:
    """Whether every request fails for want of a model: other servers may serve one that they do not list."""
    probe = context.probe
    return probe.is_ollama and probe.listed and not probe.models and context.embedded is None


def _worker(
    context: Context, state: WorkerState | None, last: WorkerState | None, first_waiting: float | None
) -> WorkerHealth:
    child = context.worker
    restarts = child.restarts if child else 0
    if state is None:
        if last and last.stage == "failed":
            return WorkerHealth(status="failed", message=last.error, mend=DOCTOR, restarts=restarts)
        if child is None:
            waits = "No worker runs; exchanges wait in the log for `driftium worker`."
            return WorkerHealth(status="off", message=waits)
        if not restarts:
            return WorkerHealth(status="starting", restarts=0)
        ended = "The worker has ended and is started again; its log says why."
        return WorkerHealth(status="restarting", message=ended, mend=DOCTOR, restarts=restarts)
    now = time.time()
    status = "ready" if state.stage in ("ready", "embedding") else state.stage
    message: str | UnsetType = state.error or UNSET
    late = first_waiting is not None and now - first_waiting > STALLED_SECONDS
    if not state.error and late and now - state.heartbeat_at > STALLED_SECONDS:
        status = "stalled"
        message = "The worker has not moved for a while although exchanges wait; the proxy is not affected."
    return WorkerHealth(
        status=status,
        message=message,
        mend=DOCTOR if status == "stalled" else UNSET,
        restarts=restarts,
        workers=UNSET if state.processes is None else len(state.processes),
        pid=state.pid,
        stage=state.stage,
        stage_seconds=round(now - state.since, 1),
        answers_per_second=state.answers_per_second,
        share=state.share,
        calibrating=state.calibrating,
    )


def _storage(fault: Fault | None) -> StorageHealth:
    if fault is None:
        return StorageHealth(status="ok")
    message = f"Traffic is forwarded and not recorded. {fault.message}"
    return StorageHealth(status="failing", message=message, mend=fault.mend or UNSET)


def _tap(context: Context, waiting: int) -> TapHealth:
    tap = context.tap
    message: str | UnsetType = UNSET
    if tap.error:
        message = f"Exchanges wait in memory until the log can be written, and are dropped past that. {tap.error}"
    return TapHealth(
        **tap.totals,
        pending=tap.pending,
        lag_exchanges=waiting,
        status="failing" if tap.error else "ok",
        message=message,
        mend=DOCTOR if tap.error else UNSET,
    )


def _vector_store(state: WorkerState | None, last: WorkerState | None, worker: WorkerHealth) -> StoreHealth:
    where = state.vector_store if state else None
    if where or not _failed(last, "vector_store"):
        return StoreHealth(status="up" if where else "down", where=where, message=_waits(worker))
    return StoreHealth(status="down", where=where, message=last.error if last else UNSET, mend=DOCTOR)


def _embedder(state: WorkerState | None, last: WorkerState | None, worker: WorkerHealth) -> EmbedderHealth:
    encoder = state.encoder if state else None
    if state and state.embedder_away:
        return EmbedderHealth(status="not ready", encoder=encoder, message=state.embedder_note, mend=DOCTOR)
    if encoder or not _failed(last, "embedder"):
        message = (state.embedder_note if state else "") or _waits(worker)
        return EmbedderHealth(status="ready" if encoder else "not ready", encoder=encoder, message=message)
    mend = "pip install 'driftium[embedded]'"
    return EmbedderHealth(status="not ready", encoder=encoder, message=last.error if last else UNSET, mend=mend)


def _scheduler(context: Context) -> SchedulerHealth | UnsetType:
    child = context.scheduler
    if child is None:
        return UNSET
    if child.running and child.last.get("standing_by"):
        waits = "The scheduler of another proxy works; this one takes over when that one ends."
        return SchedulerHealth(status="standing by", message=waits, restarts=child.restarts, jobs=0)
    try:
        state = read_heartbeat(context.history.engine)
    except SQLAlchemyError:
        state = None
    if state is None or not child.running or state.pid != child.pid:
        status: Literal["starting", "restarting"] = "restarting" if child.restarts else "starting"
        ended = "The scheduler has ended and is started again; its log says why."
        message = ended if child.restarts else UNSET
        mend = DOCTOR if child.restarts else UNSET
        return SchedulerHealth(status=status, message=message, mend=mend, restarts=child.restarts, jobs=0)
    jobs = len(state.jobs)
    if time.time() - state.heartbeat_at > STALLED_SECONDS:
        stalled = "The scheduler has not moved for a while: nobody is notified, and nothing is collected or asked."
        return SchedulerHealth(status="stalled", message=stalled, mend=DOCTOR, restarts=child.restarts, jobs=jobs)
    failing = {name: job.last_error for name, job in state.jobs.items() if job.failures}
    if failing:
        name, error = next(iter(failing.items()))
        message = f"{len(failing)} of its {jobs} jobs failed last, {name} with: {error}. They are tried again."
        return SchedulerHealth(status="failing", message=message, mend=DOCTOR, restarts=child.restarts, jobs=jobs)
    return SchedulerHealth(status="ready", restarts=child.restarts, jobs=jobs)


def _waits(worker: WorkerHealth) -> str | UnsetType:
    """Of a part that only the worker opens."""
    if worker.status == "off":
        return "It waits for a worker; none runs."
    return "It waits for the worker, which has failed." if worker.status == "failed" else UNSET


def _failed(last: WorkerState | None, part: str) -> bool:
    return last is not None and last.stage == "failed" and last.failed == part
