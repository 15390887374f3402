"""The scheduler process: what is done by the clock, away from the request path and from the worker."""

import threading
from contextlib import closing
from datetime import UTC

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from proxy.alone import Busy, alone
from proxy.children import stop_on_signals, when_parent_ends
from proxy.settings import Settings
from proxy.stores.history import History, open_history
from proxy.stores.log import Log, open_log

log = structlog.get_logger()


def run(settings: Settings, *, end_with_parent: bool) -> int:
    """Work until told to stop; returns the exit code. What was begun is finished."""
    stop = threading.Event()
    if end_with_parent:
        when_parent_ends(stop.set)
    stop_on_signals(stop)
    try:
        with (
            alone(settings.data_dir, "scheduler"),
            closing(open_history(settings.data_dir)) as history,
            closing(open_log(settings.data_dir)) as exchange_log,
        ):
            _work(settings, history, exchange_log, stop)
            return 0
    except Busy as error:
        log.error(str(error))
    except (OSError, SQLAlchemyError) as error:
        # The supervisor tries again and again.
        reason = str(error).partition("\n")[0]
        log.error("the scheduler cannot work; run driftium doctor", folder=str(settings.data_dir), error=reason)
    return 1


def _work(settings: Settings, history: History, exchange_log: Log, stop: threading.Event) -> None:
    # A job that was due while the machine slept runs once, not as often as it was missed; none runs beside itself.
    scheduler = BackgroundScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    scheduler.start()
    try:
        stop.wait()
    finally:
        scheduler.shutdown()
