"""An investigation starts from what belongs to its evidence; a failed one is told to all, and stored for nobody."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from proxy.metrics import Metrics
from proxy.rca import investigations
from proxy.rca.brief import brief_of
from proxy.rca.investigations import Investigations
from proxy.settings import History as HistorySettings
from proxy.stores import tables
from proxy.stores.history import History, Pair, open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.root_causes import RootCauses
from proxy.stores.runs import Runs
from tests.integration.rca_history import AT, drifted_history, evidence
from tests.unit.tabular_runs import run_of

DAY = 86_400.0


@pytest.fixture
def history(tmp_path: Path):
    drifted_history(tmp_path, evidence("last"))
    opened = open_history(tmp_path)
    # The ledger would write them with the time of now.
    with opened.engine.begin() as db:
        marks = [(AT - 5, "before"), (AT, "set"), (AT + 50, "swapped"), (AT + 500, "after")]
        rows = [{"monitor": "m", "at": at, "kind": "model", "text": text} for at, text in marks]
        db.execute(tables.annotations.insert(), rows)
    yield opened
    opened.close()


def runs_of(history: History) -> Runs:
    return Runs(history.engine, keep=10, max_datasets=10)


def test_marks_are_those_since_the_baseline_was_made_active(history: History):
    found = brief_of(history, runs_of(history), evidence("last"), until=AT + 100)
    assert [mark.text for mark in found.marks] == ["set", "swapped"]


def test_texts_are_those_of_the_evidences_own_pairs(history: History):
    """The history has the texts of the last look; an earlier one has other pairs."""
    (found,) = brief_of(history, runs_of(history), evidence("last"), until=AT).pairs
    assert (found.exchange_id, found.baseline, found.current) == ("x", "Turn the handle.", "I cannot help.")
    other = msgspec.structs.replace(evidence("last"), pairs=())
    assert brief_of(history, runs_of(history), other, until=AT).pairs == ()


def test_without_texts_there_are_no_pairs(history: History):
    bare = Pair(
        exchange_id="x",
        baseline_exchange_id="y",
        prompt="",
        baseline_prompt="",
        baseline="",
        current="",
        witness=0.1,
        prompt_similarity=0.9,
    )
    Ledger(history, HistorySettings(), ring=10).commit(Changes(witnesses={"m": [bare]}))
    assert brief_of(history, runs_of(history), evidence("last"), until=AT).pairs == ()


def test_tables_are_the_last_named_ones_within_a_day(history: History):
    """Only their drifted columns; a later run of a dataset that is in order takes the earlier one's place."""
    runs = runs_of(history)
    values = np.random.default_rng(0).normal(size=200)
    drifted = run_of({"a": values, "b": values}, {"a": values + 3, "b": values})
    steady = run_of({"a": values}, {"a": values})

    def add(run: Any, name: str, dataset: str, at: float) -> None:
        runs.add(msgspec.structs.replace(run, report_id=name, dataset=dataset), at=at)

    add(drifted, "1", "mended", AT)
    add(steady, "2", "mended", AT + 10)
    add(drifted, "3", "old", AT - 2 * DAY)
    add(drifted, "4", "", AT)
    add(drifted, "5", "sales", AT)
    add(drifted, "6", "sales", AT + 3 * DAY)
    found = brief_of(history, runs, evidence("last"), until=AT).tables
    assert [(row.dataset, row.report_id, row.column) for row in found] == [("sales", "5", "a")]
    assert found[0].effect > 0.5


class Never:
    """Stands where a language model would be asked."""

    timeout_seconds = 1.0


def test_a_run_that_fails_is_told_to_all_who_wait_and_ends_on_events(history: History, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError
        yield

    monkeypatch.setattr(investigations, "investigate", broken)
    registry = CollectorRegistry()
    stored = RootCauses(history.engine)
    asked = Investigations(history, runs_of(history), stored, Never(), Metrics(registry, 5))  # type: ignore[arg-type]

    async def twice() -> list[Any]:
        both = [asked.report(evidence("last"), use_model=False) for _ in range(2)]
        return await asyncio.gather(*both, return_exceptions=True)

    assert [type(one) for one in asyncio.run(twice())] == [ZeroDivisionError] * 2
    assert stored.rows(limit=5) == []
    (end,) = [msgspec.json.decode(body) for _, kind, body in history.events(0) if kind == "rca"]
    assert (end["done"], end["cause"], end["monitor"]) == (True, None, "m")
    assert registry.get_sample_value("driftium_rca_runs_total", {"result": "failed"}) == 1
