"""The processes of past_one_machine.py: PostgreSQL, vector store, embedding server, proxies, workers and the load."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import sqlalchemy as sa

from proxy.config import load as load_settings
from proxy.settings import Settings
from proxy.simulate import deployment, load, upstream
from tests.conftest import free_port, wait_until
from tests.embedding_server import EmbeddingServer
from tests.postgres import Postgres

ROOT = Path(__file__).parents[2]
ANSWERS = ROOT / "tests" / "data" / "answers.jsonl.gz"
"""Real answers of 120 to 700 characters: with longer ones the embedding would leave fewer to be scored."""
PROXY_AGAIN_SECONDS = 1.0
WORKER_AGAIN_SECONDS = 8.0
"""A worker stays away for longer than a takeover may take, so that it is the other's doing."""


class Part:
    """A proxy or a worker, which is started anew on its own port and data folder after it was killed."""

    def __init__(self, kind: str, name: str, folder: Path, env: dict[str, str], upstream_url: str = ""):
        self.kind, self.name = kind, name
        self._folder, self._env = folder, env
        self.port = free_port() if kind == "proxy" else 0
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = ["worker"] if kind == "worker" else ["serve", "--no-worker", "--upstream", upstream_url]
        if self.port:
            self._arguments += ["--port", str(self.port)]
        self._arguments += ["--config", os.devnull, "--data-dir", str(folder / name)]
        self.process: subprocess.Popen[bytes] | None = None
        self.spent = 0.0
        """CPU seconds of its processes that have ended."""

    def start(self) -> "Part":
        command = [sys.executable, "-m", "proxy", *self._arguments]
        env = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTIUM_")}
        env |= {"PYTHONPATH": str(ROOT)} | self._env
        with (self._folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self._folder, env=env, stdout=log, stderr=log)
        return self

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        assert self.process
        self.spent += cpu_seconds([self.pid])
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process and self.runs:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def answers(self) -> bool:
        try:
            return httpx.get(self.url + "/live", timeout=5, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def words(self) -> str:
        return (self._folder / f"{self.name}.log").read_text("utf-8", "replace")[-3000:]


class Deployment:
    """All of it; `settings` are what every proxy and worker has but for its data folder."""

    def __init__(
        self,
        folder: Path,
        stack: contextlib.ExitStack,
        *,
        monitors: int,
        max_lag: float,
        fsync: bool = True,
        served: bool = True,
    ):
        """Without `served` each worker embeds by itself, with one thread."""
        self.folder = folder
        self.postgres = stack.enter_context(Postgres(fsync=fsync))
        self.url = self.postgres.database()
        self.qdrant = stack.enter_context(_module("tests.qdrant_server", "--port", str(qdrant_port := free_port())))
        self.embedding = stack.enter_context(EmbeddingServer(threads=1)) if served else None
        plan = upstream.Plan(models=monitors, answer_seconds=0.3, answers=str(ANSWERS))
        self.upstream = deployment.start_upstream(plan, folder)
        stack.enter_context(deployment.ended_together([self.upstream]))
        self.env = {
            "DRIFTIUM_DATABASE__URL": self.url,
            "DRIFTIUM_QDRANT__URL": f"http://127.0.0.1:{qdrant_port}",
            "DRIFTIUM_EMBEDDER__URL": self.embedding.url if self.embedding else "",
            # One core's share of one thread: small requests, and patience.
            "DRIFTIUM_EMBEDDER__REQUEST_TEXTS": "8",
            "DRIFTIUM_EMBEDDER__CONCURRENCY": "2",
            "DRIFTIUM_EMBEDDER__TIMEOUT_SECONDS": "180",
            "DRIFTIUM_WORKER__MAX_LAG_SECONDS": str(max_lag),
            "DRIFTIUM_MONITORS__MAX": str(monitors),
            # Nothing is pruned: every row is counted at the end.
            "DRIFTIUM_LOG__MAX_BYTES": str(2**40),
            "DRIFTIUM_DRIFT__RECENT_SAMPLES": "20000",
            "DRIFTIUM_HISTORY__KEEP_REPORTS": "100000",
            "DRIFTIUM_SERVER__LOG_LEVEL": "info",
            "DRIFTIUM_WORKER__POLL_SECONDS": "0.2",
        }
        self.settings: Settings = load_settings(
            Path(os.devnull), environ=self.env, flags={"data.dir": str(folder / "own")}
        )
        self.engine = sa.create_engine(
            self.url, connect_args={"options": f"-csearch_path={self.settings.database.schema}"}
        )
        stack.callback(self.engine.dispose)
        wait_until(lambda: _listens(qdrant_port), what="the vector store listens")

    def proxy(self, i: int) -> Part:
        return Part("proxy", f"proxy-{i + 1}", self.folder, self.env, self.upstream.url)

    def worker(self, i: int) -> Part:
        return Part("worker", f"worker-{i + 1}", self.folder, self.env)

    def read(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.engine.connect() as db:
            return [tuple(row) for row in db.execute(sa.text(query), values)]


class Loader:
    """The load of a simulation in a process of its own, told as it goes."""

    def __init__(self, plan: load.Plan, folder: Path):
        arguments = ["proxy.simulate.load", msgspec.json.encode(plan).decode()]
        self._process = deployment.Process("load", "load", arguments, deployment.plain_environment(), folder)

    @property
    def seen(self) -> load.Seen | None:
        """What it told last."""
        lines = self._process.told.read_bytes().splitlines(True)
        whole = [line for line in lines if line.endswith(b"\n")]
        return msgspec.json.decode(whole[-1], type=load.Seen) if whole else None

    @property
    def ended(self) -> bool:
        return self._process.ended

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        self._process.ask_to_end()
        self._process.end(time.monotonic() + 5)


class Killer:
    """Kills a random proxy or worker every so many seconds, and starts it again; measures how long its monitors had no
    owner that lives.
    """

    def __init__(self, deployed: Deployment, parts: list[Part], every: float, seed: int = 1):
        self._deployed, self._parts, self._every = deployed, parts, every
        self._draw = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.kills: list[str] = []
        self.takeovers: list[float] = []
        self.failure: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What was killed runs again when this returns."""
        self._stop.set()
        self._thread.join()
        if self.failure:
            raise self.failure

    def _run(self) -> None:
        try:
            due = time.monotonic() + self._every
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                due += self._every
                self._kill_one()
        except BaseException as error:
            self.failure = error

    def _kill_one(self) -> None:
        # The kinds in turn, so that a short run has both.
        kind = ("worker", "proxy")[len(self.kills) % 2]
        part = self._draw.choice([one for one in self._parts if one.kind == kind])
        owned = self._owned_by(part) if kind == "worker" else set()
        began = time.monotonic()
        part.kill()
        self.kills.append(part.name)
        if owned:
            wait_until(lambda: not (owned & self._ownerless(part.pid)), seconds=240, what="another worker takes over")
            self.takeovers.append(time.monotonic() - began)
        away = WORKER_AGAIN_SECONDS if kind == "worker" else PROXY_AGAIN_SECONDS
        self._stop.wait(max(0.0, away - (time.monotonic() - began)))
        part.start()
        if kind == "proxy":
            wait_until(part.answers, what=f"{part.name} answers again")

    def _owned_by(self, part: Part) -> set[str]:
        return {name for name, who in owners(self._deployed).items() if who.endswith(f":{part.pid}")}

    def _ownerless(self, pid: int) -> set[str]:
        """Monitors whose owner is the process that was killed."""
        return {name for name, who in owners(self._deployed).items() if not who or who.endswith(f":{pid}")}


def owners(deployed: Deployment) -> dict[str, str]:
    """{monitor: host:process of its owner, "" where that is gone}"""
    rows = deployed.read("SELECT o.monitor, w.name FROM owners o LEFT JOIN workers w ON w.number = o.worker")
    return {monitor: name or "" for monitor, name in rows}


def cpu_seconds(pids: list[int]) -> float:
    from proxy.simulate.usage import usage

    found = usage(pids)
    return found.cpu_seconds if found else 0.0


@contextlib.contextmanager
def _module(name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", name, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/collections", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False
