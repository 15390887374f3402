"""The HTTP client of one source: bounded answers, retries with back-off, no redirects."""

import os
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import httpx

from proxy.ingest.errors import IngestError
from proxy.ingest.settings import Ingest
from proxy.ingest.sink import Stopped
from proxy.wire_bytes import UnreadableError, parse

MAX_BYTES = 64 * 2**20
"""Of one page."""
ATTEMPTS = 4
BACKOFF_SECONDS = (1.0, 4.0, 15.0)
LONGEST_WAIT_SECONDS = 60.0
"""A server that asks for more patience is asked again at the next run."""


class Client:
    """Asks one API. Use it in a with statement."""

    def __init__(self, source: Ingest, stop: Callable[[], bool], pause: Callable[[float], object]):
        self._stop = stop
        self._pause = pause
        headers = {"accept": "application/json", "user-agent": f"driftium/{version('driftium')}"}
        auth = None
        user, password = source.username_env, source.password_env
        if source.format == "langfuse" and not (user or password or source.token_env):
            user, password = "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"
        if user or password:
            auth = httpx.BasicAuth(secret(user, "username_env"), secret(password, "password_env"))
        if source.token_env:
            headers["authorization"] = f"Bearer {secret(source.token_env, 'token_env')}"
        self._client = httpx.Client(
            auth=auth, headers=headers, timeout=source.timeout_seconds, follow_redirects=False, trust_env=False
        )
        self._hint = "; Langfuse 3 and older has /api/public/observations" if source.format == "langfuse" else ""
        self.received = 0
        """Bytes of answers so far."""
        self.host = urlsplit(source.url).hostname or ""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, url: str, params: dict[str, str]) -> Any:
        """The JSON that lies there. Raises IngestError, and Stopped while it waits."""
        for attempt in range(ATTEMPTS):
            why, wait = self._try(url, params)
            if not isinstance(why, str):
                return why[0]
            if attempt == ATTEMPTS - 1 or wait > LONGEST_WAIT_SECONDS:
                break
            self._sleep(wait or BACKOFF_SECONDS[attempt])
        raise IngestError(f"{self.host}: {why}; it is asked again at the next run")

    def _try(self, url: str, params: dict[str, str]) -> tuple[tuple[Any] | str, float]:
        """The JSON in a tuple; or why not, and for how many seconds the server asks to wait, 0 where it does not.

        Raises IngestError where another try would find the same.
        """
        try:
            with self._client.stream("GET", url, params=params or None) as answer:
                if answer.status_code == 429 or answer.status_code >= 500:
                    return f"answered {answer.status_code}", _asked_to_wait(answer)
                self._refuse(answer)
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise IngestError(
                            f"{self.host}: a page is larger than {MAX_BYTES} bytes: ask for fewer records"
                        )
        except httpx.TransportError as error:
            return f"cannot be reached: {type(error).__name__} {error}".strip(), 0.0
        except httpx.InvalidURL:
            raise IngestError(f"{self.host}: the next page's address cannot be read") from None
        except httpx.DecodingError:
            raise IngestError(f"{self.host}: the answer's compression is damaged") from None
        self.received += len(body)
        try:
            return (parse(bytes(body)),), 0.0
        except UnreadableError:
            raise IngestError(f"{self.host}: the answer is not JSON: is the url that of an API?") from None

    def _refuse(self, answer: httpx.Response) -> None:
        status, host = answer.status_code, self.host
        if status in (401, 403):
            raise IngestError(f"{host}: answered {status}: check the key in the environment variables that are named")
        if 300 <= status < 400:
            to = urlsplit(answer.headers.get("location", "")).hostname or "another address"
            raise IngestError(
                f"{host}: sends on to {to} ({status}); redirects are not followed: set url to where it is"
            )
        if status == 404:
            raise IngestError(f"{host}: answered 404: check the path of url{self._hint}")
        if status != 200:
            raise IngestError(f"{host}: answered {status}: check url and params")

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._stop():
                raise Stopped("it was told to stop")
            self._pause(min(left, 0.2))


def _asked_to_wait(answer: httpx.Response) -> float:
    try:
        return max(0.01, float(answer.headers.get("retry-after", "")))
    except ValueError:
        return 0.0


def secret(variable: str, key: str) -> str:
    """The value of an environment variable. Raises IngestError where there is none."""
    if not variable:
        return ""
    value = os.environ.get(variable, "")
    if not value:
        raise IngestError(f"the environment variable {variable} ({key}) is not set: put the key there")
    if not value.isascii() or not value.isprintable():
        raise IngestError(f"the environment variable {variable} ({key}) holds characters that no key has")
    return value
