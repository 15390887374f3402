"""A scripted embedding server, whose vectors are a hash of the text."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from proxy.embedding_server import EmbeddingServer
from proxy.settings import Embedder
from tests.scripted import Request, Upstream, answer

MODELS = answer(json.dumps({"data": [{"id": "first"}, {"id": "second"}]}).encode())
Answer = Callable[[list[str], int], bytes]
"""(texts, number of the request) -> an answer's bytes."""


def vector(text: str) -> list[float]:
    """A text's own, not of unit norm."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    return [float(x) for x in 3 * np.random.default_rng(seed).standard_normal(16)]


def unit(texts: list[str]) -> np.ndarray:
    raw = np.array([vector(text) for text in texts])
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def embeddings(texts: list[str]) -> dict[str, Any]:
    data = [{"index": i, "object": "embedding", "embedding": vector(text)} for i, text in enumerate(texts)]
    return {"object": "list", "model": "first", "data": data}


def sent(body: Any, status: str = "200 OK", *headers: str) -> bytes:
    return answer(json.dumps(body).encode(), status=status, headers=headers)


def good(texts: list[str], number: int = 0) -> bytes:
    return sent(embeddings(texts))


REFUSED = sent({"error": {"message": "input is too large"}}, "400 Bad Request")


class Served:
    """A scripted server, what it was asked, and a client of it."""

    def __init__(self, upstream: Callable[..., Upstream]):
        self._upstream = upstream

    def __call__(self, respond: Answer, **settings: Any) -> EmbeddingServer:
        async def script(request: Request) -> Any:
            if request.method == "GET":
                yield MODELS
            else:
                self.asked.append(request.json["input"])
                yield respond(request.json["input"], len(self.asked))

        self.asked: list[list[str]] = []
        self.server = self._upstream(script)
        return EmbeddingServer(Embedder(url=self.server.url, **({"model": "m"} | settings)))


def agree(found: np.ndarray, texts: list[str]) -> None:
    assert found.dtype == np.float32
    assert found == pytest.approx(unit(texts), abs=1e-6)
