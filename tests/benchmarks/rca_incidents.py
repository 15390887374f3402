"""The incidents: for each cause what happened, to which service, how strongly. Two sets that share no random draws."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

import msgspec
import numpy as np

from drift.rca.records import Brief, Cause
from tests.benchmarks.rca_changes import Change
from tests.benchmarks.rca_sources import Base, Turn

PER_CAUSE = 15
MIXED, STABLE = 18, 46
_LEAST_CHANGED = 12
"""Answers: fewer are nothing that anybody could name."""


class Conditions(NamedTuple):
    """In what the sets differ."""

    seed: int
    half: int
    """Of the prompts, where there are enough."""
    shares: Sequence[float]
    languages: Sequence[str]
    keeps: Sequence[float]
    """Of an answer's sentences."""
    times: Sequence[float]
    """By which answers become longer."""
    slower: Sequence[float]
    systems: Sequence[str]
    templates: Sequence[tuple[str, str]]
    limits: Sequence[int]
    """Characters at which answers are cut."""


SETS = {
    "tuning": Conditions(
        seed=31,
        half=0,
        shares=(0.15, 0.25, 0.4, 0.7, 1.0),
        languages=("spanish", "italian", "japanese"),
        keeps=(0.25, 0.5),
        times=(1.7, 2.5),
        slower=(3.0, 5.0, 8.0),
        systems=("Answer as our brand's friendly helper.", "You answer in a strict house style."),
        templates=(("### Instruction:\n", "\n\n### Response:"), ("Use only what you know for certain. ", "")),
        limits=(90, 180, 350),
    ),
    "held-out": Conditions(
        seed=77,
        half=1,
        shares=(0.1, 0.2, 0.33, 0.6, 0.9),
        languages=("portuguese", "french", "turkish"),
        keeps=(0.35, 0.45),
        times=(1.8, 3.0),
        slower=(3.5, 6.0, 10.0),
        systems=("Keep to the guide of the editors.", "You are Ada, an assistant who never leaves her role."),
        templates=(("Question of a customer: ", " Think before you answer."), ("", "\n\nTL;DR first, then details.")),
        limits=(70, 150, 300),
    ),
    # Looked at once, after the rules were settled.
    "last": Conditions(
        seed=123,
        half=1,
        shares=(0.12, 0.3, 0.5, 0.8, 1.0),
        languages=("german", "swedish", "russian"),
        keeps=(0.3, 0.6),
        times=(2.0, 2.7),
        slower=(4.0, 7.0, 9.0),
        systems=("Be formal.", "You speak for a bank; give no promises."),
        templates=(("Customer says: ", "\n\nYour answer:"), ("Read carefully before you answer. ", "")),
        limits=(80, 200, 400),
    ),
}


class Incident(NamedTuple):
    """What happened to a service."""

    name: str
    cause: Cause
    parts: tuple[Cause, ...]
    """Of a mixed one."""
    base: str
    share: float
    """Of the answers after the change, those changed."""
    before: tuple[Turn, ...]
    after: tuple[Turn, ...]
    digest: str


class Kind(NamedTuple):
    """One way in which a cause shows."""

    label: str
    base: str
    make: Callable[[Base], Change]
    least: float = 0.0
    """Share that it has at least."""
    most: float = 1.0
    parts: tuple[Cause, ...] = ()
    digest: bool = False
    answers: int = 40
    """After the change, at least: fewer would not show what is subtle."""


def incidents(
    bases: Mapping[str, Base], conditions: Conditions, kinds: Mapping[Cause, Sequence[Kind]]
) -> list[Incident]:
    """All of a set, causes in turn."""
    made: list[list[Incident]] = []
    for cause, some in kinds.items():
        wanted = {Cause.MIXED: MIXED, Cause.NONE: STABLE}.get(cause, PER_CAUSE)
        made.append([_incident(bases, conditions, cause, some[n % len(some)], n) for n in range(wanted if some else 0)])
    longest = max(len(some) for some in made)
    return [some[n] for n in range(longest) for some in made if n < len(some)]


def _incident(bases: Mapping[str, Base], conditions: Conditions, cause: Cause, kind: Kind, number: int) -> Incident:
    base = bases[kind.base]
    rng = np.random.default_rng([conditions.seed, crc32(cause.encode()), number])
    within = [share for share in conditions.shares if kind.least <= share <= kind.most]
    share = float(rng.choice(within or [kind.most]))
    size = int(rng.integers(min(200, max(kind.answers, math.ceil(_LEAST_CHANGED / share))), 231))
    calm = int(rng.integers(20, 80)) if rng.random() < 0.35 else 0
    order = rng.permutation(len(base.fresh))[: calm + size]
    calm = min(calm, len(order) - 40)
    turns = [base.fresh[place] for place in order]
    after = kind.make(base)(turns[calm:], share, rng)
    return Incident(
        name=f"{cause}-{number:02} {kind.base}: {kind.label}",
        cause=cause,
        parts=kind.parts,
        base=base.name,
        share=share,
        before=tuple(turns[:calm]),
        after=tuple(after),
        digest=f"{number:012x}" * 5 if kind.digest else "",
    )


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An incident's truth and what an investigation of it starts from."""

    name: str
    cause: Cause
    parts: tuple[Cause, ...]
    share: float
    after: int
    """Answers after the change."""
    severity: str | None
    brief: Brief
