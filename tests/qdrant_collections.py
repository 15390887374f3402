"""What a Qdrant server keeps, in memory and without a search index, and the rules it holds requests to.

Bodies are read strictly (an unknown field, a number that is a text and the like are refused), more strictly
than a real server reads them. What it says of an error is worded after Qdrant's own answers.
"""

import uuid
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import numpy as np
import orjson
from pydantic import BaseModel, ValidationError
from qdrant_client import models

Vectors = dict[str, np.ndarray]
PointId = int | str
HNSW = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000, "max_indexing_threads": 0, "on_disk": False}
OPTIMIZER = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1_000,
    "default_segment_number": 0,
    "max_segment_size": None,
    "memmap_threshold": None,
    "indexing_threshold": 20_000,
    "flush_interval_sec": 5,
    "max_optimization_threads": None,
}
WAL = {"wal_capacity_mb": 32, "wal_segments_ahead": 0}


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Point(msgspec.Struct, forbid_unknown_fields=True):
    id: PointId
    vector: dict[str, list[float]]
    payload: dict[str, Any] | None = None


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    ids: list[PointId]
    vectors: dict[str, list[list[float]]]
    payloads: list[dict[str, Any] | None] | None = None

    def points(self) -> list[Point]:
        counts = {len(self.ids), *(len(v) for v in self.vectors.values()), len(self.payloads or self.ids)}
        if len(counts) > 1:
            raise Refused(422, "Validation error in JSON body: [batch: ids, vectors and payloads differ in length]")
        return [
            Point(point, {n: v[i] for n, v in self.vectors.items()}, self.payloads[i] if self.payloads else None)
            for i, point in enumerate(self.ids)
        ]


class PointsList(msgspec.Struct, forbid_unknown_fields=True):
    points: list[Point]


class PointsBatch(msgspec.Struct, forbid_unknown_fields=True):
    batch: Batch


_LIST, _BATCH = msgspec.json.Decoder(PointsList), msgspec.json.Decoder(PointsBatch)


def read_points(body: bytes) -> list[Point]:
    try:
        if body.lstrip()[1:].lstrip().startswith(b'"batch"'):
            return _BATCH.decode(body).batch.points()
        return _LIST.decode(body).points
    except msgspec.DecodeError as error:
        raise Refused(400, f"Format error in JSON body: {error}") from None


def read(body: bytes, *kinds: type[BaseModel]) -> Any:
    """A body that is one of these models."""
    problems = []
    for kind in kinds:
        try:
            return kind.model_validate_json(body or b"{}", strict=True)
        except ValidationError as error:
            problems.append(str(error.errors(include_url=False, include_input=False)[0]))
    raise Refused(400, f"Format error in JSON body: {'; '.join(problems)}")


def point_id(value: Any) -> PointId:
    """The id as the server keeps it: an unsigned number, or a UUID."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        wrong = f"value {value} is not a valid point ID, valid values are either an unsigned integer or a UUID"
        raise Refused(400, f"Format error in JSON body: {wrong}") from None


class Collection:
    """Points by id: payload and named vectors."""

    def __init__(self, made: models.CreateCollection):
        if not isinstance(made.vectors, dict):
            raise Refused(400, "this stand-in keeps named vectors only")
        for name, vector in made.vectors.items():
            if not 1 <= vector.size <= 65_536:
                raise Refused(422, f"Validation error in JSON body: [vectors.{name}.size: must be from 1 to 65536]")
        for name in ("shard_number", "replication_factor", "write_consistency_factor"):
            if (number := getattr(made, name)) is not None and number < 1:
                raise Refused(
                    422, f"Validation error in JSON body: [{name}: value {number} invalid, must be 1 or larger]"
                )
        self.vectors = {name: plain(vector) for name, vector in made.vectors.items()}
        self.params = {
            "shard_number": made.shard_number or 1,
            "replication_factor": made.replication_factor or 1,
            "write_consistency_factor": made.write_consistency_factor or 1,
            "on_disk_payload": made.on_disk_payload if made.on_disk_payload is not None else True,
        }
        self.hnsw = HNSW | plain(made.hnsw_config)
        self.quantization = plain(made.quantization_config) or None
        self.indexed: dict[str, str] = {}
        self.points: dict[PointId, tuple[dict[str, Any], Vectors]] = {}
        self._order: list[PointId] | None = []

    def info(self) -> dict[str, Any]:
        return {
            "status": "green",
            "optimizer_status": "ok",
            "points_count": len(self.points),
            "indexed_vectors_count": 0,
            "segments_count": 1,
            "config": {
                "params": self.params | {"vectors": self.vectors},
                "hnsw_config": self.hnsw,
                "optimizer_config": OPTIMIZER,
                "wal_config": WAL,
                "quantization_config": self.quantization,
            },
            "payload_schema": {
                field: {"data_type": kind, "points": sum(field in p for p, _ in self.points.values())}
                for field, kind in self.indexed.items()
            },
        }

    def update(self, asked: models.UpdateCollection) -> None:
        for name, diff in (asked.vectors or {}).items():
            if name not in self.vectors:
                raise Refused(400, f"Wrong input: Not existing vector name error: {name}")
            self.vectors[name] = self.vectors[name] | plain(diff)
        self.hnsw |= plain(asked.hnsw_config)
        self.params |= plain(asked.params)
        if asked.quantization_config is not None:
            quantization = plain(asked.quantization_config)
            self.quantization = None if quantization == "Disabled" else quantization

    def upsert(self, points: Iterable[Point]) -> None:
        """All of them or, with the first that does not fit, none."""
        checked = [(point_id(p.id), (p.payload or {}, self._vectors(p.vector))) for p in points]
        if any(key not in self.points for key, _ in checked):
            self._order = None
        self.points.update(checked)

    def _vectors(self, given: dict[str, list[float]]) -> Vectors:
        kept = {}
        for name, numbers in given.items():
            wanted = self.vectors.get(name)
            if wanted is None:
                raise Refused(400, f"Wrong input: Not existing vector name error: {name}")
            if len(numbers) != wanted["size"]:
                lengths = f"expected dim: {wanted['size']}, got {len(numbers)}"
                raise Refused(400, f"Wrong input: Vector dimension error: {lengths}")
            kept[name] = np.asarray(numbers, dtype=np.float32)
        return kept

    def delete(self, ids: Iterable[PointId]) -> None:
        for key in ids:
            if self.points.pop(key, None) is not None:
                self._order = None

    def ordered(self) -> list[PointId]:
        """All ids: numbers first, then UUIDs."""
        if self._order is None:
            self._order = sorted(self.points, key=lambda key: (isinstance(key, str), key))
        return self._order

    def matching(self, wanted: models.Filter | None, *, strict: bool) -> Callable[[PointId], bool]:
        """Whether a point passes the filter. Under strict mode its fields must have an index."""
        if wanted is None:
            return lambda key: True
        clauses = [_listed(getattr(wanted, kind)) for kind in ("must", "should", "must_not")]
        must, should, must_not = ([self._test(c, strict) for c in clause] for clause in clauses)
        if wanted.min_should is not None:
            raise Refused(400, "this stand-in knows no min_should")

        def passes(key: PointId) -> bool:
            return (
                all(test(key) for test in must)
                and (not should or any(test(key) for test in should))
                and not any(test(key) for test in must_not)
            )

        return passes

    def _test(self, condition: Any, strict: bool) -> Callable[[PointId], bool]:
        if isinstance(condition, models.Filter):
            return self.matching(condition, strict=strict)
        if isinstance(condition, models.HasIdCondition):
            ids = {point_id(key) for key in condition.has_id}
            return lambda key: key in ids
        if not isinstance(condition, models.FieldCondition):
            raise Refused(400, f"this stand-in knows no {type(condition).__name__}")
        field = condition.key
        if strict and field not in self.indexed:
            kinds = "of one of the following types: [keyword]"
            raise Refused(400, f'Bad request: Index required but not found for "{field}" {kinds}.')
        if isinstance(condition.match, models.MatchValue):
            value = condition.match.value
            return lambda key: self.points[key][0].get(field) == value
        if isinstance(condition.match, models.MatchAny):
            values = condition.match.any
            return lambda key: self.points[key][0].get(field) in values
        raise Refused(400, "this stand-in matches values only")

    def record(self, key: PointId, payload: Any, vector: Any) -> dict[str, Any]:
        kept, vectors = self.points[key]
        told: dict[str, Any] = {"id": key}
        if payload:
            told["payload"] = {k: v for k, v in kept.items() if payload is True or k in payload}
        if vector:
            told["vector"] = {k: v for k, v in vectors.items() if vector is True or k in vector}
        return told


def _listed(clause: Any) -> list[Any]:
    return clause if isinstance(clause, list) else [] if clause is None else [clause]


def plain(model: Any) -> Any:
    """A model as the JSON that it stands for; {} for none."""
    if model is None:
        return {}
    return (
        model.model_dump(mode="json", exclude_none=True)
        if isinstance(model, BaseModel)
        else getattr(model, "value", model)
    )


def encode(answer: Any) -> bytes:
    """JSON, in which 32-bit numbers have as many digits as they need: so does a server."""
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
