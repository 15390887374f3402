"""Texts to unit vectors by an OpenAI-compatible embedding server: TEI, vLLM, Ollama, llama.cpp, a hosted one."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import structlog

from drift.errors import EmbedderUnavailable, EncoderChanged
from drift.samples import Matrix
from proxy.embedding_requests import ATTEMPTS, Refused, Requests
from proxy.settings import Embedder

log = structlog.get_logger()

PROBE = "The train to Oslo leaves at nine in the morning."
"""Goes along with every request: a server that changes its model, or one of several that has another, is noticed."""
SAME = 0.999
"""Cosine. The same weights on another machine, or in 16 bit, stay above it; other weights do not come near."""
BLANK = "."
"""Stands for a text without a character to read, and for one that the server refuses whatever is left of it."""

_PROBE_SECONDS = 10.0
_SHORTEST = 16
"""Characters. A text that is refused even so is not refused for its length."""


class EmbeddingServer:
    """Asks the server, several requests at once.

    Raises EmbedderUnavailable while nothing can be embedded: at once until it is time to ask again, so that a caller
    may ask as often as it likes.
    """

    def __init__(self, settings: Embedder) -> None:
        self.model = settings.model
        self.where = settings.url.rstrip("/")
        self.known: Matrix | None = None
        """The probe's vector, (1, d), once it is known."""
        self._settings = settings
        self._requests = Requests(settings)
        self._threads = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="embedding")
        self._texts = settings.request_texts
        """In one request, the probe among them: fewer when the server refuses as many."""
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors of texts, float32, (len(texts), d), in their order.

        A text that the server refuses is embedded as its beginning, so much of it as the server takes.
        Raises EncoderChanged when the probe's vector is not the known one any more.
        """
        with self._requests.call():
            return self._all(texts)

    def _all(self, texts: Sequence[str]) -> Matrix:
        # The same prompt often comes with every answer, and texts of like length make even batches.
        unique = sorted(set(texts), key=len, reverse=True)
        size = max(1, self._texts - 1)
        parts = list(self._threads.map(self._embed, (unique[i : i + size] for i in range(0, len(unique), size))))
        sizes = {part.shape[1] for part in parts} | ({self.known.shape[1]} if self.known is not None else set())
        if len(sizes) > 1:
            raise EncoderChanged(f"The embedding server at {self.where} has vectors of {sorted(sizes)} numbers.")
        places = {text: place for place, text in enumerate(unique)}
        vectors: Matrix = np.concatenate(parts)[[places[text] for text in texts]]
        return vectors

    def probe(self, texts: Sequence[str]) -> Matrix:
        """As `embed`, for the first texts of all: soon over when the server is away, and checked against nothing."""
        self.known = None
        with self._requests.call():
            self.model = self.model or self._requests.first_model()
            self._probe(attempts=1, seconds=min(_PROBE_SECONDS, self._settings.timeout_seconds))
            return self._all(texts)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._requests.close()

    def _embed(self, texts: Sequence[str]) -> Matrix:
        try:
            if self._texts == 1:
                self._probe()
                return self._ask(texts)
            vectors = self._ask([PROBE, *texts])
        except Refused as error:
            # What was refused may be the model or the key: then these texts are as good as any.
            self._probe()
            return self._apart(texts, error)
        self._check(vectors[:1])
        return vectors[1:]

    def _apart(self, texts: Sequence[str], refused: Refused) -> Matrix:
        """Vectors of texts that were refused together, or with the probe."""
        parts = [part for part in (texts[: len(texts) // 2], texts[len(texts) // 2 :]) if part]
        found, whole = [], True
        for part in parts:
            try:
                found.append(self._ask(part, attempts=1))
            except Refused as error:
                whole = False
                found.append(self._apart(part, error) if len(part) > 1 else self._shortened(part[0], error))
        if whole and refused.of_request:
            with self._lock:
                # It was the number of texts that was too large: no request asks for as many again.
                self._texts = min(self._texts, len(parts[-1]))
            log.info("the embedding server takes fewer texts at once", texts=self._texts)
        return np.concatenate(found)

    def _shortened(self, text: str, refused: Refused) -> Matrix:
        length = len(text)
        while length > _SHORTEST:
            length //= 2
            try:
                return self._ask([text[:length]], attempts=1)
            except Refused as error:
                refused = error
        log.warning("the embedding server refuses a text; it counts as an empty one", reason=str(refused))
        try:
            return self._ask([BLANK])
        except Refused as error:
            raise EmbedderUnavailable(f"The embedding server at {self.where} {error} to {BLANK!r}.") from None

    def _probe(self, *, attempts: int = ATTEMPTS, seconds: float | None = None) -> None:
        """Raises EmbedderUnavailable when not even the probe is embedded, and EncoderChanged."""
        try:
            self._check(self._ask([PROBE], attempts=attempts, seconds=seconds))
        except Refused as error:
            raise EmbedderUnavailable(
                f"The embedding server at {self.where} embeds nothing with the model {self.model!r}: it {error} "
                f"{error.said}".rstrip()
                + ". Look at its log, and at [embedder] in the settings."
            ) from None

    def _check(self, vector: Matrix) -> None:
        if self.known is None:
            return
        agreement = float(vector[0] @ self.known[0]) if vector.shape == self.known.shape else 0.0
        if agreement < SAME:
            raise EncoderChanged(
                f"The embedding server at {self.where} has another model under the name {self.model}: the same text "
                f"has another vector ({vector.shape[1]} numbers, cosine {agreement:.4f} to the one before)."
            )

    def _ask(self, texts: Sequence[str], *, attempts: int = ATTEMPTS, seconds: float | None = None) -> Matrix:
        return self._requests.vectors(self.model, texts, attempts=attempts, seconds=seconds)
