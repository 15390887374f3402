"""A canary's round against its reference: does the same model still answer the same prompts?

What is compared are *cells*, the mean of a prompt's answers in one round. While nothing changes, a prompt's cells are
exchangeable whatever the prompts are, and also where the answers of one round resemble each other (a cache, a seed, a
busy server): only that rounds are alike is asked for. So the test exchanges, in each prompt by itself, which of its
cells is the new round's. With P prompts and R rounds of reference the smallest p is 1 / (R + 1)^P.

Three things are looked at. *Across* prompts: have vectors, or behaviour, moved in one direction (other words, another
layout, refusals)? That is the paired test of semantic/paired.py. *Within* prompts: are the new round's answers further
from the reference's than its rounds are from each other? That finds another model whose answers differ from prompt to
prompt in ways of their own, one that varies more, and a deterministic one that changed at all. Their p-values under
each exchange are combined: the smallest counts, of the three and of Fisher's product of them, in which little of each
adds up. Its null is that of the same exchanges; the largest statistic instead would be that with the heaviest tail.

Rounds are compared for months, so one small p is no alarm: see `changed`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from drift.errors import TooFewSamples
from drift.features import Behaviour
from drift.policy import CANARY
from drift.rounds import CanaryComparison, MovedFeature, MovedPrompt
from drift.semantic.conditional import kernel_scores, on_one_scale, overlap_contrasts
from drift.semantic.mmd import Doubles, Floats
from drift.semantic.paired import exchanged, without_group_mean

_SAME_TEXT = 1e-5
"""Cosine distance below which two vectors are of one text: embedded in another batch it comes out up to 1e-6 apart."""
_ROUNDING = 1e-9
_SCORE_TIE = 1e-4
"""In standard deviations: an exchange that restores the very labels must tie in spite of single precision."""
_TIE = 1e-9
_NUMBERS = ("response_characters", "code_share", "list_share", "markdown_share", "repetition")
_FLAGS = ("refusal", "json", "json_valid", "tool_call", "truncated")
_WORDS = ("finish_reason", "language")


class Answers(NamedTuple):
    """The answers of one round, in any order."""

    prompts: NDArray[np.intp]
    """Which prompt each answers, shape (n,)."""
    vectors: Floats
    """Unit vectors, shape (n, d)."""
    features: Sequence[Behaviour | None]


def compare_rounds(
    reference: Sequence[Answers],
    latest: Answers,
    *,
    rng: np.random.Generator,
    alpha: float = CANARY.alpha,
    permutations: int = CANARY.permutations,
    fewest_prompts: int = CANARY.fewest_prompts,
) -> CanaryComparison:
    """Compare the latest round with the reference's, at least two.

    A prompt counts that was answered in the latest round and in two of the reference's. p = (1 + #{null >= statistic})
    / (permutations + 1), exact at any number of permutations; the statistic combines three, under the same exchanges,
    so no correction is due. The round differs when p <= alpha and either the answers are CANARY.least_effect further
    away than chance takes them, or a behaviour moved beyond chance.
    Raises TooFewSamples when fewer than fewest_prompts can be compared.
    Source: Pesarin and Salmaso (2010), Permutation tests for complex data, on nonparametric combination.
    """
    rounds = [*reference, latest]
    prompts = np.concatenate([one.prompts for one in rounds])
    numbers = np.repeat(np.arange(len(rounds)), [len(one.prompts) for one in rounds])
    kept = np.isin(prompts, _comparable(prompts, numbers, len(rounds) - 1))
    prompts, numbers = prompts[kept], numbers[kept]
    found = len(np.unique(prompts))
    if found < fewest_prompts:
        raise TooFewSamples(
            f"{found} prompts were answered in this round and in two of the reference; it takes {fewest_prompts}"
        )
    vectors = _one_for_each_text(np.concatenate([one.vectors for one in rounds])[kept].astype(np.float64), prompts)
    behaviour, names = _table([row for one in rounds for row in one.features], kept)
    cells, place = np.unique(np.stack([prompts, numbers]), axis=1, return_inverse=True)
    place = place.ravel()
    groups = np.unique(cells[0], return_inverse=True)[1]
    side = cells[1] == len(rounds) - 1
    means, features = _means(vectors, place), _means(behaviour, place)

    labels = np.vstack([side, exchanged(side, groups, permutations, rng)])
    chances = np.bincount(groups, weights=side) / np.bincount(groups)
    contrasts = overlap_contrasts(labels, chances[groups])
    parts = (
        kernel_scores(without_group_mean(means, groups), contrasts, groups[:, None] != groups),
        kernel_scores(on_one_scale(without_group_mean(features, groups), 0.0), contrasts, groups[:, None] != groups),
        _within_scores(vectors, place, groups, contrasts),
    )
    alone = [np.log(_p_values(part)) for part in parts]
    together = np.log(_p_values(-np.sum(alone, axis=0)))
    scores = -np.min([*alone, together], axis=0)
    reached = int((scores[1:] >= scores[0] - _TIE).sum())
    p_value = (1 + reached) / (permutations + 1)

    between, among = _distances(vectors, prompts, numbers, len(rounds) - 1)
    effect = float((between - among).mean())
    moved = _moved_features(features, names, groups, labels) if p_value <= alpha else ()
    order = np.argsort(among - between, kind="stable")[: CANARY.shown]
    known = np.unique(prompts)
    return CanaryComparison(
        p_value=p_value,
        statistic=float(scores[0]),
        prompts=found,
        reference_answers=int((numbers < len(rounds) - 1).sum()),
        answers=int((numbers == len(rounds) - 1).sum()),
        distance=float(between.mean()),
        usual=float(among.mean()),
        effect=effect,
        identical=_identical(means, features, groups),
        differs=p_value <= alpha and (effect >= CANARY.least_effect or bool(moved)),
        moved=tuple(
            MovedPrompt(prompt=int(known[i]), distance=float(between[i]), usual=float(among[i]))
            for i in order
            if between[i] - among[i] > _SAME_TEXT
        ),
        features=moved,
    )


def changed(before: bool, differing: Sequence[bool]) -> bool:
    """Whether the model counts as changed after rounds that differed or not, the newest last; before it was `before`.

    Two rounds in a row change the answer, either way: one small p in months is chance.
    """
    last = tuple(differing[-2:])
    return last[0] if len(last) == 2 and last[0] == last[1] else before


def _comparable(prompts: NDArray[np.intp], numbers: NDArray[np.intp], latest: int) -> NDArray[np.intp]:
    """Prompts with a cell in the latest round and in two others."""
    cells = np.unique(np.stack([prompts, numbers]), axis=1)
    count = np.bincount(cells[0])
    return np.flatnonzero(count >= 3)[np.isin(np.flatnonzero(count >= 3), cells[0][cells[1] == latest])]


def _p_values(scores: Doubles) -> Doubles:
    """The share of all labellings whose score is at least each one's."""
    ranks: Doubles = rankdata(-np.round(scores / _SCORE_TIE), method="max") / len(scores)
    return ranks


def _within_scores(vectors: Doubles, place: NDArray[np.intp], groups: NDArray[np.intp], contrasts: Floats) -> Doubles:
    """How far apart the new cell's answers and the others' are, less how far the others' cells are from each other.

    vectors (n, d) of answers, the cell of each (n,), and the prompt of each cell (N,).
    Source: Szekely and Rizzo (2004), Testing for equal distributions in high dimension: the energy statistic.
    """
    apart = np.zeros((len(groups), len(groups)), dtype=np.float32)
    rows = [np.flatnonzero(place == cell) for cell in range(len(groups))]
    for first, second in zip(*np.nonzero(np.triu(groups[:, None] == groups, 1)), strict=True):
        distances = np.linalg.norm(vectors[rows[first]][:, None] - vectors[rows[second]][None], axis=2)
        apart[first, second] = apart[second, first] = distances.mean()
    values = -np.einsum("ij,ij->i", contrasts @ apart, contrasts, dtype=np.float64)
    spread = float(values.std())
    scores: Doubles = (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))
    return scores


def _table(rows: Sequence[Behaviour | None], kept: NDArray[np.bool_]) -> tuple[Doubles, list[str]]:
    """The answers' behaviour as numbers, shape (n, f), and what each is; unknown values have the mean of the rest.

    Made of both sides together: what is asked of the answers must not depend on which side they are on.
    """
    known = [row for row, keep in zip(rows, kept, strict=True) if keep]
    columns: dict[str, list[float]] = {}
    for name in (*_NUMBERS, *_FLAGS):
        values = [getattr(row, name, None) for row in known]
        columns[name] = [np.nan if value is None else float(value) for value in values]
    columns["response_characters"] = list(np.log1p(columns["response_characters"]))
    for name in _WORDS:
        words = [getattr(row, name, None) for row in known]
        for word in sorted({str(one) for one in words if one is not None}):
            columns[f"{name}: {word}"] = [float(one == word) for one in words]
    table = np.array(list(columns.values()), dtype=np.float64).T
    useful = [i for i in range(table.shape[1]) if not np.isnan(table[:, i]).all() and np.nanstd(table[:, i]) > 1e-9]
    table = table[:, useful]
    table = np.where(np.isnan(table), np.nanmean(table, axis=0) if useful else 0.0, table)
    return table, [list(columns)[i] for i in useful]


def _one_for_each_text(vectors: Doubles, prompts: NDArray[np.intp]) -> Doubles:
    """Vectors (n, d), those of the same answer to the same prompt made the very same: rounding is no difference."""
    snapped = vectors.copy()
    for prompt in np.unique(prompts):
        rows = np.flatnonzero(prompts == prompt)
        first = (vectors[rows] @ vectors[rows].T > 1 - _SAME_TEXT).argmax(axis=1)
        snapped[rows] = vectors[rows[first]]
    return snapped


def _means(table: Doubles, place: NDArray[np.intp]) -> Doubles:
    """Means over the rows of each cell, shape (cells, k)."""
    sums = np.zeros((int(place.max()) + 1, table.shape[1]))
    np.add.at(sums, place, table)
    means: Doubles = sums / np.bincount(place)[:, None]
    return means


def _distances(
    vectors: Doubles, prompts: NDArray[np.intp], numbers: NDArray[np.intp], latest: int
) -> tuple[Doubles, Doubles]:
    """Per prompt the mean cosine distance of the latest round's answers to the others', and what chance makes of it.

    That is the others' distance among rounds; or the mean of it and of the latest answers' own, where that is less: a
    model whose answers vary less than they did is near the middle of the reference's, and another one all the same.
    """
    between, among = [], []
    for prompt in np.unique(prompts):
        rows = np.flatnonzero(prompts == prompt)
        apart, of = 1 - vectors[rows] @ vectors[rows].T, numbers[rows]
        new = of == latest
        between.append(apart[np.ix_(new, ~new)].mean())
        usual = apart[~new][:, ~new][of[~new][:, None] != of[~new]].mean()
        if (count := int(new.sum())) > 1:
            usual = min(usual, (usual + apart[np.ix_(new, new)].sum() / (count * (count - 1))) / 2)
        among.append(usual)
    return np.maximum(between, 0.0), np.maximum(among, 0.0)


def _moved_features(
    features: Doubles, names: Sequence[str], groups: NDArray[np.intp], labels: NDArray[np.bool_]
) -> tuple[MovedFeature, ...]:
    """Behaviours whose mean over prompts moved, by the largest difference under each labelling.

    Source: Westfall and Young (1993), Resampling-based multiple testing, the single-step maximum.
    """
    if not names:
        return ()
    sizes = np.bincount(groups)[groups]
    # One new cell in each group: its value less the mean of the others.
    weights = np.where(labels, 1.0, -1.0 / (sizes - 1)) / (groups.max() + 1)
    differences = weights @ features
    spread = differences.std(axis=0)
    scale = np.where(spread > 1e-12, spread, np.inf)
    scores = np.abs(differences) / scale
    largest = scores.max(axis=1)
    found = []
    before = np.where(labels[0], 0.0, 1.0 / (sizes - 1)) / (groups.max() + 1) @ features
    for i, name in enumerate(names):
        p = float((1 + (largest[1:] >= scores[0, i] - _SCORE_TIE).sum()) / len(largest))
        values = before[i], before[i] + differences[0, i]
        if name == "response_characters":
            values = float(np.expm1(values[0])), float(np.expm1(values[1]))
        if p <= CANARY.feature_level:
            found.append(MovedFeature(name=name, before=float(values[0]), after=float(values[1]), p_adjusted=p))
    return tuple(sorted(found, key=lambda one: one.p_adjusted)[: CANARY.shown])


def _identical(means: Doubles, features: Doubles, groups: NDArray[np.intp]) -> bool:
    """Whether no cell differs from the others of its group."""
    parts = (without_group_mean(table, groups) for table in (means, features))
    return all(part.size == 0 or float(np.abs(part).max()) < _ROUNDING for part in parts)
