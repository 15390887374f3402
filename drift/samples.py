"""What the statistics see of an exchange: its vectors, its behaviour and its session.

Apart from records.py, so that reading a report needs no numpy.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from drift.features import Behaviour

Vector = NDArray[np.float32]
"""One embedding, shape (d,), unit norm."""

Matrix = NDArray[np.float32]
"""Embeddings, shape (n, d), unit rows."""

Codes = NDArray[np.int64]
"""One session per sample, shape (n,): equal codes are one session."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What the statistics see of an exchange. Its vectors have unit norm and shape (d,)."""

    exchange_id: str
    at: float
    response: Vector
    prompt: Vector
    features: Behaviour | None = None
    """None where it was not measured: then behaviour is not watched."""
    session: str | None = None
    """Answers of one conversation or user resemble each other: they are never compared with each other. A digest, after
    records.CONVERSATION where nobody named it."""
    settings: Mapping[str, str] = {}
    """What can change answers besides the model's weights, as text: the model's names, the system prompt, sampling."""


def session_codes(sessions: Sequence[str | None], *, largest_share: float) -> Codes:
    """The session of each sample as a number, shape (n,); a sample without one is a session of its own.

    When one session holds more than largest_share of the samples the name tells no people apart (an application
    that names itself as the user), and every sample counts as a session of its own.
    """
    codes = np.array([session_code(name, place) for place, name in enumerate(sessions)], dtype=np.int64)
    if len(codes) and np.unique(codes, return_counts=True)[1].max() > max(1, largest_share * len(codes)):
        return -1 - np.arange(len(codes), dtype=np.int64)
    return codes


def session_code(session: str | None, place: int) -> int:
    """A hash of the session's name, at least 0; without one a negative number that only this place has."""
    if session is None:
        return -1 - place
    return int.from_bytes(blake2b(session.encode("utf-8", "replace"), digest_size=8).digest(), "big") >> 1
