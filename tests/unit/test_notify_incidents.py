"""When a channel is told what. The clock is an argument: nothing here waits."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from proxy.notify.incidents import decide, forgettable, observe
from proxy.notify.records import CRITICAL, HIGH, MEDIUM, WELL, Event, Fact, Incident
from proxy.notify.settings import Notify

CHANNEL = Notify(
    name="c",
    type="webhook",
    url="http://x/",
    on=("severity", "worker", "tap", "upstream", "canary"),
    min_severity="MEDIUM",
    after_seconds=60,
    resolve_after_seconds=300,
    cooldown_seconds=3600,
)


def fact(level: int, kind: Any = "severity", subject: str = "m", **more: Any) -> Fact:
    return Fact(kind=kind, subject=subject, level=level, **more)


class Story:
    """Looks one after the other, as the scheduler makes them; `told` is what the channel was told."""

    def __init__(self, **settings: Any):
        self.channel = msgspec.structs.replace(CHANNEL, **settings)
        self.incidents: dict[str, Incident] = {}
        self.told: list[tuple[float, str, int]] = []
        self.suppressed = 0

    def look(self, now: float, *facts: Fact, held_up_to: int = WELL, unknown: Any = ()) -> list[str]:
        """The events that the channel is told of by this look, so many seconds after the first."""
        before, at, now = len(self.told), now, now + 1e9
        self.incidents = observe(self.incidents, facts, now, unknown=unknown)
        for key, incident in self.incidents.items():
            decision = decide(incident, self.channel, now, held_up_to=held_up_to)
            self.incidents[key] = msgspec.structs.replace(incident, told={"c": decision.told})
            self.suppressed += decision.suppressed
            if decision.event:
                self.told.append((at, decision.event.value, decision.told.level))
        self.incidents = {k: i for k, i in self.incidents.items() if not forgettable(i, [self.channel], now)}
        # As over a restart: everything is written down and read again.
        self.incidents = msgspec.json.decode(msgspec.json.encode(self.incidents), type=dict[str, Incident])
        return [event for _, event, _ in self.told[before:]]


def test_a_severity_is_told_at_once_and_once():
    story = Story()
    assert story.look(0, fact(HIGH)) == [Event.OPENED]
    assert [story.look(now, fact(HIGH)) for now in range(5, 9_000, 5)] == [[]] * 1799


def test_what_is_below_the_channels_severity_is_not_told():
    story = Story(min_severity="CRITICAL")
    assert story.look(0, fact(HIGH)) == []
    assert story.look(5, fact(CRITICAL)) == [Event.OPENED]


def test_the_end_is_told_once_it_has_lasted():
    story = Story()
    story.look(0, fact(HIGH))
    assert [story.look(now, fact(WELL)) for now in range(5, 300, 5)] == [[]] * 59
    assert story.look(300, fact(WELL)) == [Event.RESOLVED]
    assert story.look(305, fact(WELL)) == []


def test_a_severity_that_flaps_is_told_twice_an_hour_at_most():
    """A severity that changes with every look for a day: HIGH is told once, and never anything else."""
    story = Story(min_severity="HIGH")
    for n in range(17_280):
        story.look(5.0 * n, fact(HIGH if n % 2 else MEDIUM))
    assert [event for _, event, _ in story.told] == [Event.OPENED]


def test_one_that_flaps_slowly_is_told_no_more_often_than_the_cool_down_allows():
    """Ten minutes HIGH, ten LOW, for a day: each opening is at least an hour after the last, and each is resolved."""
    story = Story()
    for n in range(17_280):
        story.look(5.0 * n, fact(HIGH if n // 120 % 2 else WELL))
    openings = [at for at, event, _ in story.told if event == Event.OPENED]
    assert 20 <= len(openings) <= 24
    assert min(b - a for a, b in pairwise(openings)) >= 3600
    assert story.suppressed > 20
    events = [event for _, event, _ in story.told]
    assert events == [Event.OPENED, Event.RESOLVED] * (len(events) // 2) + [Event.OPENED] * (len(events) % 2)


def test_what_gets_worse_is_told_within_the_cool_down_and_each_level_once():
    story = Story()
    assert story.look(0, fact(MEDIUM)) == [Event.OPENED]
    assert story.look(5, fact(HIGH)) == [Event.WORSE]
    assert story.look(10, fact(CRITICAL)) == [Event.WORSE]
    for now in range(15, 3_600, 5):
        assert story.look(now, fact(CRITICAL if now % 2 else MEDIUM)) == []


def test_what_gets_better_without_ending_is_told_after_the_cool_down():
    story = Story()
    story.look(0, fact(CRITICAL))
    assert [story.look(now, fact(MEDIUM)) for now in range(5, 3_600, 5)] == [[]] * 719
    assert story.look(3_600, fact(MEDIUM)) == [Event.BETTER]


def test_a_new_baseline_ends_it_at_once():
    story = Story()
    story.look(0, fact(HIGH, epoch="a"))
    assert story.look(5, fact(WELL, epoch="b")) == [Event.RESOLVED]


def test_a_monitor_that_is_gone_ends_it_at_once_and_is_forgotten():
    story = Story()
    story.look(0, fact(HIGH))
    assert story.look(5) == [Event.RESOLVED]
    story.look(3_700)
    assert story.incidents == {}


def test_monitors_are_told_of_one_by_one():
    story = Story()
    assert story.look(0, fact(HIGH, subject="a"), fact(HIGH, subject="b")) == [Event.OPENED] * 2
    assert story.look(5, fact(HIGH, subject="a")) == [Event.RESOLVED]


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        ({"monitors": ("other",)}, fact(HIGH)),
        ({"on": ("worker",)}, fact(HIGH)),
        ({"on": ("severity",)}, fact(HIGH, "tap", "")),
    ],
)
def test_what_a_channel_does_not_listen_to_is_not_told(settings: dict[str, Any], seen: Fact):
    story = Story(**settings)
    assert story.look(0, seen) == []
    assert story.look(4_000, msgspec.structs.replace(seen, level=WELL)) == []
    assert story.look(5_000, msgspec.structs.replace(seen, level=WELL)) == []
    assert story.incidents == {}


def test_the_list_of_monitors_keeps_no_one_from_hearing_of_the_worker():
    story = Story(monitors=("other",), after_seconds=0)
    assert story.look(0, fact(HIGH, "worker", "")) == [Event.OPENED]


def test_a_muted_monitor_is_told_when_the_mute_ends_if_it_still_stands():
    story = Story()
    assert [story.look(now, fact(HIGH), held_up_to=CRITICAL) for now in (0, 5, 10)] == [[]] * 3
    assert story.suppressed == 1
    assert story.look(15, fact(HIGH)) == [Event.OPENED]


def test_one_that_ends_while_it_is_muted_is_never_told():
    story = Story()
    story.look(0, fact(HIGH), held_up_to=CRITICAL)
    assert story.look(400, fact(WELL)) == []
    assert story.look(800, fact(WELL)) == []


def test_whoever_was_told_of_the_beginning_is_told_of_the_end_though_it_is_muted():
    story = Story()
    story.look(0, fact(HIGH))
    assert story.look(400, fact(WELL), held_up_to=CRITICAL) == [Event.RESOLVED]


def test_an_acknowledged_severity_holds_back_what_is_no_worse():
    story = Story()
    assert story.look(0, fact(MEDIUM), held_up_to=MEDIUM) == []
    assert story.look(5, fact(CRITICAL), held_up_to=MEDIUM) == [Event.OPENED]


def test_a_channel_without_resolved_messages_is_told_of_the_next_beginning():
    story = Story(send_resolved=False)
    story.look(0, fact(HIGH))
    assert story.look(300, fact(WELL)) == []
    assert story.look(4_000, fact(HIGH)) == [Event.OPENED]


def test_a_worker_that_is_started_again_within_the_minute_is_not_told():
    story = Story()
    assert story.look(0, fact(HIGH, "worker", "")) == []
    assert story.look(30, fact(WELL, "worker", "", uneasy=True)) == []
    assert story.look(50, fact(WELL, "worker", "")) == []
    assert story.look(500, fact(HIGH, "worker", "")) == []


def test_a_worker_that_stays_down_is_told_after_a_minute():
    story = Story()
    story.look(0, fact(HIGH, "worker", ""))
    assert story.look(55, fact(HIGH, "worker", "")) == []
    assert story.look(60, fact(HIGH, "worker", "")) == [Event.OPENED]


def test_a_worker_that_crashes_again_and_again_is_told_though_it_runs_in_between():
    story = Story()
    told = []
    for n in range(20):
        told += story.look(10 * n, fact(WELL, "worker", "", uneasy=bool(n % 2)) if n % 3 else fact(HIGH, "worker", ""))
    assert told == [Event.OPENED]
    assert story.told[0][0] == 60


def test_what_could_not_be_looked_at_stays_as_it_was():
    story = Story(after_seconds=0)
    story.look(0, fact(HIGH, "worker", ""))
    assert [story.look(now, unknown=("worker",)) for now in range(5, 2_000, 5)] == [[]] * 399
    assert story.look(2_000, fact(WELL, "worker", "")) == []
    assert story.look(2_300, fact(WELL, "worker", "")) == [Event.RESOLVED]


def test_exchanges_let_go_once_are_told_at_once_and_end_when_no_more_are():
    story = Story()
    assert story.look(0, fact(HIGH, "tap", "")) == [Event.OPENED]
    assert story.look(5, fact(WELL, "tap", "")) == []
    assert story.look(300, fact(WELL, "tap", "")) == [Event.RESOLVED]


def test_a_clock_that_is_set_back_keeps_nothing_open():
    """Told at noon, the clock then set back by ten hours: it ends five minutes later, and not ten hours later."""
    story = Story()
    story.look(43_200, fact(HIGH))
    assert story.look(7_200, fact(WELL)) == []
    assert story.look(7_500, fact(WELL)) == [Event.RESOLVED]


def test_a_clock_that_is_set_back_does_not_lengthen_the_cool_down():
    story = Story()
    story.look(43_200, fact(HIGH))
    story.look(7_200, fact(WELL))
    story.look(7_500, fact(WELL))
    assert story.look(11_000, fact(HIGH)) == [Event.OPENED]
