"""Topics: clusters of the baseline's prompts, and which of them the traffic has moved to.

The clusters are made once per baseline. Prompts that resemble none of the baseline's are *far*: they are grouped
among themselves, and a group is a new topic. Baseline prompts are placed by the same rules as window prompts,
each as if it had played no part in making them, so that without drift both sides have the same shares.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from drift.errors import TooFewSamples
from drift.evidence import Topic, Topics
from drift.policy import TABLE, TOPICS
from drift.samples import Matrix
from drift.semantic.clusters import Codes, distances_from, groups, k_means, merged, placed_without_itself
from drift.semantic.mmd import Doubles, Floats
from drift.semantic.shares import compare_shares
from drift.semantic.words import Lexicon, make_lexicon, telling_words

FAR = -1
"""The code of a prompt that resembles none of the baseline's."""


class TopicModel(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The topics of a baseline of n prompts. Made by fit_topics."""

    centroids: Floats
    """Shape (k, d): the mean of each topic's prompts."""
    prompts: Matrix
    """The baseline's, shape (n, d)."""
    texts: tuple[str, ...] | None
    codes: Codes
    """Topic of each baseline prompt, FAR for those unlike all others, shape (n,)."""
    reach: float
    """Least cosine with the nearest baseline prompt of a prompt that is not far."""
    spread: float
    """Squared distance from its topic's centroid that group_level of the prompts stay within."""
    smallest: int
    """Fewest baseline prompts of a topic."""
    lexicon: Lexicon | None

    def assign(self, prompts: Matrix) -> Codes:
        """The topic of each of prompts (m, d): 0 .. k - 1, or FAR; shape (m,)."""
        codes = np.argmin(distances_from(prompts, self.centroids), axis=1)
        nearest = (prompts @ self.prompts.T).max(axis=1)
        return np.where(nearest < self.reach, FAR, codes).astype(np.int64)


def fit_topics(
    prompts: Matrix,
    texts: Sequence[str] | None,
    *,
    seed: int,
    fewest_topics: int = TOPICS.fewest,
    most_topics: int = TOPICS.most,
    smallest_share: float = TOPICS.smallest_share,
    smallest: int = TOPICS.smallest,
    near_level: float = TOPICS.near_level,
    group_level: float = TOPICS.group_level,
    common_topics: float = TOPICS.common_topics,
) -> TopicModel:
    """The topics of a baseline: k-means on its prompts' unit vectors (n, d), k = sqrt(n) / 1.5 within bounds.

    A topic has at least smallest prompts and smallest_share of all; lesser ones join the nearest. near_level of the
    baseline's prompts have another one within reach; a new topic is as wide as group_level of the prompts are away
    from their centroids. texts (n) give the topics words; see make_lexicon for common_topics. The same arguments
    give the same topics. Raises TooFewSamples when n is below 2 smallest.
    """
    n = len(prompts)
    if n < 2 * smallest:
        raise TooFewSamples(f"{n} prompt(s); topics of {smallest} or more need {2 * smallest}")
    k = min(max(fewest_topics, round(n**0.5 / 1.5)), most_topics, n // smallest)
    fewest = max(smallest, round(smallest_share * n))
    centroids, members = merged(prompts, k_means(prompts, k, np.random.default_rng(seed)), fewest)
    codes, squared = placed_without_itself(prompts, centroids, members)
    cosines = prompts @ prompts.T
    np.fill_diagonal(cosines, -1)
    nearest = cosines.max(axis=1)
    # Repeated prompts have a cosine of 1 but for rounding, and are as near as can be.
    reach = min(float(np.quantile(nearest, 1 - near_level)), 1.0) - 1e-4
    return TopicModel(
        centroids=centroids,
        prompts=prompts,
        texts=None if texts is None else tuple(texts),
        codes=np.where(nearest < reach, FAR, codes),
        reach=reach,
        spread=float(np.quantile(squared, group_level)),
        smallest=smallest,
        lexicon=None if texts is None else make_lexicon(texts, members, len(centroids), common_topics=common_topics),
    )


def compare_topics(
    model: TopicModel,
    prompts: Matrix,
    texts: Sequence[str] | None,
    phi: Doubles,
    psi: Doubles,
    exchange_ids: Sequence[str],
    *,
    rng: np.random.Generator,
    level: float = TOPICS.level,
    draws: int = TABLE.draws,
    words: int = TOPICS.words,
    examples: int = TOPICS.examples,
) -> Topics:
    """Which topics the window's prompts (m, d) have moved to or left, and how much of the drift each carries.

    texts (m) name new topics, None where none are kept. phi (m,) and psi (n,) are the witness values of the
    window's and the baseline's samples: a topic's contribution is its share of mean phi + mean psi.
    exchange_ids (m) are the window's. A topic has moved when its adjusted p-value is at most level. draws of
    the Monte Carlo test of all shares at once; words and examples are how many to show of each topic.
    """
    n, m = len(model.prompts), len(prompts)
    codes, rows = _codes(model, prompts)
    counts = np.stack([np.bincount(codes[:n], minlength=rows), np.bincount(codes[n:], minlength=rows)])
    shares = compare_shares(counts, draws=draws, rng=rng)
    carried = np.bincount(codes[n:], phi, rows) / m + np.bincount(codes[:n], psi, rows) / n
    told = _words(model, texts, codes, rows, words)
    topics = []
    for row in range(rows):
        own = np.flatnonzero(codes[n:] == row)
        most = own[np.argsort(-phi[own], kind="stable")[:examples]]
        moved = bool(shares.p_adjusted[row] <= level)
        grown = moved and shares.residuals[row] > 0
        topics.append(
            Topic(
                name=_name(row, len(model.centroids), told[row], grown=grown),
                words=told[row],
                baseline_share=float(counts[0, row] / n),
                window_share=float(counts[1, row] / m),
                baseline_count=int(counts[0, row]),
                window_count=int(counts[1, row]),
                residual=float(shares.residuals[row]),
                p_value=float(shares.p_values[row]),
                p_adjusted=float(shares.p_adjusted[row]),
                moved=moved,
                contribution=float(carried[row]),
                examples=tuple(exchange_ids[position] for position in most),
            )
        )
    topics.sort(key=lambda topic: (topic.p_value, -abs(topic.residual)))
    return Topics(topics=tuple(topics), statistic=shares.statistic, p_value=shares.p_value)


def _codes(model: TopicModel, prompts: Matrix) -> tuple[Codes, int]:
    """(row of each baseline and window prompt, shape (n + m,), number of rows).

    The model's topics come first, then the groups of far prompts, and last, if any, the far ones of no group.
    """
    codes = np.concatenate([model.codes, model.assign(prompts)])
    far = np.flatnonzero(codes == FAR)
    group = groups(np.concatenate([model.prompts, prompts])[far], model.spread, model.smallest)
    found = int(group.max(initial=-1)) + 1
    codes[far] = len(model.centroids) + np.where(group < 0, found, group)
    return codes, len(model.centroids) + found + bool(np.any(group < 0))


def _words(
    model: TopicModel, texts: Sequence[str] | None, codes: Codes, rows: int, how_many: int
) -> list[tuple[str, ...]]:
    """The telling words of each row, () where no texts are kept."""
    if model.lexicon is None or model.texts is None:
        return [()] * rows
    known = (*model.texts, *(texts or ()))
    new = [[known[i] for i in np.flatnonzero(codes[: len(known)] == row)] for row in range(len(model.centroids), rows)]
    return telling_words(model.lexicon, new, how_many)


def _name(row: int, k: int, words: tuple[str, ...], *, grown: bool) -> str:
    if row < k:
        return ", ".join(words[:3]) or f"topic {row + 1}"
    # A few far prompts are in any traffic: they are news only where there are more of them than there were.
    kind = "new" if grown else "rare"
    return f"{kind}: {', '.join(words[:3])}" if words else f"{kind} topic {row - k + 1}"
