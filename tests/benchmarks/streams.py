"""A case as live traffic: a baseline, responses of the same population, then the change; and how a detector fares.

Imports no more than numpy, since the other tools' environment runs it too.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np

from tests.benchmarks.cases import Case, Part, Population, Row, rows_of


class Lengths(NamedTuple):
    """At most so many responses in each phase; a case with less data has less."""

    baseline: int = 500
    quiet: int = 300
    changed: int = 300


class Stream(NamedTuple):
    """One random split of one case."""

    case: Case
    split: int
    baseline: tuple[Row, ...]
    quiet: tuple[Row, ...]
    changed: tuple[Row, ...]
    """Empty in a case without drift, whose rows are all in `quiet`."""

    @property
    def name(self) -> str:
        return f"{self.case.id}-{self.split}"

    @property
    def live(self) -> tuple[Row, ...]:
        return self.quiet + self.changed


def make_stream(case: Case, split: int, data: Path, lengths: Lengths) -> Stream:
    """The stream of one split; the same numbers give the same stream.

    Half of the reference's prompts are the baseline's alone; the live responses answer the others. A prompt comes
    at most once in a phase and a row once in a stream: traffic repeats itself less than a benchmark's rows would.
    """
    reference = _pool(case.reference, data)
    # Cases with one reference share its baselines, and so their calibrations.
    rng = np.random.default_rng([split, crc32(repr(case.reference).encode())])
    prompts = sorted({row.prompt for row in reference})
    own = {prompts[place] for place in rng.permutation(len(prompts))[: len(prompts) // 2]}
    baseline = _drawn([row for row in reference if row.prompt in own], lengths.baseline, rng)

    rng = np.random.default_rng([split, crc32(case.id.encode())])
    live = [row for row in reference if row.prompt not in own]
    changed = _mixed(case.current, data, own, lengths.changed, live, rng)
    taken = {row.id for row in changed}
    quiet = _drawn([row for row in live if row.id not in taken], lengths.quiet, rng)
    if case.truth == "no_drift":
        return Stream(case, split, baseline, quiet + changed, ())
    return Stream(case, split, baseline, quiet, changed)


def _pool(population: Population, data: Path) -> list[Row]:
    return [row for part in population for row in rows_of(part, data)]


def _mixed(
    population: Population, data: Path, own: set[str], most: int, live: Sequence[Row], rng: np.random.Generator
) -> tuple[Row, ...]:
    """Rows of all parts in their shares, in random order, none with a prompt of the baseline."""
    pools = [[row for row in rows_of(part, data) if row.prompt not in own] for part in population]
    ids = {row.id for row in live}
    size = min(most, *(_reach(part, pool, ids) for part, pool in zip(population, pools, strict=True)))
    rows: list[Row] = []
    for part, pool in zip(population, pools, strict=True):
        seen = {row.prompt for row in rows}
        rows += _drawn([row for row in pool if row.prompt not in seen], round(part.share * size), rng)
    return tuple(rows[place] for place in rng.permutation(len(rows)))


def _reach(part: Part, pool: Sequence[Row], live: set[tuple[str, int]]) -> int:
    """How long a window this part can fill, when half of what it has in common with the quiet phase stays there."""
    shared = len({row.prompt for row in pool if row.id in live})
    alone = len({row.prompt for row in pool if row.id not in live})
    return int((shared // 2 + alone) / part.share)


def _drawn(rows: Sequence[Row], most: int, rng: np.random.Generator) -> tuple[Row, ...]:
    """At most so many rows in random order, one for each prompt."""
    by_prompt = {rows[place].prompt: rows[place] for place in rng.permutation(len(rows))}
    return tuple(list(by_prompt.values())[:most])


class Outcome(NamedTuple):
    """What a detector did on a stream."""

    false_alarms: int
    """Among the responses without drift; after each the detector begins anew with empty windows."""
    quiet: int
    """How many responses without drift it saw."""
    delay: int | None
    """Responses from the change to the alarm, 1 when the first changed one raised it; None without an alarm."""


def watch(observe: Callable[[int], bool], restart: Callable[[], None], quiet: int, changed: int) -> Outcome:
    """Feed a detector places 0, 1, ... of a stream that changes after `quiet` of them; observe says if it alarms."""
    restart()
    false_alarms = 0
    for place in range(quiet):
        if observe(place):
            false_alarms += 1
            restart()
    for place in range(quiet, quiet + changed):
        if observe(place):
            return Outcome(false_alarms, quiet, place - quiet + 1)
    return Outcome(false_alarms, quiet, None)


class Tally(NamedTuple):
    """The outcomes of one detector over some streams."""

    false_alarms: int
    quiet: int
    delays: tuple[float, ...]
    """One per stream with a change, infinite where it was not found."""

    @classmethod
    def of(cls, outcomes: Iterable[tuple[Outcome, bool]]) -> "Tally":
        """Of outcomes, each with whether its stream changed."""
        both = list(outcomes)
        return cls(
            sum(one.false_alarms for one, _ in both),
            sum(one.quiet for one, _ in both),
            tuple(float("inf") if one.delay is None else float(one.delay) for one, changed in both if changed),
        )

    @property
    def found(self) -> int:
        return sum(np.isfinite(delay) for delay in self.delays)

    @property
    def per_10_000(self) -> float:
        return 1e4 * self.false_alarms / max(1, self.quiet)

    @property
    def median_delay(self) -> float:
        """Infinite when fewer than half were found."""
        return float(np.quantile(self.delays, 0.5, method="lower")) if self.delays else float("nan")
