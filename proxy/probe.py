"""What the upstream says of itself: whether it answers, its models, and with Ollama the digest of each."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
from sqlalchemy.exc import SQLAlchemyError

from proxy.transport import Transport

PROBE_SECONDS = 10.0


class Probe:
    """Asks the upstream every few seconds; what it learnt last is what people see.

    `tell` is called with {model: digest} when Ollama's digests are first known and whenever one changes.
    """

    def __init__(self, base: httpx.URL, transport: Transport, tell: Callable[[dict[str, str]], Awaitable[None]]):
        self._base = base
        self._transport = transport
        self._tell = tell
        self.up: bool | None = None
        self.message = "not asked yet"
        self.models: list[str] = []
        self.digests: dict[str, str] = {}
        self.asked = asyncio.Event()
        self._is_ollama = True

    async def ask(self) -> None:
        try:
            status, body = await self._get(b"/v1/models")
        except (httpx.TransportError, TimeoutError) as error:
            self.up, self.message, self.models = False, str(error) or "no answer within 5 s", []
            # Another server may take its place.
            self._is_ollama = True
            return
        # Servers that are still loading a model answer 503.
        self.up, self.message = status < 500, f"answers with status {status}"
        with contextlib.suppress(msgspec.DecodeError, AttributeError, KeyError, TypeError):
            self.models = [str(model["id"]) for model in msgspec.json.decode(body)["data"]]
        if self.up and self._is_ollama:
            await self._ask_digests()

    async def _ask_digests(self) -> None:
        """A model replaced under its name keeps the name and changes its digest. Only Ollama tells it."""
        try:
            status, body = await self._get(b"/api/tags")
        except (httpx.TransportError, TimeoutError):
            return
        try:
            found = {str(model["name"]): str(model["digest"]) for model in msgspec.json.decode(body)["models"]}
        except (msgspec.DecodeError, AttributeError, KeyError, TypeError):
            # A server in trouble answers anything; one without the route says 404.
            self._is_ollama = status != 404
            return
        if status == 200 and found != self.digests:
            # While the history cannot be written they are told again with the next round.
            with contextlib.suppress(SQLAlchemyError):
                await self._tell(found)
                self.digests = found

    async def _get(self, path: bytes) -> tuple[int, Any]:
        target = self._base.raw_path.rstrip(b"/") + path
        headers = [("Host", self._base.netloc.decode()), ("Accept", "application/json")]
        request = httpx.Request("GET", self._base, headers=headers, extensions={"target": target})
        async with asyncio.timeout(5.0):
            response = await self._transport.handle_async_request(request)
            try:
                return response.status_code, await response.aread()
            finally:
                await response.aclose()

    async def run(self) -> None:
        while True:
            await self.ask()
            self.asked.set()
            await asyncio.sleep(PROBE_SECONDS if self.up else 1.0)
