"""A real Prometheus and a real Alertmanager on free ports, and the receiver that alerts are delivered to."""

import json
import math
import shutil
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import free_port, wait_until

PROMETHEUS, ALERTMANAGER = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")


class Service:
    """A process that answers /-/ready once it may be asked. A port that is taken meanwhile fails the start."""

    def __init__(self, folder: Path, name: str, command: Callable[[int], list[str]]):
        self._log = folder / f"{name}.log"
        port = free_port()
        with self._log.open("wb") as said:
            self._process = subprocess.Popen(command(port), cwd=folder, stdout=said, stderr=said)
        self.address = f"127.0.0.1:{port}"
        self.client = httpx.Client(base_url=f"http://{self.address}", trust_env=False, timeout=30)
        try:
            wait_until(self._ready, what=f"{name} is ready")
        except BaseException:
            self.stop()
            raise

    def _ready(self) -> bool:
        assert self._process.poll() is None, self.said
        try:
            return self.client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    @property
    def said(self) -> str:
        return self._log.read_text()

    def stop(self) -> None:
        self.client.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()

    def get(self, path: str, **params: Any) -> Any:
        told = self.client.get(path, params=params)
        assert told.status_code == 200, told.text
        return told.json()["data"]

    def query(self, expr: str, **params: Any) -> list[dict[str, Any]]:
        """The samples of an expression now."""
        return list(self.get("/api/v1/query", query=expr, **params)["result"])

    def over(self, expr: str, seconds: float, now: float) -> list[dict[str, Any]]:
        """The series of an expression in the last seconds."""
        # Whole steps, so that the last of them is now.
        span = {"start": now - math.ceil(seconds), "end": now, "step": "1s"}
        return list(self.get("/api/v1/query_range", query=expr, **span)["result"])


def alertmanager(folder: Path, config: str) -> Service:
    assert ALERTMANAGER
    (folder / "alertmanager.yml").write_text(config)
    flags = ["--config.file=alertmanager.yml", "--storage.path=alerts", "--cluster.listen-address="]
    return Service(
        folder, "alertmanager", lambda port: [ALERTMANAGER, *flags, f"--web.listen-address=127.0.0.1:{port}"]
    )


def prometheus(folder: Path, config: str) -> Service:
    assert PROMETHEUS
    (folder / "prometheus.yml").write_text(config)
    flags = ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", "--enable-feature=exemplar-storage"]
    return Service(folder, "prometheus", lambda port: [PROMETHEUS, *flags, f"--web.listen-address=127.0.0.1:{port}"])


class Receiver:
    """Takes what is posted to it, by path."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.posted.append((self.path, json.loads(body)))
                told = b"ok" if self.path == "/slack" else b"{}"
                self.send_response(202 if self.path == "/pagerduty" else 200)
                self.send_header("content-length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def at(self, path: str) -> list[Any]:
        return [body for where, body in self.posted if where == path]

    def alerts(self, status: str, name: str) -> list[Any]:
        """The alerts of that name that the webhook was told of with that status."""
        found = [alert for body in self.at("/alerts") for alert in body["alerts"]]
        return [one for one in found if one["status"] == status and one["labels"]["alertname"] == name]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
