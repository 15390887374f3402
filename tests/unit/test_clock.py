"""A clock that jumps deletes nothing for a day, and hides no report."""

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from drift.policy import Policy
from proxy.clock import Clock
from proxy.population import Population
from proxy.stores.endings import Endings
from proxy.stores.history import MonitorRow
from proxy.stores.log import open_log
from proxy.views import is_current
from tests.unit.test_stores import TOTALS, entry, report

DAY = 86_400.0


class Time:
    """A wall clock and a steady one, set by hand."""

    def __init__(self) -> None:
        self.wall, self.steady = 1e9, 50.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.steady)


@pytest.mark.parametrize("jump", [DAY, -DAY, 400 * DAY])
def test_after_a_jump_nothing_is_old_for_a_day(jump: float):
    time = Time()
    clock = time.clock()
    time.passes(30 * DAY)
    assert clock.trusted()
    time.wall += jump
    assert not clock.trusted()
    time.passes(DAY - 1)
    assert not clock.trusted()
    time.passes(2)
    assert clock.trusted()


def test_a_jump_that_was_taken_back_never_was():
    time = Time()
    clock = time.clock()
    time.wall += 400 * DAY
    assert not clock.trusted()
    time.wall -= 400 * DAY
    assert clock.trusted()
    time.passes(DAY)
    time.wall += 30.0
    assert clock.trusted()


def test_unread_exchanges_outlive_a_jump(tmp_path: Path):
    """What the worker and the recorder ask for while the clock is not trusted."""
    with closing(open_log(tmp_path)) as log:
        log.append([entry("a", at=1e9), entry("b", at=1e9)], TOTALS)
        log.prune(before=0.0, max_bytes=2**30, cursor=0)
        assert [one.id for one in log.after(0, 10)] == ["a", "b"]


def test_a_report_made_after_the_clock_was_set_back_is_the_last_and_the_current_one():
    row = MonitorRow(
        name="m",
        created_at=1e9,
        last_scored_at=1e9,
        model="m",
        response_model="m",
        received=9,
        observed=5,
        baseline_id="b",
        baseline_at=1e9,
    )
    population = Population(row, Policy(), Endings())
    population.monitor = SimpleNamespace(report=report)  # type: ignore[assignment]
    first = population.report(1e9 + 10)
    then = population.report(1e9 - DAY)
    assert is_current(then, population.row)
    assert then.at >= first.at
