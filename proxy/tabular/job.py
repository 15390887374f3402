"""The child process of tabular jobs: a job a line on standard input, an answer a line on standard output.

python -m proxy.tabular.job MEMORY_BYTES
"""

import contextlib
import os
import queue
import resource
import sys
import threading

import msgspec
import structlog

from proxy import logs
from proxy.tabular.records import Compare, Compared, Describe, Description, Failure, Refusal, Refused, Simulate
from proxy.tabular.work import compare, describe, simulate

log = structlog.get_logger()

NICE = 5
"""A comparison has time; the requests beside it have none."""


def main(memory_bytes: int) -> None:
    """Answer jobs until standard input ends."""
    _limit_memory(memory_bytes)
    with contextlib.suppress(OSError):
        os.nice(NICE)
    # What a library prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()
    while True:
        answers.write(msgspec.json.encode(_answer(jobs.get(), memory_bytes)) + b"\n")
        answers.flush()


def _read(jobs: "queue.SimpleQueue[bytes]") -> None:
    for line in sys.stdin.buffer:
        jobs.put(line)
    # Whoever asked is gone, and with them the reason to finish.
    os._exit(0)


def _answer(line: bytes, memory_bytes: int) -> Compared | Description | Refusal | Failure:
    job = msgspec.json.decode(line, type=Compare | Simulate | Describe)
    try:
        if isinstance(job, Compare):
            return compare(job)
        return simulate(job) if isinstance(job, Simulate) else describe(job)
    except Refused as refused:
        return Refusal(detail=refused.detail, status=refused.status)
    except MemoryError:
        return Failure(
            detail=f"The comparison needs more than the {memory_bytes / 2**20:,.0f} MiB it may hold. "
            "Send fewer columns or raise tabular.memory_bytes.",
            status=507,
        )
    except Exception as error:
        log.error("a tabular job failed", exc_info=error)
        return Failure(detail="The comparison failed; Driftium's log says why.")


def _limit_memory(memory_bytes: int) -> None:
    # Some systems know the limit and do not let it be set.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


if __name__ == "__main__":
    logs.set_up("info")
    main(int(sys.argv[1]))
