"""What people ask of the worker: a fresh score, a new baseline, an earlier one. Rows in, answers out.

A command carries the log's head at the time it was asked, and waits until the worker has come so far.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from drift.errors import TooFewSamples
from proxy.asked import Refused, Scores
from proxy.baseline_commands import BaselineCommands
from proxy.canary.comparing import Comparing
from proxy.erasing import Erasing
from proxy.keeping.snapshot import WAIT_SECONDS, copy_worker_part
from proxy.ollama_models import marks
from proxy.placing import Placing
from proxy.population import details_of, digest_of
from proxy.populations import Populations
from proxy.settings import Settings
from proxy.shared.routing import Routing
from proxy.shared.session import Lost
from proxy.stores.history import History
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import Log
from proxy.stores.state import Models
from proxy.stores.vectors import Vectors, VectorStoreError

log = structlog.get_logger()

ERASE_AGAIN_SECONDS = 60.0
"""Between two tries to erase what the disk did not allow to erase."""


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
        scorer: Scores,
        encoder: str,
        shared: Routing | None = None,
    ):
        """`shared` says what this worker is to answer, where there are several."""
        self._data_dir = settings.data_dir
        ring = settings.drift.recent_samples
        self._history = history
        self._ledger = ledger
        self._log = exchange_log
        self._vectors = vectors
        self._populations = populations
        self._scorer = scorer
        self._shared = shared
        self.erasing = Erasing(
            history, ledger, exchange_log, vectors, populations, shared.scored_up_to if shared else history.cursor
        )
        self._comparing = Comparing(history, vectors, ring, encoder)
        self._placing = Placing(history, exchange_log, vectors, populations, ring)
        baselines = BaselineCommands(settings.drift, history, ledger, vectors, populations, scorer, encoder)
        # When those that the disk did not allow are tried again, by their ids.
        self._erase_again: dict[str, float] = {}
        self._kinds: dict[str, Callable[[str, dict[str, Any]], None]] = {
            "score": self._score,
            "baseline": baselines.make,
            "activate": baselines.activate,
            "deactivate": baselines.deactivate,
            "place": self._place,
            "digests": self._digests,
            "erase": self._erase,
            "backup": self._backup,
            "canary": self._canary,
        }

    def answer_all(self) -> None:
        for command_id, kind, asked in self._ledger.commands():
            if time.monotonic() < self._erase_again.get(command_id, 0.0):
                continue
            arguments = self._shared.due(kind, asked) if self._shared else self._due(asked)
            if arguments is None:
                continue
            try:
                self._kinds[kind](command_id, arguments)
            except Lost:
                # The monitor is another worker's by now, and so is the answer.
                raise
            except Refused as refusal:
                self._refuse(command_id, refusal.status, str(refusal))
            except Exception as error:
                if kind == "erase" and isinstance(error, SQLAlchemyError | sqlite3.Error | VectorStoreError):
                    # Left unanswered, so that it is done in the end: its vectors must not stay.
                    log.warning("what was asked to be erased is not erased yet; this is tried again", error=str(error))
                    self._erase_again[command_id] = time.monotonic() + ERASE_AGAIN_SECONDS
                    continue
                if isinstance(error, VectorStoreError):
                    # What may pass is left unanswered: it is done when the store is there again.
                    if not error.passing:
                        self._refuse(command_id, 503, str(error))
                    raise
                if isinstance(error, DBAPIError) and error.connection_invalidated:
                    # PostgreSQL went, and comes back; a file's fault is never of this kind.
                    raise
                # Answered before it ends the worker: left unanswered it would end each worker after this one too.
                self._refuse(command_id, 500, "The worker failed at this; its log says why, and it starts again.")
                raise

    def _due(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        """What had passed when this was asked must be scored first, or be gone from the log unread."""
        return asked if self._scorer.cursor >= min(asked["head"], self._log.head()) else None

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
        before, after = self._scorer.models, Models(told["digests"], told.get("details", {}))
        for row in self._history.monitors():
            digests = digest_of(row.model, before.digests), digest_of(row.model, after.digests)
            known = details_of(row.model, before.details), details_of(row.model, after.details)
            changes.annotations += [(row.name, "digest", mark) for mark in marks(row.model, digests, *known)]
        self._scorer.learn(after, changes)
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
        if self._shared:
            raise Refused(409, "Several workers share this data: back up PostgreSQL and Qdrant with their own tools.")
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
