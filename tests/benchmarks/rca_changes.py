"""What can happen to a service: functions from its exchanges to those after the change.

Each takes the window's exchanges, the share of them that changes (0 to 1) and a generator of random numbers.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tests.benchmarks.rca_sources import Base, Rng, Turn, foreign

Change = Callable[[Sequence[Turn], float, Rng], list[Turn]]

replace = msgspec.structs.replace
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def each(edit: Callable[[Turn, Rng], Turn]) -> Change:
    """The change that edits a share of the exchanges, chosen at random."""

    def change(turns: Sequence[Turn], share: float, rng: Rng) -> list[Turn]:
        chosen = set(rng.choice(len(turns), size=round(share * len(turns)), replace=False).tolist())
        return [edit(turn, rng) if place in chosen else turn for place, turn in enumerate(turns)]

    return change


def after_each_other(*changes: Change) -> Change:
    """Several changes at once, each of its own exchanges."""

    def change(turns: Sequence[Turn], share: float, rng: Rng) -> list[Turn]:
        for one in changes:
            turns = one(turns, share, rng)
        return list(turns)

    return change


def every(**fields: Any) -> Change:
    """Settings of all exchanges, whatever the share."""
    return lambda turns, share, rng: [replace(turn, **fields) for turn in turns]


def instead(others: Sequence[Turn]) -> Change:
    """Other exchanges in the place of some, each at most once while they last."""

    def change(turns: Sequence[Turn], share: float, rng: Rng) -> list[Turn]:
        order = iter(rng.permutation(len(others)).tolist() * (1 + len(turns) // len(others)))
        return each(lambda turn, _: others[next(order)])(turns, share, rng)

    return change


def answers_of(base: Base, model: str, *, named: bool) -> Change:
    """Another model's answers to the same prompts; named: under its own name, else under the old one."""
    by_prompt = {turn.prompt: turn for turn in base.other[f"model:{model}"]}

    def edit(turn: Turn, rng: Rng) -> Turn:
        other = by_prompt.get(turn.prompt, turn)
        return replace(turn, response=other.response, answered_by=other.answered_by if named else turn.answered_by)

    return each(edit)


def speaking(folder: Path, language: str, *, users: str = "") -> Change:
    """Other people, who ask in another language and are answered in it."""
    lines = foreign(folder, language)

    def edit(turn: Turn, rng: Rng) -> Turn:
        some = [lines[n] for n in rng.integers(len(lines), size=3)]
        prompt, response = (" ".join(one[side] for one in some[: 2 + side]) for side in (0, 1))
        user = f"{users}{rng.integers(40):03}" if users else turn.user
        return replace(turn, prompt=prompt, response=response, user=user)

    return each(edit)


def answering_in(folder: Path, language: str) -> Change:
    """Answers in another language, about as long."""
    lines = [answer for _, answer in foreign(folder, language)]

    def edit(turn: Turn, rng: Rng) -> Turn:
        said = ""
        while len(said) < min(len(turn.response), 500):
            said += lines[rng.integers(len(lines))] + " "
        return replace(turn, response=said.strip())

    return each(edit)


def refusing(texts: Sequence[str]) -> Change:
    return each(lambda turn, rng: replace(turn, response=texts[int(rng.integers(len(texts)))]))


def _sentences(text: str) -> list[str]:
    return _SENTENCE.split(text.strip())


def shortened(keep: float) -> Change:
    """The first sentences, about this share of them and at least one."""

    def edit(turn: Turn, rng: Rng) -> Turn:
        parts = _sentences(turn.response)
        kept = max(1, round(keep * len(parts)))
        return replace(turn, response=turn.response[: _length(parts[:kept], turn.response)])

    return each(edit)


def _length(parts: Sequence[str], text: str) -> int:
    """Characters of a text up to the end of its first parts."""
    end = 0
    for part in parts:
        end = text.index(part, end) + len(part)
    return end


def padded(base: Base, times: float) -> Change:
    """Further sentences of like answers, until an answer is so many times as long."""
    spare = [part for turn in base.fresh[-100:] for part in _sentences(turn.response) if 20 < len(part) < 300]

    def edit(turn: Turn, rng: Rng) -> Turn:
        said = turn.response
        while len(said) < times * len(turn.response):
            said += " " + spare[rng.integers(len(spare))]
        return replace(turn, response=said)

    return each(edit)


def cut_at(characters: int, limit: int | None = None) -> Change:
    """Longer answers end there, at their limit of tokens; `limit`: as the requests now ask for."""

    def edit(turn: Turn, rng: Rng) -> Turn:
        sampling = turn.sampling if limit is None else turn.sampling | {"max_tokens": limit}
        if len(turn.response) <= characters:
            return replace(turn, sampling=sampling)
        return replace(turn, response=turn.response[:characters], finish="length", sampling=sampling)

    return each(edit)


def looping(kind: str) -> Change:
    """Caught in a loop: a phrase of the answer, or one token, again and again."""

    def edit(turn: Turn, rng: Rng) -> Turn:
        words = turn.response.split() or ["the"]
        start = int(rng.integers(max(1, len(words) - 8)))
        phrase = " ".join(words[start : start + 4 + int(rng.integers(5))])
        before = " ".join(words[: start + 4])
        times = 15 + int(rng.integers(40))
        if kind == "token":
            phrase, before = words[0], ""
        if kind == "marks":
            phrase, before = "!!!!!!!!", ""
        said = f"{before} {' '.join([phrase] * times)}".strip()
        return replace(turn, response=said, finish="length" if rng.random() < 0.5 else turn.finish)

    return each(edit)


def _reworded(turn: Turn, how: str) -> str:
    """The answer as another instruction would have it."""
    said, parts = turn.response, _sentences(turn.response)
    if how == "polite":
        return f"Thank you for your question! {said} I hope this helps. Is there anything else I can do for you?"
    if how == "brief":
        return parts[0]
    if how == "bullets":
        return "\n".join(f"- {part}" for part in parts)
    if how == "headed":
        return f"## Answer\n\n{said}\n\n**Note:** this is general information."
    if how == "shout":
        return said.upper()
    return said


def instructed(system: str, how: str) -> Change:
    """Another system prompt, and answers as it asks for."""
    return each(lambda turn, rng: replace(turn, system=system, response=_reworded(turn, how)))


def templated(before: str, after: str, how: str) -> Change:
    """Words around every prompt."""
    return each(lambda turn, rng: replace(turn, prompt=f"{before}{turn.prompt}{after}", response=_reworded(turn, how)))


def reformatted(how: str) -> Change:
    return each(lambda turn, rng: replace(turn, response=_laid_out(turn.response, how)))


def _laid_out(text: str, how: str) -> str:
    if how == "prose":  # Of a JSON object.
        held = json.loads(text)
        return f"This is about {held['topic']}. {held['answer']}"
    if how == "fenced":
        return f"Here is the JSON:\n\n```json\n{text}\n```"
    if how == "broken":
        return text.replace('"', "'")[:-1] + ",}"
    if how == "preface":
        return f"Sure! Here is the JSON that you asked for: {text}"
    if how == "unfenced":
        return re.sub(r"^```.*\n?", "", text, flags=re.MULTILINE)
    if how == "plain":
        bare = re.sub(r"^(#+ |[-*] |\d+\. |```.*$)", "", text, flags=re.MULTILINE)
        return re.sub(r"\*\*|`", "", bare)
    parts = _sentences(text)  # "markdown"
    return "\n".join(["## Answer", *(f"- **{part.split(' ')[0]}** {part.partition(' ')[2]}" for part in parts)])


def troubled(slower: float, errors: float, cut: float) -> Change:
    """Slower answers, and shares of errors and of streams that break off; the share is that of the slow ones."""

    def change(turns: Sequence[Turn], share: float, rng: Rng) -> list[Turn]:
        made = each(lambda turn, _: replace(turn, slower=slower * float(rng.lognormal(0, 0.2))))(turns, share, rng)
        statuses = (429, 500, 503, 503)
        chance = np.asarray(rng.random(len(made)))
        return [
            replace(turn, status=statuses[rng.integers(4)])
            if luck < errors
            else replace(turn, cut=True)
            if luck < errors + cut
            else turn
            for turn, luck in zip(made, chance, strict=True)
        ]

    return change
