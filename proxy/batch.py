"""What a batch of log entries holds: which of them are read, and what they say."""

from collections.abc import Callable, Sequence

import msgspec

from drift.records import Exchange, Outcome
from proxy.results import no_answer, read_exchange
from proxy.stores.log import Entry, Log

MAY_BE_WHOLE = (Outcome.COMPLETE, Outcome.CLIENT_CLOSED)
"""A client that closes at the last event has its whole answer; the bytes tell."""


class Batch(msgspec.Struct, frozen=True):
    """Entries in the log's order, with what could be read of them."""

    entries: Sequence[Entry]
    exchanges: dict[str, Exchange]
    """By exchange id: those that were drawn and could be read."""
    captures: dict[int, bytes]
    """By sequence number: theirs, and those of failures, which tell their status."""
    erased: set[str]
    """Ids of those that were drawn and are gone, or garbled."""

    @property
    def answers(self) -> list[Exchange]:
        """What is to be embedded."""
        return [x for x in self.exchanges.values() if x.outcome is Outcome.COMPLETE and not no_answer(x)]


def read_batch(log: Log, entries: Sequence[Entry], drawn: Callable[[Entry], bool], *, failures: int) -> Batch:
    """The entries that are drawn, and the first so many failures: captures can be large."""
    chosen = [e for e in entries if e.outcome in MAY_BE_WHOLE and drawn(e)]
    failed = [e for e in entries if e.outcome == Outcome.HTTP_ERROR][:failures]
    # Of one log in partitions, those of the whole batch.
    times = [e.at for e in entries]
    captures = log.captures([e.seq for e in chosen + failed], (min(times), max(times)))
    read = {e.id: read_exchange(captures.get(e.seq)) for e in chosen}
    exchanges = {name: exchange for name, exchange in read.items() if exchange}
    return Batch(entries, exchanges, captures, {e.id for e in chosen} - exchanges.keys())
