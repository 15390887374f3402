"""A live Driftium that drifts before a real Prometheus and a real Alertmanager: what test_prometheus.py looks at.

The files that come with Driftium are used as they are, but for addresses and for how long things take.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from proxy.canary.planning import digest_of
from proxy.canary.settings import messages_of
from proxy.config import load
from proxy.stores.canaries import Body, Round, write_round
from proxy.stores.history import open_history
from tests.conftest import Driftium, wait_until
from tests.integration.monitoring import Receiver, Service, alertmanager, prometheus
from tests.integration.test_cli import driftium_cli
from tests.scripted import BREAK, STREAM_HEAD, Request, Script, Upstream, answer, replay

DEPLOY = Path(__file__).parents[2] / "proxy" / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
BOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "driftium.json").read_text())
TOKEN = "opens-the-metrics"
BASELINE, SAME, OTHER = 52, 13, 26
"""Small enough for a provisional severity, whose windows are a quarter of the baseline: 13."""
MAX_SERIES = 14
HOSTILE = {
    "quote": 'a"b\\c} 1',
    "lines": "one\ntwo\r\nthree\u2028# HELP",
    "nul": "null\0byte\x1b[31m",
    "lone surrogate": "half\ud800",
    "accents": "modèle-été-模型-🦙",
    "long": "n" * 10_000,
    "brace": "{__name__=~'.+'}",
}


def script(answers: dict[str, str]) -> Script:
    """Replays answers, and fails when it is told to."""
    good = replay(answers)

    async def run(request: Request) -> Any:
        if request.method == "POST" and b"fail, please" in request.body:
            yield answer(b'{"error": {"message": "no"}}', status="503 Service Unavailable")
            return
        if request.method == "POST" and b"break, please" in request.body:
            yield STREAM_HEAD
            yield BREAK
            return
        async for part in good(request):
            yield part

    return run


class World:
    """What the tests look at."""

    proxy: Driftium
    prometheus: Service
    receiver: Receiver
    resolved: dict[str, Any]
    data: dict[str, list[dict[str, Any]]]
    began: float

    def firing(self, name: str) -> list[dict[str, Any]]:
        return self.prometheus.query(f'ALERTS{{alertname="{name}",alertstate="firing"}}')

    def recent(self, expr: str) -> list[dict[str, Any]]:
        """The series of the last seconds: a busy machine may miss a scrape."""
        return self.prometheus.over(expr, 20, time.time())

    def last(self, expr: str) -> float:
        """The last value of the one series of an expression."""
        (series,) = self.recent(expr)
        return float(series["values"][-1][1])

    def severity(self) -> float | None:
        found = self.prometheus.query('driftium_drift_severity{monitor="replay"}')
        return float(found[0]["value"][1]) if found else None


@contextmanager
def watched(folder: Path, answers: dict[str, list[tuple[str, str]]]) -> Iterator[World]:
    """Everything has happened but the tests' own doings."""
    seen = World()
    medicine = [pair for pair in answers["medicine"] if len(pair[1]) < 300]
    support = [pair for pair in answers["support"] if len(pair[1]) < 400]
    assert len(medicine) >= BASELINE + SAME
    assert len(support) >= OTHER
    seen.receiver = Receiver()
    running: list[Any] = [seen.receiver]
    (folder / "data").mkdir()
    (folder / "data" / "config.toml").write_text(
        f'[server]\nadmin_token = "{TOKEN}"\n[metrics]\nrequire_token = true\nmax_series = {MAX_SERIES}\n'
        "[drift]\nreport_seconds = 1\n[worker]\nmax_lag_seconds = 900\n"
        f'[[notify]]\nname = "on-call"\ntype = "webhook"\nurl = "{seen.receiver.url}/own"\n'
        '[[ingest]]\nname = "nightly"\npath = "none.jsonl"\n'
        '[[canary]]\nname = "basics"\nmodel = "replay"\ncron = "0 0 1 1 *"\n'
        'prompts = ["a", "b", "c", "d", "e", "f", "g", "h"]\n'
    )
    _canary_that_changed(folder / "data")
    with Upstream(script(dict(medicine + support))) as upstream:
        seen.proxy = Driftium(folder / "data", upstream.url).start()
        running.append(seen.proxy)
        seen.proxy.client.headers["authorization"] = f"Bearer {TOKEN}"
        try:
            seen.began = time.time()
            _watch(seen, folder, running)
            _live(seen, medicine, support)
            yield seen
        finally:
            for one in reversed(running):
                one.stop()


def _watch(seen: World, folder: Path, running: list[Any]) -> None:
    """The shipped files, with this test's addresses, and seconds for minutes."""
    for name, secret in {"slack_url": seen.receiver.url + "/slack", "pagerduty_key": "k", "token": TOKEN}.items():
        (folder / name).write_text(secret)
    config = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text()
    config = config.replace("/etc/alertmanager/secrets", str(folder))
    config = config.replace("http://127.0.0.1:9099", seen.receiver.url)
    config = re.sub(r"group_wait: \w+", "group_wait: 1s", re.sub(r"group_interval: \w+", "group_interval: 1s", config))
    config += f"global:\n  pagerduty_url: {seen.receiver.url}/pagerduty\n"
    alerts = alertmanager(folder, config)
    running.append(alerts)
    rules = (DEPLOY / "prometheus" / "rules.yml").read_text()
    (folder / "rules.yml").write_text(re.sub(r"for: \d+m", "for: 1s", rules))
    port = {"DRIFTIUM_SERVER__PORT": seen.proxy.url.rpartition(":")[2]}
    told = driftium_cli("export", "scrape", cwd=folder / "data", env=port)
    assert told.returncode == 0, told.stderr
    scrape = told.stdout.replace("/etc/prometheus/driftium.token", str(folder / "token")).replace("15s", "1s")
    seen.prometheus = prometheus(
        folder,
        "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alerts.address}']}}]}}]}}\n{scrape}",
    )
    running.append(seen.prometheus)


def _live(seen: World, medicine: list[tuple[str, str]], support: list[tuple[str, str]]) -> None:
    """A baseline, more of the same, trouble of all kinds, another topic, and that as the baseline."""
    proxy, receiver = seen.proxy, seen.receiver
    proxy.wait_for_worker()
    for prompt, _ in medicine[:BASELINE]:
        proxy.chat(prompt).raise_for_status()
    proxy.wait_until_scored(BASELINE)
    assert proxy.client.post("/baseline", json={"monitor": "replay"}).status_code in (201, 202)
    for prompt, _ in medicine[BASELINE : BASELINE + SAME]:
        proxy.chat(prompt, stream=True).raise_for_status()
    proxy.wait_until_scored(BASELINE + SAME)
    wait_until(lambda: seen.severity() == 0, what="Prometheus knows of no drift")
    assert not seen.firing("DriftDetected")
    _trouble(proxy)
    for prompt, _ in support[:OTHER]:
        proxy.chat(prompt).raise_for_status()
    proxy.wait_until_scored(BASELINE + SAME + OTHER)
    proxy.get("/drift", monitor="replay", fresh=True)
    proxy.get("/drift/rca", monitor="replay")
    wait_until(lambda: receiver.alerts("firing", "DriftCritical"), what="the webhook is told of the drift")
    wait_until(lambda: seen.prometheus.query("driftium_drift_p_value"), what="the verdict is scraped")
    ran = "sum(rate(driftium_rca_duration_seconds_count[15s])) > 0"
    wait_until(lambda: seen.prometheus.query(ran), what="the root cause is scraped")
    now = time.time()
    seen.data = {expr: seen.prometheus.over(expr, now - seen.began, now) for expr in dashboard_queries()}
    assert proxy.client.post("/baseline", json={"monitor": "replay", "last": OTHER}).status_code in (201, 202)
    wait_until(lambda: receiver.alerts("resolved", "DriftCritical"), what="the webhook is told that it is over")


def _trouble(proxy: Driftium) -> None:
    """Names that break things, more of them than there may be series, a failure, a table, a canary."""
    for name in HOSTILE.values():
        proxy.client.post(
            "/v1/chat/completions",
            content=json.dumps({"model": name, "messages": [{"role": "user", "content": "Hi"}]}),
            headers={"content-type": "application/json"},
        ).raise_for_status()
    for i in range(MAX_SERIES):
        proxy.chat("Hi", model=f"flood-{i}").raise_for_status()
    assert proxy.chat("fail, please").status_code == 503
    with pytest.raises(httpx.TransportError):
        proxy.chat("break, please", stream=True)
    table = "\n".join(["price", *(str(i % 50) for i in range(200)), ""])
    assert proxy.client.put("/api/monitoring/references/orders", content=table).status_code < 300
    shifted = "\n".join(["price", *(str(i % 50 + 40) for i in range(200)), ""])
    query = {"reference": "orders", "dataset": 'or"ders'}
    kind = {"content-type": "text/csv"}
    proxy.client.post("/api/monitoring/upload", params=query, content=shifted, headers=kind).raise_for_status()


def _canary_that_changed(folder: Path) -> None:
    """Three rounds, written by hand: the reference, and one that differs. The next is due in January."""
    settings = load(folder / "config.toml", environ={}, flags={})
    digest = digest_of(settings.canary[0], messages_of(settings.canary[0]))
    body = Body(digest=digest, model="replay", prompts=8)
    asked = {"canary": "basics", "at": time.time(), "requests": 15, "answers": 15, "body": body}
    history = open_history(folder)
    for number in (1, 2):
        write_round(history.engine, Round(number=number, status="reference", **asked))  # type: ignore[arg-type]
    changed = Round(number=3, status="compared", p_value=0.001, changed=True, **asked)  # type: ignore[arg-type]
    write_round(history.engine, changed)
    history.close()


def dashboard_queries() -> list[str]:
    """The expressions of every panel and annotation, with the variables filled in."""
    found = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", ())]
    found += [one["expr"] for one in BOARD["annotations"]["list"]]
    for name, value in {"$__rate_interval": "15s", "$instance": ".*", "$monitor": ".*"}.items():
        found = [expr.replace(name, value) for expr in found]
    return found
