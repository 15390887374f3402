"""The process that compares tables: what it answers, and how it ends."""

import asyncio
import contextlib
import gzip
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.settings import Tabular
from proxy.tabular.jobs import JobFailed, Jobs
from proxy.tabular.records import Compare, Describe, Refused, Simulate, TableFile
from proxy.tabular.work import SHIPPED

YOUNG = Simulate(age_threshold=35, p_threshold=0.05, seed=0)


@contextlib.asynccontextmanager
async def jobs(settings: Tabular | None = None) -> AsyncIterator[Jobs]:
    running = Jobs(settings or Tabular())
    try:
        yield running
    finally:
        await running.close()


def pid(running: Jobs) -> int:
    assert running._process
    return running._process.pid


def alive(number: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, 0)
        return True
    return False


async def begun(running: Jobs) -> None:
    """Until the job is with the process."""
    while not running._turn.locked():  # noqa: ASYNC110 - a few turns of the loop away
        await asyncio.sleep(0)


@pytest.fixture
def large(tmp_path: Path) -> TableFile:
    """A table that takes some seconds and more memory than a job may have."""
    path = tmp_path / "large.csv"
    with path.open("w") as file:
        file.write(",".join(f"c{i}" for i in range(10)) + "\n")
        for i in range(40):
            file.write("".join(",".join(str(i * j % 97 + k) for k in range(10)) + "\n" for j in range(10_000)))
    return TableFile(path=str(path), name="large.csv")


def test_jobs_are_answered_one_after_another_by_one_warm_process():
    """The same question gets the same answer; a refusal ends nothing."""

    async def main() -> None:
        async with jobs() as running:
            first, second = await asyncio.gather(running.compare(YOUNG), running.compare(YOUNG))
            assert first == second
            child = pid(running)
            with pytest.raises(Refused, match="is no file"):
                await running.describe(Describe(table=TableFile(path=os.devnull, name="nothing"), max_bytes=1_000))
            found = await running.describe(Describe(table=SHIPPED, max_bytes=2**30))
            assert found.rows == 4_521
            assert pid(running) == child
            assert running.waiting == 0
        assert not alive(child)

    asyncio.run(main())


def test_a_job_whose_asker_leaves_is_ended_and_the_next_one_is_not_mixed_up_with_it(large: TableFile):
    async def main() -> None:
        async with jobs() as running:
            await running.compare(YOUNG)
            child = pid(running)
            asking = asyncio.create_task(
                running.compare(Compare(reference=large, current=large, p_threshold=0.05, max_bytes=2**30))
            )
            await begun(running)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            answer = await running.compare(YOUNG)
            assert answer.report.columns[0].name == "age"
            assert pid(running) != child

    asyncio.run(main())


def test_a_job_that_takes_too_long_is_ended_with_advice(large: TableFile):
    async def main() -> None:
        async with jobs(Tabular(job_seconds=0.05)) as running:
            with pytest.raises(JobFailed, match=r"tabular\.job_seconds") as failed:
                await running.compare(Compare(reference=large, current=large, p_threshold=0.05, max_bytes=2**30))
            assert failed.value.status == 503

    asyncio.run(main())


def test_a_killed_process_is_told_and_replaced(large: TableFile):
    async def main() -> None:
        async with jobs() as running:
            await running.compare(YOUNG)
            asking = asyncio.create_task(
                running.compare(Compare(reference=large, current=large, p_threshold=0.05, max_bytes=2**30))
            )
            await begun(running)
            os.kill(pid(running), signal.SIGKILL)
            with pytest.raises(JobFailed, match=r"tabular\.memory_bytes") as failed:
                await asking
            assert failed.value.status == 507
            assert (await running.compare(YOUNG)).report.drifted

    asyncio.run(main())


@pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux holds a process to its memory")
def test_a_job_is_held_to_its_memory_and_says_so(tmp_path: Path):
    """A table that would take more is told the setting; the process answers the next job."""
    path = tmp_path / "long.csv.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write("id,text\n")
        for i in range(60):
            file.write(f"{i},{'a' * 12_000_000}\n")
    table = TableFile(path=str(path), name="long.csv.gz")

    async def main() -> None:
        async with jobs(Tabular(memory_bytes=400 * 2**20)) as running:
            with pytest.raises(JobFailed, match=r"400 MiB .* raise tabular\.memory_bytes"):
                await running.compare(Compare(reference=table, current=table, p_threshold=0.05, max_bytes=2**30))
            assert (await running.compare(YOUNG)).report.drifted

    asyncio.run(main())
