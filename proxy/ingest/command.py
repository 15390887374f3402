"""What `driftium ingest` does: a backfill from files, with its progress and what came of it."""

import io
import re
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from hashlib import blake2s
from typing import Any, BinaryIO

import msgspec
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from proxy.cli_options import ERROR, OK
from proxy.ingest.checkpoints import Status
from proxy.ingest.errors import IngestError
from proxy.ingest.files import Found, listed
from proxy.ingest.progress import Progress
from proxy.ingest.run import Run
from proxy.ingest.settings import Fields, Ingest, check
from proxy.ingest.summary import show
from proxy.section import ConfigError
from proxy.settings import Settings
from proxy.stores.faults import fault_of
from proxy.stores.opening import opened

SOURCE = "backfill"
_MOST_SHOWN = 200


class Wrong(Exception):
    """The command cannot be done as it was given, in one line."""


def run(
    settings: Settings,
    files: Sequence[str],
    *,
    monitor: str,
    format: str,
    fields: Sequence[str],
    dry: bool,
    wait: bool,
) -> int:
    """The command's exit code. Raises Wrong."""
    source = _source(settings, files, monitor, format, fields)
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryFile() as spool:
        there = _files(files, spool)
        stop = threading.Event()
        before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with (
                opened(settings) as (history, exchange_log),
                Progress(console, sum(one.size for one in there)) as progress,
            ):
                work = Run(
                    source,
                    settings,
                    history,
                    exchange_log,
                    stop=stop.is_set,
                    pause=stop.wait,
                    observer=progress,
                    wait=wait,
                    dry=dry,
                )
                status = work.run(there)
        except (SQLAlchemyError, OSError) as error:
            reason = fault_of(error).message if isinstance(error, SQLAlchemyError) else f"{error}. Run driftium doctor."
            where = "" if settings.database.url else f"{settings.data_dir} cannot be used: "
            console.print(f"error: {where}{reason}", markup=False)
            return ERROR
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    show(status, work.first_errors, Console(highlight=False), dry=dry, stopped=stop.is_set())
    return OK if _all(status) and not stop.is_set() else ERROR


def _all(status: Status) -> bool:
    """Whether all that was found could be taken."""
    lost = any(status.last.get(result) for result in ("malformed", "no_content", "too_large", "unredacted"))
    return status.state == "idle" and not lost and not status.problems


def _source(settings: Settings, files: Sequence[str], monitor: str, format: str, fields: Sequence[str]) -> Ingest:
    """As if it stood in the config."""
    told: dict[str, str] = {}
    for one in fields:
        name, sign, path = one.partition("=")
        if not sign or name not in Fields.__struct_fields__ or not path:
            known = ", ".join(Fields.__struct_fields__)
            raise Wrong(f"--field {one}: must be NAME=PATH, with one of the names {known}")
        told[name] = path
    # Each monitor has a source of its own, so that the same file can be taken into two.
    words = re.sub(r"[^A-Za-z0-9_.-]+", "-", monitor)[:40]
    mark = "" if words == monitor else "-" + blake2s(monitor.encode(), digest_size=4).hexdigest()
    given: dict[str, Any] = {
        "name": f"{SOURCE}-{words}{mark}" if monitor else SOURCE,
        "path": " ".join(files)[:_MOST_SHOWN],
        "format": "fields" if told and format == "auto" else format,
        "fields": told,
        "monitor": monitor,
    }
    try:
        source = msgspec.convert(given, Ingest)
        check([source], settings.monitors.allow)
    except msgspec.ValidationError as error:
        raise Wrong(str(error)) from None
    except ConfigError as error:
        said = str(error).partition(": ")[2]
        raise Wrong(said.replace("fields.response", "--field response=PATH")) from None
    return source


def _files(names: Sequence[str], spool: BinaryIO) -> list[Found]:
    """The files, in the order in which they were named; those of a glob in the order of their changes."""
    found: dict[str, Found] = {}
    for name in names:
        if name == "-":
            # On the disk, since it is read twice: to know it again, and to take it.
            shutil.copyfileobj(sys.stdin.buffer, spool)
            size = spool.tell()
            found[name] = Found("standard input", "standard input", "", size, 0.0, lambda: _again(spool))
            continue
        try:
            more = listed(name)
        except IngestError as error:
            raise Wrong(str(error)) from None
        if not more:
            raise Wrong(f"{name}: no such file")
        found |= {one.place: one for one in more if one.place not in found}
    return list(found.values())


def _again(spool: BinaryIO) -> BinaryIO:
    spool.seek(0)
    return io.BufferedReader(io.FileIO(spool.fileno(), closefd=False))
