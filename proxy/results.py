"""Under which result an exchange is counted."""

import msgspec

from drift.records import Exchange, Outcome
from proxy import capture as captures
from proxy import wire
from proxy.population import said
from proxy.stores.log import Entry


class _Status(msgspec.Struct):
    """All that is read of a capture's many bytes."""

    status: int


def read_exchange(capture: bytes | None) -> Exchange | None:
    """What was logged; None when it was erased, or when the disk has garbled it: one bad row must not stop the rest."""
    if capture is None:
        return None
    try:
        return wire.read(captures.decode(capture))
    except msgspec.DecodeError:
        return None


def no_answer(exchange: Exchange) -> bool:
    """Ollama's calls that only load or unload a model."""
    return exchange.finish_reason in ("load", "unload") and not said(exchange)


def why_not(entry: Entry, exchange: Exchange | None, erased: set[str]) -> str:
    """Why an exchange was not scored."""
    if exchange is not None:
        return "empty" if exchange.outcome is Outcome.COMPLETE else exchange.outcome
    if entry.outcome != Outcome.COMPLETE:
        return entry.outcome
    return "erased" if entry.id in erased else "sampled_out"


def told_apart(result: str, capture: bytes | None) -> str:
    """A result with the status that a server refused with, where it is known: "http_error 429"."""
    if result != Outcome.HTTP_ERROR or capture is None:
        return result
    try:
        return f"{result} {msgspec.msgpack.decode(capture, type=_Status).status}"
    except msgspec.DecodeError:
        return result
