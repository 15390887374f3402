"""Vectors in plain arrays: what a backup holds of them, whatever store they come from or go to.

Not the store's own files: those are pickled, and whoever wrote them could run code when they are read.
"""

from pathlib import Path

import msgspec
import numpy as np
from qdrant_client import models

from proxy.stores.vectors import Vectors

FOLDER = "vectors"


def write_vectors(vectors: Vectors, folder: Path) -> int:
    """Write all points into files of a few megabytes, in a new folder; returns how many there are."""
    folder.mkdir()
    count = 0
    for number, (collection, points) in enumerate(vectors.parts()):
        np.savez(
            folder / f"{collection}-{number:04d}.npz",
            ids=np.array([str(point.id) for point in points]),
            prompt=np.array([point.vector["prompt"] for point in points], np.float32),
            response=np.array([point.vector["response"] for point in points], np.float32),
            payload=np.frombuffer(msgspec.json.encode([point.payload for point in points]), np.uint8),
        )
        count += len(points)
    return count


def read_vectors(folder: Path, vectors: Vectors) -> int:
    """Put what `write_vectors` wrote into a store; returns how many points there are."""
    count = 0
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as part:
            payloads = msgspec.json.decode(part["payload"].tobytes())
            rows = zip(part["ids"], part["prompt"], part["response"], payloads, strict=True)
            points = [
                models.PointStruct(
                    id=str(number), vector={"prompt": prompt.tolist(), "response": response.tolist()}, payload=payload
                )
                for number, prompt, response, payload in rows
            ]
        vectors.put_points(path.name.partition("-")[0], points)
        count += len(points)
    return count
