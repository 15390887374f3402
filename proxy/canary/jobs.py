"""The canaries' part of the scheduler: a look every second at which of them is due."""

import time
from datetime import UTC, datetime, timedelta

import msgspec
import structlog
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.cron import CronTrigger

from proxy.canary.planning import digest_of, midnight, next_time, too_many
from proxy.canary.round import ask_round, count_skipped
from proxy.canary.settings import DAY, Canary, messages_of
from proxy.section import ConfigError
from proxy.settings import Settings
from proxy.stores.canaries import Plan, Round, plan, read_plan, read_rounds, requests_since, write_round
from proxy.stores.history import History
from proxy.stores.log import Log

log = structlog.get_logger()

LOOK_SECONDS = 1.0
POOL = "canary"
FULL_LOOK_SECONDS = 30.0
"""Rounds hold all that was measured: they are not read each second for nothing."""
FAILED_SECONDS = 60.0
_ROUNDS_READ = 50


class Canaries:
    """All canaries: one of them asks at a time."""

    def __init__(self, scheduler: BaseScheduler, settings: Settings, history: History, exchange_log: Log):
        self._scheduler = scheduler
        self._settings = settings
        self._history = history
        self._log = exchange_log
        self._not_before: dict[str, float] = {}
        self._settled: dict[str, tuple[Plan, float] | None] = {}
        """{canary: its plan while nothing is under way, and when all of its rounds were looked at}"""
        for canary in settings.canary:
            self._tidy(canary)

    def look(self) -> None:
        """Ask what is due."""
        for canary in self._settings.canary:
            if not self._scheduler.running:
                return
            try:
                self._look(canary)
            except Exception as error:
                # One that cannot be asked must not keep the others from it.
                log.error("a canary failed; it is looked at again", canary=canary.name, error=type(error).__name__)
                self._not_before[canary.name] = time.time() + FAILED_SECONDS

    def _look(self, canary: Canary) -> None:
        engine, now = self._history.engine, time.time()
        if now < self._not_before.get(canary.name, 0.0):
            return
        before = read_plan(engine, canary.name)
        seen = self._settled.get(canary.name)
        if seen and seen[0] == before and now < min(before.next_at or 0.0, seen[1] + FULL_LOOK_SECONDS):
            return
        rounds = read_rounds(engine, canary.name, limit=_ROUNDS_READ)
        try:
            asked = messages_of(canary)
            due = self._due(canary, rounds, before, digest_of(canary, asked), now)
        except (ConfigError, ValueError) as error:
            self._wait(canary, before, now + FAILED_SECONDS, str(error))
            return
        if due > now:
            if before.next_at != due or before.problem:
                plan(engine, canary.name, next_at=due, problem="")
            waits = bool(rounds) and rounds[0].status in ("asking", "waiting")
            self._settled[canary.name] = None if waits else (read_plan(engine, canary.name), now)
            return
        if why := too_many(canary, len(asked), requests_since(engine, canary.name, midnight(now))):
            count_skipped(engine, canary.name, len(asked) * canary.repeats)
            log.warning("a canary's round was skipped", canary=canary.name, message=why)
            self._wait(canary, before, midnight(now) + DAY, why)
            return
        plan(engine, canary.name, asked_at=None, next_at=now, problem="")
        ask_round(
            canary,
            asked,
            rounds[0].number + 1 if rounds else 1,
            settings=self._settings,
            history=self._history,
            exchange_log=self._log,
            stopping=lambda: not self._scheduler.running,
        )

    def _due(self, canary: Canary, rounds: list[Round], before: Plan, digest: str, now: float) -> float:
        regular = None
        if canary.cron and rounds:
            trigger = CronTrigger.from_crontab(canary.cron, timezone=UTC)
            fires = trigger.get_next_fire_time(None, datetime.fromtimestamp(rounds[0].at, UTC) + timedelta(minutes=1))
            regular = fires.timestamp() if fires else None
        due = next_time(canary, rounds, before, digest, now=now, regular=regular)
        if due is None:
            raise ValueError(f"cron = {canary.cron!r}: never comes")
        return due

    def _wait(self, canary: Canary, before: Plan, until: float, why: str) -> None:
        self._not_before[canary.name] = until
        if before.problem != why or before.asked_at is not None:
            plan(self._history.engine, canary.name, next_at=until, problem=why, asked_at=None)

    def _tidy(self, canary: Canary) -> None:
        """A round that the last scheduler began and did not end."""
        for one in read_rounds(self._history.engine, canary.name, limit=1):
            if one.status == "asking":
                body = msgspec.structs.replace(one.body, message="Driftium ended inside this round.")
                write_round(self._history.engine, msgspec.structs.replace(one, status="incomplete", body=body))


def add_jobs(scheduler: BaseScheduler, settings: Settings, history: History, exchange_log: Log) -> None:
    """Ask the configured canaries when they are due."""
    if settings.canary:
        canaries = Canaries(scheduler, settings, history, exchange_log)
        # A thread of its own: a round may take minutes, in which other jobs are due.
        scheduler.add_executor("threadpool", POOL, max_workers=1)
        scheduler.add_job(canaries.look, "interval", seconds=LOOK_SECONDS, id="canary", executor=POOL)
