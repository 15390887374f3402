"""The collections on a Qdrant server: made as the settings say, and brought up to them where they are there already."""

from typing import Any

import structlog
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from proxy.settings import Qdrant
from proxy.stores.qdrant_access import VectorStoreError, shown

log = structlog.get_logger()

NAMES = ("prompt", "response")
INDEXED = ("monitor", "baseline", "exchange_id")
"""By which points are erased: without an index a server looks at every point, or refuses to (strict mode)."""
NOBODY = "00000000-0000-0000-0000-000000000000"


def prepare(client: QdrantClient, name: str, dimension: int, settings: Qdrant) -> None:
    """The collection, ready to be written. May be repeated, by several workers at once.

    Raises VectorStoreError where it holds vectors of another kind.
    """
    if not client.collection_exists(name):
        try:
            client.create_collection(name, **_wanted(dimension, settings))
        except UnexpectedResponse as error:
            # Another worker was faster.
            if error.status_code != 409:
                raise
    info = client.get_collection(name)
    check(info.config.params.vectors, dimension, f"Collection {name} of Qdrant at {shown(settings)}", "qdrant.prefix")
    _bring_up(client, name, info.config, settings)
    for field in INDEXED:
        if field not in info.payload_schema:
            client.create_payload_index(name, field, models.PayloadSchemaType.KEYWORD, wait=True)
    # A write that changes nothing: a key that may only read, or a full disk, is known now and not at the first answer.
    client.delete(name, models.PointIdsList(points=[NOBODY]), wait=True)


def check(vectors: Any, dimension: int, what: str, instead: str) -> None:
    """Raises VectorStoreError unless there are the named vectors, of so many numbers, compared by dot product."""
    there = vectors if isinstance(vectors, dict) else {}
    if there.keys() != set(NAMES) or any(there[name].distance != models.Distance.DOT for name in NAMES):
        raise VectorStoreError(f"{what} is not Driftium's: set another {instead}.")
    size = there["prompt"].size
    if size != dimension:
        raise VectorStoreError(
            f"{what} holds vectors of {size} numbers, not of {dimension}: go back to the embedder that made them "
            f"([embedder]), or set another {instead}; baselines then need to be set anew."
        )


def _wanted(dimension: int, settings: Qdrant) -> dict[str, Any]:
    # Vectors have unit norm already: the dot product is their cosine, and they come back bit for bit.
    vector = models.VectorParams(size=dimension, distance=models.Distance.DOT, on_disk=settings.on_disk)
    return {
        "vectors_config": dict.fromkeys(NAMES, vector),
        "hnsw_config": models.HnswConfigDiff(m=settings.hnsw_m),
        "quantization_config": _INT8 if settings.quantization == "int8" else None,
        "shard_number": settings.shard_number or None,
        "replication_factor": settings.replication_factor,
    }


# Beside the vectors, which stay as they are: only searches look at it, and they want it in memory.
_INT8 = models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True))


def _bring_up(client: QdrantClient, name: str, config: Any, settings: Qdrant) -> None:
    """Set what can be changed where it differs; say what would need a new collection."""
    changes: dict[str, Any] = {}
    if any(bool(vector.on_disk) != settings.on_disk for vector in config.params.vectors.values()):
        changes["vectors_config"] = dict.fromkeys(NAMES, models.VectorParamsDiff(on_disk=settings.on_disk))
    if config.hnsw_config.m != settings.hnsw_m:
        changes["hnsw_config"] = models.HnswConfigDiff(m=settings.hnsw_m)
    if (config.quantization_config is not None) != (settings.quantization == "int8"):
        changes["quantization_config"] = _INT8 if settings.quantization == "int8" else models.Disabled.DISABLED
    if changes:
        client.update_collection(name, **changes)
        log.info("a collection takes over the settings", collection=name, changed=sorted(changes))
    for key, value in (("shard_number", settings.shard_number), ("replication_factor", settings.replication_factor)):
        there = getattr(config.params, key) or 1
        if value and there != value:
            log.warning(
                f"qdrant.{key} holds for new collections: this one keeps what it has",
                collection=name,
                set=value,
                there=there,
            )
