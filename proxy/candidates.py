"""Which answers a new baseline would be made of: asked by the preview, done by the worker."""

import msgspec

from proxy.stores.history import History, MonitorRow, SampleRow


class NotAmong(Exception):
    """Exchanges were named that are not kept; the message says which."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """At most one of the three; without any, the answers since the last baseline."""

    last: int | None = None
    since: float | None = None
    """Unix seconds."""
    exchange_ids: list[str] | None = None


def candidates(history: History, row: MonitorRow, choice: Choice, *, kept: int, most: int) -> list[SampleRow]:
    """The samples that a choice names, oldest first: at most `most` of the `kept` that a monitor has.

    Raises NotAmong.
    """
    name = row.name
    if choice.exchange_ids is not None:
        wanted = set(choice.exchange_ids)
        rows = [one for one in history.samples(name, limit=kept) if one.exchange_id in wanted]
        missing = sorted(wanted - {one.exchange_id for one in rows})
        if missing:
            raise NotAmong(
                f"exchange_ids: {missing[0]!r} and {len(missing) - 1} others are not among the last "
                f"{kept} scored answers of {name}."
            )
    elif choice.since is not None:
        rows = [one for one in history.samples(name, limit=kept) if one.at >= choice.since]
    elif choice.last is not None:
        rows = history.samples(name, limit=min(choice.last, most))
    else:
        first = row.received - row.observed if row.baseline_id else 0
        rows = history.samples(name, limit=most, since=first)
    return rows[:most][::-1]
