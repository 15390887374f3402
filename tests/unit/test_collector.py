"""What /metrics reads of the history: names past the cap, counters at 0, a store that cannot be read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families as parse

from drift.records import DetectorScore, Report, Severity
from proxy.collector import HistoryCollector
from proxy.config import load
from proxy.metrics import Metrics
from proxy.settings import History as HistorySettings
from proxy.settings import Settings
from proxy.stores.canaries import Body, Round, write_round
from proxy.stores.history import BaselineRow, History, MonitorRow, SampleRow, Text, WorkerState, open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import Log, open_log
from proxy.tap import Tap

Samples = dict[tuple[str, ...], float]
"""{(name, label values): value}"""


class Bench:
    """A history and a log, and what a scrape says of them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.history: History = open_history(folder)
        self.log: Log = open_log(folder)
        self.ledger = Ledger(self.history, HistorySettings(), ring=10)

    def scrape(self, settings: Settings) -> Samples:
        registry = CollectorRegistry()
        metrics = Metrics(registry, settings.metrics.max_series)
        tap = Tap(settings.tap, lambda *_: None, metrics.observe, {})
        up = dict.fromkeys(("upstream", "worker", "vector_store", "embedder"), True)
        registry.register(HistoryCollector(self.history, self.log, tap, lambda: up, settings))
        text = generate_latest(registry).decode()
        samples = [sample for family in parse(text) for sample in family.samples]
        found = {(s.name.removeprefix("driftium_"), *s.labels.values()): s.value for s in samples}
        assert len(found) == len(samples), "no series is told twice"
        return found

    def monitor(self, name: str, severity: Severity | None, ratio: float, *, scored: int = 5, at: float = 1.0) -> None:
        """A monitor with a baseline and a report."""
        row = MonitorRow(
            name=name,
            created_at=at,
            last_scored_at=at,
            model="m",
            response_model="m",
            received=5,
            observed=5,
            baseline_id=f"b-{name}",
            baseline_at=1.0,
            counts={"scored": scored},
        )
        baseline = BaselineRow(
            id=f"b-{name}", monitor=name, created_at=1.0, size=10, encoder="e", note="", calibration=None
        )
        sample = SampleRow(number=0, exchange_id=name, at=1.0, text=Text())
        report = Report(
            monitor=name,
            at=2.0,
            baseline_id=f"b-{name}",
            encoder="e",
            baseline_samples=10,
            observed=5,
            window_samples=5,
            detectors=(DetectorScore(name="mmd_50", window=50, samples=5, statistic=1, threshold=1, ratio=ratio),),
            mmd2=0.1,
            centroid_distance=0.1,
            centroid_mmd2=0.1,
            threshold=1.0,
            ratio=ratio,
            severity=severity,
            health_index=100 / (1 + ratio**2),
            provisional=False,
            run_length=None,
            calibration_progress=1.0,
            missing=0,
            missing_from="",
            message="",
        )
        self.ledger.commit(Changes(monitors=[row], baseline=baseline, baseline_samples=[sample], reports=[report]))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.log.close()
    made.history.close()


def capped(limit: int) -> Settings:
    return load(Path("/dev/null"), environ={}, flags={"metrics.max_series": limit})


def test_past_the_cap_counts_are_added_up_and_gauges_are_of_the_worst(bench: Bench):
    """The first that came keep their names; a monitor that is called other is one of the others."""
    bench.monitor("other", Severity.LOW, 0.1, at=1.0)
    bench.monitor("first", Severity.LOW, 0.2, at=2.0)
    bench.monitor("calm", Severity.LOW, 0.3, at=3.0)
    bench.monitor("wild", Severity.CRITICAL, 9.0, at=4.0)
    bench.monitor("unscored", None, 0.0, at=5.0)
    found = bench.scrape(capped(1))
    assert {key[1]: value for key, value in found.items() if key[0] == "scored_total"} == {"first": 5.0, "other": 20.0}
    assert {key[1]: value for key, value in found.items() if key[0] == "drift_severity"} == {"first": 0.0, "other": 3.0}
    assert found["drift_ratio", "mmd_50", "other"] == 9.0
    assert {key[1] for key in bench.scrape(capped(2)) if key[0] == "drift_severity"} == {"first", "calm", "other"}


def test_without_a_severity_there_is_no_sample_of_it(bench: Bench):
    bench.monitor("new", None, 0.0)
    found = bench.scrape(Settings())
    assert ("scored_total", "new", "scored") in found
    assert ("drift_severity", "new") not in found
    assert ("drift_detected", "new") not in found


def test_tokens_past_the_cap_are_added_up(bench: Bench):
    tokens = {"a": (1, 10), "b": (2, 20), "other": (4, 40)}
    bench.ledger.commit(
        Changes(state=WorkerState(pid=1, stage="ready", since=1.0, heartbeat_at=1.0, encoder="e", tokens=tokens))
    )
    found = bench.scrape(capped(1))
    assert found["tokens_total", "a", "input"] == 1
    assert found["tokens_total", "other", "output"] == 60


CONFIGURED = """
[[notify]]
name = "on-call"
type = "webhook"
url = "http://127.0.0.1:9"
[[canary]]
name = "basics"
prompts = ["a", "b", "c", "d", "e", "f", "g", "h"]
"""


def test_counters_of_what_is_set_up_begin_at_zero_and_canaries_of_the_past_are_gone(bench: Bench):
    """Else the first failure would be no increase, and an alert about a removed canary would never end."""
    for name in ("basics", "removed"):
        told: dict[str, Any] = {"status": "compared", "p_value": 0.01, "changed": True, "at": 3.0}
        write_round(
            bench.history.engine, Round(canary=name, number=1, body=Body(digest="d", model="m", prompts=5), **told)
        )
    file = bench.folder / "config.toml"
    file.write_text(CONFIGURED)
    found = bench.scrape(load(file, environ={}, flags={}))
    assert found["notifications_total", "on-call", "failed"] == 0
    assert found["canary_requests_total", "basics", "answered"] == 0
    assert {key: value for key, value in found.items() if key[0].startswith("canary_") and "total" not in key[0]} == {
        ("canary_changed", "basics"): 1.0,
        ("canary_p_value", "basics"): 0.01,
        ("canary_last_round_timestamp_seconds", "basics"): 3.0,
    }
    for result in ("model", "rules", "failed"):
        assert found["rca_runs_total", result] == 0


def test_a_history_that_cannot_be_read_takes_only_its_own_metrics_away(bench: Bench):
    """The proxy's own are still told, and one that says what is wrong."""
    bench.monitor("m", Severity.LOW, 0.1)
    assert bench.scrape(Settings())["stores_up",] == 1
    with bench.history.engine.begin() as db:
        db.exec_driver_sql("ALTER TABLE monitors RENAME TO lost")
    found = bench.scrape(Settings())
    assert found["stores_up",] == 0
    assert found["worker_up",] == 1
    assert ("tap_exchanges_total", "logged") in found
    assert not any(key[0] == "scored_total" for key in found)
