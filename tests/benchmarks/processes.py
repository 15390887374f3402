"""The processes of a measurement: started, bound to cores, and read in /proc."""

import contextlib
import dataclasses
import json
import os
import resource
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.load import Plan

LOAD_CORE, PROXY_CORE = 0, 1
_TICKS = os.sysconf("SC_CLK_TCK")
_PRIORITY = 10


def allow_open_files(needed: int) -> None:
    """Raise this process's limit of open files, which its children inherit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise SystemExit(f"{needed} open files are needed, {hard} allowed: raise the limit (ulimit -Hn)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """What is started inside runs on that core alone; None: wherever it likes."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def real_time(pid: int) -> None:
    """Schedule every thread of a process before all ordinary work of the machine. Needs root."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setscheduler(int(task), os.SCHED_RR, os.sched_param(_PRIORITY))


class StampedUpstream:
    """tests.benchmarks.stamped in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]):
        assert process.stdout
        self.pid = process.pid
        self.port = int(process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def counts(self) -> dict[str, Any]:
        """Connections open and accepted; who left inside a stream since the last call."""
        with urllib.request.urlopen(self.url + "/bench", timeout=10) as answer:
            return json.load(answer)


@contextlib.contextmanager
def stamped_upstream(core: int | None = None) -> Iterator[StampedUpstream]:
    with _python("tests.benchmarks.stamped", core) as process:
        yield StampedUpstream(process)


def loaded(plan: Plan, *, core: int | None = None, rt: bool = False) -> Iterator[dict[str, Any]]:
    """Run a load generator; its reports as they come."""
    with _python("tests.benchmarks.load", core) as process:
        if rt:
            real_time(process.pid)
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(dataclasses.asdict(plan)) + "\n")
        process.stdin.flush()
        yield from map(json.loads, process.stdout)
        if process.wait():
            raise SystemExit("the load generator has failed")


@contextlib.contextmanager
def _python(module: str, core: int | None) -> Iterator[subprocess.Popen[str]]:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", module]
    with on_core(core):
        process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.terminate()


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a process holds and has used."""

    rss_mb: float
    peak_mb: float
    descriptors: int
    established: int
    """Its TCP connections that are open in both directions."""
    threads: int
    cpu_seconds: float


def usage(pid: int) -> Usage:
    folder = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    # The name in brackets may hold anything.
    stat = (folder / "stat").read_text().rpartition(")")[2].split()
    held = _descriptors(folder / "fd")
    return Usage(
        rss_mb=int(status["VmRSS"].split()[0]) / 1024,
        peak_mb=int(status["VmHWM"].split()[0]) / 1024,
        descriptors=len(held),
        established=len({f"socket:[{inode}]" for inode in _established(folder)}.intersection(held)),
        threads=int(status["Threads"]),
        cpu_seconds=(int(stat[11]) + int(stat[12])) / _TICKS,
    )


def _descriptors(folder: Path) -> list[str]:
    held = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            held.append(os.readlink(folder / name))
    return held


def _established(folder: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in (folder / "net" / table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == "01":
                    yield columns[9]


def machine() -> tuple[float, float, float]:
    """CPU seconds of the whole machine since it started: all, those in use, and those that its host withheld."""
    user, nice, system, idle, waiting, irq, softirq, stolen = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    busy = user + nice + system + irq + softirq
    return (busy + idle + waiting + stolen) / _TICKS, busy / _TICKS, stolen / _TICKS


def child_of(pid: int) -> int:
    """The first child of a process, itself where it has none."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid
