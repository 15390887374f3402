"""Where one answer falls among a sample: how far from its middle, and next to which."""

import numpy as np

from drift.errors import TooFewSamples
from drift.semantic.mmd import Doubles, Floats

BINS = 20
_NARROWEST = 0.01
"""Width of a histogram whose values are all the same."""
_TIE = 1e-5
"""Two distances nearer to each other are the same: an encoder rounds an answer differently from batch to batch."""


def distance_to_centroid(vector: Floats, vectors: Floats) -> float:
    """Cosine distance, 0 to 2, of a vector (d,) to the mean of vectors (n, d); 1 where either of them vanishes.

    Raises TooFewSamples when n is 0.
    """
    if not len(vectors):
        raise TooFewSamples("no vectors; their centroid needs 1")
    exact = np.asarray(vector, dtype=np.float64)
    return float(_distances(exact[None], np.asarray(vectors, dtype=np.float64).sum(axis=0)[None])[0])


def own_distances(vectors: Floats) -> Doubles:
    """Cosine distance of each of n vectors (n, d) to the mean of the others, shape (n,).

    Left out of its own mean, as a new vector is of theirs, so that the two can be compared.
    Raises TooFewSamples when n is below 2.
    """
    if len(vectors) < 2:
        raise TooFewSamples(f"{len(vectors)} vector(s); distances to the others need 2")
    exact = np.asarray(vectors, dtype=np.float64)
    return _distances(exact, exact.sum(axis=0) - exact)


def percentile(vector: Floats, vectors: Floats) -> float:
    """Share of vectors (n, d) that are nearer to the centroid of the others than a vector (d,), 0 to 1.

    Those as near count half. Raises TooFewSamples when n is 0.
    """
    if not len(vectors):
        raise TooFewSamples("no vectors; a percentile needs 1")
    # All n + 1 are treated alike: each is left out of the centroid of all. So the vector is measured against that of
    # the n, and one that it equals against the very same centroid: equal vectors tie, whatever n is.
    *others, distance = own_distances(np.vstack([vectors, vector]))
    gaps = np.asarray(others) - distance
    tied = np.abs(gaps) <= _TIE
    return float(np.where(tied, 0.5, gaps < 0).mean())


def histogram(values: Doubles, bins: int = BINS) -> list[tuple[float, float, float]]:
    """(from, to, share) of equal bins over the range of values (n,), n >= 1; the last one holds its end."""
    low, high = float(values.min()), float(values.max())
    if high - low < _NARROWEST:
        low = max(0.0, (low + high - _NARROWEST) / 2)
        high = low + _NARROWEST
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    return [(float(edges[i]), float(edges[i + 1]), int(count) / len(values)) for i, count in enumerate(counts.tolist())]


def nearest(vector: Floats, vectors: Floats, count: int) -> list[tuple[int, float]]:
    """(place, cosine) of the unit vectors (n, d) most like a unit vector (d,), the nearest first."""
    cosines = np.clip(np.asarray(vectors, dtype=np.float64) @ np.asarray(vector, dtype=np.float64), -1, 1)
    order = np.argsort(-cosines, kind="stable")[:count]
    return [(int(place), float(cosines[place])) for place in order]


def _distances(vectors: Doubles, centroids: Doubles) -> Doubles:
    """Row by row."""
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(centroids, axis=1)
    products = np.einsum("ij,ij->i", vectors, centroids)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    distances: Doubles = np.clip(1 - cosines, 0, 2)
    return distances
