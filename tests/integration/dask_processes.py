"""Schedulers and workers of Dask as processes of their own, and what a test asks of processes."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conftest import wait_until


@contextlib.contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler of its own process, and its address."""
    file = folder / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    with started("scheduler", *options) as process:
        address = wait_until(lambda: file.exists() and json.loads(file.read_text() or "{}").get("address"), seconds=240)
        yield address.replace("tcp://", "dask://"), process


@contextlib.contextmanager
def started(*arguments: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "dask", *arguments]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | environ) as process:
        try:
            yield process
        finally:
            process.kill()


def worker(engine: str, folder: Path, **environ: str) -> contextlib.AbstractContextManager[Any]:
    address = engine.replace("dask://", "tcp://")
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder)]
    return started("worker", address, *options, **environ)


def members(group: int) -> list[int]:
    """The processes of a group that are no zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                found.append(int(stat.parent.name))
    return found


def resident(key: str) -> int:
    """Of this process, in bytes: VmRSS now, VmHWM at most."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return 1024 * int(line.split()[1])


def driftium(*arguments: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "proxy", "tabular", *map(str, arguments)]
    return subprocess.Popen(command, stdout=-1, stderr=-1, text=True, start_new_session=True)
