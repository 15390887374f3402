"""Proxies and workers share PostgreSQL, an embedding server and a vector store, and one after another is killed.

The short version of tests/benchmarks/past_one_machine.py: the same parts and the same checks, and nothing is timed.
"""

import pytest

from drift.embedder import find_weights
from drift.errors import EmbedderUnavailable
from tests.benchmarks.past_one_machine import Asked, Found, run
from tests.postgres import binaries

pytest.importorskip("xllamacpp", reason="needs driftium[embedded]")
pytestmark = pytest.mark.skipif(binaries() is None, reason="needs a PostgreSQL server")


@pytest.fixture(scope="module")
def found() -> Found:
    """A minute of traffic: a worker and a proxy are killed and started again, in turn."""
    try:
        find_weights()
    except EmbedderUnavailable as error:
        pytest.skip(str(error))
    return run(Asked(seconds=60, rate=20, monitors=12, kill_every=15, max_lag=10, distinct=1, fsync=False))


def test_every_logged_answer_is_counted_once(found: Found):
    """Rows of the log, the taps' totals and the monitors' counts agree; samples are numbered without a gap."""
    assert found.exact.wrong == []
    assert found.exact.logged == found.exact.counted > 0
    assert found.exact.results["scored"] > 0


def test_reports_are_those_of_a_single_process(found: Found):
    """Every report that any of the workers made, before and after monitors changed hands: statistics to 1e-6."""
    assert found.same.wrong == []
    assert found.same.largest_difference <= 1e-6
    assert found.same.reports > 0


def test_both_kinds_were_killed_and_monitors_changed_hands(found: Found):
    assert {name.partition("-")[0] for name in found.kills} == {"proxy", "worker"}
    assert found.takeovers
