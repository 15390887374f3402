"""What the upstream says of itself: whether it answers, its models, and with Ollama what stands behind each."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
from sqlalchemy.exc import SQLAlchemyError

from proxy.ollama_models import MOST_MODELS, Details, ask_details
from proxy.transport import Transport

PROBE_SECONDS = 10.0


class Probe:
    """Asks the upstream every few seconds; what it learnt last is what people see.

    `tell` is called with {model: digest} and {model: details} when Ollama's are first known and whenever one changes.
    """

    def __init__(
        self,
        base: httpx.URL,
        transport: Transport,
        tell: Callable[[dict[str, str], dict[str, Details]], Awaitable[None]],
    ):
        self._base = base
        self._transport = transport
        self._tell = tell
        self.up: bool | None = None
        self.message = "not asked yet"
        self.models: list[str] = []
        self.listed = False
        """Whether it told its models: one that asks for a key does not, and none of it may be said."""
        self.digests: dict[str, str] = {}
        self.details: dict[str, Details] = {}
        self.is_ollama = False
        self.asked = asyncio.Event()
        self._may_be_ollama = True
        self._shown: dict[str, tuple[str, Details]] = {}
        """{model: the digest it had when it was shown, and its details}"""

    async def ask(self) -> None:
        try:
            status, body = await self._get(b"/v1/models")
        except (httpx.TransportError, TimeoutError) as error:
            self.up, self.message, self.models = False, str(error) or "no answer within 5 s", []
            self.listed = False
            # Another server may take its place.
            self.is_ollama, self._may_be_ollama = False, True
            return
        # Servers that are still loading a model answer 503.
        self.up, self.message = status < 500, f"answers with status {status}"
        self.listed = False
        with contextlib.suppress(msgspec.DecodeError, AttributeError, KeyError, TypeError):
            # Ollama says null where it has none.
            self.models = [str(model["id"]) for model in msgspec.json.decode(body)["data"] or ()]
            self.listed = status == 200
        if self.up and self._may_be_ollama:
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
            self._may_be_ollama = status != 404
            return
        if status != 200:
            return
        self.is_ollama = True
        details = await self._ask_details(found)
        if (found, details) != (self.digests, self.details):
            # While the history cannot be written they are told again with the next round.
            with contextlib.suppress(SQLAlchemyError):
                await self._tell(found, details)
                self.digests, self.details = found, details

    async def _ask_details(self, digests: dict[str, str]) -> dict[str, Details]:
        """The details of the models with these digests, as far as they are known; asked once for each digest."""
        known = {name: shown for name, shown in self._shown.items() if digests.get(name) == shown[0]}
        if wanted := [name for name in list(digests)[:MOST_MODELS] if name not in known]:
            found = await asyncio.to_thread(ask_details, str(self._base), wanted)
            known |= {name: (digests[name], details) for name, details in found.items()}
        self._shown = known
        return {name: details for name, (_, details) in known.items() if details}

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
