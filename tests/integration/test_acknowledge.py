"""Drift is acknowledged while somebody deals with it, and no longer than that."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from drift.records import Severity
from proxy.settings import History as HistorySettings
from proxy.stores.acknowledgements import read_acknowledgements
from proxy.stores.history import BaselineRow, MonitorRow, SampleRow, Text, open_history
from proxy.stores.ledger import Changes, Ledger
from tests.conftest import Driftium, free_port
from tests.unit.test_stores import report

NAMES = ["replay", "team/a b %"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driftium]:
    """A Driftium without a worker, whose monitors have baselines; one monitor without."""
    folder: Path = tmp_path_factory.mktemp("acknowledged")
    running = Driftium(folder, f"http://127.0.0.1:{free_port()}", "--no-worker").start()
    commit(running, Changes(monitors=[row(name, name) for name in NAMES] + [row("new", None)]))
    for name in NAMES:
        baseline = BaselineRow(id=name, monitor=name, created_at=1.0, size=1, encoder="e", note="", calibration=None)
        sample = SampleRow(number=0, exchange_id=name, at=1.0, text=Text())
        commit(running, Changes(baseline=baseline, baseline_samples=[sample]))
    yield running
    running.stop()


def row(name: str, baseline: str | None) -> MonitorRow:
    return MonitorRow(
        name=name,
        created_at=0.0,
        last_scored_at=1.0,
        model="m",
        response_model="m",
        received=9,
        observed=5,
        baseline_id=baseline,
        baseline_at=1.0,
    )


def commit(server: Driftium, changes: Changes) -> None:
    with closing(open_history(server.data_dir)) as history:
        Ledger(history, HistorySettings(), ring=2_000).commit(changes)


def found(server: Driftium, name: str, severity: Severity | None) -> None:
    """The worker's next report."""
    told = report(time.time(), severity=severity)
    commit(server, Changes(reports=[msgspec.structs.replace(told, monitor=name, baseline_id=name)]))


def path(name: str) -> str:
    return f"/monitors/{quote(name, safe='')}/acknowledge"


def shown(server: Driftium, name: str) -> Any:
    """The acknowledgement as both views of a monitor show it."""
    (one,) = (row for row in server.get("/monitors")["monitors"] if row["name"] == name)
    assert server.get("/drift", monitor=name)["acknowledged"] == one["acknowledged"]
    return one["acknowledged"]


def acknowledge(server: Driftium, name: str, severity: Severity) -> None:
    found(server, name, severity)
    answer = server.client.post(path(name), json={"note": "the new prompt", "by": "ann"})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", NAMES)
def test_drift_is_acknowledged_with_who_and_why_and_withdrawn(server: Driftium, name: str):
    acknowledge(server, name, Severity.HIGH)
    one = shown(server, name)
    assert (one["severity"], one["by"], one["note"]) == ("HIGH", "ann", "the new prompt")
    assert server.client.delete(path(name)).json()["acknowledged"] is None
    assert shown(server, name) is None
    assert server.client.delete(path(name)).status_code == 200


@pytest.mark.parametrize(
    ("then", "stands"),
    [
        ([Severity.HIGH], True),
        ([Severity.MEDIUM], True),
        ([Severity.MEDIUM, Severity.HIGH], True),
        ([None], True),
        ([Severity.CRITICAL], False),
        ([Severity.LOW], False),
        ([Severity.LOW, Severity.HIGH], False),
    ],
)
def test_it_is_over_when_the_drift_is_worse_or_gone(server: Driftium, then: list[Severity | None], stands: bool):
    acknowledge(server, "replay", Severity.HIGH)
    with closing(open_history(server.data_dir)) as history:
        last = history.last_event()
        for severity in then:
            found(server, "replay", severity)
        assert ("replay" in read_acknowledgements(history.engine)) == stands
        told = [body for _, kind, body in history.events(last) if kind == "acknowledge"]
        assert told == ([] if stands else ['{"monitor":"replay","acknowledged":null}'])


def test_it_is_over_when_the_answers_are_compared_with_another_baseline(server: Driftium):
    acknowledge(server, "replay", Severity.HIGH)
    commit(server, Changes(events=[("baseline", {"monitor": "replay", "id": "b", "size": 2})]))
    assert shown(server, "replay") is None


def test_the_console_hears_of_it(server: Driftium):
    with closing(open_history(server.data_dir)) as history:
        last = history.last_event()
        acknowledge(server, "replay", Severity.MEDIUM)
        bodies = [body for _, kind, body in history.events(last) if kind == "acknowledge"]
    assert len(bodies) == 1
    assert '"severity":"MEDIUM"' in bodies[0]


def test_what_cannot_be_acknowledged_is_refused_with_the_reason(server: Driftium):
    found(server, "replay", Severity.LOW)
    refused = server.client.post(path("replay"), json={})
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    assert "has not drifted" in refused.json()["detail"]
    assert server.client.post(path("new")).status_code == 409
    assert server.client.post(path("nobody")).status_code == 404
    assert server.client.delete(path("nobody")).status_code == 404
    found(server, "replay", Severity.HIGH)
    assert server.client.post(path("replay"), json={"until": 1}).status_code == 400
    assert server.client.post(path("replay"), json={"note": "x" * 1001}).status_code == 400
    assert server.client.post(path("replay")).status_code == 200
