"""Under load the worker scores a uniform sample that it can hold."""

import math

import pytest

from proxy.pace import Speed, drawn, share
from proxy.tape import exchange_id


@pytest.mark.parametrize(
    ("waiting", "speed", "expected"),
    [(0, 10.0, 1.0), (100, None, 1.0), (600, 10.0, 1.0), (6_000, 10.0, 0.1), (1_000_000, 10.0, 0.0006)],
)
def test_the_share_is_what_can_be_embedded_in_the_time_allowed(waiting: int, speed: float | None, expected: float):
    assert share(waiting, speed, max_lag_seconds=60) == pytest.approx(expected)


def test_the_sample_has_the_size_that_was_asked_for():
    """Of 20,000 ids a tenth is drawn, within four standard deviations of the binomial."""
    n, p = 20_000, 0.1
    count = sum(drawn(exchange_id(1.8e9 + i / 1000), p) for i in range(n))
    assert abs(count - n * p) < 4 * math.sqrt(n * p * (1 - p))


def test_every_reader_draws_the_same_sample_and_smaller_ones_are_part_of_larger_ones():
    ids = [exchange_id(1.8e9 + i) for i in range(500)]
    small, large = ({i for i in ids if drawn(i, p)} for p in (0.2, 0.5))
    assert small < large
    assert small == {i for i in ids if drawn(i, 0.2)}
    assert {i for i in ids if drawn(i, 1.0)} == set(ids)


def test_speed_follows_the_worker_and_ignores_empty_batches():
    speed = Speed()
    speed.add(0, 1.0)
    assert speed.value is None
    speed.add(20, 2.0)
    assert speed.value == 10.0
    for _ in range(100):
        speed.add(20, 1.0)
    assert speed.value == pytest.approx(20.0, rel=0.01)
