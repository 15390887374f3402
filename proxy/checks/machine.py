"""This machine: its port, disk, databases, vector store and clock."""

import contextlib
import errno
import json
import os
import shlex
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import httpx

from proxy.checks import ASK_SECONDS, Finding, qdrant
from proxy.client import bearer
from proxy.keeping.mending import damage_of
from proxy.settings import Settings
from proxy.stores import history, log
from proxy.stores.faults import MEND

CHECK_SECONDS = 2.0
"""Longest that one database is read: a log of 1 GiB would take a minute."""

MANY_POINTS = 100_000
"""Of local mode: some 0.8 GB of memory, and minutes to open."""

WARN_BYTES, FULL_BYTES = 2**30, 100 * 2**20
CLOCK_SECONDS = 60.0


def port(settings: Settings) -> Iterable[Finding]:
    host, number = settings.server.host, settings.server.port
    where = f"{host}:{number}"
    try:
        _bind(host, number)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            yield _occupied(settings)
        elif error.errno == errno.EACCES:
            mend = "choose a port from 1024 on with --port"
            yield Finding("error", "port", f"{where} needs the rights of root", mend)
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


def _occupied(settings: Settings) -> Finding:
    host, number = settings.server.host, settings.server.port
    here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    url, told = f"http://{here}:{number}", None
    with contextlib.suppress(httpx.HTTPError, ValueError):
        answer = httpx.get(f"{url}/api/health", headers=bearer(settings), timeout=ASK_SECONDS, trust_env=False)
        told = answer.json()
        if answer.status_code == 401 and "server.admin_token" in str(told):
            mend = "set server.admin_token here too (DRIFTIUM_SERVER__ADMIN_TOKEN)"
            return Finding("warning", "port", f"a Driftium that asks for another token serves at {url}", mend)
    if isinstance(told, dict) and {"version", "worker", "tap"} <= told.keys():
        return Finding("ok", "port", f"a Driftium {told['version']} serves at {url}; its status is {told['status']}")
    mend = "choose another with --port"
    for other in range(number + 1, min(number + 100, 2**16)):
        with contextlib.suppress(OSError):
            _bind(host, other)
            mend = f"driftium serve --port {other}"
            break
    return Finding("error", "port", f"{host}:{number} is in use by another program", mend)


def data_folder(settings: Settings) -> Iterable[Finding]:
    part, folder = "data folder", settings.data_dir
    place = _existing(folder)
    other = "choose another with --data-dir or data.dir"
    if not place.is_dir():
        yield Finding("error", part, f"{folder}: {place} is not a folder", other)
        return
    if not os.access(place, os.W_OK | os.X_OK):
        mend = f"give this user the right to write there, or {other}"
        yield Finding("error", part, f"{place} cannot be written", mend)
        return
    free = shutil.disk_usage(place).free
    found = f"{folder}, {free / 2**30:.1f} GiB free" + ("" if place == folder else "; made at the first start")
    if free < WARN_BYTES:
        mend = f"make room there, lower log.max_bytes, or {other}"
        yield Finding("error" if free < FULL_BYTES else "warning", part, found, mend)
        return
    if place == folder and folder.stat().st_mode & 0o077:
        found = f"{folder} is open to others on this machine, and prompts and answers lie in it"
        yield Finding("warning", part, found, f"chmod 700 {shlex.quote(str(folder))}")
        return
    yield Finding("ok", part, found)


def _existing(path: Path) -> Path:
    """The path, or what there is of the way to it."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def databases(settings: Settings) -> Iterable[Finding]:
    # With database.url none of them is used.
    for name in () if settings.database.url else (log.FILE, history.FILE):
        path = settings.data_dir / name
        if path.is_file():
            yield _database(path)


def _database(path: Path) -> Finding:
    part = "database"
    if damage := damage_of(path, seconds=CHECK_SECONDS):
        mend = f"{MEND} moves it aside and a new one is made, or driftium restore BACKUP --data-dir NEW_FOLDER"
        return Finding("error", part, f"{path} is damaged: {damage}", mend)
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=ASK_SECONDS)) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        mend = "give this user the right to read it, or end the program that has locked it"
        return Finding("error", part, f"{path} cannot be opened: {error}", mend)
    known = {log.FILE: log.SCHEMA, history.FILE: history.SCHEMA}[path.name].version
    if version > known:
        mend = "install that version again, or choose another data folder with --data-dir"
        return Finding("error", part, f"{path} was written by a later Driftium (schema {version})", mend)
    return Finding("ok", part, f"{path} is sound")


def vector_store(settings: Settings) -> Iterable[Finding]:
    if settings.qdrant.url:
        yield from qdrant.server(settings)
    else:
        yield _local_vectors(settings.data_dir / "vectors")


def _local_vectors(folder: Path) -> Finding:
    if not os.path.lexists(folder):
        return Finding("ok", "vector store", f"{folder}; made at the first start")
    try:
        json.loads((folder / "meta.json").read_text("utf-8"))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        mend = f"{MEND} moves it aside; the baselines need to be set anew"
        return Finding("error", "vector store", f"{folder} cannot be read: {error}", mend)
    for path in folder.glob("collection/*/storage.sqlite"):
        if damage := damage_of(path, seconds=CHECK_SECONDS):
            mend = f"{MEND} moves it aside; the baselines need to be set anew"
            return Finding("error", "vector store", f"{path} is damaged: {damage}", mend)
    if (points := _local_points(folder)) > MANY_POINTS:
        found = f"{folder} holds {points} points, which the worker keeps in memory and reads whole when it starts"
        return Finding("warning", "vector store", found, "a Qdrant server keeps them on its disk: set qdrant.url")
    return Finding("ok", "vector store", f"{folder}; {points} points")


def _local_points(folder: Path) -> int:
    """How many points the local mode's files hold; 0 where that cannot be told."""
    count = 0
    for path in folder.glob("collection/*/storage.sqlite"):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
            count += db.execute("SELECT count(*) FROM points").fetchone()[0]
    return count


def clock(settings: Settings) -> Iterable[Finding]:
    part, mend = "clock", "set the clock: timedatectl set-ntp true"
    year = datetime.now(UTC).year
    if not 2025 <= year < 2100:
        yield Finding("error", part, f"this machine's clock says that it is the year {year}", mend)
        return
    steady, wall = time.monotonic(), time.time()
    # Two clocks can only be compared over a stretch of time.
    time.sleep(0.2)
    jump = abs((time.time() - wall) - (time.monotonic() - steady))
    # Less can be this process waiting for its turn between two readings.
    if jump > 0.5:
        yield Finding("warning", part, f"the clock jumped by {jump:.1f} s", "let one service set it, not two")
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
