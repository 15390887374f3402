"""Tapes into log entries, on the tap's thread: the only parsing is that of the model's name."""

import time
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from proxy.capture import Capture, encode
from proxy.metrics import Metrics
from proxy.settings import Log as LogSettings
from proxy.stores.log import Entry, Log
from proxy.tape import Tape
from proxy.wire import request_model

log = structlog.get_logger()

PRUNE_SECONDS = 60.0


class Recorder:
    """Writes tapes to the log and counts them by model."""

    def __init__(self, log: Log, metrics: Metrics, settings: LogSettings, cursor: Callable[[], int]):
        self._log = log
        self._metrics = metrics
        self._settings = settings
        self._cursor = cursor
        self._pruned_at = time.monotonic()

    def write(self, tapes: list[Tape], totals: dict[str, int]) -> None:
        """Write a batch durably, then count it: what could not be written is not counted twice."""
        entries = [entry(tape) for tape in tapes]
        self._log.append(entries, totals)
        for tape, written in zip(tapes, entries, strict=True):
            self._metrics.observe(tape, written.model)
        if time.monotonic() - self._pruned_at > PRUNE_SECONDS:
            self._pruned_at = time.monotonic()
            self._prune()

    def _prune(self) -> None:
        """Keep the log within its bounds where no worker runs to do it."""
        try:
            before = time.time() - self._settings.keep_days * 86_400
            self._log.prune(before=before, max_bytes=self._settings.max_bytes, cursor=self._cursor())
        except SQLAlchemyError as error:
            # What was written is written: a failure here must not have it written again.
            log.warning("the exchange log could not be pruned", error=str(error))


def entry(tape: Tape) -> Entry:
    """What the log keeps of a tape."""
    request = b"".join(tape.request)
    capture = Capture(
        id=tape.id,
        at=tape.at,
        endpoint=tape.endpoint,
        monitor=tape.monitor,
        source=tape.source,
        status=tape.status,
        request_type=tape.request_type,
        request_encoding=tape.request_encoding,
        request=request,
        response_type=tape.response_type,
        response_encoding=tape.response_encoding,
        response=b"".join(tape.response),
        duration_seconds=tape.ended - tape.started,
        first_chunk_seconds=tape.first_chunk - tape.started if tape.first_chunk else None,
        upstream_seconds=tape.upstream_seconds,
        outcome=tape.outcome,
        error=tape.error,
    )
    return Entry(
        id=tape.id,
        at=tape.at,
        monitor=tape.monitor,
        model=request_model(request),
        outcome=tape.outcome,
        capture=encode(capture),
    )
