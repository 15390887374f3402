"""Pairs of one session, which every sum leaves out.

Answers of one conversation resemble each other whether or not anything drifted; compared with each other they would
raise an alarm for each talkative user.
"""

import numpy as np

from drift.samples import Codes
from drift.semantic.mmd import Doubles, Floats, rbf


def members(codes: Codes) -> dict[int, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """The places of each session that has more than one, by its code."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=codes[order[:1]] - 1)) if len(codes) else order
    groups = np.split(order, starts[1:]) if len(order) else []
    return {int(codes[group[0]]): group for group in groups if len(group) > 1}


def named(codes: Codes) -> dict[int, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """The places of each session that has a name, by its code; codes below 0 are samples without one."""
    return {int(code): np.flatnonzero(codes == code) for code in np.unique(codes[codes >= 0])}


def within_sessions(vectors: Floats, codes: Codes, bandwidth: float) -> tuple[Doubles, Doubles]:
    """For each of n vectors the kernel's sum with the others of its session, and their number; both (n,)."""
    sums, others = np.zeros(len(vectors)), np.zeros(len(vectors))
    for group in members(codes).values():
        kernel = rbf(vectors[group], vectors[group], bandwidth)
        np.fill_diagonal(kernel, 0)
        sums[group] = kernel.sum(axis=1, dtype=np.float64)
        others[group] = len(group) - 1
    return sums, others
