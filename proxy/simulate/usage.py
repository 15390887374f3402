"""CPU time and memory of processes on this machine, where Linux tells them."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

_PROC = Path("/proc")


class Usage(msgspec.Struct, frozen=True):
    """Of all processes of a kind together."""

    processes: int
    cpu_seconds: float
    memory_bytes: int
    """Resident now."""


def usage(pids: Iterable[int]) -> Usage | None:
    """Of these processes and their children; None where this system does not tell."""
    if not (_PROC / "self" / "stat").exists():
        return None
    found = [one for pid in _with_children(pids) if (one := _one(pid))]
    return Usage(len(found), sum(cpu for cpu, _ in found), sum(memory for _, memory in found))


def named(name: str) -> list[int]:
    """The processes of this machine that bear a name."""
    found = []
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "comm").read_text().strip() == name:
                found.append(int(folder.name))
    return found


def _with_children(pids: Iterable[int]) -> set[int]:
    found, left = set[int](), list(pids)
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            with contextlib.suppress(OSError):
                children = [task.read_text().split() for task in _PROC.glob(f"{pid}/task/*/children")]
                left += [int(child) for some in children for child in some]
    return found


def _one(pid: int) -> tuple[float, int] | None:
    """(CPU seconds, with those of its children that have ended; bytes)"""
    try:
        # The name stands in brackets and may hold anything.
        stat = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        pages = (_PROC / str(pid) / "statm").read_text().split()[1]
    except (OSError, IndexError):
        return None
    return sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK"), int(pages) * os.sysconf("SC_PAGE_SIZE")
