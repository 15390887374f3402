"""A stand-in for a Qdrant server, over real HTTP: the part of its REST API that reads and writes named vectors.

Points lie in memory, requests are checked (tests/qdrant_api.py, tests/qdrant_collections.py), answers have a server's
form. It is no Qdrant: there is no search index, no disk, no cluster.
`python -m tests.qdrant_server --port 6333 [--api-key KEY]` runs it.
"""

import argparse
import asyncio
import re
import socket
import struct
import tempfile
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from logging import CRITICAL
from typing import Any
from urllib.parse import parse_qsl, unquote

import trustme
import uvicorn

from tests.qdrant_api import OPEN_PATHS, Api, Asked, told
from tests.qdrant_collections import Collection, Refused

LARGEST_BODY = 32 * 2**20
PARAMETERS = {"wait", "ordering", "timeout", "consistency"}


@dataclass
class Fault:
    """What the next `times` requests get whose method and path fit `on`."""

    times: float
    on: str = ""
    status: int = 503
    message: str = "Service unavailable"
    retry_after: float | None = None
    seconds: float = 0.0
    reset: bool = False
    hang: bool = False


class QdrantServer:
    """Runs in a thread; what it holds outlives `stop` and `start`. `refused` tells which requests broke the rules."""

    def __init__(
        self,
        port: int = 0,
        *,
        api_key: str = "",
        read_only_key: str = "",
        strict: bool = False,
        certificate: trustme.LeafCert | None = None,
        host: str = "127.0.0.1",
    ):
        self.host, self.port = host, port
        self._api = Api(strict=strict)
        self.asked: deque[Asked] = deque(maxlen=1_000)
        self.refused: deque[str] = deque(maxlen=100)
        self.faults: list[Fault] = []
        self._api_key, self._read_only_key = api_key, read_only_key
        self._certificate = certificate

    def __enter__(self) -> "QdrantServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def collections(self) -> dict[str, Collection]:
        return self._api.collections

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://{self.host}:{self.port}"

    def fault(self, times: float = float("inf"), **what: Any) -> Fault:
        """From now on: a status, `seconds` of delay (without a status of its own: 0), `reset` or `hang`."""
        fault = Fault(times, **what)
        self.faults.append(fault)
        return fault

    def well(self) -> None:
        """No faults any more; requests that hang are answered."""
        self.faults.clear()

    def start(self) -> None:
        """Listen, at the same port as before. Returns when connections are taken."""
        listener = self._listener()
        self._server = uvicorn.Server(self._config())
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Connections are refused from now on; those that are open are closed."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()

    def serve(self) -> None:
        """In this thread, until a signal."""
        listener = self._listener()
        print(f"a stand-in for Qdrant listens at {self.url}", flush=True)
        uvicorn.Server(self._config()).run(sockets=[listener])

    def _listener(self) -> socket.socket:
        # It listens before uvicorn does: whoever connects waits until it is ready.
        listener = socket.create_server((self.host, self.port), backlog=128)
        self.port = listener.getsockname()[1]
        return listener

    def _config(self) -> uvicorn.Config:
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            lifespan="off",
            proxy_headers=False,
            log_config=None,
            log_level=CRITICAL,
            access_log=False,
        )
        if self._certificate:
            with self._certificate.private_key_and_cert_chain_pem.tempfile(tempfile.gettempdir()) as pem:
                config.ssl_certfile = pem
                config.load()
        return config

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message.get("body", b"")
        asked = Asked(scope["method"], unquote(scope["path"]), dict(parse_qsl(scope["query_string"].decode())), None)
        self.asked.append(asked)
        headers = {k.decode().lower(): v.decode() for k, v in scope["headers"]}
        more: list[tuple[bytes, bytes]] = []
        kind, began = b"application/json", time.perf_counter()
        fault = self._fault_for(asked)
        if fault is not None and await self._harm(fault, send):
            return
        if fault is not None and fault.status:
            asked.status, answer = fault.status, told({"error": fault.message}, None, began)
            if fault.retry_after is not None:
                more.append((b"retry-after", f"{fault.retry_after:g}".encode()))
        elif (wrong := self._locked(asked, headers)) is not None:
            asked.status, answer, kind = 401, wrong.encode(), b"text/plain; charset=utf-8"
        else:
            asked.status, answer = self._answer(asked, body, headers, began)
        head = [(b"content-type", kind), (b"content-length", str(len(answer)).encode()), *more]
        with suppress(RuntimeError):  # The client has left.
            await send({"type": "http.response.start", "status": asked.status, "headers": head})
            await send({"type": "http.response.body", "body": answer})

    def _fault_for(self, asked: Asked) -> Fault | None:
        for fault in list(self.faults):
            if re.search(fault.on, f"{asked.method} {asked.path}"):
                fault.times -= 1
                if fault.times <= 0 and fault in self.faults:
                    self.faults.remove(fault)
                return fault
        return None

    async def _harm(self, fault: Fault, send: Any) -> bool:
        """Delays and broken connections. True when there is no answer to give any more."""
        await asyncio.sleep(fault.seconds)
        while fault.hang and fault in self.faults:  # noqa: ASYNC110 - taken away by a thread
            await asyncio.sleep(0.02)
        if fault.reset:
            # Uvicorn's: the request's cycle holds its connection.
            transport = send.__self__.transport
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        return fault.reset

    def _locked(self, asked: Asked, headers: dict[str, str]) -> str | None:
        """Why nobody gets in with these headers."""
        keys = {key for key in (self._api_key, self._read_only_key) if key}
        if not keys or asked.path in OPEN_PATHS:
            return None
        given = headers.get("api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if not given:
            return "Must provide an API key or an Authorization bearer token"
        return None if given in keys else "Invalid API key or JWT"

    def _answer(self, asked: Asked, body: bytes, headers: dict[str, str], began: float) -> tuple[int, bytes]:
        try:
            if len(body) > LARGEST_BODY:
                raise Refused(
                    413, f"JSON payload ({len(body)} bytes) is larger than allowed (limit: {LARGEST_BODY} bytes)."
                )
            if unknown := asked.parameters.keys() - PARAMETERS:
                raise Refused(400, f"Format error in query parameters: unknown {', '.join(sorted(unknown))}")
            if body and not headers.get("content-type", "").startswith("application/json"):
                raise Refused(400, "Content type error")
            if asked.method in ("PUT", "PATCH", "DELETE") or asked.path.endswith("/points/delete"):
                key = headers.get("api-key") or headers.get("authorization", "").removeprefix("Bearer ")
                if self._read_only_key and key == self._read_only_key:
                    raise Refused(403, "Forbidden: Global access is required")
            return 200, self._api.answer(asked, body, began)
        except Refused as refused:
            if refused.status not in (404, 409):
                self.refused.append(f"{asked.method} {asked.path}: {refused}")
            return refused.status, told({"error": str(refused)}, None, began)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--host", default="127.0.0.1")
    asked.add_argument("--port", type=int, default=6333)
    asked.add_argument("--api-key", default="")
    asked.add_argument("--strict", action="store_true", help="refuse filters on fields without an index")
    given = asked.parse_args()
    QdrantServer(given.port, api_key=given.api_key, strict=given.strict, host=given.host).serve()


if __name__ == "__main__":
    main()
