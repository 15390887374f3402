"""Whether the log and the history can be used just now. The data plane goes on without them."""

import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from proxy.stores.faults import Fault, fault_of
from proxy.stores.history import History
from proxy.stores.log import Log

log = structlog.get_logger()


def storage_fault(history: History, exchange_log: Log) -> Fault | None:
    """What is wrong with one of the two; None while both can be read. That they can be written is the tap's to say."""
    for read in (exchange_log.head, exchange_log.totals, history.cursor, history.last_event, history.monitors):
        try:
            read()
        except SQLAlchemyError as error:
            return fault_of(error)
    return None


def first_look(history: History, exchange_log: Log, *, seconds: float | None = None) -> dict[str, int]:
    """Make what is not there and bring old tables up to date; returns the tap's totals of the last process.

    Where that cannot be done, or not within so many seconds, it is said, and tried again at
    each use. Counting begins anew only where the log itself cannot be read.
    """
    if seconds is None:
        return _first_look(history, exchange_log)
    found: list[dict[str, int]] = []
    looking = threading.Thread(target=lambda: found.append(_first_look(history, exchange_log)), daemon=True)
    looking.start()
    looking.join(seconds)
    if not found:
        log.error("traffic is forwarded, and not recorded until the database answers", waited_seconds=seconds)
    return found[0] if found else {}


def _first_look(history: History, exchange_log: Log) -> dict[str, int]:
    if fault := storage_fault(history, exchange_log):
        log.error("traffic is forwarded, but nothing is recorded", reason=fault.message)
    try:
        # Read whatever is wrong with the history: the tap writes its totals over those in the log.
        return exchange_log.totals()
    except SQLAlchemyError:
        return {}
