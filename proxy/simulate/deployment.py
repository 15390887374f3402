"""The processes of a simulation: its upstream, its proxies and workers, each ended with the block it was started in."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec

from proxy.config import PREFIX
from proxy.settings import Settings
from proxy.simulate import upstream
from proxy.simulate.plan import Broken

START_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1
SHOWN_LINES = 8
LISTS = ("notify", "ingest", "canary")
"""Of the settings. A simulation's drift is nobody's business, and neither collects it logs nor asks models."""
RAW = ("_env", "admin_token")
"""Ends of settings that are secrets, whose variables are never read as TOML: proxy/config.py."""


class Process:
    """One process, with a log of its own."""

    def __init__(self, kind: str, name: str, arguments: list[str], environ: dict[str, str], folder: Path):
        self.kind = kind
        self.name = name
        self.url = ""
        self.log = folder / f"{name}.log"
        self.told = folder / f"{name}.out"
        with self.log.open("ab") as log, self.told.open("wb") as told:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env=environ,
                cwd=folder,
                # Held open: should this process be killed, the others end too.
                stdin=subprocess.PIPE,
                stdout=told,
                stderr=log,
                # Ctrl-C in a terminal reaches every process of the group; these end when they are told to.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def check(self) -> None:
        """Raises Broken when it has ended."""
        if self.ended:
            lines = self.log.read_text("utf-8", "replace").splitlines()[-SHOWN_LINES:]
            raise Broken("\n".join([f"{self.name} ended with exit code {self._process.returncode}:", *lines]))

    def interrupt(self) -> None:
        if not self.ended:
            self._process.send_signal(2)

    def wait(self, seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def ask_to_end(self) -> None:
        self._process.terminate()
        if self._process.stdin:
            self._process.stdin.close()

    def end(self, deadline: float) -> None:
        try:
            self.wait(max(0.0, deadline - time.monotonic()))
        finally:
            # Also after a second Ctrl-C.
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def ended_together(processes: list[Process]) -> Iterator[None]:
    """What is in the list when the block is left, ends."""
    try:
        yield
    finally:
        for one in processes:
            one.ask_to_end()
        deadline = time.monotonic() + STOP_SECONDS
        for one in processes:
            one.end(deadline)


def start_upstream(plan: upstream.Plan, folder: Path) -> Process:
    """Raises Broken where its port is taken."""
    arguments = ["proxy.simulate.upstream", msgspec.json.encode(plan).decode()]
    process = Process("upstream", "upstream", arguments, plain_environment(), folder)
    deadline = time.monotonic() + START_SECONDS
    while not (line := process.told.read_bytes()).endswith(b"\n"):
        if process.ended or time.monotonic() > deadline:
            process.check()
            raise Broken("the simulation's upstream does not start")
        time.sleep(POLL_SECONDS)
    told = msgspec.json.decode(line)
    if "error" in told:
        process.wait(STOP_SECONDS)
        raise Broken(f"{plan.host}:{plan.port} cannot be listened at: {told['error']}; choose another --upstream-port")
    host = {"0.0.0.0": "127.0.0.1", "localhost": "127.0.0.1", "::": "::1"}.get(plan.host, plan.host)
    process.url = f"http://{f'[{host}]' if ':' in host else host}:{told['port']}"
    return process


def start_proxy(i: int, settings: Settings, folder: Path, data_dir: Path, upstream_url: str) -> Process:
    port = free_port()
    arguments = ["proxy", "serve", "--end-with-parent", "--no-worker", "--config", os.devnull, "--host", "127.0.0.1"]
    arguments += ["--port", str(port), "--upstream", upstream_url, "--data-dir", str(data_dir)]
    process = Process("proxy", f"proxy-{i + 1}", arguments, environment(settings, folder), folder)
    process.url = f"http://127.0.0.1:{port}"
    return process


def start_worker(i: int, settings: Settings, folder: Path, data_dir: Path) -> Process:
    arguments = ["proxy", "worker", "--end-with-parent", "--config", os.devnull, "--data-dir", str(data_dir)]
    return Process("worker", f"worker-{i + 1}", arguments, environment(settings, folder), folder)


def wait_for(process: Process) -> None:
    """Until it answers. Raises Broken."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        process.check()
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(process.url + "/live", timeout=5, trust_env=False).is_success:
                return
        time.sleep(POLL_SECONDS)
    raise Broken(f"{process.name} does not answer within {START_SECONDS:.0f} s; its log ends with: {_last(process)}")


def _last(process: Process) -> str:
    return (process.log.read_text("utf-8", "replace").splitlines() or ["nothing"])[-1]


def plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not (name.startswith(PREFIX) and "__" in name)}


def environment(settings: Settings, folder: Path) -> dict[str, str]:
    """The settings that are not the defaults, as variables; without what a simulation has no use for."""
    found = plain_environment() | {"TORCHINDUCTOR_CACHE_DIR": str(folder / "torch")}
    plain, defaults = msgspec.to_builtins(settings), msgspec.to_builtins(Settings())
    for section, keys in plain.items():
        if section in LISTS:
            continue
        for key, value in keys.items():
            if value != defaults[section][key] and value is not None:
                raw = isinstance(value, str) and (key.endswith(RAW) or not _is_toml(value))
                # What is JSON here, a number, a truth value, a plain string or a list of them, is TOML too.
                found[f"{PREFIX}{section}__{key}".upper()] = value if raw else msgspec.json.encode(value).decode()
    return found


def _is_toml(text: str) -> bool:
    """Whether a variable with this text would be read as something else than the text."""
    try:
        tomllib.loads(f"v = {text}")
    except tomllib.TOMLDecodeError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
