"""Tapes into log entries, on the tap's thread: the only parsing is that of the model's name."""

from proxy.capture import Capture, encode
from proxy.metrics import Metrics
from proxy.stores.log import Entry, Log
from proxy.tape import Tape
from proxy.wire import request_model


class Recorder:
    """Writes tapes to the log and counts them by model."""

    def __init__(self, log: Log, metrics: Metrics):
        self._log = log
        self._metrics = metrics

    def write(self, tapes: list[Tape], totals: dict[str, int]) -> None:
        """Write a batch durably, then count it: what could not be written is not counted twice."""
        entries = [entry(tape) for tape in tapes]
        self._log.append(entries, totals)
        for tape, written in zip(tapes, entries, strict=True):
            self._metrics.observe(tape, written.model)


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
