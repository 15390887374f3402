"""The vocabulary of notifications.

A *fact* is how one watched thing is at a moment. An *incident* is a thing that is, or was a moment ago, not well; it
remembers what each channel was told. A *message* is one thing told to one channel. Levels are ranks: 0 well,
1 MEDIUM, 2 HIGH, 3 CRITICAL. Times are unix seconds.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from proxy.notify.settings import Kind

WELL, MEDIUM, HIGH, CRITICAL = range(4)

Figure = str | int | float | bool | None


class Event(StrEnum):
    """What a message says of an incident."""

    OPENED = "opened"
    WORSE = "worse"
    BETTER = "better"
    """Not over yet."""
    RESOLVED = "resolved"
    TEST = "test"


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """How a watched thing is now."""

    kind: Kind
    subject: str = ""
    """The monitor or canary."""
    level: int
    uneasy: bool = False
    """Not well, though nothing to tell of by itself: a worker that starts."""
    epoch: str = ""
    """What it is measured against; an incident of another baseline is over."""
    reason: str = ""
    """In a sentence, without text of users."""
    figures: dict[str, Figure] = {}
    """By the names that the plain webhook's receivers get."""

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.subject}"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel was told of an incident."""

    level: int = WELL
    at: float = 0.0
    peak: int = WELL
    """The worst it was told of within the cool-down."""
    held: int | None = None
    """The level of which it was not told, for a mute, an acknowledgement or the cool-down."""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that is not well, or was a moment ago."""

    fact: Fact
    """As it was last seen."""
    began_at: float
    well_since: float | None = None
    reached: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """When it was last at or above levels 1, 2 and 3; 0: never."""
    told: dict[str, Told] = {}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One thing told, free of any channel's format and of every text of users."""

    id: str
    event: Event
    kind: Kind | Literal["test"]
    subject: str
    key: str
    """The same for all messages about one thing, over restarts: receivers deduplicate by it."""
    level: int
    at: float
    title: str
    text: str
    advice: str
    link: str
    source: str
    """The host that tells."""
    figures: dict[str, Figure] = {}
    shown: dict[str, str] = {}
    """The figures as people read them, by their labels."""


class Excerpt(msgspec.Struct, frozen=True, kw_only=True):
    """Text of users and models, which only a channel with include_text gets, and which is never stored here."""

    prompt: str
    baseline: str
    current: str


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits for its receiver."""

    channel: str
    message: Message
    created_at: float
    try_at: float
    attempts: int = 0
    error: str = ""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a channel's last messages."""

    sent_at: float | None = None
    failed_at: float | None = None
    error: str = ""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What must outlive a restart beside incidents and messages."""

    instance: str
    """Tells this Driftium's incidents from another's."""
    dropped: int | None = None
    """By the tap, when it was last looked at."""
    deliveries: dict[str, Delivery] = {}
