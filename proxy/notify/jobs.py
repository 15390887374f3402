"""What the scheduler does for notifications."""

from datetime import UTC, datetime

from apscheduler.schedulers.base import BaseScheduler

from proxy.notify.desk import Desk
from proxy.settings import Settings
from proxy.stores.history import History
from proxy.stores.log import Log

LOOK_SECONDS = 5.0
DELIVER_SECONDS = 1.0
POOL = "notify"


def add_jobs(scheduler: BaseScheduler, settings: Settings, history: History, exchange_log: Log) -> None:
    """A look every few seconds, and a delivery for each channel, so that a receiver that hangs delays no other's."""
    if not settings.notify:
        return
    desk = Desk(settings, history, exchange_log)
    desk.start()
    # Threads of their own: however long a collection of logs takes, somebody is told.
    scheduler.add_executor("threadpool", POOL, max_workers=1 + len(settings.notify))
    now = datetime.now(UTC)
    every = {"trigger": "interval", "executor": POOL, "next_run_time": now}
    scheduler.add_job(desk.look, id="notify", seconds=LOOK_SECONDS, **every)
    for channel in settings.notify:
        scheduler.add_job(desk.deliver, args=[channel], id=f"notify:{channel.name}", seconds=DELIVER_SECONDS, **every)
