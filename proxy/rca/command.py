"""`driftium rca`: the report of a running Driftium, or of the data folder by rules alone."""

import sys
import time
from typing import Any

import httpx
import msgspec
from rich.console import Console

from drift.evidence import Evidence
from drift.rca.orchestrator import investigate
from drift.rca.records import RootCause
from proxy.client import OK, Failed, call, fail, stores
from proxy.findings import current_evidence
from proxy.rca.brief import brief_of
from proxy.rca.markdown import markdown, nothing_yet
from proxy.rca.terminal import show
from proxy.rca.views import AgenticView, NothingYet, agentic_view
from proxy.settings import Settings
from proxy.stores.history import History
from proxy.stores.runs import Runs
from proxy.tabular.terminal import inert
from proxy.views import choose, drift_view, status_of

LONGEST_SECONDS = 660.0
"""The longest that a model may be given, and a fresh look before it."""
LIVE_SECONDS = 2.0


def run(
    settings: Settings,
    url: str | None,
    monitor: str | None,
    *,
    folder: bool,
    form: str,
    use_model: bool,
) -> int:
    """Print the report as `form`: terminal, json or markdown; returns the exit code.

    `folder` asks for the data folder although a Driftium may run.
    """
    try:
        url = url or (None if folder else _running(settings))
        view = _asked(settings, url, monitor, use_model) if url else _read(settings, monitor)
    except Failed as error:
        return fail(error)
    console = Console(highlight=False)
    if form == "json":
        print(msgspec.json.format(msgspec.json.encode(view)).decode())
    elif form == "markdown":
        said = markdown(view) if isinstance(view, AgenticView) else nothing_yet(view)
        # Whatever the terminal's encoding: a ticket is UTF-8.
        sys.stdout.buffer.write(said.encode())
        sys.stdout.flush()
    elif isinstance(view, AgenticView):
        show(view, console)
    else:
        console.print(inert(console, view.message))
    return OK


def _running(settings: Settings) -> str | None:
    """The address of the Driftium of these settings, None where none answers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.server.host, settings.server.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.server.port}"
    try:
        answer = httpx.get(url + "/live", timeout=LIVE_SECONDS, trust_env=False)
        return url if answer.json() == {"status": "ok"} else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None


def _asked(settings: Settings, url: str, monitor: str | None, use_model: bool) -> AgenticView | NothingYet:
    body: dict[str, Any] = {"monitor": monitor, "use_model": use_model}
    waiting = Console(stderr=True)
    with waiting.status("looking for the cause") if waiting.is_terminal else waiting:
        told = call(settings, "POST", url, "/drift/agentic-rca", body, seconds=LONGEST_SECONDS)
    try:
        if told.get("available"):
            return msgspec.convert(told, AgenticView)
        return msgspec.convert(told, NothingYet)
    except msgspec.ValidationError as error:
        raise Failed(f"{url} answers as another version of Driftium would ({error}): use the same here.") from None


def _read(settings: Settings, monitor: str | None) -> AgenticView | NothingYet:
    with stores(settings) as (history, log):
        row, _ = choose(history, monitor)
        if row is None:
            view = drift_view(history, log, {}, monitor)
            return NothingYet(status=view.status, message=view.message, monitor=monitor)
        status, message = status_of(history, row)
        evidence = current_evidence(history, row)
        if evidence is None:
            return NothingYet(status=status, message=message, monitor=row.name)
        report = _by_rules(history, evidence, settings)
        return agentic_view(report, status=status, message=message, run_id=None, at=None)


def _by_rules(history: History, evidence: Evidence, settings: Settings) -> RootCause:
    runs = Runs(history.engine, keep=settings.tabular.keep_reports, max_datasets=settings.metrics.max_series)
    steps = investigate(brief_of(history, runs, evidence, until=time.time()), clock=time.perf_counter, ask_model=False)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            report: RootCause = end.value
            return report
