"""What people ask of the worker: a fresh score, a new baseline, an earlier one. Rows in, answers out.

A command carries the log's head at the time it was asked, and waits until the worker has come so far.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import structlog
from sqlalchemy.exc import SQLAlchemyError

from drift.errors import TooFewSamples
from drift.samples import Sample
from proxy.canary.comparing import Comparing
from proxy.candidates import Choice, NotAmong, candidates
from proxy.erasing import Erasing
from proxy.keeping.snapshot import WAIT_SECONDS, copy_worker_part
from proxy.ollama_models import marks
from proxy.placing import Placing
from proxy.population import Population, details_of, digest_of
from proxy.populations import Populations, Unusable
from proxy.preview import too_few
from proxy.scoring import Scorer
from proxy.settings import Settings
from proxy.stores.canaries import PREFIX
from proxy.stores.endings import Runs
from proxy.stores.history import BaselineRow, History, SampleRow
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.left import as_left
from proxy.stores.log import Log
from proxy.stores.vectors import BASELINE, WINDOW, Vectors, VectorStoreError

log = structlog.get_logger()

ERASE_AGAIN_SECONDS = 60.0
"""Between two tries to erase what the disk did not allow to erase."""


class Refused(Exception):
    """A command that cannot be done: an HTTP status and what to do."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Commands:
    """Answers the commands that wait, each in one transaction with what it changes."""

    def __init__(
        self,
        settings: Settings,
        history: History,
        ledger: Ledger,
        exchange_log: Log,
        vectors: Vectors,
        populations: Populations,
        scorer: Scorer,
        encoder: str,
    ):
        self._data_dir = settings.data_dir
        self._max_baseline = settings.drift.max_baseline
        self._ring = settings.drift.recent_samples
        self._history = history
        self._ledger = ledger
        self._log = exchange_log
        self._vectors = vectors
        self._populations = populations
        self._scorer = scorer
        self._encoder = encoder
        self.erasing = Erasing(history, ledger, exchange_log, vectors, populations)
        self._comparing = Comparing(history, vectors, self._ring, encoder)
        self._placing = Placing(history, exchange_log, vectors, populations, self._ring)
        # When those that the disk did not allow are tried again, by their ids.
        self._erase_again: dict[str, float] = {}
        self._kinds: dict[str, Callable[[str, dict[str, Any]], None]] = {
            "score": self._score,
            "baseline": self._baseline,
            "activate": self._activate,
            "deactivate": self._deactivate,
            "place": self._place,
            "digests": self._digests,
            "erase": self._erase,
            "backup": self._backup,
            "canary": self._canary,
        }

    def answer_all(self) -> None:
        for command_id, kind, arguments in self._ledger.commands():
            # What had passed when this was asked must be scored first, or be gone from the log unread.
            if self._scorer.cursor < min(arguments["head"], self._log.head()):
                continue
            if time.monotonic() < self._erase_again.get(command_id, 0.0):
                continue
            try:
                self._kinds[kind](command_id, arguments)
            except Refused as refusal:
                self._refuse(command_id, refusal.status, str(refusal))
            except Exception as error:
                if kind == "erase" and isinstance(error, SQLAlchemyError | sqlite3.Error | VectorStoreError):
                    # Left unanswered, so that it is done in the end: its vectors must not stay.
                    log.warning("what was asked to be erased is not erased yet; this is tried again", error=str(error))
                    self._erase_again[command_id] = time.monotonic() + ERASE_AGAIN_SECONDS
                    continue
                # Answered before it ends the worker: left unanswered it would end each worker after this one too.
                self._refuse(command_id, 500, "The worker failed at this; its log says why, and it starts again.")
                raise

    def _refuse(self, command_id: str, status: int, message: str) -> None:
        self._ledger.commit(Changes(answers={command_id: {"status": status, "error": message}}))

    def _score(self, command_id: str, asked: dict[str, Any]) -> None:
        """A report of now, with a p-value and fresh evidence."""
        population = self._populations.get(asked["monitor"])
        answer: dict[str, Any] = {"monitor": asked["monitor"]}
        changes = Changes()
        # Where nothing but failures came since the baseline, they are what there is to tell.
        if population and population.monitor and (population.row.observed or population.outcomes):
            # Asked again without anything new it would find the same.
            report = self._scorer.report(population, changes, look=not population.asked_for)
            answer = {"monitor": population.name, "p_value": None}
            # Too few samples or sessions to test: the report's message says what is missing.
            with suppress(TooFewSamples):
                answer["p_value"] = population.monitor.test(np.random.default_rng(report.observed))
        changes.answers[command_id] = answer
        self._ledger.commit(changes)

    def _digests(self, command_id: str, told: dict[str, Any]) -> None:
        """What stands behind each of Ollama's model names, from now on."""
        changes = Changes(answers={command_id: {"models": len(told["digests"])}})
        scorer, after = self._scorer, told["digests"]
        details = told.get("details", {})
        for population in self._populations:
            model = population.row.model
            digests = digest_of(model, scorer.digests), digest_of(model, after)
            known = details_of(model, scorer.details), details_of(model, details)
            changes.annotations += [(population.name, "digest", mark) for mark in marks(model, digests, *known)]
        scorer.digests, scorer.details = after, details
        changes.state = self._scorer.state("ready")
        self._ledger.commit(changes)

    def _baseline(self, command_id: str, asked: dict[str, Any]) -> None:
        population = self._populations.get(asked["monitor"])
        if population is not None and population.name.startswith(PREFIX):
            raise Refused(
                409,
                f"monitor = {population.name!r}: a canary's rounds are compared with its reference, which "
                f"POST /canaries/{population.name.removeprefix(PREFIX)}/reference makes anew.",
            )
        if population is None:
            known = ", ".join(p.name for p in self._populations) or "none yet"
            raise Refused(409, f"monitor = {asked['monitor']!r}: no answer of it has been seen (known: {known}).")
        choice = Choice(last=asked["last"], since=asked["since"], exchange_ids=asked["exchange_ids"])
        try:
            rows = candidates(self._history, population.row, choice, kept=self._ring, most=self._max_baseline)
        except NotAmong as error:
            raise Refused(409, str(error)) from None
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

    def _activate(self, command_id: str, asked: dict[str, Any]) -> None:
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

    def _deactivate(self, command_id: str, asked: dict[str, Any]) -> None:
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

    def _erase(self, command_id: str, asked: dict[str, Any]) -> None:
        """An exchange or a monitor: its vectors, and what the worker knows of it."""
        if (name := asked.get("monitor")) is not None:
            self.erasing.monitor(name, asked.get("up_to"))
        else:
            self.erasing.exchange(asked["exchange_id"], asked["since"])
        self._ledger.commit(Changes(answers={command_id: {"erased": True}}))

    def _canary(self, command_id: str, asked: dict[str, Any]) -> None:
        """A canary's round against its reference."""
        found = self._comparing.compare(asked["canary"], asked["number"], asked["reference_rounds"])
        changes = Changes(answers={command_id: {"status": found.status if found else None}})
        if found:
            told = {"canary": found.canary, "round": found.number, "status": found.status, "changed": found.changed}
            changes.events = [("canary", told | {"message": found.message})]
        self._ledger.commit(changes)

    def _backup(self, command_id: str, asked: dict[str, Any]) -> None:
        """History and vectors as they are between two batches."""
        if time.time() - asked.get("asked_at", 0.0) > WAIT_SECONDS:
            raise Refused(410, "Nobody waits for this backup any more.")
        try:
            points = copy_worker_part(self._data_dir, asked["name"], self._vectors)
        except (OSError, sqlite3.Error) as error:
            raise Refused(507, str(error)) from None
        self._ledger.commit(Changes(answers={command_id: {"points": points}}))

    def _place(self, command_id: str, asked: dict[str, Any]) -> None:
        """Where an answer falls among the baseline's."""
        place = self._placing.place(asked["exchange_id"], asked["neighbours"])
        self._ledger.commit(Changes(answers={command_id: place}))


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
