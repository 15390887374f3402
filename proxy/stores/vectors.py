"""The vector store: Qdrant, a server or its local mode in the data folder.

Each monitor has a ring of its recent samples in the collection "window"; each
baseline's samples are in the collection "baseline". Points have the named vectors
"prompt" and "response". Point ids are derived from what they hold, so that writing
twice changes nothing, and a ring's places are overwritten: Qdrant's local mode never
gives back the memory of deleted points.
"""

import os
import sqlite3
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException

from drift.samples import Sample
from proxy.settings import VectorStore as VectorStoreSettings

log = structlog.get_logger()

_NAMESPACE = uuid.UUID("6f0d5c86-31c8-5d3e-9b5d-0d6a4a0f5e11")
_READ = 256
WINDOW, BASELINE = "window", "baseline"
LEFT = "not-overwritten"
"""In the folder of the local mode while deleted vectors are still to be read in its files."""


MEND = "driftium doctor --mend moves it aside if it is damaged; the baselines then need to be set anew."


class VectorStoreError(Exception):
    """The store cannot be opened; the message says what to do."""


class Vectors:
    """Samples' vectors by monitor and slot, and by baseline and position."""

    def __init__(self, settings: VectorStoreSettings, data_dir: Path, dimension: int | None = None):
        """With a dimension, that of `create`. Raises VectorStoreError."""
        self._settings = settings
        self.where = settings.url or str(data_dir / "vectors")
        self._folder = None if settings.url else data_dir / "vectors"
        self._left = False
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
            self._client.get_collections()
        except Exception as error:
            raise VectorStoreError(self._advice(error)) from error
        if dimension:
            self.create(dimension)

    def create(self, dimension: int) -> None:
        """Make the collections that are not there yet, for vectors of so many numbers. Raises VectorStoreError."""
        try:
            for name in (WINDOW, BASELINE):
                self._create(name, dimension)
        except Exception as error:
            raise VectorStoreError(self._advice(error)) from error

    def _advice(self, error: Exception) -> str:
        if self._settings.url:
            return f"Qdrant at {self.where} cannot be used: {error}. Start it, or set vector_store.url."
        if "already accessed" in str(error):
            return f"{self.where} is in use by another worker: stop that one, or give this one another data.dir."
        return f"{self.where} cannot be opened: {error}. {MEND}"

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
        try:
            for i in range(0, len(points), _READ):
                self._client.upsert(collection, points[i : i + _READ], wait=True)
        except (sqlite3.Error, OSError) as error:
            # Of the local mode: a full disk, or damaged files.
            raise VectorStoreError(f"{self.where} cannot be written: {error}. {MEND}") from error

    def get(self, collection: str, owner: str, places: Sequence[int]) -> list[Sample]:
        """The samples at these places, in their order. Raises KeyError when one is missing."""
        ids = [_point(owner, place) for place in places]
        found = self._records(collection, ids)
        return [_sample(found[point_id]) for point_id in ids]

    def kept(self, collection: str, owner: str, places: Sequence[int]) -> list[Sample]:
        """The samples at these places, in their order, without those that are missing."""
        ids = [_point(owner, place) for place in places]
        found = self._records(collection, ids)
        return [_sample(found[point_id]) for point_id in ids if point_id in found]

    def _records(self, collection: str, ids: list[str]) -> dict[str, Any]:
        return {
            str(record.id): record
            for i in range(0, len(ids), _READ)
            for record in self._client.retrieve(collection, ids[i : i + _READ], with_vectors=True, with_payload=True)
        }

    def parts(self, size: int = 5_000) -> Iterator[tuple[str, list[Any]]]:
        """(collection, points with id, vector and payload): everything, so many at once."""
        for name in (WINDOW, BASELINE):
            offset: Any = None
            while self._client.collection_exists(name):
                points, offset = self._client.scroll(name, limit=size, offset=offset, with_vectors=True)
                if points:
                    yield name, points
                if offset is None:
                    break

    def put_points(self, collection: str, points: Sequence[Any]) -> None:
        """Write points as `parts` gave them, into a new collection where there is none."""
        if points:
            self._create(collection, len(points[0].vector["prompt"]))
        for i in range(0, len(points), _READ):
            self._client.upsert(collection, list(points[i : i + _READ]), wait=True)

    def delete(self, collection: str, owner: str, places: Sequence[int]) -> None:
        """Delete what lies at these places. Raises VectorStoreError."""
        points: list[Any] = [_point(owner, place) for place in places]
        self._delete(collection, models.PointIdsList(points=points))

    def erase(self, field: str, value: str) -> None:
        """Delete all points of a "monitor", a "baseline" or an "exchange_id", and their bytes from the disk.

        Raises VectorStoreError where the points cannot be deleted; the bytes may go later (`overwrite_left`).
        """
        condition = models.FieldCondition(key=field, match=models.MatchValue(value=value))
        for name in (WINDOW, BASELINE):
            self._delete(name, models.FilterSelector(filter=models.Filter(must=[condition])))
        self.overwrite_deleted()

    def _delete(self, collection: str, points: models.PointIdsList | models.FilterSelector) -> None:
        try:
            self._client.delete(collection, points, wait=True)
        except (sqlite3.Error, OSError, ApiException) as error:
            raise VectorStoreError(f"{self.where} cannot be written: {error}. {MEND}") from error

    def overwrite_deleted(self) -> None:
        """In local mode, write the files anew: deleted vectors would stay legible in them. A server does it itself.

        That takes room for a second copy. Where it fails it is said, and `overwrite_left` does it later.
        """
        if self._folder is None:
            return
        self._left = True
        # A file too, for it must be known after a restart.
        left = self._folder / LEFT
        try:
            left.touch()
            for path in self._folder.glob("collection/*/storage.sqlite"):
                with closing(sqlite3.connect(path, isolation_level=None)) as db:
                    db.execute("VACUUM")
            left.unlink(missing_ok=True)
            self._left = False
        except (sqlite3.Error, OSError) as error:
            log.warning(
                "deleted vectors are not overwritten yet, which takes room on the disk; this is tried again",
                folder=str(self._folder),
                error=str(error),
            )

    def overwrite_left(self) -> None:
        """Overwrite what could not be overwritten when it was deleted."""
        if self._left or (self._folder and (self._folder / LEFT).exists()):
            self.overwrite_deleted()

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
