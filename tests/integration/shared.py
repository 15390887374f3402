"""Workers as processes, on one machine's files or on a shared database, and a log to fill by hand."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import sqlalchemy as sa

from drift.records import Outcome, Report
from proxy.capture import Capture, encode
from proxy.settings import Data, Database, Qdrant, Settings
from proxy.shared.ownership import owner
from proxy.stores.log import Entry
from proxy.stores.opening import open_stores
from proxy.stores.queue import Queue
from proxy.stores.shared_tables import owners
from proxy.stores.workers import read_workers
from tests.conftest import wait_until
from tests.scripted import completion

ENV = {
    "DRIFTIUM_DRIFT__WINDOWS": "[10, 20]",
    "DRIFTIUM_DRIFT__EXPECTED_RUN_LENGTH": "100",
    "DRIFTIUM_DRIFT__REPORT_SECONDS": "0.5",
    "DRIFTIUM_WORKER__BATCH": "16",
    "DRIFTIUM_WORKER__POLL_SECONDS": "0.05",
    "DRIFTIUM_WORKER__NICE": "0",
    "DRIFTIUM_WORKER__MAX_LAG_SECONDS": "900",
}


def logged(number: int, monitor: str, prompt: str, answer: str) -> Entry:
    """An exchange as the proxy logs it; the same number is the same exchange wherever it is logged."""
    name, at = f"{number:032x}", 1.8e9 + number
    request = json.dumps({"model": "m", "messages": [{"role": "user", "content": prompt}]}).encode()
    capture = Capture(
        id=name,
        at=at,
        endpoint="chat/completions",
        monitor=monitor,
        status=200,
        request_type="application/json",
        request=request,
        response_type="application/json",
        response=completion(answer, "m"),
        duration_seconds=0.1,
        outcome=Outcome.COMPLETE,
    )
    return Entry(id=name, at=at, monitor=monitor, model="m", outcome=Outcome.COMPLETE, capture=encode(capture))


class Deployment:
    """Stores, and any number of `driftium worker` processes on them."""

    def __init__(self, folder: Path, *, database: str = "", qdrant: str = "", env: dict[str, str] | None = None):
        self._folder = folder
        self._env = os.environ | ENV | {"PYTHONPATH": str(Path(__file__).parents[2])} | (env or {})
        if database:
            self._env |= {"DRIFTIUM_DATABASE__URL": database, "DRIFTIUM_QDRANT__URL": qdrant}
        settings = Settings(data=Data(dir=str(folder)), database=Database(url=database), qdrant=Qdrant(url=qdrant))
        self.history, self.log = open_stores(settings)
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Deployment":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.log.close()
        self.history.close()

    # -- workers ---------------------------------------------------------------------------------

    def start(self, **env: str) -> subprocess.Popen[bytes]:
        """A further worker; it is not waited for."""
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "proxy", "worker", "--data-dir", str(self._folder)]
        with (self._folder / "workers.log").open("ab") as output:
            worker = subprocess.Popen(command, cwd=self._folder, env=self._env | env, stdout=output, stderr=output)
        self.workers.append(worker)
        return worker

    def end(self, worker: subprocess.Popen[bytes], number: signal.Signals = signal.SIGKILL) -> int:
        worker.send_signal(number)
        self.workers.remove(worker)
        return worker.wait(60)

    def sessions(self, worker: subprocess.Popen[bytes]) -> set[int]:
        """The numbers that a worker has now: none while it hangs."""
        with self.history.engine.connect() as db:
            return {row.number for row in read_workers(db) if row.name.endswith(f":{worker.pid}") and row.works}

    def owned(self) -> dict[str, int]:
        """{monitor: number of the worker that owns it}, of those that live."""
        with self.history.engine.connect() as db:
            live = {row.number for row in read_workers(db) if row.works}
            rows = db.execute(sa.select(owners.c.monitor, owners.c.worker))
            return {monitor: number for monitor, number in rows if number in live}

    def wait_for_owners(self, monitors: Sequence[str], workers: Sequence[subprocess.Popen[bytes]]) -> None:
        """Until each of these monitors is owned by one of these workers, and none of them waits for a share."""

        def settled() -> bool:
            owned, numbers = self.owned(), [self.sessions(worker) for worker in workers]
            live = [number for some in numbers for number in some]
            return all(numbers) and all(owned.get(name) == owner(name, live) for name in monitors)

        wait_until(settled, seconds=300, what="the monitors are shared out")

    # -- what people do --------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry]) -> None:
        self.log.append(list(entries), {"logged": len(entries)})

    def ask(self, kind: str, seconds: float = 300, **arguments: Any) -> dict[str, Any]:
        """A command and its answer."""
        asked = self.history.ask(kind, {"head": self.log.head()} | arguments)
        answer = wait_until(lambda: self.history.answer(asked), seconds=seconds, what=f"{kind} is answered")
        assert "error" not in answer, answer
        return dict(answer)

    def baseline(self, monitor: str, number: int) -> None:
        chosen = {"last": None, "since": None, "exchange_ids": None, "note": "", "id": f"{number:032x}"}
        self.ask("baseline", monitor=monitor, **chosen)

    def wait_until_calibrated(self, count: int) -> None:
        wait_until(
            lambda: sum(row.calibration is not None for row in self.history.baselines()) >= count,
            seconds=300,
            what="the baselines are calibrated",
        )

    def wait_until_idle(self, seconds: float = 300) -> None:
        """Until all that was logged has been scored."""
        head = self.log.head()

        def idle() -> bool:
            if isinstance(queue := getattr(self.log, "queue", None), Queue):
                return queue.reached(head)
            return self.history.cursor() >= head

        wait_until(idle, seconds=seconds, what="all is scored")

    # -- what is there ---------------------------------------------------------------------------

    def scored(self, monitor: str) -> list[str]:
        """Ids in the order in which they were scored."""
        return [row.exchange_id for row in self.history.samples(monitor, limit=10_000)][::-1]

    def counts(self) -> dict[str, dict[str, int]]:
        return {row.name: row.counts for row in self.history.monitors()}

    def report(self, monitor: str) -> Report:
        found = self.history.latest(monitor)
        assert found
        return found


def numbers_of(report: Report) -> dict[str, Any]:
    """All that a report says but for when."""
    found = msgspec.to_builtins(msgspec.structs.replace(report, at=0.0))
    return dict(found)


class Remembering:
    """A real embedding server behind one that gives each text the same vector each time: a model's own last digits
    depend on what else is in its batch.
    """

    def __init__(self, url: str, model: str):
        known: dict[str, Any] = {}
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
                with lock:
                    if new := [text for text in dict.fromkeys(texts) if text not in known]:
                        found = httpx.post(
                            f"{url}/v1/embeddings", json={"model": model, "input": new}, timeout=60, trust_env=False
                        ).json()["data"]
                        known.update({new[one["index"]]: one["embedding"] for one in found})
                data = [{"object": "embedding", "index": i, "embedding": known[t]} for i, t in enumerate(texts)]
                body = json.dumps({"object": "list", "model": model, "data": data}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing: it would be among the tests' output."""

        self.model = model
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Remembering":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
