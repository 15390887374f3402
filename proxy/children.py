"""Child processes of `driftium serve`: started, watched, started again with back-off, ended with their parent.

A child holds the other end of its standard input: when the parent dies, however it
dies, the child reads the end of the file and ends too.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog

log = structlog.get_logger()

BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STABLE_SECONDS = 60.0
"""A child that lived this long starts again at once: its end was no crash loop."""


def when_parent_ends(act: Callable[[], None]) -> None:
    """Call `act`, from a thread, once whoever holds the other end of standard input is gone."""

    def wait() -> None:
        # Not sys.stdin: a thread that holds its lock would abort the interpreter's exit.
        while os.read(0, 1024):
            pass
        act()

    threading.Thread(target=wait, daemon=True).start()


def stop_on_signals(stop: threading.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


class Commands(msgspec.Struct, frozen=True):
    """`python -m` arguments that start the children; None runs without that child."""

    worker: Sequence[str] | None = None
    scheduler: Sequence[str] | None = None


class Child:
    """One supervised child that runs `python -m MODULE ARGUMENTS` and reports in JSON lines on standard output."""

    def __init__(self, name: str, command: Sequence[str], on_line: Callable[[dict[str, Any]], None] | None = None):
        self.name = name
        self._command = command
        self._on_line = on_line
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self.restarts = 0
        self.last_exit: int | None = None
        self.last: dict[str, Any] = {}
        """The last line it reported."""

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self.running else None

    def start(self) -> None:
        self._task = asyncio.create_task(self._supervise())

    async def _supervise(self) -> None:
        loop, quick = asyncio.get_running_loop(), 0
        while not self._stopping:
            started = loop.time()
            try:
                self._process = await self._spawn()
            except OSError as error:
                self.last_exit = None
                what = f"could not be started ({error}); it is tried again"
            else:
                await self._read_lines(self._process)
                self.last_exit = await self._process.wait()
                what = "ended; it is started again"
            if self._stopping:
                return
            quick = 0 if loop.time() - started > STABLE_SECONDS else quick
            pause = BACKOFF_SECONDS[min(quick, len(BACKOFF_SECONDS) - 1)]
            quick += 1
            self.restarts += 1
            log.warning(f"the {self.name} {what}", exit_code=self.last_exit, in_seconds=pause)
            await asyncio.sleep(pause)

    async def _spawn(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C in a terminal reaches every process of the group; the children end when the parent says so.
            start_new_session=True,
        )

    async def _read_lines(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:
                # Longer than the reader's buffer, which has been emptied: the next line can be read.
                log.warning(f"the {self.name} wrote a line that is too long; it is left out")
                continue
            if not line:
                return
            with contextlib.suppress(msgspec.DecodeError):
                self.last = msgspec.json.decode(line, type=dict[str, Any])
                if self._on_line:
                    self._on_line(self.last)

    async def stop(self, seconds: float) -> None:
        """Let the child finish what it is doing; kill it if that takes longer than `seconds`."""
        self._stopping = True
        process = self._process
        if process and process.returncode is None:
            assert process.stdin
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), seconds)
            except TimeoutError:
                log.warning(f"the {self.name} did not end in time and was killed", seconds=seconds)
                process.kill()
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
