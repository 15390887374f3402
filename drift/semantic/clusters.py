"""Clusters of unit vectors: those that a baseline is cut into, and those that what is left over makes."""

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from drift.semantic.mmd import Floats

Codes = NDArray[np.int64]
"""The cluster of each vector, shape (n,)."""

_ITERATIONS = 50
_STARTS = 3
"""Of k-means: one bad draw of the first centroids is not the last word."""


def distances_from(vectors: Floats, centroids: Floats) -> Floats:
    """Squared Euclidean distances of unit vectors (n, d) from centroids (k, d), shape (n, k)."""
    squared: Floats = 1 + np.einsum("ij,ij->i", centroids, centroids) - 2 * (vectors @ centroids.T)
    return squared


def _means(vectors: Floats, codes: Codes, k: int) -> Floats:
    members = (codes[:, None] == np.arange(k)).astype(vectors.dtype)
    means: Floats = (members.T @ vectors) / np.maximum(members.sum(axis=0), 1)[:, None]
    return means


def k_means(vectors: Floats, k: int, rng: np.random.Generator) -> Codes:
    """Codes 0 .. k - 1 of the best of some runs of Lloyd's algorithm from k-means++ (Arthur, Vassilvitskii 2007)."""
    best, least = np.zeros(len(vectors), dtype=np.int64), np.inf
    for _ in range(_STARTS):
        chosen = [int(rng.integers(len(vectors)))]
        squared = np.full(len(vectors), np.inf)
        for _ in range(k - 1):
            squared = np.minimum(squared, np.maximum(2 - 2 * (vectors @ vectors[chosen[-1]]), 0))
            total = squared.sum()
            if total < 1e-6:
                break
            chosen.append(int(rng.choice(len(vectors), p=squared / total)))
        centroids: Floats = vectors[chosen]
        codes = np.full(len(vectors), -1)
        for _ in range(_ITERATIONS):
            distances = distances_from(vectors, centroids)
            before, codes = codes, np.argmin(distances, axis=1)
            if np.array_equal(before, codes):
                break
            centroids = _means(vectors, codes, len(centroids))
        inertia = float(distances.min(axis=1).sum())
        if inertia < least:
            best, least = codes, inertia
    return best.astype(np.int64)


def merged(vectors: Floats, codes: Codes, fewest: int) -> tuple[Floats, Codes]:
    """(centroids, codes) with every cluster that has fewer than fewest members joined to the nearest, least first."""
    while True:
        _, codes = np.unique(codes, return_inverse=True)
        sizes = np.bincount(codes)
        centroids = _means(vectors, codes, len(sizes))
        least = int(np.argmin(sizes))
        if sizes[least] >= fewest or len(sizes) == 1:
            return centroids, codes.astype(np.int64)
        apart = np.square(centroids - centroids[least]).sum(axis=1)
        apart[least] = np.inf
        codes = np.where(codes == least, np.argmin(apart), codes)


def placed_without_itself(vectors: Floats, centroids: Floats, codes: Codes) -> tuple[Codes, Floats]:
    """(topic, squared distance) of each vector when its own topic's centroid is taken without it, shapes (n,).

    Without s members' own pull the centroid is s / (s - 1) times as far (Hartigan and Wong 1979). Left in, small
    topics would hold on to baseline prompts that they do not win from the window.
    """
    sizes = np.bincount(codes)[codes]
    distances = distances_from(vectors, centroids)
    own = np.arange(len(vectors)), codes
    distances[own] *= np.square(sizes / np.maximum(sizes - 1, 1))
    placed = np.argmin(distances, axis=1)
    return placed.astype(np.int64), distances.min(axis=1)


def groups(vectors: Floats, spread: float, smallest: int) -> Codes:
    """Groups 0, 1, .. of far vectors, largest first, -1 for those in a group of fewer than smallest; shape (f,).

    Average linkage up to a mean squared distance of twice spread, which is that of two members of a cluster whose
    members are at a squared distance of spread from its centroid.
    Knows nothing of baseline and window, so that the groups' shares can be tested.
    """
    if len(vectors) < max(2, smallest):
        return np.full(len(vectors), -1)
    squared = np.maximum(2 - 2 * (vectors @ vectors.T).astype(np.float64), 0)
    labels = fcluster(linkage(squareform(squared, checks=False), "average"), 2 * spread, "distance")
    sizes = np.bincount(labels)
    order = [label for label in np.argsort(-sizes, kind="stable") if sizes[label] >= smallest]
    codes = np.full(len(vectors), -1)
    for group, label in enumerate(order):
        codes[labels == label] = group
    return codes
