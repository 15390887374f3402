"""A prompt template that was changed: a beginning or an end that prompts have in common on one side only."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from scipy.stats import fisher_exact

from drift.evidence import Template

Where = Literal["beginning", "end"]

READ = 400
"""Characters of a prompt that are read, at its beginning and at its end."""

LEAST_CHANGE = 0.3
"""By how much the share of the prompts must differ."""

LEVEL = 0.001
"""Of Fisher's exact test, that chance does not make the difference: many texts are looked at."""

LEAST_PROMPTS = 5
"""Different prompts that have it in common."""

LEAST_CHARACTERS = 12

LEAST_WORDS = 2
"""Of what is a sentence or a line of its own."""

LEAST_OPEN_WORDS = {"beginning": 6, "end": 5}
"""Of what goes on into the prompt: fewer are how questions of one topic begin (What are the symptoms of) or end."""

NEARLY = 0.05
"""A longer text is taken although its share differs by so much less."""

MOST = 4
"""Templates told of."""

_LINE = "\0"
"""Stands for the end of a line among the words."""

_ENDS = (".", ":", "!", "?", "]", "}", ">", "\u3002", "\uff1a", "\uff01", "\uff1f")

# A script without spaces has a word a character: there is nothing better to go by.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u3000-\u30ff\u3400-\u9fff\uff00-\uffef"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_BETWEEN = re.compile(rf"(?<=[{_UNSPACED}]) (?=[{_UNSPACED}])")


def templates(baseline: Sequence[str], window: Sequence[str]) -> tuple[Template, ...]:
    """The beginnings and ends whose share of the prompts differs most, at most MOST of them.

    Of several texts that the same prompts have in common the longest is named, of nested ones the one whose share
    differs most. Prompts that are repeated count once. What ends (or begins) with a sentence or a line is a template
    from two words on, anything else from five or six: topics have beginnings of their own. 20 ms for 2,200 prompts.
    """
    before, after = _different(baseline), _different(window)
    if min(len(before), len(after)) < LEAST_PROMPTS:
        return ()
    found = [
        *_best("beginning", [_head(text) for text in before], [_head(text) for text in after]),
        *_best("end", [_tail(text) for text in before], [_tail(text) for text in after]),
    ]
    return tuple(sorted(found, key=lambda one: -abs(one.window_share - one.baseline_share))[:MOST])


def _different(texts: Sequence[str]) -> list[str]:
    """The different ones among them, as far as they are read."""
    seen = {(text[:READ], text[-READ:]): text for text in texts if text.strip()}
    return list(seen.values())


def _words(text: str) -> list[str]:
    text = text.replace("\n", f" {_LINE} ")
    return text.split() if text.isascii() else _WORD.findall(text)


def _head(text: str) -> str:
    """The first words, a space after each."""
    words = _words(text[:READ].strip())
    return " ".join(words[:-1] if len(text) > READ else words) + " "


def _tail(text: str) -> str:
    """The last words, read backwards, a space after each."""
    words = _words(text[-READ:].strip())
    return " ".join(words[1:] if len(text) > READ else words)[::-1] + " "


class _Common(NamedTuple):
    """What some prompts begin with; an end stands backwards."""

    text: str
    baseline_share: float
    window_share: float
    members: list[str]
    """Of the side that has more of them."""
    p: float

    @property
    def change(self) -> float:
        return self.window_share - self.baseline_share


def _best(where: Where, before: list[str], after: list[str]) -> Iterator[Template]:
    found = [one for one in _common(before, after) if _telling(one, where)]
    while found:
        top = max(found, key=lambda one: abs(one.change))
        near = [one for one in found if one.text.startswith(top.text) and abs(one.change - top.change) < NEARLY]
        best = max(near, key=lambda one: len(one.text))
        text = _shown(best.text, where)
        yield Template(
            where=where,
            text=text,
            characters=len(text),
            baseline_share=best.baseline_share,
            window_share=best.window_share,
        )
        found = [one for one in found if not one.text.startswith(top.text) and not best.text.startswith(one.text)]


def _common(before: list[str], after: list[str]) -> Iterator[_Common]:
    """Every beginning that enough prompts share, as long as all of these share it, where the two sides differ."""
    waiting = [(before, after)]
    while waiting:
        one, other = waiting.pop()
        members = one + other
        # What the first and the last in order have in common, all between them have.
        depth = _alike(min(members), max(members))
        shares = len(one) / len(before), len(other) / len(after)
        if depth and abs(shares[0] - shares[1]) >= LEAST_CHANGE:
            table = [[len(one), len(before) - len(one)], [len(other), len(after) - len(other)]]
            more = one if shares[0] > shares[1] else other
            yield _Common(members[0][:depth], *shares, more, float(fisher_exact(table)[1]))
        branches: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for side, group in enumerate((one, other)):
            for text in group:
                if len(text) > depth:
                    branches[text[depth : text.index(" ", depth)]][side].append(text)
        waiting += [
            (few, many)
            for few, many in branches.values()
            if len(few) >= LEAST_CHANGE * len(before) or len(many) >= LEAST_CHANGE * len(after)
        ]


def _alike(one: str, other: str) -> int:
    """How many characters two prompts have in common at their beginning, in whole words."""
    differing = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return one.rfind(" ", 0, next(differing, min(len(one), len(other)))) + 1


def _telling(one: _Common, where: Where) -> bool:
    """Whether it is more than how prompts happen to begin or to end."""
    if one.p > LEVEL or len(one.members) < LEAST_PROMPTS or len(_shown(one.text, where)) < LEAST_CHARACTERS:
        return False
    words = one.text.split()
    closed = _ends(words[-1]) if where == "beginning" else _begins(one)
    return sum(word != _LINE for word in words) >= (LEAST_WORDS if closed else LEAST_OPEN_WORDS[where])


def _ends(word: str) -> bool:
    """Whether a sentence or a line ends with this word."""
    return word == _LINE or word.rstrip("\"'”»*").endswith(_ENDS)


def _begins(one: _Common) -> bool:
    """Whether a sentence or a line begins where an end begins."""
    first, depth = one.text.rsplit(None, 1)[-1][::-1], len(one.text)
    if first == _LINE or first[:1].isupper() or not first[:1].isalnum():
        return True
    before = [text[depth : text.index(" ", depth)][::-1] for text in one.members if len(text) > depth]
    return sum(map(_ends, before)) > len(before) / 2


def _shown(text: str, where: Where) -> str:
    """As people read it."""
    text = text.strip() if where == "beginning" else text.strip()[::-1].lstrip(f"?!., {_LINE}")
    text = _BETWEEN.sub("", text)
    return "\n".join(line.strip() for line in text.split(_LINE)).strip()
