"""The scheduler process: what is done by the clock, away from the request path and from the worker.

A job that fails is logged, counted and tried again when it is due next; it ends neither the process nor another job.
"""

import json
import logging
import os
import sys
import threading
import time
import traceback
from datetime import UTC

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from proxy.alone import Busy, alone
from proxy.canary.jobs import add_jobs as add_canary_jobs
from proxy.children import stop_on_signals, when_parent_ends
from proxy.heartbeat import JobState, SchedulerState, write_heartbeat
from proxy.ingest.jobs import add_jobs as add_ingest_jobs
from proxy.notify.jobs import add_jobs as add_notify_jobs
from proxy.settings import Settings
from proxy.stores import counters
from proxy.stores.faults import fault_of
from proxy.stores.history import History
from proxy.stores.log import Log
from proxy.stores.opening import opened
from proxy.turn import WORD_SECONDS, Turn

log = structlog.get_logger()

ADD_JOBS = (add_notify_jobs, add_ingest_jobs, add_canary_jobs)
"""Called once, before the scheduler starts, each with (scheduler, settings, history, exchange_log)."""

STANDS_BY = "standing_by"
"""What it tells its supervisor: true while the scheduler of another proxy works."""

HEARTBEAT_SECONDS = 5.0
FINISH_SECONDS = 5.0
"""What is under way may take so long to finish; all of it can be cut off at any moment and is done again then."""


def run(settings: Settings, *, end_with_parent: bool) -> int:
    """Work until told to stop; returns the exit code."""
    stop = threading.Event()
    if end_with_parent:
        when_parent_ends(stop.set)
    stop_on_signals(stop)
    # It logs whole tracebacks, whose messages may quote prompts and answers.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL + 1)
    try:
        if not settings.database.url:
            with alone(settings.data_dir, "scheduler"), opened(settings) as (history, exchange_log):
                _work(settings, history, exchange_log, stop)
            return 0
        # Any number of schedulers share a database, and one of them works.
        with opened(settings) as (history, exchange_log), Turn(history.engine, "scheduler") as turn:
            if _wait_for(turn, stop, tell=end_with_parent):
                _work(settings, history, exchange_log, stop, turn)
        return 0
    except Busy as error:
        log.error(str(error))
    except (OSError, SQLAlchemyError) as error:
        # The supervisor tries again and again.
        reason = fault_of(error).message if isinstance(error, SQLAlchemyError) else str(error)
        log.error("the scheduler cannot work", folder=str(settings.data_dir), error=reason)
    return 1


def _wait_for(turn: Turn, stop: threading.Event, *, tell: bool) -> bool:
    """Stand by until it is this process's turn; False when it is to stop before that."""
    mine, told = turn.mine(), None
    while not stop.is_set():
        if tell and told is not mine:
            # To the supervisor, which shows it.
            print(json.dumps({STANDS_BY: not mine}), flush=True)
        if mine:
            return True
        if told is None:
            log.info("the scheduler of another proxy works; this one stands by")
        told = mine
        stop.wait(WORD_SECONDS)
        mine = turn.mine()
    return False


def _is_over(turn: Turn) -> bool:
    """Whether the work is another's by now."""
    try:
        return not turn.mine()
    except SQLAlchemyError:
        # Nobody can take it over in a database that cannot be reached, and people are to be told that it cannot.
        return False


def _work(
    settings: Settings, history: History, exchange_log: Log, stop: threading.Event, turn: Turn | None = None
) -> None:
    # A job that was due while the machine slept runs once, not as often as it was missed; none runs beside itself.
    scheduler = BackgroundScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    for add_jobs in ADD_JOBS:
        try:
            add_jobs(scheduler, settings, history, exchange_log)
        except (OSError, SQLAlchemyError):
            raise
        except Exception as error:
            # What is wrong with one kind of job must not keep the others from their work.
            log.error("jobs cannot be scheduled", of=add_jobs.__module__, error=reason(error))
    watch = _Watch(scheduler, history)
    scheduler.start()
    log.info("the scheduler works", jobs=len(scheduler.get_jobs()))
    told_at = time.monotonic()
    while not stop.wait(WORD_SECONDS if turn else HEARTBEAT_SECONDS):
        if turn and _is_over(turn):
            log.warning("another proxy's scheduler has taken the work over; this one begins anew")
            break
        if turn is None or time.monotonic() - told_at >= HEARTBEAT_SECONDS:
            told_at = time.monotonic()
            watch.tell()
    _end(scheduler)


def _end(scheduler: BackgroundScheduler) -> None:
    """Let what is under way finish, but not for long: a receiver or a source may hang."""
    ending = threading.Thread(target=scheduler.shutdown, daemon=True)
    ending.start()
    ending.join(FINISH_SECONDS)
    if ending.is_alive():
        log.warning("what was under way is cut off, and done again after the next start", after_seconds=FINISH_SECONDS)
        sys.stderr.flush()
        # The interpreter would wait for the threads of the pools.
        os._exit(0)


class _Watch:
    """Follows what becomes of the jobs, and tells it."""

    def __init__(self, scheduler: BackgroundScheduler, history: History):
        self._scheduler = scheduler
        self._engine = history.engine
        self._since = time.time()
        self._lock = threading.Lock()
        self._jobs: dict[str, JobState] = {}
        self._uncounted: dict[str, int] = {}
        self._failing = False
        scheduler.add_listener(self._ran, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        self.tell()

    def _ran(self, event: JobExecutionEvent) -> None:
        """Runs in the job's thread."""
        error = reason(event.exception) if event.exception else ""
        with self._lock:
            before = self._jobs.get(event.job_id, JobState())
            failures = before.failures + 1 if error else 0
            self._jobs[event.job_id] = JobState(last_run_at=time.time(), failures=failures, last_error=error)
            if error:
                self._uncounted[event.job_id] = self._uncounted.get(event.job_id, 0) + 1
        if error and error != before.last_error:
            log.error("a scheduled job failed; it is tried again", job=event.job_id, error=error)
        elif before.failures and not error:
            log.info("a scheduled job works again", job=event.job_id, failed_times=before.failures)

    def tell(self) -> None:
        """Write the heartbeat; while that cannot be done, the jobs go on."""
        with self._lock:
            uncounted, jobs = self._uncounted, dict(self._jobs)
            self._uncounted = {}
        for job in self._scheduler.get_jobs():
            due = getattr(job, "next_run_time", None)
            seen = jobs.get(job.id, JobState())
            jobs[job.id] = JobState(
                last_run_at=seen.last_run_at,
                next_run_at=due.timestamp() if due else None,
                failures=seen.failures,
                last_error=seen.last_error,
            )
        state = SchedulerState(pid=os.getpid(), since=self._since, heartbeat_at=time.time(), jobs=jobs)
        try:
            write_heartbeat(self._engine, state)
            for job_id, failures in uncounted.items():
                counters.count(self._engine, "scheduled_job_failures", {"job": job_id}, failures)
        except SQLAlchemyError as error:
            if not self._failing:
                log.error("the scheduler cannot write to the history; it goes on", error=reason(error))
            self._failing = True
            with self._lock:
                for job_id, failures in uncounted.items():
                    self._uncounted[job_id] = self._uncounted.get(job_id, 0) + failures
            return
        self._failing = False


def reason(error: BaseException) -> str:
    """What went wrong, without what it went wrong with: messages of errors may quote prompts, answers and keys."""
    if isinstance(error, SQLAlchemyError | OSError):
        return str(error).partition("\n")[0]
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + where
