"""The encoder behind embedder.url: its identity, and the local model in its place while the server is away."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from drift.errors import EmbedderUnavailable, EncoderChanged
from drift.samples import Matrix
from proxy.embedding_server import BLANK, PROBE, SAME, EmbeddingServer
from proxy.settings import Embedder
from proxy.stores.encoders import Encoders, Generation

log = structlog.get_logger()

PROBES = (
    PROBE,
    "def area(radius):\n    return 3.14159 * radius ** 2\n",
    "Ich kann Ihnen dabei leider nicht helfen.",
    "42",
    "为什么天空是蓝色的。因为阳光被空气散射。",
    '{"name": "Ada", "born": 1815, "languages": ["English", "French"]}',
    "- Wash the rice.\n- Boil it for twelve minutes.\n- Let it stand, covered.",
    # Longer than many models read: how much of a text is read is part of what its vector is.
    " ".join(f"On day {day} the ship sailed {day * 7 % 23} miles and met {day * 5 % 11} whales." for day in range(60)),
)


class Local(Protocol):
    """The model in this process."""

    encoder: str
    dimension: int
    max_tokens: int

    def embed(self, texts: Sequence[str]) -> Matrix: ...

    def beginning(self, text: str) -> str: ...


class ServedEncoder:
    """Texts to unit vectors by a server, of one identity from beginning to end.

    `encoder` is url:MODEL/DIMENSION/CUT/GENERATION: other vectors under the same name are another generation.
    Call `open` first; what it raises may be over a moment later. So may EmbedderUnavailable of `embed`; after its
    EncoderChanged everything that was made with the encoder belongs to another one.
    """

    def __init__(
        self,
        settings: Embedder,
        encoders: Encoders,
        local: Local | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._encoders, self._local, self._clock = settings, encoders, local, clock
        self._server = EmbeddingServer(settings)
        # The local model reads so many tokens: where both are to agree, the server is given no more.
        self._cut = f"{local.max_tokens}t" if local else f"{settings.max_characters}c"
        self._generation: Generation | None = None
        self._agrees = False
        self._away_since: float | None = None
        self._doubtful = True
        """Whether another server may answer under the address now."""
        self.note = ""
        """What people should know of how it embeds now; "" when there is nothing to know."""

    @property
    def encoder(self) -> str:
        assert self._generation
        return self._generation.encoder

    @property
    def dimension(self) -> int:
        assert self._generation
        return self._generation.dimension

    def open(self) -> None:
        """Find out which encoder it is. Raises EmbedderUnavailable while the server is away and nothing stands in."""
        try:
            self._check()
        except EmbedderUnavailable as error:
            last = self._encoders.last()
            fits = last and last.cut == self._cut and self._settings.model in ("", last.model)
            if last is None or not fits or not self._local_agrees(last):
                raise
            self._generation, self._agrees = last, True
            if not self._takes_over(error):
                self._generation = None
                raise

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors of texts, float32, (len(texts), dimension), in their order."""
        cut = [self._beginning(text) for text in texts]
        try:
            if self._doubtful:
                self._check()
            vectors = self._server.embed(cut)
        except EmbedderUnavailable as error:
            self._doubtful = True
            if not self._takes_over(error):
                raise
            assert self._local
            return self._local.embed(cut)
        except EncoderChanged:
            self._doubtful = True
            raise
        self._is_back()
        return vectors

    def close(self) -> None:
        self._server.close()

    def _check(self) -> None:
        """Which generation the server's vectors are of; on a further call, that they are still the same."""
        vectors = self._server.probe([self._beginning(text) for text in PROBES])
        before = self._generation
        found = self._encoders.generation(self._server.model, self._cut, vectors, same=SAME, at=time.time())
        if before and found.encoder != before.encoder:
            raise EncoderChanged(
                f"The embedding server at {self._server.where} is {found.encoder} now, and was {before.encoder}: "
                "its vectors cannot be compared with those of before."
            )
        self._generation, self._doubtful = found, False
        self._server.known = found.vectors[:1]
        if self._local and not before:
            self._agrees = self._local_agrees(found)
            if not self._agrees:
                log.warning(
                    "the local model has other vectors than the embedding server: it cannot stand in for it",
                    local=self._local.encoder,
                    server=found.encoder,
                )
        self._is_back()

    def _local_agrees(self, generation: Generation) -> bool:
        if self._local is None:
            return False
        vectors = self._local.embed([self._beginning(text) for text in PROBES])
        return generation.agreement(vectors) >= SAME

    def _takes_over(self, error: EmbedderUnavailable) -> bool:
        """Whether the local model embeds now, the server being away."""
        if self._away_since is None:
            self._away_since = self._clock()
            log.warning("the embedding server is away", error=str(error))
        away = self._clock() - self._away_since
        if not self._agrees or away < self._settings.fallback_seconds:
            self.note = str(error)
            return False
        assert self._local
        note = f"The embedding server at {self._server.where} is away; {self._local.encoder} here embeds in its place."
        if note != self.note:
            log.warning("the local model embeds in the server's place", local=self._local.encoder)
            self.note = note
        return True

    def _is_back(self) -> None:
        if self._away_since is not None:
            log.info("the embedding server is back", encoder=self.encoder)
        self._away_since, self.note = None, ""

    def _beginning(self, text: str) -> str:
        # JSON has no place for half a surrogate pair.
        text = text.encode("utf-8", "replace").decode()
        text = self._local.beginning(text) if self._local else text[: self._settings.max_characters]
        return text if text.strip() else BLANK
