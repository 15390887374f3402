"""`driftium doctor --pull`: has Ollama fetch the models that Driftium asks, with their progress."""

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from proxy.checks import ASK_SECONDS
from proxy.checks.models import has, is_ollama, pulled
from proxy.ollama_models import EXPLAINER
from proxy.settings import Settings

OK, ERROR, UPSTREAM = 0, 1, 4

SILENT_SECONDS = 600.0
"""Longest silence in a pull: Ollama checks large files without a word."""


class _Failed(Exception):
    """A model that was not pulled, and what to do."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


def pull_missing(settings: Settings) -> int:
    """Pull the model that explains, and upstream.default_model, where they are missing; returns the exit code."""
    console = Console(highlight=False)
    if settings.embedded.enabled:
        console.print("Nothing to pull: the embedded model explains too.", soft_wrap=True)
        return OK
    url = settings.upstream.url.rstrip("/")
    try:
        _must_be_ollama(url)
        there = pulled(url)
        for name in dict.fromkeys(filter(None, (settings.rca.model or EXPLAINER, settings.upstream.default_model))):
            if has(there, name):
                console.print(f"{name} is there.", soft_wrap=True, markup=False)
            else:
                _pull(console, url, name)
                console.print(f"{name} is pulled.", soft_wrap=True, markup=False)
    except _Failed as failed:
        console.print(f"error: {failed}", soft_wrap=True, markup=False)
        return failed.code
    return OK


def _must_be_ollama(url: str) -> None:
    try:
        httpx.get(f"{url}/api/version", timeout=ASK_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"no model server answers at {url} ({error}): start Ollama (ollama serve), or name it with --upstream"
        raise _Failed(UPSTREAM, message) from None
    if not is_ollama(url):
        raise _Failed(ERROR, f"the server at {url} is not Ollama: load the model there, and name it in rca.model")


def _pull(console: Console, url: str, name: str) -> None:
    """One bar for all of a model's files."""
    import ollama  # Half a second that only Ollama's users wait.

    files: dict[str, tuple[int, int]] = {}
    status = None
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    timeout = httpx.Timeout(SILENT_SECONDS, connect=ASK_SECONDS)
    bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    try:
        with bars, ollama.Client(host=url, timeout=timeout, trust_env=False) as client:
            bar = bars.add_task(name, total=None)
            for step in client.pull(name, stream=True):
                status = step.status
                if step.digest and step.total:
                    files[step.digest] = step.completed or 0, step.total
                    done, total = map(sum, zip(*files.values(), strict=True))
                    bars.update(bar, completed=done, total=total)
    except ollama.ResponseError as error:
        raise _Failed(ERROR, f"Ollama cannot pull {name}: {error.error}") from None
    except (httpx.HTTPError, ConnectionError, ValueError) as error:
        raise _Failed(UPSTREAM, f"{_broken(name)} ({error}): run this again, it goes on from there") from None
    if status != "success":
        raise _Failed(UPSTREAM, f"{_broken(name)}: run this again, it goes on from there")


def _broken(name: str) -> str:
    return f"Ollama broke off while it pulled {name}"
