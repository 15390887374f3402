"""The progress of a backfill: a bar at a terminal, a line now and then elsewhere."""

import time

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from proxy.ingest.checkpoints import Status
from proxy.ingest.room import BUSY

LINE_SECONDS = 10.0
"""Between two lines where there is no terminal."""
_RATE_SECONDS = 30.0


class Progress:
    """Shows what a run tells of itself. Use it in a with statement."""

    def __init__(self, console: Console, total: int):
        self._console = console
        self._terminal = console.is_terminal
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[told]}"),
            console=console,
            disable=not self._terminal,
        )
        self._task = self._bar.add_task("Collecting", total=total or None, told="")
        self._total = total
        self._read = 0
        self._began = self._told_at = time.monotonic()
        self._why = self._told = ""
        self._marks: list[tuple[float, int]] = [(self._began, 0)]

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def moved(self, status: Status, read: int) -> None:
        self._read += read
        done, now = sum(status.last.values()), time.monotonic()
        self._marks = [mark for mark in self._marks if now - mark[0] < _RATE_SECONDS] or self._marks[-1:]
        since, before = self._marks[0]
        self._marks.append((now, done))
        rate = (done - before) / (now - since) if now > since else 0.0
        self._told = f"{done:,} records, {rate:,.0f}/s"
        self._bar.update(self._task, completed=self._read, told=self._told)
        self._why = ""
        if not self._terminal and now - self._told_at > LINE_SECONDS:
            self._told_at = now
            share = f"{100 * self._read / self._total:.0f} %: " if self._total else ""
            self._console.print(f"{share}{self._told}", soft_wrap=True)

    def waits(self, why: str) -> None:
        if why == self._why:
            return
        self._why = why
        # That it embeds is the ordinary course; without a worker nothing moves until somebody starts one.
        self._bar.update(self._task, told=self._told if why == BUSY else "waiting")
        if why != BUSY:
            self._bar.console.print(f"Waiting: {why}", soft_wrap=True)
