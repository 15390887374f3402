"""Tabular jobs run in a child process: what they import is heavy, and what they read is somebody else's."""

import asyncio
import os
import sys

import msgspec
import structlog

from proxy.settings import Tabular
from proxy.tabular.records import Compare, Compared, Describe, Description, Failure, Refusal, Refused, Simulate

log = structlog.get_logger()

IDLE_SECONDS = 300.0
"""A warm child answers in a tenth of a second, a new one takes two; it holds 150 MB."""
_ANSWER_BYTES = 256 * 2**20
_Job = Compare | Simulate | Describe


class JobFailed(Exception):
    """A job that gave no answer, in words that say what to do. `status` is the HTTP status that fits."""

    def __init__(self, detail: str, status: int = 500):
        super().__init__(detail)
        self.detail = detail
        self.status = status


class Jobs:
    """One warm child at a time, started with the first job and ended after a while without any.

    Jobs queue. A job whose caller is cancelled takes its child with it.
    """

    def __init__(self, settings: Tabular):
        self._settings = settings
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self.waiting = 0
        """Jobs that run or wait."""

    async def compare(self, job: Compare | Simulate) -> Compared:
        """Raises Refused where the table is at fault, JobFailed where the job is."""
        answer = await self._run(job)
        assert isinstance(answer, Compared)
        return answer

    async def describe(self, job: Describe) -> Description:
        """Raises Refused, JobFailed."""
        answer = await self._run(job)
        assert isinstance(answer, Description)
        return answer

    async def close(self) -> None:
        """End the child."""
        if self._idle:
            self._idle.cancel()
        await self._end()

    async def _run(self, job: _Job) -> Compared | Description:
        self.waiting += 1
        try:
            async with self._turn:
                if self._idle:
                    self._idle.cancel()
                answer = await self._ask(job)
                self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._kill)
        finally:
            self.waiting -= 1
        if isinstance(answer, Refusal):
            raise Refused(answer.detail, answer.status)
        if isinstance(answer, Failure):
            raise JobFailed(answer.detail, answer.status)
        return answer

    async def _ask(self, job: _Job) -> Compared | Description | Refusal | Failure:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await self._start()
        assert process.stdin
        assert process.stdout
        try:
            async with asyncio.timeout(self._settings.job_seconds):
                process.stdin.write(msgspec.json.encode(job) + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readline()
        except TimeoutError:
            await self._end()
            return Failure(
                detail=f"The comparison took longer than {self._settings.job_seconds:g} s. "
                "Send fewer rows or raise tabular.job_seconds.",
                status=503,
            )
        except ConnectionError:
            line = b""
        except BaseException:
            # Its answer would be taken for the next job's.
            self._kill()
            raise
        if not line.endswith(b"\n"):
            code = await process.wait()
            log.error("the process that compares tables ended in the middle of a job", exit_code=code)
            return Failure(
                detail="The process that compares tables was ended by the system, most likely for its memory. "
                "Send fewer rows, or give the machine more memory and raise tabular.memory_bytes.",
                status=507,
            )
        return msgspec.json.decode(line, type=Compared | Description | Refusal | Failure)

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "proxy.tabular.job",
            str(self._settings.memory_bytes),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_ANSWER_BYTES,
            # Ctrl-C in a terminal reaches every process of the group; the child ends with its standard input.
            start_new_session=True,
            # Threads that wait for a core cost more here than they bring, and each reserves memory.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )

    def _kill(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.kill()
        self._process = None

    async def _end(self) -> None:
        process = self._process
        self._kill()
        if process:
            await process.wait()
