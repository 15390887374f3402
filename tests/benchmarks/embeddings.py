"""Embeddings of the benchmarks' texts, kept by content, so that a second run takes minutes."""

import hashlib
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drift.embedder import Embedder, find_weights
from drift.samples import Matrix

_CHUNK = 256
_cached: dict[str, Embedder] = {}


def embedded(texts: Sequence[str], cache: Path) -> Matrix:
    """Unit vectors of texts, shape (len(texts), d), float32; those not yet in the cache folder are embedded."""
    cache.mkdir(parents=True, exist_ok=True)
    keys = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in texts]
    with sqlite3.connect(cache / "vectors.sqlite", timeout=60) as db:
        db.execute("create table if not exists vectors (key blob primary key, vector blob) without rowid")
        known = _read(db, keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        # Texts of like length together: a batch costs what its longest text costs.
        order = sorted(missing, key=lambda key: len(missing[key]))
        for start in range(0, len(order), _CHUNK):
            chunk = order[start : start + _CHUNK]
            vectors = _embedder().embed([missing[key] for key in chunk])
            rows = list(zip(chunk, (vector.tobytes() for vector in vectors), strict=True))
            db.executemany("insert or replace into vectors values (?, ?)", rows)
            db.commit()
            known |= dict(rows)
            print(f"\rembedded {start + len(chunk)} of {len(order)}", end="", file=sys.stderr, flush=True)
        if order:
            print(file=sys.stderr)
    return np.stack([np.frombuffer(known[key], dtype=np.float32) for key in keys])


def _read(db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    wanted = list(set(keys))
    found: dict[bytes, bytes] = {}
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        query = f"select key, vector from vectors where key in ({','.join('?' * len(some))})"
        found |= dict(db.execute(query, some).fetchall())
    return found


def _embedder() -> Embedder:
    if "minilm" not in _cached:
        _cached["minilm"] = Embedder(find_weights(), threads=1)
    return _cached["minilm"]
