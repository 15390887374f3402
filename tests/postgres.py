"""A real PostgreSQL for tests and benchmarks: the distribution's server, in a temporary folder and on loopback."""

import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

GUARDED = "guarded"
"""A role that must give its password; it is made by `server.role(GUARDED, password=…)`. All others are trusted."""

START_SECONDS = 60.0
STOP_SECONDS = 10.0


def binaries() -> Path | None:
    """The folder of the newest server that is installed; None where there is none."""
    found = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    if found:
        return max(found, key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0))
    onpath = shutil.which("initdb")
    return Path(onpath).resolve().parent if onpath else None


class Postgres:
    """One server, for as long as a with statement lasts; `database()` is the URL of a new database in it.

    `options` are settings of the server itself, as in postgresql.conf. With `fsync` off a
    killed server still loses nothing; only a machine without power would.
    `folder` must be one that the user postgres can enter, where we are root; without it a
    temporary one is made, and removed with the server.
    """

    def __init__(self, folder: Path | None = None, *, fsync: bool = True, options: dict[str, str] | None = None):
        bin_folder = binaries()
        if bin_folder is None:
            raise RuntimeError("no PostgreSQL server is installed: apt-get install postgresql")
        self._bin = bin_folder
        self._given = folder
        self._options = {"fsync": "on" if fsync else "off"} | (options or {})
        self._numbers = itertools.count(1)
        # It refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Postgres":
        self.folder = self._given or Path(tempfile.mkdtemp(prefix="driftium-postgres-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            if self._user:
                shutil.chown(self.folder, self._user, self._user)
            self._make()
            self.port = _free_port()
            self.start()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self.kill()
        if self._given is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self) -> None:
        if (self._data / "PG_VERSION").exists():
            return
        command: list[str | Path] = [self._bin / "initdb", "--auth=trust", "--username=postgres"]
        command += ["--encoding=UTF8", "--locale=C.UTF-8"]
        command += ["--no-sync", "-D", self._data]
        done = subprocess.run(command, check=False, user=self._user, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr.strip()}")
        rules = self._data / "pg_hba.conf"
        # Of the rules the first that fits counts.
        rules.write_text(f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\n" + rules.read_text())

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        """Of the server's own database; tests take `database()`, one of their own."""
        return self.url_of("postgres")

    def url_of(self, database: str, *, user: str = "postgres", password: str = "") -> str:
        who = f"{user}:{password}" if password else user
        return f"postgresql+psycopg://{who}@127.0.0.1:{self.port}/{database}"

    def database(self, name: str | None = None) -> str:
        """The URL of a new, empty database."""
        name = name or f"test_{os.getpid()}_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url_of(name)

    def execute(self, statement: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement outside any transaction; its rows, where it has some."""
        with psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=database, autocommit=True) as db:
            cursor = db.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def role(self, name: str, *, password: str = "") -> None:
        """Make a role that may log in and owns nothing; only GUARDED is asked for its password."""
        self.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{password}'")

    def start(self) -> "Postgres":
        """Start the server, or start it again, on the same port and with the same data."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "logging_collector": "off",
        } | self._options
        given = itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in options.items())
        command = [str(self._bin / "postgres"), "-D", str(self._data), *given]
        with (self.folder / "server.log").open("ab") as log:
            # A session of its own, so that Ctrl-C ends the tests and not the server under them.
            self.process = subprocess.Popen(
                command, cwd="/", user=self._user, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        ready = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        while subprocess.run(ready, check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: {(self.folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """End it as an administrator would: every client is cut off, everything is written."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # Somebody who has connected and says nothing is waited for.
                self.kill()

    def kill(self) -> None:
        """SIGKILL to all its processes at once; done when none of them is left. `start()` recovers from it."""
        if self.process is None or self.process.poll() is not None:
            return
        # Stopped first, so that it starts no further one meanwhile.
        pids = self._stopped()
        for pid in pids:
            _send(pid, signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + START_SECONDS
        while any(map(_runs, pids)):
            if time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL does not end")
            time.sleep(0.01)

    def pause(self) -> None:
        """It hangs: connections are taken by the kernel, and nothing answers."""
        self._stopped()

    def resume(self) -> None:
        assert self.process
        for pid in [*self._children(), self.process.pid]:
            _send(pid, signal.SIGCONT)

    def _stopped(self) -> list[int]:
        assert self.process
        _send(self.process.pid, signal.SIGSTOP)
        children = self._children()
        for pid in children:
            _send(pid, signal.SIGSTOP)
        return [self.process.pid, *children]

    def _children(self) -> list[int]:
        assert self.process
        pid = self.process.pid
        with contextlib.suppress(OSError):
            return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _runs(pid: int) -> bool:
    try:
        # The state stands after the name, which may hold anything in its parentheses.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
