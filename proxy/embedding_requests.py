"""One request to an embedding server, tried again where that helps, and what stands against it."""

import math
import os
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
import msgspec

from drift.errors import EmbedderUnavailable
from drift.samples import Matrix
from proxy.embedding_answer import BadAnswer, read_vectors
from proxy.settings import Embedder

ATTEMPTS = 3
CONNECT_SECONDS = 5.0
FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 5.0
"""Within a call. Whoever is told to wait longer is told so, and asks again then."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
"""Between calls while the server is away."""

_BUSY = (408, 425, 429, 500, 502, 503, 504)
_NOT_THE_TEXT = (401, 403, 404, 405)


class Refused(Exception):
    """The server does not embed these texts as they are.

    `said` is its own message, which may repeat a text; `of_request` whether it found fault with the request.
    """

    def __init__(self, reason: str, said: str = "", *, of_request: bool = False):
        super().__init__(reason)
        self.said, self.of_request = said, of_request


class Requests:
    """Sends them, from several threads at once, and holds them back while the server is away."""

    def __init__(self, settings: Embedder) -> None:
        self.where = settings.url.rstrip("/")
        self._seconds = settings.timeout_seconds
        self._key = _key(settings)
        self._client = _client(settings, self._key)
        self._pause, self._again_at, self._reason = 0.0, 0.0, ""

    @contextmanager
    def call(self) -> Iterator[None]:
        """Around the requests of a call. Raises EmbedderUnavailable at once until it is time to ask again."""
        if time.monotonic() < self._again_at:
            raise EmbedderUnavailable(self._reason)
        try:
            yield
        except EmbedderUnavailable as error:
            self._reason = str(error)
            self._pause = min(max(FIRST_PAUSE_SECONDS, 2 * self._pause), LONGEST_PAUSE_SECONDS)
            self._again_at = max(self._again_at, time.monotonic() + self._pause)
            raise
        self._pause = 0.0

    def vectors(
        self, model: str, texts: Sequence[str], *, attempts: int = ATTEMPTS, seconds: float | None = None
    ) -> Matrix:
        """Unit vectors of texts, in their order. Raises Refused and EmbedderUnavailable.

        seconds, where given, in place of embedder.timeout_seconds.
        """
        asked = {"model": model, "input": texts, "encoding_format": "float"}
        body = msgspec.json.encode(asked)
        wait = FIRST_WAIT_SECONDS
        for attempt in range(1, attempts + 1):
            try:
                answer = self._client.post("/v1/embeddings", content=body, timeout=_timeout(seconds or self._seconds))
            except httpx.TimeoutException as error:
                # It has had its time: whoever waits for this process has waited as long.
                raise self._away(f"does not answer within {seconds or self._seconds:g} s") from error
            except httpx.RequestError as error:
                reason, wanted = f"does not answer ({_told(error)})", 0.0
            else:
                if answer.is_success:
                    return self._read(answer, len(texts))
                reason, wanted = f"answers with status {answer.status_code}", _retry_after(answer)
                if answer.status_code in _NOT_THE_TEXT:
                    raise self._away(f"{reason}: {self._message(answer) or answer.reason_phrase}")
                if answer.status_code not in _BUSY or (answer.status_code == 500 and attempt == attempts):
                    raise Refused(reason, self._message(answer), of_request=answer.status_code < 500)
            wait = max(wait, wanted)
            if attempt == attempts or wait > LONGEST_WAIT_SECONDS:
                self._again_at = time.monotonic() + wanted
                raise self._away(reason)
            time.sleep(wait)
            wait *= 2
        raise AssertionError(attempts)

    def _read(self, answer: httpx.Response, count: int) -> Matrix:
        try:
            return read_vectors(answer.content, count)
        except BadAnswer as error:
            raise Refused(f"answers with {error}") from None

    def _away(self, reason: str) -> EmbedderUnavailable:
        return EmbedderUnavailable(
            f"The embedding server at {self.where} {reason}. What is logged waits and is embedded when it is back."
        )

    def _message(self, answer: httpx.Response) -> str:
        """What the server says, as far as it can be shown in a line."""
        said = " ".join(answer.text[:300].split())
        return said.replace(self._key, "(not shown)") if self._key else said

    def first_model(self) -> str:
        """The name of the first model that the server lists. Raises EmbedderUnavailable."""
        try:
            answer = self._client.get("/v1/models", timeout=CONNECT_SECONDS)
            return str(answer.raise_for_status().json()["data"][0]["id"])
        except httpx.RequestError as error:
            raise self._away(f"does not answer ({_told(error)})") from None
        except (httpx.HTTPStatusError, ValueError, LookupError, TypeError):
            raise EmbedderUnavailable(
                f"The embedding server at {self.where} lists no model at /v1/models: name one in embedder.model."
            ) from None

    def close(self) -> None:
        self._client.close()


def _client(settings: Embedder, key: str) -> httpx.Client:
    return httpx.Client(
        base_url=settings.url.rstrip("/"),
        headers={"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})},
        timeout=_timeout(settings.timeout_seconds),
        limits=httpx.Limits(max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency),
        verify=ssl.create_default_context() if settings.url.startswith("https:") else False,
        # A proxy for the web is none for a server of one's own, and nothing may send the texts elsewhere.
        trust_env=False,
        follow_redirects=False,
    )


def _key(settings: Embedder) -> str:
    """Raises EmbedderUnavailable, which shows neither the key nor what stands in place of the variable's name."""
    if not settings.api_key_env:
        return ""
    key = os.environ.get(settings.api_key_env, "").strip()
    if not key or not all("!" <= character <= "~" for character in key):
        raise EmbedderUnavailable(
            "embedder.api_key_env: the environment has no variable of that name, or none that holds a key "
            "(printable ASCII characters without a space)"
        )
    return key


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))


def _retry_after(answer: httpx.Response) -> float:
    """Seconds; 0 where the server does not say. A date is left out: the clocks may differ."""
    try:
        seconds = float(answer.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0
    return min(max(0.0, seconds), 600.0) if math.isfinite(seconds) else 0.0


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
