"""Prometheus and Alertmanager, the real ones: a live Driftium is scraped, drifts, and somebody is told of it.

Everything happens once, in monitored.py; each test holds one claim about what was seen.
"""

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.conftest import wait_until
from tests.integration.monitored import BASELINE, HOSTILE, MAX_SERIES, OTHER, RULES, SAME, World, watched
from tests.integration.monitoring import ALERTMANAGER, PROMETHEUS

pytestmark = pytest.mark.skipif(
    not (PROMETHEUS and ALERTMANAGER),
    reason="NOT TESTED: metrics, rules and dashboard against a real Prometheus. "
    "It is missing: apt-get install prometheus prometheus-alertmanager",
)

SELECTOR = re.compile(r"\b(?:(?:instance|monitor):)?driftium_[a-z0-9_:]+(?:\{[^}]*\})?")

SHARED = {"driftium_shared_since_timestamp_seconds", "instance:driftium_repeats:timestamp"}
"""What only several proxies on one database have: held by the rules' own tests, and by those with PostgreSQL."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, answers: dict[str, list[tuple[str, str]]]) -> Iterator[World]:
    with watched(tmp_path_factory.mktemp("prometheus"), answers) as seen:
        yield seen


def test_every_expression_of_the_dashboard_returns_data(world: World):
    assert len(world.data) > 40
    numbers = {expr: {value for one in series for _, value in one["values"]} for expr, series in world.data.items()}
    assert [expr for expr, found in numbers.items() if not found - {"NaN"}] == []


def test_every_metric_that_a_rule_reads_is_there(world: World):
    """An alert returns nothing while all is well, so what it reads is asked for, label matchers and all."""
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    selectors = {selector for rule in rules for selector in SELECTOR.findall(rule["expr"])}
    assert len(selectors) > 15
    selectors -= SHARED
    now = time.time()
    assert [one for one in selectors if not world.prometheus.over(one, now - world.began, now)] == []
    known = [one for group in world.prometheus.get("/api/v1/rules")["groups"] for one in group["rules"]]
    assert {one["name"] for one in known} == {rule.get("alert") or rule["record"] for rule in rules}
    assert {one["health"] for one in known} == {"ok"}


def test_drift_reaches_the_webhook_once_as_critical_and_resolves(world: World):
    """DriftDetected is inhibited beside it; the labels name the monitor, the annotations say what to do."""
    fired = world.receiver.alerts("firing", "DriftCritical")[0]
    assert fired["labels"]["monitor"] == "replay"
    assert fired["labels"]["severity"] == "critical"
    assert "replay" in fired["annotations"]["summary"]
    assert fired["annotations"]["console"] == f"{world.proxy.url}/root-cause?monitor=replay"
    assert fired["annotations"]["runbook_url"].endswith("#driftcritical")
    assert world.receiver.alerts("resolved", "DriftCritical")[0]["labels"] == fired["labels"]


def test_slack_and_pagerduty_are_told_in_words(world: World):
    """By the shipped example: the summary as the title, links to console and runbook, the severity for the pager."""
    far = "The answers of replay have drifted far from its baseline"
    slack = wait_until(lambda: _about(world, "/slack", far), what="Slack is told")
    assert "#driftcritical|Runbook" in slack
    assert f"{world.proxy.url}/root-cause?monitor=replay|Console" in slack
    event = json.loads(wait_until(lambda: _about(world, "/pagerduty", far), what="PagerDuty is told"))
    assert (event["routing_key"], event["event_action"]) == ("k", "trigger")
    assert (event["payload"]["severity"], event["payload"]["summary"]) == ("critical", far)


def _about(world: World, path: str, words: str) -> str | None:
    """The first message to a receiver that holds these words, as JSON."""
    return next((text for one in world.receiver.at(path) if words in (text := json.dumps(one))), None)


def test_trouble_beside_the_drift_is_told_too(world: World):
    """A table that drifted and a canary that changed, whatever the dataset is called."""
    table = wait_until(lambda: world.receiver.alerts("firing", "TabularDrift"), what="the table's drift is told")
    assert table[0]["labels"]["dataset"] == 'or"ders'
    wait_until(lambda: world.receiver.alerts("firing", "CanaryChanged"), what="the canary's change is told")


def test_hostile_names_are_labels_like_any_other(world: World):
    """Nothing was lost of a scrape: quotes, accents and braces stay, what ends a line does not, and all is bounded."""
    models = set(world.prometheus.get("/api/v1/label/model/values"))
    assert {HOSTILE[name] for name in ("quote", "accents", "brace")} <= models
    assert any(name.startswith("null") and name.isprintable() for name in models)
    monitors = set(world.prometheus.get("/api/v1/label/monitor/values"))
    for name in models | monitors:
        assert len(name) <= 200
        assert not set(name) & set("\n\r\0\x1b\u2028")
    assert "Error on ingesting" not in world.prometheus.said
    assert "append failed" not in world.prometheus.said


@pytest.mark.parametrize("label", ["model", "monitor"])
def test_names_past_the_cap_are_other(world: World, label: str):
    metric = {"model": "driftium_requests_total", "monitor": "driftium_scored_total"}[label]
    shown = {sample["metric"].get(label, "") for sample in world.recent(f"count by ({label}) ({metric})")}
    assert "other" in shown
    assert "flood-0" in shown
    assert f"flood-{MAX_SERIES - 1}" not in shown
    assert len(shown - {"other", ""}) == MAX_SERIES


def test_the_counts_of_names_past_the_cap_are_not_lost(world: World):
    scored = world.last('sum(driftium_scored_total{result="scored"})')
    assert scored == BASELINE + SAME + OTHER + len(HOSTILE) + MAX_SERIES


def test_openmetrics_is_negotiated_and_carries_exemplars(world: World):
    """Prometheus asks for OpenMetrics; each exemplar names an exchange that can be looked up."""
    found = world.prometheus.get(
        "/api/v1/query_exemplars",
        query="driftium_request_duration_seconds_bucket",
        start=world.began,
        end=time.time(),
    )
    ids = {one["labels"]["exchange_id"] for series in found for one in series["exemplars"]}
    assert ids
    found = {one: world.proxy.client.get(f"/exchanges/{one}/place").status_code for one in ids}
    assert set(found.values()) == {200}, found
    assert world.proxy.client.get("/metrics").headers["content-type"].startswith("text/plain")


def test_a_new_baseline_takes_the_old_score_away(world: World):
    """No score yet: no sample. What is known at once is there."""
    wait_until(lambda: world.severity() is None, what="the old severity is gone")
    for metric in ("drift_ratio", "drift_mmd_squared", "health_index", "window_samples", "feature_drift_effect"):
        assert not world.prometheus.query(f'driftium_{metric}{{monitor="replay"}}'), metric
    assert world.last('driftium_baseline_samples{monitor="replay"}') == OTHER


def test_a_muted_monitor_is_shown_as_such(world: World):
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    muted = 'driftium_muted{monitor="replay"}'
    assert world.last(muted) == 0
    world.proxy.client.post("/monitors/replay/mute", json={"until": until}).raise_for_status()
    wait_until(lambda: world.prometheus.query(f"{muted} == 1"), what="the mute is scraped")


def test_an_erased_monitor_takes_its_series_with_it(world: World):
    gone = 'driftium_scored_total{monitor="flood-0"}'
    assert world.recent(gone)
    assert world.proxy.client.delete("/monitors/flood-0").status_code in (200, 202)
    wait_until(lambda: not world.prometheus.query(gone), what="the monitor's series are gone")


def test_the_metrics_ask_for_the_token(world: World):
    assert world.proxy.client.get("/metrics", headers={"authorization": "Bearer other"}).status_code == 401
