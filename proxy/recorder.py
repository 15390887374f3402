"""Tapes into log entries, on the tap's thread: the only parsing is that of the model's name."""

import time
from collections.abc import Callable, Collection

import structlog
from sqlalchemy.exc import SQLAlchemyError

from proxy.canary.key import genuine
from proxy.capture import Capture, encode
from proxy.clock import Clock
from proxy.metrics import Metrics
from proxy.names import OTHER
from proxy.redaction import Redactor
from proxy.settings import Log as LogSettings
from proxy.stores.canaries import PREFIX
from proxy.stores.database import give_back
from proxy.stores.log import Entry, Log
from proxy.tape import Tape
from proxy.wire import request_model

log = structlog.get_logger()

PRUNE_SECONDS = 60.0


class Recorder:
    """Writes tapes to the log and counts them by model."""

    def __init__(
        self,
        log: Log,
        metrics: Metrics,
        settings: LogSettings,
        cursor: Callable[[], int],
        redactor: Redactor = Redactor(()),  # noqa: B008 - it has no state
        canaries: Collection[str] = (),
        canary_key: str = "",
    ):
        self._log = log
        self._metrics = metrics
        self._settings = settings
        self._cursor = cursor
        self._redactor = redactor
        self._canaries = canaries
        self._canary_key = canary_key
        self._pruned_at = time.monotonic()
        self._clock = Clock()

    def write(self, tapes: list[Tape], totals: dict[str, int]) -> None:
        """Write a batch durably, then count it: what could not be written is not counted twice."""
        for tape in tapes:
            if tape.monitor and tape.monitor.startswith(PREFIX):
                self._tell_canary(tape)
        entries = [entry(tape, self._redactor) for tape in tapes]
        self._log.append(entries, totals)
        if lost := sum(one.capture is None for one in entries):
            log.warning("exchanges could not be redacted; they are logged without their texts", exchanges=lost)
            self._log.add_total("unredacted", lost)
        for tape, written in zip(tapes, entries, strict=True):
            self._metrics.observe(tape, written.model, logged=True)
        if time.monotonic() - self._pruned_at > PRUNE_SECONDS:
            self._pruned_at = time.monotonic()
            self._prune()

    def _tell_canary(self, tape: Tape) -> None:
        """A canary's own request is marked; one that only bears its name is anybody's."""
        name = genuine(tape.monitor or "", self._canary_key)
        if name in self._canaries:
            tape.monitor, tape.source = name, "canary"
        elif tape.source != "canary":  # else it is written a second time
            tape.monitor = OTHER

    def _prune(self) -> None:
        """Keep the log within its bounds where no worker runs to do it."""
        try:
            before = time.time() - self._settings.keep_days * 86_400 if self._clock.trusted() else 0.0
            self._log.prune(before=before, max_bytes=self._settings.max_bytes, cursor=self._cursor())
            give_back(self._log.engine)
        except SQLAlchemyError as error:
            # What was written is written: a failure here must not have it written again.
            log.warning("the exchange log could not be pruned", error=str(error))


def entry(tape: Tape, redactor: Redactor = Redactor(())) -> Entry:  # noqa: B008 - it has no state
    """What the log keeps of a tape; no capture where it cannot be redacted."""
    capture = redactor.redact(_captured(tape))
    return Entry(
        id=tape.id,
        at=tape.at,
        monitor=capture.monitor if capture else None,
        model=request_model(capture.request) if capture else "",
        outcome=tape.outcome,
        capture=encode(capture) if capture else None,
    )


def _captured(tape: Tape) -> Capture:
    return Capture(
        id=tape.id,
        at=tape.at,
        endpoint=tape.endpoint,
        monitor=tape.monitor,
        source=tape.source,
        status=tape.status,
        request_type=tape.request_type,
        request_encoding=tape.request_encoding,
        request=b"".join(tape.request),
        response_type=tape.response_type,
        response_encoding=tape.response_encoding,
        response=b"".join(tape.response),
        duration_seconds=tape.ended - tape.started,
        first_chunk_seconds=tape.first_chunk - tape.started if tape.first_chunk else None,
        upstream_seconds=tape.upstream_seconds,
        outcome=tape.outcome,
        error=tape.error,
    )
