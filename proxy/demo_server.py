"""The `driftium serve --embedded` of the demo: a child process with its own port, data folder and settings."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from proxy.config import PREFIX
from proxy.embedded import LOG as MODEL_LOG
from proxy.gguf import WeightsError, fetch_gguf, find_gguf
from proxy.settings import Settings

LOG = "demo.log"
START_SECONDS = 120.0
SCORE_SECONDS = 180.0
POLL_SECONDS = 0.2
STOP_SECONDS = 15.0
SHOWN_LINES = 12


class DemoFailed(Exception):
    """Why the story cannot go on, in one line."""


class NoModel(DemoFailed):
    """The small model could not be started."""


class Server:
    """A running Driftium of the demo."""

    def __init__(self, folder: Path, url: str, process: subprocess.Popen[bytes]):
        self.folder = folder
        self.url = url
        self.process = process
        # A first answer may wait for two others on a busy machine.
        self._client = httpx.Client(base_url=url, timeout=120, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        return self._json(lambda: self._client.get(path, params=params))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._json(lambda: self._client.post(path, json=body))

    def _json(self, ask: Callable[[], httpx.Response]) -> dict[str, Any]:
        try:
            answer = ask()
            told = dict(answer.json())
        except (httpx.HTTPError, ValueError) as error:
            raise DemoFailed(f"Driftium did not answer: {type(error).__name__} {error}".rstrip()) from None
        if answer.is_error:
            raise DemoFailed(f"Driftium answered with status {answer.status_code}: {told.get('detail') or told}")
        return told

    def wait_for_model(self, say: Callable[[str], None]) -> str:
        """The name of the model, once it answers. Raises NoModel."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._check_alive()
            upstream: dict[str, Any] = {}
            # It does not listen yet.
            with contextlib.suppress(DemoFailed):
                upstream = self.get("/api/health")["upstream"]
            child = upstream.get("embedded", {})
            if error := child.get("error"):
                raise NoModel(error)
            if upstream.get("models"):
                return str(upstream["models"][0])
            say("loading the small model" if child.get("stage") == "load" else "starting Driftium")
            time.sleep(POLL_SECONDS)
        raise NoModel(f"the small model did not answer within {START_SECONDS:.0f} s")

    def wait_until_scored(self, model: str, count: int, say: Callable[[str, int], None]) -> None:
        """Returns when the worker has scored `count` answers of the model. Raises DemoFailed."""
        deadline = time.monotonic() + SCORE_SECONDS
        while time.monotonic() < deadline:
            self._check_alive()
            worker = self.get("/api/health")["worker"]
            scored = self.scored(model)
            if scored >= count:
                return
            if worker.get("restarts", 0) > 1:
                raise DemoFailed("the worker, which embeds and scores the answers, does not start")
            ready = worker["status"] == "ready"
            say("the worker scores" if ready else "the worker loads its embedding model", scored)
            time.sleep(POLL_SECONDS)
        raise DemoFailed(f"the worker has not scored {count} answers within {SCORE_SECONDS:.0f} s")

    def scored(self, model: str) -> int:
        """How many answers of the model have been scored."""
        coverage = {row["name"]: row["coverage"] for row in self.get("/monitors")["monitors"]}
        return int(coverage.get(model, {}).get("scored", 0))

    def _check_alive(self) -> None:
        if self.process.poll() is not None:
            raise DemoFailed(f"driftium serve ended with exit code {self.process.returncode}")

    def last_words(self) -> list[str]:
        """The ends of the logs, for a person who wonders why."""
        lines = []
        for name in (LOG, MODEL_LOG):
            with contextlib.suppress(OSError):
                text = (self.folder / name).read_text("utf-8", "replace")
                lines += [f"{name}: {line}" for line in text.splitlines()[-SHOWN_LINES:]]
        return lines


def weights(settings: Settings, progress: Callable[[float], None]) -> Path:
    """The small model's weights: those of the settings, those on this machine, or fetched.

    They are kept in the usual data folder, so that neither another demo nor `driftium serve --embedded` fetches
    them again. Raises NoModel.
    """
    if settings.embedded.gguf:
        return Path(settings.embedded.gguf).expanduser().absolute()
    try:
        return find_gguf(settings.data_dir) or fetch_gguf(settings.data_dir, progress)
    except (WeightsError, OSError) as error:
        raise NoModel(str(error)) from None


@contextlib.contextmanager
def serving(settings: Settings, gguf: Path, folder: Path) -> Iterator[Server]:
    """A Driftium that serves from the folder, and has ended when the block is left, however it is left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # An empty file of settings: the ones that people use must neither be changed nor watched over by the demo.
    command = [sys.executable, "-m", "proxy", "serve", "--end-with-parent", "--config", os.devnull, "--embedded"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--data-dir", str(folder)]
    with (folder / LOG).open("ab") as log:
        process = subprocess.Popen(
            command,
            env=_environment(settings, gguf, folder),
            # Held open: should this process be killed, the other ends too.
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            # Ctrl-C in a terminal reaches every process of the group; this one ends when the story does.
            start_new_session=True,
        )
    server = Server(folder, f"http://127.0.0.1:{port}", process)
    try:
        yield server
    finally:
        server.close()
        process.terminate()
        assert process.stdin
        process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Also after a second Ctrl-C. Its children end with it.
            process.kill()
            process.wait()


def _environment(settings: Settings, gguf: Path, folder: Path) -> dict[str, str]:
    cores = os.cpu_count() or 1
    chosen: dict[str, Any] = {
        "server.drain_seconds": 5.0,
        "embedded.gguf": str(gguf),
        # All cores for the model, and the worker only when it rests: llama.cpp's threads crawl when they share one.
        "embedded.threads": settings.embedded.threads or min(4, cores),
        "worker.nice": 19,
        # Every answer counts in so short a story, on however slow a machine.
        "worker.max_lag_seconds": 3600.0,
    }
    chosen |= {f"embedder.{name}": value for name, value in msgspec.structs.asdict(settings.embedder).items()}
    others = {name: value for name, value in os.environ.items() if not (name.startswith(PREFIX) and "__" in name)}
    # torch would leave this folder, empty, beside the demo's.
    others["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "torch")
    # What is JSON here, a number, a truth value or a plain string, is TOML too.
    return others | {PREFIX + key.upper().replace(".", "__"): json.dumps(value) for key, value in chosen.items()}
