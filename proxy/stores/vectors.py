"""The vector store: Qdrant, a server or its local mode in the data folder.

Each monitor has a ring of its recent samples in the collection "window"; each
baseline's samples are in the collection "baseline". Points have the named vectors
"prompt" and "response". Point ids are derived from what they hold, so that writing
twice changes nothing, and a ring's places are overwritten: Qdrant's local mode never
gives back the memory of deleted points.
"""

import os
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qdrant_client import QdrantClient, models

from drift.samples import Sample
from proxy.settings import VectorStore as VectorStoreSettings

_NAMESPACE = uuid.UUID("6f0d5c86-31c8-5d3e-9b5d-0d6a4a0f5e11")
_READ = 256
WINDOW, BASELINE = "window", "baseline"


class VectorStoreError(Exception):
    """The store cannot be opened; the message says what to do."""


class Vectors:
    """Samples' vectors by monitor and slot, and by baseline and position."""

    def __init__(self, settings: VectorStoreSettings, data_dir: Path, dimension: int):
        self.where = settings.url or str(data_dir / "vectors")
        try:
            with warnings.catch_warnings():
                # Local mode advises a server from 20,000 points on; a few thousand places a monitor stay below.
                warnings.simplefilter("ignore")
                if settings.url:
                    self._client = QdrantClient(
                        url=settings.url,
                        api_key=os.environ.get(settings.api_key_env),
                        timeout=30,
                        check_compatibility=False,
                    )
                else:
                    self._client = QdrantClient(path=self.where)
                for name in (WINDOW, BASELINE):
                    self._create(name, dimension)
        except Exception as error:
            raise VectorStoreError(self._advice(settings, error)) from error

    def _advice(self, settings: VectorStoreSettings, error: Exception) -> str:
        if settings.url:
            return f"Qdrant at {self.where} cannot be used: {error}. Start it, or set vector_store.url."
        if "already accessed" in str(error):
            return f"{self.where} is in use by another worker: stop that one, or give this one another data.dir."
        return f"{self.where} cannot be opened: {error}. Move that folder away, start again and set the baselines anew."

    def _create(self, name: str, dimension: int) -> None:
        if self._client.collection_exists(name):
            return
        # Vectors have unit norm already: the dot product is their cosine, and they come back bit for bit.
        vector = models.VectorParams(size=dimension, distance=models.Distance.DOT)
        self._client.create_collection(name, vectors_config={"prompt": vector, "response": vector})

    def put(self, collection: str, owner: str, samples: Sequence[tuple[int, Sample]], payload: dict[str, Any]) -> None:
        """Write samples at their places (slots or positions) of a monitor or a baseline."""
        points = [
            models.PointStruct(
                id=_point(owner, place),
                vector={"prompt": sample.prompt.tolist(), "response": sample.response.tolist()},
                payload=payload | {"exchange_id": sample.exchange_id, "at": sample.at, "place": place},
            )
            for place, sample in samples
        ]
        for i in range(0, len(points), _READ):
            self._client.upsert(collection, points[i : i + _READ], wait=True)

    def get(self, collection: str, owner: str, places: Sequence[int]) -> list[Sample]:
        """The samples at these places, in their order. Raises KeyError when one is missing."""
        found: dict[str, Any] = {}
        ids = [_point(owner, place) for place in places]
        for i in range(0, len(ids), _READ):
            for record in self._client.retrieve(collection, ids[i : i + _READ], with_vectors=True, with_payload=True):
                found[str(record.id)] = record
        return [_sample(found[point_id]) for point_id in ids]

    def close(self) -> None:
        self._client.close()


def _point(owner: str, place: int) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{place}/{owner}"))


def _sample(record: Any) -> Sample:
    return Sample(
        exchange_id=record.payload["exchange_id"],
        at=record.payload["at"],
        prompt=np.asarray(record.vector["prompt"], dtype=np.float32),
        response=np.asarray(record.vector["response"], dtype=np.float32),
    )
