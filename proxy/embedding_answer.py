"""What an OpenAI-compatible server answers to POST /v1/embeddings: read, checked and brought to unit norm."""

import base64
import binascii

import msgspec
import numpy as np

from drift.samples import Matrix


class BadAnswer(Exception):
    """An answer with status 200 that holds no usable vectors; the message says what is wrong with it."""


class _Row(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Row]


def read_vectors(body: bytes, count: int) -> Matrix:
    """Unit vectors (count, d), float32, in the order of the texts that were sent. Raises BadAnswer.

    Vectors come as numbers, or as base64 of little-endian float32.
    """
    try:
        rows = msgspec.json.decode(body, type=_Answer).data
    except msgspec.MsgspecError as error:
        raise BadAnswer(f"no embeddings as OpenAI has them ({error})") from None
    if len(rows) != count:
        raise BadAnswer(f"{len(rows)} vectors for {count} texts")
    places = [place if row.index is None else row.index for place, row in enumerate(rows)]
    if sorted(places) != list(range(count)):
        raise BadAnswer("vectors whose numbers are not those of the texts")
    vectors = [_numbers(row.embedding) for row in rows]
    sizes = {len(vector) for vector in vectors}
    if len(sizes) != 1 or not min(sizes):
        raise BadAnswer(f"vectors of {sorted(sizes)} numbers")
    raw = np.empty((count, sizes.pop()), dtype=np.float64)
    raw[places] = vectors
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    # Also where single numbers are not finite.
    if not np.all(np.isfinite(lengths)) or not np.all(lengths > 0):
        raise BadAnswer("a vector that is zero or not finite")
    unit: Matrix = (raw / lengths).astype(np.float32)
    return unit


def _numbers(embedding: list[float] | str) -> Matrix:
    if not isinstance(embedding, str):
        return np.asarray(embedding, dtype=np.float64)
    try:
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    except (binascii.Error, ValueError):
        raise BadAnswer("vectors that are neither numbers nor base64 of float32") from None
