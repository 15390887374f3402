"""The composition root of the web process: settings in, ASGI application out."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import CollectorRegistry

from proxy import schema
from proxy.canary.key import canary_key
from proxy.children import Child, Commands
from proxy.collector import HistoryCollector
from proxy.context import Context
from proxy.control_plane import ROUTES
from proxy.hurry import TABLES, hurried
from proxy.language_model import LanguageModel
from proxy.metrics import Metrics
from proxy.ollama_models import Details
from proxy.probe import Probe
from proxy.rca.investigations import Investigations
from proxy.recorder import Recorder
from proxy.redaction import Redactor
from proxy.relay import Relay
from proxy.routes import problems, table_problems
from proxy.routes.authorisation import guard
from proxy.routes.console import console
from proxy.settings import Settings
from proxy.storage import first_look
from proxy.stores.opening import open_stores
from proxy.stores.root_causes import RootCauses
from proxy.stores.runs import Runs
from proxy.tabular.gauges import TabularCollector
from proxy.tabular.jobs import Jobs
from proxy.tabular.references import References
from proxy.tabular.uploads import Uploads
from proxy.tap import Tap
from proxy.upstream import connect

NATIVE = "chat|generate|embed|embeddings|tags|show|ps|version|pull|push|create|copy|delete|blobs"
"""Ollama's own API, under /api."""

DATA_PLANE = re.compile(rf"/+(v1|api/+({NATIVE}))(/|\Z)")

NAMED = re.compile(rb"/monitors/[^/]+(/(mute|acknowledge))?\Z")
"""Paths that hold a monitor's name."""

FIRST_LOOK_SECONDS = 3.0
"""A database that hangs must not keep anybody from being served."""

THREADS = 40
"""More than there are connections to a database on another machine."""

CONTROL_BODY_BYTES = 4 * 2**20
"""A control-plane body is decoded on the loop that forwards traffic, so it has to be small."""


def build(
    settings: Settings,
    *,
    commands: Commands = Commands(),  # noqa: B008 - frozen
    on_embedded: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[ASGIApp, Context]:
    """Wire everything up.

    `commands` start the children. `on_embedded` is called with each line of the embedded model.
    """
    settings, embedded = _embed(settings, on_embedded)
    history, log = open_stores(settings)
    registry = CollectorRegistry()
    metrics = Metrics(registry, settings.metrics.max_series)
    recorder = Recorder(
        log,
        metrics,
        settings.log,
        history.cursor,
        Redactor(settings.privacy.redact),
        {canary.monitor for canary in settings.canary},
        canary_key(settings.data_dir) if settings.canary else "",
    )
    shared = bool(settings.database.url)
    totals = first_look(history, log, seconds=FIRST_LOOK_SECONDS if shared else None)
    tap = Tap(settings.tap, recorder.write, metrics.observe, totals)
    base, transport = connect(settings.upstream)
    relay = Relay(settings, base, transport, tap, metrics)

    async def tell_digests(digests: dict[str, str], details: dict[str, Details]) -> None:
        def tell() -> None:
            # From here on: what was logged before was answered by the models before.
            history.ask("digests", {"digests": digests, "details": details, "head": log.head()})

        await asyncio.to_thread(tell)

    probe = Probe(base, transport, tell_digests)
    runs = Runs(history.engine, keep=settings.tabular.keep_reports, max_datasets=settings.metrics.max_series)
    root_causes = RootCauses(history.engine)
    language_model = LanguageModel(relay, probe, settings.rca, settings.upstream)
    context = Context(
        settings=settings,
        history=history,
        log=log,
        tap=tap,
        relay=relay,
        probe=probe,
        worker=Child("worker", commands.worker) if commands.worker else None,
        scheduler=Child("scheduler", commands.scheduler) if commands.scheduler else None,
        embedded=embedded,
        runs=runs,
        jobs=Jobs(settings.tabular),
        uploads=Uploads(settings.data_dir / "uploads", settings.tabular.max_bytes),
        references=References(settings.data_dir / "references"),
        language_model=language_model,
        root_causes=root_causes,
        investigations=Investigations(history, runs, root_causes, language_model, metrics),
    )
    registry.register(HistoryCollector(history, log, tap, context.status, settings))
    registry.register(TabularCollector(context.runs.gauges))

    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        if shared:
            # Threads that wait for a server that hangs must not keep others from theirs.
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        tap.start()
        children = [child for child in (context.worker, context.scheduler, embedded) if child]
        for child in children:
            child.start()
        probing = asyncio.create_task(probe.run())
        try:
            yield
        finally:
            probing.cancel()
            await context.jobs.close()
            await context.investigations.close()
            with contextlib.suppress(TimeoutError):
                closed = asyncio.to_thread(tap.close)
                await (asyncio.wait_for(closed, settings.server.drain_seconds) if shared else closed)
            await asyncio.gather(*(child.stop(settings.server.drain_seconds) for child in children))
            await transport.aclose()
            log.close()
            history.close()

    control_plane = Litestar(
        route_handlers=[*ROUTES, *console()],
        before_request=guard(settings),
        dependencies={
            "context": Provide(lambda: context, sync_to_thread=False),
            "registry": Provide(lambda: registry, sync_to_thread=False),
        },
        lifespan=[lifespan],
        exception_handlers=problems.HANDLERS | table_problems.HANDLERS,
        cors_config=CORSConfig(allow_origins=list(settings.server.cors_origins))
        if settings.server.cors_origins
        else None,
        openapi_config=schema.openapi(),
        plugins=[schema.Answers()],
        request_max_body_size=CONTROL_BODY_BYTES,
        logging_config=None,
    )
    return _before(control_plane, relay, settings.server.client_seconds), context


def _before(control_plane: Litestar, relay: Relay, client_seconds: float) -> ASGIApp:
    """The data plane goes past the framework, which would set CORS headers on it and answer OPTIONS itself."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and DATA_PLANE.match(scope["path"]):
            await relay(scope, receive, send)
            return
        if scope["type"] == ScopeType.HTTP and NAMED.match(scope["raw_path"]):
            # Decoded, a slash in the name could not be told from one of the path; the route decodes it.
            scope["path"] = scope["raw_path"].decode("latin-1")
        if scope["type"] == ScopeType.HTTP and not TABLES.match(scope["path"]):
            receive = hurried(receive, client_seconds)
        await control_plane(scope, receive, send)

    return app


def _embed(settings: Settings, on_line: Callable[[dict[str, Any]], None] | None) -> tuple[Settings, Child | None]:
    """With embedded.enabled: the settings with the embedded model as upstream, and the process that runs it."""
    if not settings.embedded.enabled:
        return settings, None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["proxy.embedded", "--data-dir", str(settings.data_dir), "--port", str(port)]
    if settings.embedded.threads:
        command += ["--threads", str(settings.embedded.threads)]
    if settings.embedded.gguf:
        command += ["--gguf", settings.embedded.gguf]
    upstream = msgspec.structs.replace(settings.upstream, url=f"http://127.0.0.1:{port}")
    return msgspec.structs.replace(settings, upstream=upstream), Child("embedded model", command, on_line)
