"""Structured answers from the upstream's model, for Driftium's own questions.

They go the way of any client's request, through the relay, and are neither logged nor scored.
"""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import msgspec

from proxy.completions import PATH, UNREADABLE, Completion, why_refused
from proxy.exchange import UpstreamBroke
from proxy.ollama_models import explaining_model
from proxy.probe import Probe
from proxy.relay import Relay
from proxy.settings import Rca, Upstream
from proxy.wire_values import label

MAX_ANSWER_BYTES = 256 * 1024
AT_ONCE = 2
"""The upstream is there for its clients."""


class ModelFailed(Exception):
    """No answer that can be used, and why, in words."""


class LanguageModel:
    """Asks the upstream one question at a time for each of two askers; further ones wait their turn."""

    def __init__(self, relay: Relay, probe: Probe, settings: Rca, upstream: Upstream):
        self._relay = relay
        self._probe = probe
        self._settings = settings
        self._upstream = upstream
        self._turn = asyncio.Semaphore(AT_ONCE)
        self.timeout_seconds = settings.timeout_seconds

    async def name(self) -> str:
        """The model that is asked where none is named. Raises ModelFailed where the upstream lists none."""
        if chosen := self._settings.model:
            return chosen
        if not self._probe.models:
            await self._probe.ask()
        # What cannot be shown as it is cannot be a model's name either.
        listed = [one for one in self._probe.models if one == label(one)]
        if chosen := explaining_model(listed, self._upstream.default_model):
            return chosen
        why = "lists no model" if self._probe.up else f"is not ready ({self._probe.message})"
        raise ModelFailed(f"the model server at {self._upstream.url} {why}")

    async def ask(
        self,
        messages: Sequence[dict[str, str]],
        schema: dict[str, Any],
        *,
        model: str,
        max_tokens: int,
        seconds: float | None = None,
    ) -> tuple[bytes, str]:
        """The answer, JSON that is meant to follow `schema`, and the model's name for itself. Raises ModelFailed."""
        longest = seconds or self.timeout_seconds
        body = msgspec.json.encode(
            {
                "model": model,
                "messages": messages,
                "temperature": 0,
                "max_tokens": max_tokens,
                "stream": False,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "strict": True, "schema": schema},
                },
            }
        )
        try:
            async with asyncio.timeout(longest), self._turn:
                status, answer = await self._post(body)
        except TimeoutError:
            raise ModelFailed(f"the model did not answer within {longest:g} s") from None
        except UpstreamBroke as error:
            raise ModelFailed(f"the model server broke off inside its answer: {error}") from None
        if status != 200:
            raise ModelFailed(why_refused(answer)[:300] or f"the model server answered with status {status}")
        try:
            completion = msgspec.json.decode(answer, type=Completion)
        except UNREADABLE:
            raise ModelFailed("the model server's answer is not a chat completion") from None
        choice = completion.choices[0]
        if choice.finish_reason == "length":
            raise ModelFailed(f"the model's answer was cut off at {max_tokens} tokens")
        return (choice.message.content or "").encode(), label(completion.model) or model

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        status, parts, size = 0, [], 0

        async def send(message: Any) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                return
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > MAX_ANSWER_BYTES:
                raise ModelFailed(f"the model server's answer is longer than {MAX_ANSWER_BYTES:,} bytes")

        tape = self._relay.tape(PATH)
        # Without an endpoint it is not even counted among the exchanges that clients left out.
        tape.skip, tape.endpoint, tape.source = True, "", "rca"
        await self._relay.forward(self._scope(len(body)), _Body(body), send, tape)
        return status, b"".join(parts)

    def _scope(self, size: int) -> dict[str, Any]:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(size).encode()),
            (b"accept", b"application/json"),
        ]
        if key := os.environ.get(self._settings.api_key_env):
            headers.append((b"authorization", b"Bearer " + key.encode()))
        return {"method": "POST", "raw_path": PATH.encode(), "query_string": b"", "headers": headers, "state": {}}


class _Body:
    """A receive channel that gives the body, and whose client never leaves: who asks is cancelled instead."""

    def __init__(self, body: bytes):
        self._body: bytes | None = body

    async def __call__(self) -> Any:
        if self._body is None:
            await asyncio.Event().wait()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}
