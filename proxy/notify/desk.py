"""Looks at everything that is watched, writes what is to be told, and delivers it. In the scheduler process alone."""

import hashlib
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from proxy.findings import current_evidence
from proxy.moments import iso
from proxy.notify import watch, wording
from proxy.notify.book import RESULTS, Book
from proxy.notify.incidents import Decision, decide, forgettable, observe
from proxy.notify.records import CRITICAL, WELL, Delivery, Excerpt, Fact, Figure, Incident, Queued
from proxy.notify.sending import Attempt, host, missing, pause, send
from proxy.notify.settings import Notify
from proxy.settings import Settings
from proxy.stores.acknowledgements import read_acknowledgements
from proxy.stores.history import History
from proxy.stores.log import Log
from proxy.stores.mutes import read_mutes

log = structlog.get_logger()

KEEP_SECONDS = 86_400.0
"""A message that could not be delivered for so long is news no more."""
MOST_AT_ONCE = 20
_PLAIN = re.compile(r"[A-Za-z0-9_.:/@-]{1,120}\Z")

replace = msgspec.structs.replace


class Desk:
    """`look` and `deliver` may run in different threads, `deliver` once at a time for each channel."""

    def __init__(
        self,
        settings: Settings,
        history: History,
        exchange_log: Log,
        *,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
    ):
        self._settings = settings
        self._history = history
        self._log = exchange_log
        self._environ = environ
        self._clock = clock
        self._lock = threading.Lock()
        self._book = Book(history.engine)
        self._last_held: dict[str, int] = {}
        self._said: dict[str, str] = {}
        """{channel: what was last said to be wrong with it}"""

    def look(self) -> None:
        """One look at everything; what is to be told is written down."""
        with self._lock:
            memory = self._book.memory
        facts, unknown, seen = watch.look(self._settings, self._history, self._log, memory)
        now = self._clock()
        held = self._held(now)
        with self._lock:
            incidents = observe(self._book.incidents, facts, now, unknown=unknown)
            queued: list[Queued] = []
            suppressed: list[str] = []
            for key, incident in incidents.items():
                told = dict(incident.told)
                for channel in self._settings.notify:
                    decision = decide(incident, channel, now, held_up_to=held.get(key, WELL))
                    told[channel.name] = decision.told
                    if decision.suppressed:
                        suppressed.append(channel.name)
                    if decision.event:
                        queued.append(self._queued(incident, channel, decision, now))
                incidents[key] = replace(incident, told=told)
            self._book.incidents = {
                key: incident
                for key, incident in incidents.items()
                if not forgettable(incident, self._settings.notify, now)
            }
            self._book.queue += queued
            self._book.memory = replace(self._book.memory, dropped=seen.dropped)
            for name in suppressed:
                self._book.count(name, "suppressed")
            self._book.save()

    def _held(self, now: float) -> dict[str, int]:
        """{key: the level up to which nobody wants to be told}"""
        try:
            known, mutes = read_acknowledgements(self._history.engine), read_mutes(self._history.engine, now)
        except SQLAlchemyError:
            # Of drift nothing new is known either.
            return self._last_held
        held = {f"severity:{monitor}": one.severity.rank for monitor, one in known.items()}
        self._last_held = held | {f"severity:{monitor}": CRITICAL for monitor in mutes}
        return self._last_held

    def _queued(self, incident: Incident, channel: Notify, decision: Decision, now: float) -> Queued:
        assert decision.event
        message = wording.write(
            incident,
            decision.event,
            id=uuid.uuid4().hex,
            key=self._key(incident.fact),
            level=decision.told.level,
            before=decision.before,
            now=now,
            server=self._settings.server,
            found=self._found(incident.fact),
        )
        return Queued(channel=channel.name, message=message, created_at=now, try_at=now)

    def _key(self, fact: Fact) -> str:
        key = f"driftium:{self._book.memory.instance}:{fact.kind}"
        if not fact.subject:
            return key
        plain = _PLAIN.match(fact.subject)
        return f"{key}:{fact.subject if plain else hashlib.sha256(fact.subject.encode()).hexdigest()[:32]}"

    def _found(self, fact: Fact) -> dict[str, Figure]:
        """Whose doing the drift is and since when, as it was last looked at: words and a time, no texts."""
        if fact.kind != "severity" or not fact.level:
            return {}
        try:
            row = next((row for row in self._history.monitors() if row.name == fact.subject), None)
            evidence = current_evidence(self._history, row) if row else None
        except watch.UNREADABLE:
            return {}
        if evidence is None:
            return {}
        verdict = evidence.attribution.verdict.value if evidence.attribution else None
        return {"verdict": verdict, "changed_at": iso(evidence.changed_at.at) if evidence.changed_at else None}

    def deliver(self, channel: Notify) -> None:
        """Send what waits for a channel, in order, until it is empty or the receiver fails."""
        for _ in range(MOST_AT_ONCE):
            with self._lock:
                queued = next((one for one in self._book.queue if one.channel == channel.name), None)
            now = self._clock()
            # A moment farther off than any pause was written before the clock was set back.
            if queued is None or now < queued.try_at <= now + KEEP_SECONDS:
                return
            if now - queued.created_at > KEEP_SECONDS:
                self._give_up(channel, queued, "expired", queued.error or "it waited for a day")
                continue
            attempt = send(
                channel, queued.message, self._excerpt(channel, queued), environ=self._environ, clock=self._clock
            )
            if not attempt.error:
                self._sent(channel, queued)
            elif attempt.again:
                self._again(channel, queued, attempt)
                return
            else:
                self._give_up(channel, queued, "failed", attempt.error)

    def _excerpt(self, channel: Notify, queued: Queued) -> Excerpt | None:
        """The answer that carries most of the drift, read when it is sent: a text that is erased is not kept here."""
        message = queued.message
        if not channel.include_text or message.kind != "severity" or not message.level:
            return None
        try:
            pairs = self._history.pairs(message.subject)
        except watch.UNREADABLE:
            return None
        if not pairs or not (pairs[0].prompt or pairs[0].current):
            return None
        return Excerpt(prompt=pairs[0].prompt, baseline=pairs[0].baseline, current=pairs[0].current)

    def _sent(self, channel: Notify, queued: Queued) -> None:
        if self._said.pop(channel.name, None):
            log.info("notifications arrive again", channel=channel.name)
        log.info("told", channel=channel.name, what=queued.message.event.value, kind=queued.message.kind)
        before = self._book.memory.deliveries.get(channel.name, Delivery())
        self._end(channel, queued, "sent", replace(before, sent_at=self._clock(), error=""))

    def _again(self, channel: Notify, queued: Queued, attempt: Attempt) -> None:
        attempts = queued.attempts + 1
        seconds = pause(attempts, attempt.retry_after)
        if self._said.get(channel.name) != attempt.error:
            log.warning("a notification is tried again", channel=channel.name, error=attempt.error, in_seconds=seconds)
        self._said[channel.name] = attempt.error
        later = replace(queued, attempts=attempts, try_at=self._clock() + seconds, error=attempt.error)
        with self._lock:
            self._book.queue = [later if one.message.id == queued.message.id else one for one in self._book.queue]
            self._book.count(channel.name, "retried")
            self._failed(channel, attempt.error)
            self._book.save()

    def _give_up(self, channel: Notify, queued: Queued, result: str, error: str) -> None:
        if self._said.get(channel.name) != error:
            log.error("a notification was not delivered", channel=channel.name, why=result, error=error)
        self._said[channel.name] = error
        before = self._book.memory.deliveries.get(channel.name, Delivery())
        self._end(channel, queued, result, replace(before, failed_at=self._clock(), error=error))

    def _failed(self, channel: Notify, error: str) -> None:
        before = self._book.memory.deliveries.get(channel.name, Delivery())
        self._book.delivered(channel.name, replace(before, failed_at=self._clock(), error=error))

    def _end(self, channel: Notify, queued: Queued, result: str, delivery: Delivery) -> None:
        with self._lock:
            self._book.queue = [one for one in self._book.queue if one.message.id != queued.message.id]
            self._book.count(channel.name, result)
            self._book.delivered(channel.name, delivery)
            self._book.save()

    def start(self) -> None:
        """Every channel's counters at 0, and a word where something is missing."""
        with self._lock:
            self._book.keep([channel.name for channel in self._settings.notify])
            if self._settings.database.url:
                # It may have been another proxy's count: nothing is new at the first look.
                self._book.memory = replace(self._book.memory, dropped=None)
            for channel in self._settings.notify:
                for result in RESULTS:
                    self._book.count(channel.name, result, 0)
            self._book.save()
        for channel in self._settings.notify:
            if lacks := missing(channel, self._environ):
                log.error("a channel cannot be told of anything", channel=channel.name, error=lacks)
            else:
                log.info("a channel is told of trouble", channel=channel.name, host=host(channel, self._environ))
