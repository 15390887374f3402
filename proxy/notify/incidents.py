"""When a channel is told what: pure functions of facts, settings and the clock.

A level rises at once, and falls only after it was not reached for `resolve_after_seconds`, so that noise at a line
tells nobody anything. What is no worse than what a channel was told of within `cooldown_seconds` waits for its end.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from drift.records import Severity
from proxy.notify.records import WELL, Event, Fact, Incident, Told
from proxy.notify.settings import Kind, Notify

STEADY_SECONDS = 60.0
"""A worker that is well for a shorter time between two crashes has been down since the first."""
GONE = "It is compared with another baseline now, or is not watched any more."
PATIENT: Collection[Kind] = ("worker", "upstream")
"""Kinds that are told of only after `after_seconds`: both mend themselves within seconds, mostly."""

replace = msgspec.structs.replace


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done for a channel about an incident: `event` is None where nothing is to be told."""

    told: Told
    event: Event | None = None
    before: int = WELL
    """The level that the channel was told of before."""
    suppressed: bool = False


def observe(
    incidents: Mapping[str, Incident], facts: Iterable[Fact], now: float, *, unknown: Collection[Kind] = ()
) -> dict[str, Incident]:
    """The incidents after a look.

    `unknown` are kinds that could not be looked at: they stay as they were. What else is in no fact is gone: its
    monitor was erased or is compared with another baseline.
    """
    seen = {fact.key: fact for fact in facts}
    after = {}
    for key, incident in incidents.items():
        fact = seen.pop(key, None)
        if fact is None and incident.fact.kind in unknown:
            fact = incident.fact
        after[key] = _next(incident, fact, now)
    for key, fact in seen.items():
        if fact.level or fact.uneasy:
            after[key] = Incident(fact=fact, began_at=now, reached=_reached((0.0, 0.0, 0.0), fact.level, now))
    return after


def _next(before: Incident, fact: Fact | None, now: float) -> Incident:
    if fact is None:
        ended = replace(before.fact, level=WELL, uneasy=False, figures={}, reason=GONE)
        return replace(before, fact=ended, well_since=_earliest(before.well_since, now), reached=(0.0, 0.0, 0.0))
    anew = fact.epoch != before.fact.epoch
    reached = _reached((0.0, 0.0, 0.0) if anew else before.reached, fact.level, now)
    if not fact.level and not fact.uneasy:
        return replace(before, fact=fact, well_since=_earliest(before.well_since, now), reached=reached)
    began = min(before.began_at, now)
    steady = before.well_since is not None and now - before.well_since >= STEADY_SECONDS
    return replace(before, fact=fact, began_at=now if steady or anew else began, well_since=None, reached=reached)


def _earliest(moment: float | None, now: float) -> float:
    return now if moment is None else min(moment, now)


def _reached(before: tuple[float, float, float], level: int, now: float) -> tuple[float, float, float]:
    # A clock that was set back must not keep an incident open until it has caught up.
    first, second, third = (now if level >= rank else min(at, now) for rank, at in enumerate(before, 1))
    return first, second, third


def settled(incident: Incident, channel: Notify, now: float) -> int:
    """The level that counts for a channel: the highest that was reached within `resolve_after_seconds`."""
    recent = (rank for rank, at in enumerate(incident.reached, 1) if at and now - at < channel.resolve_after_seconds)
    return max(incident.fact.level, *recent, WELL)


def concerns(channel: Notify, fact: Fact) -> bool:
    """Whether a channel is ever told of such a thing."""
    named = fact.kind != "severity" or not channel.monitors or fact.subject in channel.monitors
    return fact.kind in channel.on and named


def decide(incident: Incident, channel: Notify, now: float, *, held_up_to: int = WELL) -> Decision:
    """What a channel is to be told of an incident now.

    `held_up_to` is the level up to which nobody wants to be told: a mute's is 3, an acknowledgement's the severity
    that somebody knows of.
    """
    told = incident.told.get(channel.name, Told())
    if not concerns(channel, incident.fact):
        return Decision(told=told)
    told = replace(told, at=min(told.at, now))
    level = _wanted(incident, channel, now, told)
    if level == told.level:
        return Decision(told=replace(told, held=None) if told.held is not None else told)
    cooled = now - told.at >= channel.cooldown_seconds
    peak = WELL if cooled else told.peak
    if level == WELL:
        # Whoever was told that it began is told that it is over, muted or not.
        event = Event.RESOLVED if channel.send_resolved else None
        return Decision(told=Told(at=told.at, peak=told.peak), event=event, before=told.level)
    if level <= held_up_to or not (cooled or level > peak):
        return Decision(told=replace(told, held=level), suppressed=told.held != level)
    event = Event.OPENED if told.level == WELL else Event.WORSE if level > told.level else Event.BETTER
    return Decision(told=Told(level=level, at=now, peak=max(level, peak)), event=event, before=told.level)


def _wanted(incident: Incident, channel: Notify, now: float, told: Told) -> int:
    """The level of which the channel should know; 0 where it is below what it is told of."""
    level = settled(incident, channel, now)
    if incident.fact.kind == "severity":
        return level if level >= Severity(channel.min_severity).rank else WELL
    if incident.fact.kind in PATIENT and told.level == WELL:
        long_enough = now - incident.began_at >= channel.after_seconds
        return incident.fact.level if long_enough else WELL
    return level


def forgettable(incident: Incident, channels: Collection[Notify], now: float) -> bool:
    """Whether nobody will need the incident any more."""
    if incident.fact.level or incident.fact.uneasy:
        return False
    for channel in channels:
        if not concerns(channel, incident.fact):
            continue
        told = incident.told.get(channel.name, Told())
        if told.level or settled(incident, channel, now) or (told.at and now - told.at < channel.cooldown_seconds):
            return False
    return incident.well_since is None or now - incident.well_since >= STEADY_SECONDS
