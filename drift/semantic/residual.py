"""What an answer says beyond what its prompt explains.

A swapped model of the same family answers the same prompts a little differently; next to the spread of the prompts
that is little. The residual of the response on the prompt has that spread taken out.
"""

from typing import NamedTuple

import numpy as np

from drift.samples import Codes, Matrix
from drift.semantic.mmd import Doubles, Floats
from drift.semantic.sessions import members

_PENALTIES = 10.0 ** np.arange(-3, 2.5, 0.5)
"""Per sample, in units of the prompts' mean variance: from hardly any shrinking to hardly any fit."""


class Ridge(NamedTuple):
    """A linear map from prompts to responses."""

    prompt_mean: Matrix
    response_mean: Matrix
    weights: Matrix
    """Shape (d, d)."""

    def residuals(self, prompts: Floats, responses: Floats) -> Matrix:
        """Responses less what the prompts explain, shape of responses; of (n, d) matrices or (d,) vectors."""
        explained = (prompts - self.prompt_mean) @ self.weights
        unexplained: Matrix = (responses - self.response_mean - explained).astype(np.float32, copy=False)
        return unexplained


def fit_ridge(prompts: Floats, responses: Floats, sessions: Codes | None = None) -> tuple[Ridge, Matrix]:
    """Ridge regression of responses (n, d) on prompts (n, d), and its leave-one-out residuals, shape (n, d).

    The penalty is the one of eleven with the smallest leave-one-out error, so that nothing random is in it. The
    residuals of the baseline leave each answer out of its own fit, and with session codes (n,) its whole session:
    only then are they comparable with those of answers that came later.
    Source: Allen (1974), the PRESS residuals y_i - f_{-i}(x_i) = (y_i - f(x_i)) / (1 - h_ii); of a session, the same
    with the block of its rows and columns in the hat matrix.
    """
    x, y = np.asarray(prompts, dtype=np.float64), np.asarray(responses, dtype=np.float64)
    n = len(x)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    values, axes = np.linalg.eigh(x.T @ x)
    kept = values > 1e-9 * max(float(values[-1]), 1e-12)
    values, axes = values[kept], axes[:, kept]
    if not kept.any() or n < 3:
        ridge = Ridge(_single(x_mean), _single(y_mean), np.zeros((x.shape[1], y.shape[1]), dtype=np.float32))
        return ridge, _single(y * (n / (n - 1)))
    scores = x @ axes
    unit = scores / np.sqrt(values)
    target = unit.T @ y
    unit_squares = np.square(unit)
    groups = list(members(sessions).values()) if sessions is not None else []
    best: tuple[float, float, Doubles] | None = None
    for relative in _PENALTIES:
        penalty = relative * float(values.mean())
        shrunk = values / (values + penalty)
        leverage = 1 / n + unit_squares @ shrunk
        residuals = y - unit @ (shrunk[:, None] * target)
        left_out = residuals / np.maximum(1 - leverage, 1e-3)[:, None]
        for group in groups:
            left = np.eye(len(group)) - 1 / n - (unit[group] * shrunk) @ unit[group].T
            left_out[group] = np.linalg.solve(left, residuals[group])
        error = float(np.square(left_out).mean())
        if best is None or error < best[0]:
            best = error, penalty, left_out
    assert best is not None
    _, penalty, left_out = best
    weights = axes @ ((np.sqrt(values) / (values + penalty))[:, None] * target)
    return Ridge(_single(x_mean), _single(y_mean), _single(weights)), _single(left_out)


def _single(values: Doubles) -> Matrix:
    return values.astype(np.float32)
