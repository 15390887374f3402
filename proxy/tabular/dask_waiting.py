"""Waiting for tasks of Dask, which ends: with their results, or with what stands in their way."""

import time
from collections.abc import Callable
from typing import Any

from proxy.tabular.dask_cluster import ANSWER_SECONDS, LOST, WORKERS_SECONDS, ClusterFault, first_line
from proxy.tabular.records import Refused

Progress = Callable[[int], None]
"""Takes how many tasks have ended since the last call."""
_LOOK_SECONDS = 0.05
_ASK_SECONDS = 2.0


def results(client: Any, wanted: list[Any], steps: list[Any], progress: Progress) -> list[Any]:
    """What the futures wanted bring, in order. Raises Refused for what fails, or when the cluster is lost.

    steps are the futures that count as progress. This empties the list as they end: a future that is kept keeps its
    result in the cluster.
    """
    watch = _Watch(client)
    while not all(future.done() for future in wanted):
        time.sleep(_LOOK_SECONDS)
        before = len(steps)
        steps[:] = [step for step in steps if not step.done()]
        progress(before - len(steps))
        if any(future.status == "error" for future in wanted):
            break
        watch.look()
    progress(len(steps))
    steps.clear()
    for future in wanted:
        if future.status == "error":
            raise _in_words(future.exception())
        if future.status == "cancelled":
            raise ClusterFault(LOST)
    try:
        return client.gather(wanted)  # type: ignore[no-any-return]
    except Exception as error:
        raise _in_words(error) from None


class _Watch:
    """Asks the scheduler every now and then whether it is there, and has workers."""

    def __init__(self, client: Any):
        self._client = client
        self._asked_at = self._worked_at = time.monotonic()

    def look(self) -> None:
        """Raises Refused where nothing more can be waited for."""
        if self._client.status != "running":
            raise ClusterFault(LOST)
        now = time.monotonic()
        if now - self._asked_at < _ASK_SECONDS:
            return
        try:
            told = self._client.sync(self._client.scheduler.identity, n_workers=0, callback_timeout=ANSWER_SECONDS)
        except TimeoutError:
            raise ClusterFault(f"The scheduler of the cluster has not answered for {ANSWER_SECONDS:g} s.") from None
        except Exception:
            raise ClusterFault(LOST) from None
        self._asked_at = time.monotonic()
        if told["n_workers"]:
            self._worked_at = self._asked_at
        elif self._asked_at - self._worked_at > WORKERS_SECONDS:
            raise ClusterFault(
                f"The cluster has had no worker for {WORKERS_SECONDS:g} s: start some, and the comparison again."
            )


def _in_words(error: BaseException) -> Refused:
    """What a task failed of."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    if isinstance(error, Refused):
        return error
    if isinstance(error, KilledWorker):
        return Refused(
            "The same rows have ended several workers, most likely for want of memory: raise --worker-memory "
            "(that of the cluster's own workers with their options), or write the files with smaller row groups."
        )
    if isinstance(error, MemoryError):
        return Refused("A worker has too little memory: raise --worker-memory, or write smaller row groups.")
    if isinstance(error, CommClosedError | CancelledError):
        return ClusterFault(LOST)
    if isinstance(error, ImportError):
        return ClusterFault(f"A worker cannot run Driftium: {first_line(error)}: install driftium[dask] there.")
    return Refused(f"The comparison failed on a worker: {type(error).__name__}: {first_line(error)}.")
