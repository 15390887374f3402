"""A record as the exchange log keeps what passed the proxy: the worker cannot tell them apart but by their source."""

import time
import uuid
from hashlib import blake2s
from typing import Any, Literal

import msgspec

from drift.records import Outcome
from proxy import wire
from proxy.capture import Capture, encode
from proxy.ingest.records import Record
from proxy.redaction import Redactor
from proxy.stores.log import Entry
from proxy.wire_values import json_text, storable

_NAMES = uuid.UUID("5f3f6c1e-5d0b-5a53-9d9f-6f2b1c0f7a11")
"""The namespace of collected exchanges' ids (UUIDv5)."""

Result = Literal["logged", "failed", "no_content", "too_large", "unredacted"]


class Maker:
    """Makes log entries of one source's records."""

    def __init__(self, source: str, monitor: str, max_bytes: int, redactor: Redactor):
        self._source = source
        self._monitor = monitor or None
        self._max_bytes = max_bytes
        self._redactor = redactor

    def entry(self, record: Record, place: str) -> tuple[Result, Entry | None]:
        """What becomes of a record, and what to log of it; `place` tells it apart where it has no id of its own."""
        request, response = _body(record.request), _body(record.response)
        if max(len(request), len(response)) > self._max_bytes:
            return "too_large", None
        capture = Capture(
            id=self._id(record, place),
            at=time.time() if record.at is None else record.at,
            endpoint=record.endpoint,
            monitor=self._monitor,
            source=f"ingest:{self._source}",
            status=record.status,
            request=request,
            response=response,
            duration_seconds=record.duration_seconds,
            first_chunk_seconds=record.first_chunk_seconds,
            outcome=Outcome.COMPLETE,
        )
        exchange = wire.read(capture)
        if exchange.outcome is Outcome.COMPLETE and not (exchange.response or exchange.tool_calls):
            return "no_content", None
        kept = self._redactor.redact(msgspec.structs.replace(capture, outcome=exchange.outcome))
        if kept is None:
            return "unredacted", None
        entry = Entry(
            id=capture.id,
            # Of its arrival, so that retention does not delete unread what is old already.
            at=time.time(),
            monitor=self._monitor,
            model=wire.request_model(kept.request) or wire.request_model(kept.response),
            outcome=exchange.outcome,
            capture=encode(kept),
        )
        return ("logged" if exchange.outcome is Outcome.COMPLETE else "failed"), entry

    def _id(self, record: Record, place: str) -> str:
        own = f"id\1{record.id}" if record.id else f"place\1{place}"
        if not record.id and record.at is not None:
            # The same words at the same moment are the same exchange, wherever they are written.
            words = blake2s(_body(record.request) + b"\1" + _body(record.response), digest_size=16).hexdigest()
            own = f"words\1{record.at}\1{words}"
        name = storable(f"{self._source}\1{self._monitor or ''}\1{own}")
        return uuid.uuid5(_NAMES, name).hex


def _body(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json_text(value).encode("utf-8", "replace")
