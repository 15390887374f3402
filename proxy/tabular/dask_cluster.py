"""A cluster of Dask for one comparison: one of its own on this machine, or one that runs somewhere."""

import contextlib
import signal
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from proxy.tabular.records import Refused

OWN = ("dask", "dask://")
CONNECT_SECONDS = 10.0
WORKERS_SECONDS = 30.0
"""How long a scheduler may be without any worker."""
ANSWER_SECONDS = 30.0
START_SECONDS = 180.0
LOST = "The scheduler of the cluster was lost: start it, and the comparison, again."
_CLOSE_SECONDS = 5.0
_SILENT = 100
"""A level of logs that none has."""
_DEFAULT_MEMORY = 2 * 2**30
_OWN_SHARE = 0.75
"""Of this machine's memory, for all workers."""
_LEAST_MEMORY = 512 * 2**20
_PACKAGES = ("dask", "distributed", "numpy", "pandas", "pyarrow", "datasketches")
_SETTINGS: dict[str, Any] = {
    # Profiles hold labels: none is written to disk. A worker that stops taking tasks near its bound may wait forever.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.worker.profile.enabled": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


class ClusterFault(Refused):
    """What neither table is to blame for."""


@contextlib.contextmanager
def connected(engine: str, *, workers: int | None, memory: int | None, warn: Callable[[str], None]) -> Iterator[Any]:
    """A client of a cluster whose workers can do the work. Raises ClusterFault.

    engine is "dask" for a cluster of its own, on loopback with TLS, of which memory bounds each worker in bytes; else
    the address of a scheduler, dask://host:port or tls://host:port.
    """
    try:
        import dask
        import distributed
    except ImportError:
        raise ClusterFault("--engine dask needs Dask: pip install 'driftium[dask]'.") from None
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(_SETTINGS))
        if engine in OWN:
            yield stack.enter_context(_own(distributed, workers, memory))
            return
        if engine.startswith("tls://"):
            _check_certificates(distributed)
        client = stack.enter_context(_client(distributed, engine.replace("dask://", "tcp://", 1), engine))
        _wait_for_workers(client, engine)
        _compare_versions(client, warn)
        yield client


@contextlib.contextmanager
def _own(distributed: Any, workers: int | None, memory: int | None) -> Iterator[Any]:
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    count = workers or CPU_COUNT
    bound = memory or max(_LEAST_MEMORY, min(_DEFAULT_MEMORY, int(_OWN_SHARE * MEMORY_LIMIT / count)))
    with (
        tempfile.TemporaryDirectory(prefix="driftium-dask-", ignore_cleanup_errors=True) as folder,
        _loop() as loop,
        distributed.LocalCluster(
            # They are started below, where Ctrl-C ends what has been started.
            n_workers=0,
            threads_per_worker=1,
            processes=True,
            memory_limit=bound,
            host="127.0.0.1",
            # Even without its dashboard it would take the dashboard's port.
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            local_directory=folder,
            # Whoever reaches a scheduler runs code as its user: on loopback, everybody on the machine.
            security=True,
            silence_logs=_SILENT,
            loop=loop,
        ) as cluster,
        _client(distributed, cluster, "dask") as client,
    ):
        cluster.scale(count)
        try:
            client.wait_for_workers(count, timeout=START_SECONDS)
        except TimeoutError:
            raise ClusterFault(f"The {count} workers have not started for {START_SECONDS:g} s: try fewer.") from None
        yield client


@contextlib.contextmanager
def _loop() -> Iterator[Any]:
    """An event loop in a thread that keeps Ctrl-C from the workers that it starts: they end with the command."""
    from multiprocessing import resource_tracker

    from distributed.utils import LoopRunner

    # Started by that thread, it would let Ctrl-C through there again.
    resource_tracker.ensure_running()
    runner = LoopRunner()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        runner.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield runner.loop
    finally:
        with contextlib.suppress(Exception):
            runner.stop()


def _check_certificates(distributed: Any) -> None:
    try:
        context = distributed.Security().get_connection_args("client")["ssl_context"]
    except (OSError, ValueError) as error:
        raise ClusterFault(f"Dask's certificates (distributed.comm.tls) cannot be read: {first_line(error)}.") from None
    if context is None:
        raise ClusterFault(
            "tls:// needs certificates: name ca-file, client.cert and client.key in Dask's configuration, "
            "under distributed.comm.tls (DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__CLIENT__CERT, …__CLIENT__KEY)."
        )


@contextlib.contextmanager
def _client(distributed: Any, where: Any, engine: str) -> Iterator[Any]:
    try:
        client = distributed.Client(where, timeout=CONNECT_SECONDS, set_as_default=False)
    except OSError:
        # Of which TimeoutError is one.
        raise ClusterFault(f"No scheduler of Dask has answered at {engine} for {CONNECT_SECONDS:g} s.") from None
    except (ValueError, TypeError, RuntimeError) as error:
        raise ClusterFault(f"The scheduler {engine} cannot be reached: {first_line(error)}.") from None
    try:
        yield client
    except Refused:
        raise
    except Exception as error:
        # Whatever was asked of it just then.
        if isinstance(error, OSError) or client.status != "running":
            raise ClusterFault(LOST) from None
        raise
    finally:
        with contextlib.suppress(Exception):
            client.close(timeout=_CLOSE_SECONDS)


def _wait_for_workers(client: Any, engine: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKERS_SECONDS)
    except TimeoutError:
        raise ClusterFault(f"The scheduler {engine} has had no worker for {WORKERS_SECONDS:g} s.") from None


def _compare_versions(client: Any, warn: Callable[[str], None]) -> None:
    """Raises ClusterFault where a worker or the scheduler has no Driftium or another one; warns of other differences.

    What moves between them is pickled, which only the same versions are sure to read alike.
    """
    try:
        # By the packages' metadata: that needs no Driftium there.
        told = client.sync(client._get_versions, packages=["driftium", *_PACKAGES], callback_timeout=ANSWER_SECONDS)
    except TimeoutError:
        raise ClusterFault(f"A worker or the scheduler has not answered for {ANSWER_SECONDS:g} s.") from None
    except Exception as error:
        raise ClusterFault(f"The cluster cannot be asked for its versions: {first_line(error)}.") from None
    here = _versions(told["client"])
    differing: dict[str, set[str]] = {}
    for where, answer in {"the scheduler": told["scheduler"], **told["workers"]}.items():
        at = where if where == "the scheduler" else f"the worker {where}"
        there = _versions(answer)
        if there["driftium"] != here["driftium"]:
            found = f"Driftium {there['driftium']}" if there["driftium"] else "no Driftium"
            wanted = f"pip install 'driftium[dask]=={here['driftium']}'"
            raise ClusterFault(
                f"{at} has {found}, this client {here['driftium']}: {wanted} in the cluster's environment."
            )
        for package in there.keys() - {"driftium"}:
            if there[package] != here[package]:
                said = f"{package} {there[package] or 'none'} (here {here[package] or 'none'})"
                differing.setdefault(at, set()).add(said)
    for at, packages in differing.items():
        warn(f"{at} has other versions: {', '.join(sorted(packages))}; results may differ, or tasks fail.")


def _versions(answer: dict[str, Any]) -> dict[str, str]:
    python = ".".join(str(answer["host"]["python"]).split(".")[:2])
    return {"python": python} | {name: answer["packages"].get(name) or "" for name in ("driftium", *_PACKAGES)}


def first_line(error: BaseException) -> str:
    """What an error says, short enough for a line."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300].rstrip(".")
