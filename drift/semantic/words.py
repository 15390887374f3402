"""What a topic is called: the words that tell its texts from the others' (class-based TF-IDF)."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from drift.semantic.mmd import Doubles

_READ = 2_000
"""Characters of a text that are read: the encoder sees no more of it either (256 tokens)."""
_PLACEHOLDER = re.compile(r"\{\{([^{}\n]{1,100})\}\}")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
"""Kana and Han are written without spaces between words."""


class Lexicon(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How often each word occurs in each topic of the baseline. Made by make_lexicon."""

    index: dict[str, int]
    """Column of each word."""
    counts: NDArray[np.int64]
    """Occurrences, shape (topics, words)."""
    common: NDArray[np.bool_]
    """Words that say nothing about a topic, shape (words,)."""


def tokens(text: str) -> list[str]:
    """The words of a text in any script, casefolded, in their order.

    A word has two characters or more and no digit; a run of Han or Kana gives its pairs of characters, and a
    placeholder such as {{Order Number}} is one word, "order number".
    """
    found: list[str] = []
    last = 0
    text = unicodedata.normalize("NFKC", text[:_READ]).casefold()
    for placeholder in _PLACEHOLDER.finditer(text):
        found += _plain_tokens(text[last : placeholder.start()])
        found.append(" ".join(placeholder[1].replace("_", " ").split()))
        last = placeholder.end()
    return [word for word in found + _plain_tokens(text[last:]) if word]


def _plain_tokens(text: str) -> list[str]:
    words: list[str] = []
    for word in _word_pattern().findall(text):
        if _UNSPACED.search(word):
            words += [word[i : i + 2] for i in range(len(word) - 1)]
        elif len(word) > 1 and not any(character.isdigit() for character in word):
            words.append(word)
    return words


@cache
def _word_pattern() -> re.Pattern[str]:
    # \w leaves out combining marks, and so would cut Hindi and Thai words at their vowels.
    marks = "".join(c for c in map(chr, range(0x300, 0x10000)) if unicodedata.category(c)[0] == "M")
    # An apostrophe inside a word belongs to it: "don" and "t" tell nothing.
    letter = f"(?:(?!_)[\\w{marks}])"
    return re.compile(f"{letter}+(?:['\u2019]{letter}+)*")


def c_tf_idf(counts: NDArray[np.int64]) -> Doubles:
    """Weight of each word in each class, shape (classes, words): tf_tc * log(1 + A / f_t).

    counts (classes, words) holds occurrences; tf is a word's share of its class, f_t its occurrences in all
    classes, A the mean number of words in a class. Words that never occur weigh 0.
    Source: Grootendorst (2022), arXiv 2203.05794, eq. 2, with tf normalised so that long classes do not shout.
    """
    of_word = counts.sum(axis=0)
    of_class = counts.sum(axis=1, keepdims=True)
    rarity = np.log1p(counts.sum() / len(counts) / np.maximum(of_word, 1))
    return np.asarray(counts / np.maximum(of_class, 1) * rarity, dtype=np.float64)


def make_lexicon(texts: Sequence[str], topics: NDArray[np.int64], n_topics: int, *, common_topics: float) -> Lexicon:
    """Count the words of texts (n), whose topics (n,) are 0 .. n_topics - 1.

    A word is common, and names no topic, when its texts are spread over more than common_topics of the topics: a
    rule that finds the function words of any language, and the phrases that every prompt shares. Spread is the
    perplexity of the word's document frequencies over the topics, as a share of their number.
    """
    read = [tokens(text) for text in texts]
    index = {word: column for column, word in enumerate(sorted({word for words in read for word in words}))}
    counts = np.zeros((n_topics, len(index)), dtype=np.int64)
    containing = np.zeros_like(counts)
    for words, topic in zip(read, topics, strict=True):
        np.add.at(counts[topic], [index[word] for word in words], 1)
        containing[topic, [index[word] for word in set(words)]] += 1
    sizes = np.bincount(topics, minlength=n_topics)[:, None]
    frequencies = containing / np.maximum(sizes, 1)
    shares = frequencies / np.maximum(frequencies.sum(axis=0), 1e-12)
    perplexity = np.exp(-np.sum(shares * np.log(np.maximum(shares, 1e-12)), axis=0))
    # In two topics at once a word still tells them from the rest.
    common = perplexity > max(2.0, common_topics * n_topics)
    return Lexicon(index=index, counts=counts, common=common)


def telling_words(lexicon: Lexicon, new: Sequence[Sequence[str]], how_many: int) -> list[tuple[str, ...]]:
    """The words of highest weight of each topic of the lexicon, then of each group of texts in new.

    Only words that are more frequent in the topic than elsewhere, and one of each stem ("refund", "refunds").
    """
    read = [[word for text in texts for word in tokens(text)] for texts in new]
    unseen = sorted({word for words in read for word in words} - lexicon.index.keys())
    index = lexicon.index | {word: len(lexicon.index) + i for i, word in enumerate(unseen)}
    counts = np.pad(lexicon.counts, ((0, len(new)), (0, len(unseen))))
    for row, words in zip(counts[len(lexicon.counts) :], read, strict=True):
        np.add.at(row, [index[word] for word in words], 1)
    weights = c_tf_idf(counts)
    weights[:, : len(lexicon.common)][:, lexicon.common] = 0
    # Elsewhere: all other topics together.
    elsewhere = (counts.sum(axis=0) - counts) / np.maximum(counts.sum() - counts.sum(axis=1, keepdims=True), 1)
    # A word that occurs once is its text's, not the topic's.
    weights[counts < 2] = 0
    weights[counts <= elsewhere * counts.sum(axis=1, keepdims=True)] = 0
    vocabulary = list(index)
    return [_distinct(row, vocabulary, how_many) for row in weights]


def _distinct(weights: Doubles, vocabulary: list[str], how_many: int) -> tuple[str, ...]:
    chosen: list[str] = []
    for column in np.argsort(-weights, kind="stable")[: 5 * how_many]:
        word = vocabulary[column]
        if weights[column] <= 0 or len(chosen) == how_many:
            break
        if not any(word.startswith(other) or other.startswith(word) for other in chosen):
            chosen.append(word)
    return tuple(chosen)
