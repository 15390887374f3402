"""`driftium serve`: the web process and the children it starts."""

import asyncio
import contextlib
import errno
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import structlog
import uvicorn
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from proxy.app import build
from proxy.children import Commands, when_parent_ends
from proxy.context import Context
from proxy.front import Front
from proxy.routes.cross_site import is_loopback
from proxy.settings import Settings

log = structlog.get_logger()

SWITCH_SECONDS = 0.0005

DESCRIPTORS = 65_536
"""Open files. Each client in flight takes two, its own and the upstream's, and 1,024 is the usual start."""


def serve(settings: Settings, commands: Commands, *, end_with_parent: bool = False) -> int:
    """Serve until told to stop; returns the exit code."""
    console = Console(stderr=True, highlight=False)
    server = settings.server
    _allow_descriptors()
    try:
        listener = _listen(server.host, server.port)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror or error}"
        return _fail(console, f"{server.host}:{server.port} {reason}. Choose another with --host and --port.")
    try:
        app, context = build(settings, commands=commands, on_embedded=teller(console))
    except (OSError, SQLAlchemyError) as error:
        reason = str(error).partition("\n")[0]
        return _fail(console, f"the data folder {settings.data_dir} cannot be used: {reason}; run driftium doctor")
    # granian takes a fifth less CPU (.23 s for 1,000 requests instead of .29 in one run), but 32 MiB more, answers
    # later at 200/s, and lets nobody at its connections: what proxy/front.py refuses, notices and bounds.
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=partial(Front, head_seconds=server.client_seconds),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        # The client gets the upstream's headers, not this server's.
        server_header=False,
        date_header=False,
        # What a client claims about its own address is the upstream's business.
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(server.drain_seconds) or 1,
    )
    if end_with_parent:
        when_parent_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))
    # The tap's thread writes the log beside the loop: a request must not wait the usual 5 ms until it lets go.
    sys.setswitchinterval(SWITCH_SECONDS)
    _announce(console, settings, commands.worker is not None)
    _warn_of_open_doors(console, settings)
    _Server(config, context, console).run(sockets=[listener])
    return 0


def _allow_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # a system may allow fewer than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _fail(console: Console, reason: str) -> int:
    console.print(f"[red]error:[/] {escape(reason)}", soft_wrap=True)
    return 1


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    listener.set_inheritable(False)
    return listener


class _Server(uvicorn.Server):
    """Uvicorn's server that says at once when it is asked to stop."""

    def __init__(self, config: uvicorn.Config, context: Context, console: Console):
        super().__init__(config)
        self._context = context
        self._console = console

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What was imported stays for good; looking through it for garbage would stop the loop for 50 ms each time.
        gc.collect()
        gc.freeze()
        self._watch = asyncio.create_task(_say_when_upstream_is_missing(self._context, self._console))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._context.relay.draining = True
        super().handle_exit(sig, frame)
        # Else uvicorn raises it again once all is drained, and a clean stop would look like a kill.
        self._captured_signals.clear()


def _announce(console: Console, settings: Settings, worker: bool) -> None:
    server = settings.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    upstream = "the embedded model" if settings.embedded.enabled else _without_password(settings.upstream.url)
    if not console.is_terminal:
        listens = f"Driftium listens at http://{host}:{server.port}"
        log.info(listens, upstream=upstream, data=str(settings.data_dir), worker=worker)
        return
    console.print(f"[bold]Driftium[/] listens at http://{host}:{server.port}", soft_wrap=True)
    console.print(f"  console    http://{host}:{server.port}/ in a browser", soft_wrap=True)
    console.print(f"  clients    base URL http://{host}:{server.port}/v1, forwarded to {upstream}", soft_wrap=True)
    console.print(
        f"  drift      http://{host}:{server.port}/drift, metrics at /metrics, routes at /schema", soft_wrap=True
    )
    console.print(f"  data       {settings.data_dir}" + ("" if worker else ", without a worker"), soft_wrap=True)


def _without_password(url: str) -> str:
    """A URL as others may read it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _warn_of_open_doors(console: Console, settings: Settings) -> None:
    server = settings.server
    if is_loopback(server.host) or server.admin_token:
        return
    warning = (
        f"whoever reaches {server.host}:{server.port} can read prompts and answers and "
        "set baselines: set server.admin_token (DRIFTIUM_SERVER__ADMIN_TOKEN)"
    )
    if console.is_terminal:
        console.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
    else:
        log.warning(warning)


def teller(console: Console) -> Callable[[dict[str, Any]], None]:
    """What takes the embedded model's lines and says what is new in them: plainly at a terminal, else as log lines."""
    told = ""

    def tell(line: dict[str, Any]) -> None:
        nonlocal told
        before, told = told, _words(line)
        if told in ("", before):
            return
        failed = "error" in line
        if console.is_terminal:
            # Words in brackets are the message's own: pip install 'driftium[embedded]'.
            console.print(told, style="red" if failed else None, markup=False, soft_wrap=True)
        elif failed:
            log.error(told)
        else:
            log.info(told)

    return tell


def _words(line: dict[str, Any]) -> str:
    """A line of proxy.embedded in words, the same for each tenth of a download; "" for what is of no interest."""
    match line:
        case {"error": error}:
            return f"the embedded model does not start: {error}"
        case {"ready": True, "model": name}:
            return f"the embedded model is ready: {name}"
        case {"stage": "download", "fraction": fraction}:
            return f"the embedded model is being downloaded: {int(fraction * 10) * 10} %"
    return ""


async def _say_when_upstream_is_missing(context: Context, console: Console) -> None:
    """One clear banner, not one line for each failed request."""
    await context.probe.asked.wait()
    if context.probe.up or context.embedded:
        return
    url = _without_password(context.settings.upstream.url)
    if not console.is_terminal:
        log.warning(f"No model server answers at {url}. Requests get 502 until it does.")
        return
    console.print(
        f"\n[yellow bold]No model server answers at {url}.[/]\n"
        "  Requests get 502 until it does. Start Ollama (ollama serve), point --upstream at another\n"
        "  OpenAI-compatible server, or run a small model here: driftium serve --embedded\n",
        soft_wrap=True,
    )
