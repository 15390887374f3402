"""What the statistics see of an exchange: its vectors.

Apart from records.py, so that reading a report needs no numpy.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""One embedding, shape (d,), unit norm."""

Matrix = NDArray[np.float32]
"""Embeddings, shape (n, d), unit rows."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What the statistics see of an exchange: its vectors. All have unit norm and shape (d,)."""

    exchange_id: str
    at: float
    response: Vector
    prompt: Vector
