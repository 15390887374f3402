"""What the scheduler does for collected logs."""

import time
from datetime import UTC, datetime

from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from proxy.ingest.checkpoints import Checkpoints, begun, job_id
from proxy.ingest.run import Run
from proxy.ingest.settings import Ingest
from proxy.settings import Settings
from proxy.stores.history import History
from proxy.stores.log import Log

POOL = "ingest"
AT_ONCE = 16


def add_jobs(scheduler: BaseScheduler, settings: Settings, history: History, exchange_log: Log) -> None:
    """A run for each source, now and whenever it is due."""
    if not settings.ingest:
        return
    # Threads of their own: a backfill waits for hours until the worker has embedded what was logged.
    scheduler.add_executor("threadpool", POOL, max_workers=min(len(settings.ingest), AT_ONCE))

    def collect(source: Ingest) -> None:
        Run(source, settings, history, exchange_log, stop=lambda: not scheduler.running, pause=time.sleep).run()

    for source in settings.ingest:
        try:
            trigger = CronTrigger.from_crontab(source.cron, timezone=UTC) if source.cron else None
        except ValueError as error:
            checkpoints = Checkpoints(history.engine, source.name)
            wrong = begun(checkpoints.status(), source, state="failed", message=f"cron = {source.cron!r}: {error}")
            checkpoints.write_status(wrong)
            continue
        scheduler.add_job(
            collect,
            trigger or IntervalTrigger(seconds=max(1, round(source.every_seconds)), timezone=UTC),
            args=[source],
            id=job_id(source.name),
            executor=POOL,
            **({} if trigger else {"next_run_time": datetime.now(UTC)}),
        )
