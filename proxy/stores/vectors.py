"""The vector store: Qdrant, a server or its local mode in the data folder.

Each monitor has a ring of its recent samples in the collection "window"; each
baseline's samples are in the collection "baseline". Points have the named vectors
"prompt" and "response". Point ids are derived from what they hold, so that writing
twice changes nothing, and a ring's places are overwritten: Qdrant's local mode never
gives back the memory of deleted points.
"""

import math
import os
import sqlite3
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
import structlog
from qdrant_client import QdrantClient, models

from drift.samples import Sample
from proxy.settings import Qdrant
from proxy.stores import qdrant_access
from proxy.stores.qdrant_access import VectorStoreError as VectorStoreError
from proxy.stores.qdrant_calls import patiently
from proxy.stores.qdrant_collections import NAMES, check, prepare

log = structlog.get_logger()

T = TypeVar("T")

_NAMESPACE = uuid.UUID("6f0d5c86-31c8-5d3e-9b5d-0d6a4a0f5e11")
WINDOW, BASELINE = "window", "baseline"
LARGEST_REQUEST = 16 * 2**20
"""Bytes: half of what a server takes as it is delivered."""
DIGITS = 22
"""Of a number in a request, with its comma."""
LEFT = "not-overwritten"
"""In the folder of the local mode while deleted vectors are still to be read in its files."""


MEND = "driftium doctor --mend moves it aside if it is damaged; the baselines then need to be set anew."


class Vectors:
    """Samples' vectors by monitor and slot, and by baseline and position.

    Everything here raises VectorStoreError where the store cannot do it; a server is given some seconds to recover
    before, and writes are there when they return.
    """

    def __init__(self, settings: Qdrant, data_dir: Path, dimension: int | None = None):
        """With a dimension, that of `create`. Raises VectorStoreError."""
        self._settings = settings
        self.where = qdrant_access.shown(settings) if settings.url else str(data_dir / "vectors")
        self._folder = None if settings.url else data_dir / "vectors"
        self._left = self._keyed = False
        self._rows = settings.batch
        # They are no lines of a log: the doctor says when a server is better, and that a key goes unencrypted.
        warnings.filterwarnings("ignore", "Local mode is not recommended|Api key is used", UserWarning)
        self._client = self._server() if settings.url else self._local()
        if dimension:
            self.create(dimension)

    def _local(self) -> QdrantClient:
        try:
            return QdrantClient(path=self.where)
        except Exception as error:
            if "already accessed" in str(error):
                message = f"{self.where} is in use by another worker: stop that one, or give this one another data.dir."
                raise VectorStoreError(message) from error
            raise VectorStoreError(f"{self.where} cannot be opened: {error}. {MEND}") from error

    def _server(self) -> QdrantClient:
        key, tls = qdrant_access.key_of(self._settings, os.environ), qdrant_access.tls_of(self._settings)
        self._keyed = key is not None
        client = QdrantClient(
            url=qdrant_access.address(self._settings),
            api_key=key,
            timeout=math.ceil(self._settings.timeout_seconds),
            check_compatibility=False,
            verify=tls,
            # A proxy for the web is none for a store.
            trust_env=False,
            # The client opens a connection for each request to this machine otherwise.
            limits=httpx.Limits(max_keepalive_connections=4),
        )
        # Whoever opens it tells that it is out of reach, and tries again.
        patiently(client.get_collections, self._settings, key=self._keyed, patience=0.0)
        return client

    def _do(self, call: Callable[..., T], *args: Any, **more: Any) -> T:
        if self._folder is None:
            return patiently(lambda: call(*args, **more), self._settings, key=self._keyed)
        try:
            return call(*args, **more)
        except (sqlite3.Error, OSError) as error:
            # Of the local mode: a full disk, or damaged files.
            raise VectorStoreError(f"{self.where} cannot be written: {error}. {MEND}") from error

    def create(self, dimension: int) -> None:
        """Make the collections that are not there yet, for vectors of so many numbers, and bring up the others.

        Raises VectorStoreError where they hold vectors of another kind.
        """
        self._rows = max(1, min(self._settings.batch, LARGEST_REQUEST // (len(NAMES) * dimension * DIGITS)))
        for name in (WINDOW, BASELINE):
            try:
                self._create(self._named(name), dimension)
            except VectorStoreError:
                raise
            except Exception as error:
                raise VectorStoreError(f"{self.where} cannot be opened: {error}. {MEND}") from error

    def _named(self, collection: str) -> str:
        return collection if self._folder else self._settings.prefix + collection

    def _create(self, name: str, dimension: int) -> None:
        if self._folder is None:
            self._do(prepare, self._client, name, dimension, self._settings)
        elif self._client.collection_exists(name):
            there = self._client.get_collection(name).config.params.vectors
            check(there, dimension, f"Collection {name} in {self.where}", "data.dir")
        else:
            # Vectors have unit norm already: the dot product is their cosine, and they come back bit for bit.
            vector = models.VectorParams(size=dimension, distance=models.Distance.DOT)
            self._client.create_collection(name, vectors_config=dict.fromkeys(NAMES, vector))

    def put(self, collection: str, owner: str, samples: Sequence[tuple[int, Sample]], payload: dict[str, Any]) -> None:
        """Write samples at their places (slots or positions) of a monitor or a baseline."""
        self._upsert(collection, [_written(owner, place, sample, payload) for place, sample in samples])

    def put_windows(self, rings: Mapping[str, Sequence[tuple[int, Sample]]]) -> None:
        """Write samples at their slots in the rings of several monitors, in as few requests as it takes."""
        self._upsert(
            WINDOW,
            [
                _written(monitor, place, sample, {"monitor": monitor})
                for monitor, ring in rings.items()
                for place, sample in ring
            ],
        )

    def _upsert(self, collection: str, points: Sequence[models.PointStruct]) -> None:
        name = self._named(collection)
        for i in range(0, len(points), self._rows):
            self._do(self._client.upsert, name, list(points[i : i + self._rows]), wait=True)

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
        name, found = self._named(collection), {}
        for i in range(0, len(ids), self._rows):
            records = self._do(self._client.retrieve, name, ids[i : i + self._rows], with_vectors=True)
            found.update({str(record.id): record for record in records})
        return found

    def parts(self, size: int = 5_000) -> Iterator[tuple[str, list[Any]]]:
        """(collection, points with id, vector and payload): everything, at most so many at once."""
        # A page of a server is no longer than what is written at once: it is an answer in one piece.
        limit = size if self._folder else min(size, self._rows)
        for collection in (WINDOW, BASELINE):
            name = self._named(collection)
            offset, more = None, self._do(self._client.collection_exists, name)
            while more:
                points, offset = self._do(self._client.scroll, name, limit=limit, offset=offset, with_vectors=True)
                if points:
                    yield collection, points
                more = offset is not None

    def put_points(self, collection: str, points: Sequence[Any]) -> None:
        """Write points as `parts` gave them, into a new collection where there is none."""
        if points:
            self.create(len(points[0].vector["prompt"]))
        self._upsert(collection, points)

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
        self._do(self._client.delete, self._named(collection), points, wait=True)

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

    def ping(self) -> None:
        """Find out that a server is away before there is something to write."""
        if self._folder is None:
            self._do(self._client.get_collections)

    def overwrite_left(self) -> None:
        """Overwrite what could not be overwritten when it was deleted."""
        if self._left or (self._folder and (self._folder / LEFT).exists()):
            self.overwrite_deleted()

    def close(self) -> None:
        self._client.close()


def _point(owner: str, place: int) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{place}/{owner}"))


def _written(owner: str, place: int, sample: Sample, payload: dict[str, Any]) -> models.PointStruct:
    return models.PointStruct(
        id=_point(owner, place),
        vector={"prompt": sample.prompt.tolist(), "response": sample.response.tolist()},
        payload=payload | {"exchange_id": sample.exchange_id, "at": sample.at, "place": place},
    )


def _sample(record: Any) -> Sample:
    return Sample(
        exchange_id=record.payload["exchange_id"],
        at=record.payload["at"],
        prompt=np.asarray(record.vector["prompt"], dtype=np.float32),
        response=np.asarray(record.vector["response"], dtype=np.float32),
    )
