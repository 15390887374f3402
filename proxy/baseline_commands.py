"""The commands that set baselines: a new one, an earlier one, none."""

import time
from typing import Any

import msgspec

from drift.samples import Sample
from proxy.asked import Refused, Scores
from proxy.candidates import Choice, NotAmong, candidates
from proxy.population import Population
from proxy.populations import Populations, Unusable
from proxy.preview import too_few
from proxy.settings import Drift
from proxy.stores.canaries import PREFIX
from proxy.stores.endings import Runs
from proxy.stores.history import BaselineRow, History, SampleRow
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.left import as_left
from proxy.stores.vectors import BASELINE, WINDOW, Vectors


class BaselineCommands:
    """Answers them, each in one transaction with what it changes. Raises Refused."""

    def __init__(
        self,
        settings: Drift,
        history: History,
        ledger: Ledger,
        vectors: Vectors,
        populations: Populations,
        scorer: Scores,
        encoder: str,
    ):
        self._max_baseline = settings.max_baseline
        self._ring = settings.recent_samples
        self._history = history
        self._ledger = ledger
        self._vectors = vectors
        self._populations = populations
        self._scorer = scorer
        self._encoder = encoder

    def make(self, command_id: str, asked: dict[str, Any]) -> None:
        population = self._populations.get(asked["monitor"])
        if population is not None and population.name.startswith(PREFIX):
            raise Refused(
                409,
                f"monitor = {population.name!r}: a canary's rounds are compared with its reference, which "
                f"POST /canaries/{population.name.removeprefix(PREFIX)}/reference makes anew.",
            )
        if population is None:
            known = ", ".join(row.name for row in self._history.monitors()) or "none yet"
            raise Refused(409, f"monitor = {asked['monitor']!r}: no answer of it has been seen (known: {known}).")
        choice = Choice(last=asked["last"], since=asked["since"], exchange_ids=asked["exchange_ids"])
        try:
            rows = candidates(self._history, population.row, choice, kept=self._ring, most=self._max_baseline)
        except NotAmong as error:
            raise Refused(409, str(error)) from None
        if others := [one for one in rows if not one.text.is_of(self._encoder)]:
            if choice.exchange_ids is not None:
                raise Refused(
                    409,
                    f"exchange_ids: the vectors of {others[0].exchange_id!r} are of the encoder "
                    f"{others[0].text.encoder}, and the worker's is {self._encoder}: leave out what is older than it.",
                )
            rows = [one for one in rows if one.text.is_of(self._encoder)]
        if len(rows) < 2:
            raise Refused(409, too_few(population.name, len(rows)))
        samples = self._window_vectors(population, rows)
        row = BaselineRow(
            id=asked["id"],
            monitor=population.name,
            created_at=time.time(),
            size=len(rows),
            encoder=self._encoder,
            note=asked["note"],
            calibration=None,
        )
        self._vectors.put(BASELINE, row.id, list(enumerate(samples)), {"monitor": row.monitor, "baseline": row.id})
        kept = [msgspec.structs.replace(r, number=position) for position, r in enumerate(rows)]
        before = population.row
        population.row = msgspec.structs.replace(
            population.row, baseline_id=row.id, baseline_at=time.time(), observed=0
        )
        changes = _changes(population, row, command_id, f"{row.size} answers of {row.monitor} are the baseline now.")
        changes.baseline, changes.baseline_samples, changes.left = row, kept, [before]
        changes.endings.append((population.name, row.id, population.endings.back_to(row.size)))
        changes.endings.append(_set(population))
        self._ledger.commit(changes)
        self._populations.watch(population, row.id)

    def _window_vectors(self, population: Population, rows: list[SampleRow]) -> list[Sample]:
        """The vectors of these samples. Refused when the vector store holds none or others."""
        try:
            samples = self._vectors.get(WINDOW, population.name, [row.number % self._ring for row in rows])
        except KeyError:
            samples = []
        if [s.exchange_id for s in samples] != [r.exchange_id for r in rows]:
            raise Refused(409, f"The vectors of these answers of {population.name} are gone: send new ones first.")
        return samples

    def activate(self, command_id: str, asked: dict[str, Any]) -> None:
        row = self._history.baseline(asked["id"])
        population = self._populations.get(row.monitor) if row else None
        if row is None or population is None:
            raise Refused(404, f"baseline_id = {asked['id']!r}: there is no such baseline.")
        before = population.row
        anew = msgspec.structs.replace(before, baseline_id=row.id, baseline_at=time.time(), observed=0)
        # The active one made active again is how to empty the window.
        resumed = as_left(self._history.engine, before, row.id) if before.baseline_id != row.id else None
        population.row = resumed or anew
        try:
            self._populations.watch(population, row.id)
        except Unusable as error:
            population.row = before
            raise Refused(409, str(error)) from None
        # Watching it has counted anew where the window's vectors are gone.
        goes_on = resumed is not None and population.row.observed == resumed.observed
        how = "nothing was scored since: the comparison goes on" if goes_on else "the window starts anew"
        message = f"The baseline of {row.monitor} is the one of {row.size} answers again; {how}."
        changes = _changes(population, row, command_id, message)
        if before.baseline_id != row.id:
            changes.left = [before]
        if not goes_on:
            changes.endings.append(_set(population))
        elif population.row.observed:
            # What it says now stands at once: the evidence and the witnesses are the other baseline's, or gone.
            self._scorer.report(population, changes)
        self._ledger.commit(changes)

    def deactivate(self, command_id: str, asked: dict[str, Any]) -> None:
        row = self._history.baseline(asked["id"])
        population = self._populations.get(row.monitor) if row else None
        if row is None or population is None:
            raise Refused(404, f"baseline_id = {asked['id']!r}: there is no such baseline.")
        if population.row.baseline_id != row.id:
            raise Refused(
                409,
                f"baseline_id = {row.id!r}: it is not the active one of {row.monitor}; GET /baseline says which is.",
            )
        before = population.row
        population.row = msgspec.structs.replace(before, baseline_id=None, baseline_at=None, observed=0)
        self._populations.unwatch(population)
        message = f"{row.monitor} has no baseline now; the one of {row.size} answers stays listed."
        changes = _changes(population, row, command_id, message)
        changes.left = [before]
        changes.annotations = [(row.monitor, "baseline", "No baseline any more.")]
        changes.events = [("baseline", {"monitor": row.monitor, "id": None, "size": 0})]
        self._ledger.commit(changes)


def _set(population: Population) -> tuple[str, str, Runs]:
    """How its exchanges ended, with a mark that a baseline was set."""
    population.endings.set_baseline()
    return population.name, "", population.endings.runs


def _changes(population: Population, row: BaselineRow, command_id: str, message: str) -> Changes:
    answer = {"message": message, "baseline_id": row.id, "baseline_size": row.size, "monitor": row.monitor}
    return Changes(
        monitors=[population.written()],
        annotations=[(row.monitor, "baseline", f"Baseline of {row.size} answers. {row.note}".strip())],
        events=[("baseline", {"monitor": row.monitor, "id": row.id, "size": row.size})],
        witnesses={row.monitor: []},
        answers={command_id: answer},
    )
