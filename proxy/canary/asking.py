"""One prompt of a canary, asked as any client would ask it; never twice."""

import os
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx
import msgspec

from drift.records import Outcome
from proxy.canary.key import canary_key, signed
from proxy.canary.settings import Canary, Messages
from proxy.capture import Capture, encode
from proxy.completions import PATH, UNREADABLE, Completion, why_refused
from proxy.redaction import Redactor
from proxy.settings import Settings
from proxy.stores.log import Entry, Log
from proxy.tape import TAPPED, exchange_id
from proxy.wire import request_model

_LIVE_SECONDS = 5.0
_SOURCE = "canary"
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_MOST_SHOWN = 200


class Reply(NamedTuple):
    """What became of one request."""

    failure: str = ""
    """"" when there is an answer."""
    exchange_id: str = ""
    input_tokens: int = 0
    output_tokens: int = 0


class Asker:
    """Asks through the running Driftium, or the model server itself where none runs here. A context manager.

    `direct` says which. Asked directly, exchanges are logged here, as the proxy would have done.
    """

    def __init__(self, canary: Canary, settings: Settings, exchange_log: Log):
        self._canary = canary
        self._log = exchange_log
        self._key = canary_key(settings.data_dir)
        self._redactor = Redactor(settings.privacy.redact)
        self._max_bytes = settings.tap.max_bytes
        # Proxies of the environment and redirects lead elsewhere than the settings say.
        self._client = httpx.Client(timeout=canary.timeout_seconds, trust_env=False, follow_redirects=False)
        self.through = _own_address(settings)
        self.direct = not self._lives()
        self._base = settings.upstream.url.rstrip("/") if self.direct else self.through
        self.model = canary.model or settings.upstream.default_model

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def _lives(self) -> bool:
        with suppress(httpx.HTTPError):
            return self._client.get(f"{self.through}/live", timeout=_LIVE_SECONDS).status_code == 200
        return False

    def find_model(self) -> str:
        """The model to ask: the one that is set, else the first that the model server lists; "" where none is known."""
        if not self.model:
            with suppress(httpx.HTTPError, KeyError, IndexError, TypeError, ValueError):
                listed = self._client.get(f"{self._base}/v1/models", headers=self._headers()).json()
                self.model = str(listed["data"][0]["id"])
        return self.model

    def ask(self, messages: Messages, repeat: int) -> Reply:
        """The answer to one prompt."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": msgspec.to_builtins(messages),
            "max_tokens": self._canary.max_tokens,
            "stream": False,
        }
        if self._canary.temperature is not None:
            body["temperature"] = self._canary.temperature
        if self._canary.seed is not None:
            # With one seed all repeats would be the same answer.
            body["seed"] = self._canary.seed + repeat
        request, at, began = msgspec.json.encode(body), time.time(), time.perf_counter()
        headers = self._headers() | {"content-type": "application/json"}
        if not self.direct:
            headers["x-driftium-monitor"] = signed(self._canary.monitor, self._key)
        try:
            answer = self._client.post(f"{self._base}{PATH}", content=request, headers=headers)
        except httpx.TimeoutException:
            return Reply(f"no answer within {self._canary.timeout_seconds:g} s")
        except httpx.HTTPError as error:
            return Reply(f"{type(error).__name__}: {error}"[:_MOST_SHOWN])
        if self.direct:
            name = exchange_id(at)
            self._record(name, at, request, answer, time.perf_counter() - began)
        else:
            name = answer.headers.get("x-driftium-exchange-id", "")
        return _read(answer, name)

    def _headers(self) -> dict[str, str]:
        key = os.environ.get(self._canary.api_key_env, "") if self._canary.api_key_env else ""
        return {"authorization": f"Bearer {key}"} if key else {}

    def _record(self, name: str, at: float, request: bytes, answer: httpx.Response, seconds: float) -> None:
        whole = max(len(request), len(answer.content)) <= self._max_bytes
        outcome = Outcome.COMPLETE if answer.status_code < 400 else Outcome.HTTP_ERROR
        capture = Capture(
            id=name,
            at=at,
            endpoint=TAPPED[PATH],
            monitor=self._canary.monitor,
            source=_SOURCE,
            status=answer.status_code,
            request_type="application/json",
            request=request if whole else b"",
            response_type=answer.headers.get("content-type", ""),
            # Decoded by the client already.
            response=answer.content if whole else b"",
            duration_seconds=seconds,
            outcome=outcome if whole else Outcome.TOO_LARGE,
        )
        kept = self._redactor.redact(capture)
        entry = Entry(
            id=name,
            at=at,
            monitor=self._canary.monitor,
            model=request_model(kept.request) if kept else "",
            outcome=capture.outcome,
            capture=encode(kept) if kept else None,
        )
        self._log.collect([entry])


def _own_address(settings: Settings) -> str:
    host = _ANYWHERE.get(settings.server.host, settings.server.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.server.port}"


def _read(answer: httpx.Response, name: str) -> Reply:
    if answer.status_code != 200:
        return Reply(f"status {answer.status_code}: {why_refused(answer.content)}"[:_MOST_SHOWN].rstrip(": "))
    try:
        completion = msgspec.json.decode(answer.content, type=Completion)
    except UNREADABLE:
        return Reply("the answer is not a chat completion")
    usage = completion.usage if isinstance(completion.usage, dict) else {}
    tokens = {kind: _count(usage.get(f"{kind}_tokens")) for kind in ("prompt", "completion")}
    if not (completion.choices[0].message.content or "").strip():
        return Reply("the answer is empty", "", tokens["prompt"], tokens["completion"])
    return Reply("", name, tokens["prompt"], tokens["completion"])


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0
