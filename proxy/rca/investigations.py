"""Root cause analyses as they run: one for all who ask the same, told step by step, then stored."""

import asyncio
import time
import uuid
from collections.abc import Generator
from typing import Any

import structlog

from drift.evidence import Evidence
from drift.rca.orchestrator import investigate
from drift.rca.records import Answer, Question, RootCause, Step
from proxy.language_model import LanguageModel, ModelFailed
from proxy.metrics import Metrics
from proxy.rca.brief import brief_of
from proxy.rca.records import BY_RULES, Run
from proxy.stores.canaries import latest_rounds
from proxy.stores.history import History
from proxy.stores.root_causes import RootCauses
from proxy.stores.runs import Runs

log = structlog.get_logger()

Steps = Generator[Step | Question, Answer | None, RootCause]
_Key = tuple[str, str | None, bool]
"""Evidence, model, and whether a stored run will not do."""
COMMIT_SECONDS = 60.0
"""Marks are written with the evidence, a moment after the time that it bears."""


class Investigations:
    """Runs investigations: those who ask for the same evidence and the same model share one."""

    def __init__(
        self, history: History, runs: Runs, stored: RootCauses, language_model: LanguageModel, metrics: Metrics
    ):
        self._history = history
        self._runs = runs
        self._stored = stored
        self._language_model = language_model
        self._metrics = metrics
        self._running: dict[_Key, asyncio.Task[Run]] = {}

    async def report(
        self,
        evidence: Evidence,
        *,
        use_model: bool = True,
        model: str | None = None,
        seconds: float | None = None,
        fresh: bool = False,
    ) -> Run:
        """The stored run on this evidence, or a new one; always a new one where `fresh`.

        Without `model` it is the one that is asked where none is named; `seconds` is what all its answers may take
        together. Whoever asks for the same while it runs gets the same run, and one who leaves ends it for nobody; who
        joins it and has waited `seconds` gets the rules' run.
        """
        name, failure = await self._model(model) if use_model else (BY_RULES, "")
        if not fresh and (found := await asyncio.to_thread(self._still_true, evidence, name)):
            return found
        key = evidence.id, name, fresh
        # A run that is made anew will do for those who take a stored one.
        task = self._running.get(key) or self._running.get((evidence.id, name, True))
        if task is None:
            work = self._stored_or_run(evidence, name, failure, use_model=use_model, seconds=seconds, fresh=fresh)
            task = self._running[key] = asyncio.create_task(work)
            task.add_done_callback(lambda done: self._ended(key, done))
        elif use_model and seconds is not None:
            done, _ = await asyncio.wait({task}, timeout=seconds)
            if not done:
                return await self.report(evidence, use_model=False, fresh=fresh)
        return await asyncio.shield(task)

    async def find(self, evidence_id: str, *, use_model: bool = True, model: str | None = None) -> Run | None:
        """The stored run on that evidence with that model."""
        name = (await self._model(model))[0] if use_model else BY_RULES
        return await asyncio.to_thread(self._stored.find, evidence_id, name)

    def _still_true(self, evidence: Evidence, name: str | None) -> Run | None:
        """The stored run, unless a canary was asked since."""
        found = self._stored.find(evidence.id, name)
        asked = (one.at + one.body.seconds for one in latest_rounds(self._history.engine)) if found else ()
        return None if found and any(at > found.at for at in asked) else found

    async def close(self) -> None:
        """End what runs."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, key: _Key, task: asyncio.Task[Run]) -> None:
        del self._running[key]
        # Everybody may have left: an error that nobody has seen is said here.
        if not task.cancelled() and (error := task.exception()):
            log.error("a root cause analysis failed", exc_info=error)

    async def _model(self, named: str | None) -> tuple[str | None, str]:
        """The model to ask; None, which any stored run answers, and why, where no model is known."""
        if named:
            return named, ""
        try:
            return await self._language_model.name(), ""
        except ModelFailed as failed:
            return None, str(failed)

    async def _stored_or_run(
        self,
        evidence: Evidence,
        name: str | None,
        failure: str,
        *,
        use_model: bool,
        seconds: float | None,
        fresh: bool,
    ) -> Run:
        # The one before may have ended between the look into the store and this task.
        if not fresh and (found := await asyncio.to_thread(self._still_true, evidence, name)):
            return found
        return await self._run(evidence, ask_model=use_model, model=name or BY_RULES, failure=failure, seconds=seconds)

    async def _run(
        self, evidence: Evidence, *, ask_model: bool, model: str, failure: str, seconds: float | None
    ) -> Run:
        run_id, began, result = uuid.uuid4().hex, time.perf_counter(), "failed"
        told = {"run_id": run_id, "monitor": evidence.monitor}
        report: RootCause | None = None
        try:
            brief = await asyncio.to_thread(
                brief_of, self._history, self._runs, evidence, until=await self._until(evidence)
            )
            steps = investigate(brief, clock=time.perf_counter, ask_model=ask_model)
            answer: Answer | None = None
            answered = True
            left = seconds or self._language_model.timeout_seconds
            # Each in a thread: what takes the processor must not hold up the loop that forwards traffic.
            while not isinstance(found := await asyncio.to_thread(_next, steps, answer), RootCause):
                answer = None
                if isinstance(found, Step):
                    await asyncio.to_thread(self._history.tell, "rca", told | _step(found))
                elif failure:
                    answer = Answer(failure=failure)
                else:
                    asked_at = time.monotonic()
                    answer = await self._ask(found, model, left)
                    left -= time.monotonic() - asked_at
                answered = answered and not (answer and answer.failure)
            # Kept as a run by rules alone where the model failed, so that whoever asks next asks the model again.
            asked = model if answered else BY_RULES
            run = Run(id=run_id, at=time.time(), model_asked=asked, seconds=time.perf_counter() - began, report=found)
            await asyncio.to_thread(self._stored.add, run)
            report, result = found, found.diagnosis.source
            return run
        finally:
            self._metrics.investigated(result, time.perf_counter() - began)
            await asyncio.to_thread(self._history.tell, "rca", told | _end(report))

    async def _until(self, evidence: Evidence) -> float:
        """Up to when marks belong to the evidence: now for the last look, its own time for an earlier one."""
        last = await asyncio.to_thread(self._history.evidence, evidence.monitor)
        return time.time() if last and last.id == evidence.id else evidence.at + COMMIT_SECONDS

    async def _ask(self, question: Question, model: str, seconds: float) -> Answer:
        if seconds <= 0:
            return Answer(model=model, failure="no time was left to ask the model again")
        try:
            content, name = await self._language_model.ask(
                question.messages, question.schema, model=model, max_tokens=question.max_tokens, seconds=seconds
            )
        except ModelFailed as failed:
            return Answer(model=model, failure=str(failed))
        return Answer(content=content, model=name)


def _next(steps: Steps, answer: Answer | None) -> Step | Question | RootCause:
    """What comes next; a generator's end cannot be raised through a future."""
    try:
        return steps.send(answer)
    except StopIteration as end:
        report: RootCause = end.value
        return report


def _step(step: Step) -> dict[str, Any]:
    return {name: getattr(step, name) for name in Step.__struct_fields__}


def _end(report: RootCause | None) -> dict[str, Any]:
    """The event that ends a run; without a cause where it failed."""
    return {
        "done": True,
        "cause": report.diagnosis.cause if report else None,
        "severity": report.triage.severity if report else None,
        "source": report.diagnosis.source if report else None,
    }
