"""`driftium serve`: the web process and the children it starts."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from types import FrameType

import uvicorn
from rich.console import Console

from proxy.app import build
from proxy.config import Settings
from proxy.context import Context


def serve(settings: Settings, worker_command: Sequence[str] | None) -> int:
    """Serve until told to stop; returns the exit code."""
    console = Console(stderr=True, highlight=False)
    server = settings.server
    try:
        listener = _listen(server.host, server.port)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror or error}"
        console.print(f"[red]error:[/] {server.host}:{server.port} {reason}. Choose another with --host and --port.")
        return 1
    app, context = build(settings, worker_command=worker_command)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
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
    _announce(console, settings, worker_command is not None)
    _Server(config, context, console).run(sockets=[listener])
    return 0


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
        self._watch = asyncio.create_task(_say_when_upstream_is_missing(self._context, self._console))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._context.relay.draining = True
        super().handle_exit(sig, frame)
        # Else uvicorn raises it again once all is drained, and a clean stop would look like a kill.
        self._captured_signals.clear()


def _announce(console: Console, settings: Settings, worker: bool) -> None:
    server = settings.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    upstream = "the embedded model" if settings.embedded.enabled else settings.upstream.url
    console.print(f"[bold]Driftium[/] listens at http://{host}:{server.port}", soft_wrap=True)
    console.print(f"  clients    base URL http://{host}:{server.port}/v1, forwarded to {upstream}", soft_wrap=True)
    console.print(
        f"  drift      http://{host}:{server.port}/drift, metrics at /metrics, routes at /schema", soft_wrap=True
    )
    console.print(f"  data       {settings.data_dir}" + ("" if worker else ", without a worker"), soft_wrap=True)


async def _say_when_upstream_is_missing(context: Context, console: Console) -> None:
    """One clear banner, not one line for each failed request."""
    await context.probe.asked.wait()
    if context.probe.up or context.embedded:
        return
    url = context.settings.upstream.url
    console.print(
        f"\n[yellow bold]No model server answers at {url}.[/]\n"
        "  Requests get 502 until it does. Start Ollama (ollama serve), point --upstream at another\n"
        "  OpenAI-compatible server, or run a small model here: driftium serve --embedded\n",
        soft_wrap=True,
    )
