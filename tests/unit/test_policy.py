import pytest

from drift.policy import Policy, health_index
from drift.records import Severity

LOW, MEDIUM, HIGH, CRITICAL = Severity


@pytest.mark.parametrize(
    ("n", "sizes"),
    [
        (2, (4,)),
        (8, (4, 6)),
        (10, (4, 8)),
        (40, (10, 32)),
        (100, (25, 80)),
        (200, (50, 160)),
        (400, (50, 200)),
        (9_000, (50, 200)),
    ],
)
def test_the_short_window_is_at_most_a_quarter_of_the_baseline_and_longer_ones_four_fifths(n, sizes):
    """Equal ones are merged, and four is the least."""
    assert Policy().window_sizes(n) == sizes


def test_windows_of_a_policy_come_in_any_order_and_number():
    assert Policy(windows=(300, 20, 100)).window_sizes(150) == (20, 100, 120)
    assert Policy(windows=(300, 20, 100)).window_sizes(2_000) == (20, 100, 300)
    assert Policy(windows=(60,)).window_sizes(100) == (25,)


def test_a_larger_window_is_scored_once_it_holds_more_than_the_smaller_one():
    assert Policy().minimum_samples((50, 200)) == (10, 50)
    assert Policy().minimum_samples((20, 75, 100)) == (10, 20, 75)
    assert Policy().minimum_samples((4,)) == (4,)


@pytest.mark.parametrize(
    ("ratio", "severity"), [(0, LOW), (0.99, LOW), (1, MEDIUM), (2, HIGH), (3.9, HIGH), (4, CRITICAL)]
)
def test_severity_starts_at_its_bound(ratio, severity):
    assert Policy().severity(ratio) is severity


@pytest.mark.parametrize(
    ("previous", "ratio", "severity"),
    [
        (LOW, 4.0, CRITICAL),
        (MEDIUM, 0.81, MEDIUM),
        (MEDIUM, 0.79, LOW),
        (HIGH, 1.61, HIGH),
        (HIGH, 1.59, MEDIUM),
        (HIGH, 0.9, MEDIUM),
        (CRITICAL, 3.3, CRITICAL),
        (CRITICAL, 3.1, HIGH),
        (CRITICAL, 0.1, LOW),
    ],
)
def test_severity_rises_at_once_and_falls_late(previous, ratio, severity):
    """It leaves a level only under .8 of the level's bound."""
    policy = Policy()
    assert policy.severity(ratio, previous) is severity
    assert policy.severity(ratio, severity) is severity


def test_health_is_a_hundred_without_drift_and_fifty_at_the_line():
    assert health_index(0) == 100
    assert health_index(1) == 50
    assert health_index(2) == 20
