"""How exchanges ended is counted while a baseline's passed and since the window's oldest, over restarts too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drift.embedder import Embedder, find_weights
from drift.evidence import Outcomes
from drift.records import Outcome
from proxy.settings import Settings
from proxy.stores.endings import KEEP, SET, Endings
from proxy.views import drift_view
from tests.integration.test_scoring import Bench


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(find_weights(), threads=1)


@pytest.fixture
def bench(tmp_path: Path, embedder: Embedder) -> Iterator[Bench]:
    bench = Bench(tmp_path, embedder, Settings())
    yield bench
    bench.close()


def passed(bench: Bench, answers: int, *outcomes: Outcome) -> None:
    for _ in range(answers):
        bench.add()
    for outcome in outcomes:
        bench.add(outcome=outcome, body=b"{")
    bench.score()


def outcomes(bench: Bench) -> Outcomes | None:
    bench.ask("score")
    found = bench.history.evidence("m")
    assert found
    return found.outcomes


def test_failures_are_counted_beside_the_answers_of_their_time(bench: Bench):
    """What failed before the baseline's first answer, or before the window's, is not of their time."""
    passed(bench, 0, Outcome.TRUNCATED, Outcome.TRUNCATED)
    passed(bench, 5, Outcome.CLIENT_CLOSED)
    passed(bench, 3)
    bench.ask("baseline", last=8)
    passed(bench, 0, Outcome.UPSTREAM_ERROR)
    passed(bench, 1)
    for status in (429, 503, 429):
        bench.add(outcome=Outcome.HTTP_ERROR, status=status)
    passed(bench, 3)
    found = outcomes(bench)
    assert found == Outcomes(
        baseline={"scored": 8, "client_closed": 1},
        window={"scored": 4, "http_error 429": 2, "http_error 503": 1},
    )


def test_they_go_back_with_the_baseline_and_survive_a_restart(bench: Bench):
    passed(bench, 6, Outcome.TRUNCATED)
    first = bench.ask("baseline")["baseline_id"]
    passed(bench, 5)
    bench.ask("baseline")
    passed(bench, 3, Outcome.UPSTREAM_ERROR)
    assert outcomes(bench) == Outcomes(baseline={"scored": 5}, window={"scored": 3, "upstream_error": 1})
    bench.restart()
    assert outcomes(bench) == Outcomes(baseline={"scored": 5}, window={"scored": 3, "upstream_error": 1})
    bench.ask("activate", id=first)
    bench.restart()
    passed(bench, 2)
    assert outcomes(bench) == Outcomes(baseline={"scored": 6, "truncated": 1}, window={"scored": 2})


def test_while_nothing_but_failures_came_they_are_what_there_is_to_tell(bench: Bench):
    """Evidence of an empty window, and a message; answers that follow are looked at as after any baseline."""
    passed(bench, 6, Outcome.CLIENT_CLOSED)
    first = bench.ask("baseline")["baseline_id"]
    bench.ask("score")
    assert bench.history.evidence("m") is None, "nothing has passed"
    for status in (503, 503, 429):
        bench.add(outcome=Outcome.HTTP_ERROR, status=status)
    bench.score()
    bench.restart()
    assert outcomes(bench) == Outcomes(
        baseline={"scored": 6, "client_closed": 1}, window={"http_error 503": 2, "http_error 429": 1}
    )
    found = bench.history.evidence("m")
    assert found
    assert (found.window_samples, found.severity, found.newcomers, found.templates) == (0, None, None, ())
    assert bench.ask("score") == {"monitor": "m", "p_value": None}
    assert bench.history.evidence("m") == found, "nothing has passed since"
    view = drift_view(bench.history, bench.log, {}, "m")
    assert view.status == "waiting_for_telemetry"
    assert view.message.startswith(
        "3 exchanges failed since the baseline was set: 2 http error 503, 1 http error 429; no answer"
    )
    passed(bench, 2)
    assert outcomes(bench) == Outcomes(baseline={"scored": 6, "client_closed": 1}, window={"scored": 2})
    assert "failed" not in drift_view(bench.history, bench.log, {}, "m").message
    bench.ask("activate", id=first)
    bench.ask("score")
    assert drift_view(bench.history, bench.log, {}, "m").message.startswith("The baseline is set;")
    passed(bench, 0, Outcome.UPSTREAM_ERROR)
    assert outcomes(bench) == Outcomes(baseline={"scored": 6, "client_closed": 1}, window={"upstream_error": 1})


def test_failures_without_a_new_answer_are_something_new_to_look_at(bench: Bench):
    passed(bench, 6)
    bench.ask("baseline")
    passed(bench, 3)
    bench.ask("score")
    once = bench.history.evidence("m")
    bench.ask("score")
    assert bench.history.evidence("m") == once, "nothing has passed since"
    passed(bench, 0, Outcome.UPSTREAM_ERROR)
    found = outcomes(bench)
    assert found
    assert found.window == {"scored": 3, "upstream_error": 1}


def test_a_baseline_of_an_earlier_version_has_no_counts(bench: Bench):
    passed(bench, 6)
    bench.ask("baseline")
    with bench.history.engine.begin() as db:
        db.exec_driver_sql("drop table endings")
    bench.restart()
    passed(bench, 3)
    assert outcomes(bench) is None


def test_only_the_last_ones_are_kept():
    endings = Endings()
    for place in range(3 * KEEP):
        endings.add("scored" if place % 2 else "http_error 429")
    assert endings.back_to(10) == {"scored": 10, "http_error 429": 9}
    assert endings.back_to(3 * KEEP) == {"scored": KEEP // 2, "http_error 429": KEEP // 2}
    assert Endings(endings.runs).runs == endings.runs
    assert endings.back_to(0) == endings.unscored() == {}
    for result in ("truncated", SET, "http_error 429", "empty", "empty"):
        endings.add(result)
    assert endings.unscored() == {"http_error 429": 1, "empty": 2}
    assert endings.back_to(1) == {"scored": 1, "truncated": 1, "http_error 429": 1, "empty": 2}
