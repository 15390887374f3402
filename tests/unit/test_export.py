"""What is exported fits the installation, and Prometheus' and Alertmanager's own tools accept it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from proxy.export import DEPLOY, FILES, export
from proxy.settings import Metrics, Server, Settings

ROOT = Path(__file__).parents[2]
RULES = DEPLOY / "prometheus" / "rules.yml"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "alert" in rule
]


def tool(name: str, package: str) -> str:
    return shutil.which(name) or pytest.skip(f"NOT TESTED: {name} is missing: apt-get install {package}")


def run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def at(**server: Any) -> Settings:
    return Settings(server=Server(**server))


def test_promtool_accepts_the_rules_and_each_alert_fires_keeps_still_and_resolves():
    promtool = tool("promtool", "prometheus")
    run(promtool, "check", "rules", "--lint-fatal", str(RULES))
    run(promtool, "test", "rules", "rules_test.yml", cwd=RULES.parent)


def test_every_alert_has_a_test():
    tests = (RULES.parent / "rules_test.yml").read_text()
    assert [alert["alert"] for alert in ALERTS if f'alertname="{alert["alert"]}"' not in tests] == []


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_says_how_bad_it_is_what_it_means_and_what_to_do(alert: dict[str, Any]):
    assert alert["labels"]["severity"] in ("warning", "critical")
    notes = alert["annotations"]
    assert re.search(r"\{\{ \$labels\.(monitor|instance|dataset|canary|source)", notes["summary"])
    assert notes["description"].endswith(".")
    repository = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    assert notes["runbook_url"] == f"{repository}#{alert['alert'].lower()}"


def test_every_runbook_is_a_heading_of_the_readme():
    headings = {line.lstrip("# ").lower() for line in (ROOT / "README.md").read_text().splitlines() if line[:1] == "#"}
    assert {alert["alert"] for alert in ALERTS if alert["alert"].lower() not in headings} == set()


def test_amtool_accepts_the_alertmanager_example_and_it_holds_no_secret():
    file = DEPLOY / "alertmanager" / "alertmanager.yml"
    run(tool("amtool", "prometheus-alertmanager"), "check-config", str(file))
    text = file.read_text()
    assert set(re.findall(r"(api_url|routing_key|credentials)(_file)?:", text)) <= {
        ("api_url", "_file"),
        ("routing_key", "_file"),
        ("credentials", "_file"),
    }


def test_amtool_sends_what_is_critical_to_all_and_the_rest_past_the_pager():
    amtool = tool("amtool", "prometheus-alertmanager")
    test = [amtool, "config", "routes", "test", f"--config.file={DEPLOY / 'alertmanager' / 'alertmanager.yml'}"]
    assert run(*test, "alertname=DriftCritical", "severity=critical").strip() == "pagerduty,slack,webhook"
    assert run(*test, "alertname=DriftDetected", "severity=warning").strip() == "slack,webhook"


@pytest.mark.parametrize(
    ("server", "target"),
    [
        ({}, "127.0.0.1:8000"),
        ({"host": "10.0.0.7", "port": 9}, "10.0.0.7:9"),
        ({"host": "::1", "port": 9}, "[::1]:9"),
        ({"public_url": "https://drift.example.org/x"}, "127.0.0.1:8000"),
    ],
    ids=str,
)
def test_the_scrape_job_names_this_driftium_itself(server: dict[str, Any], target: str):
    """Past whatever stands before it for people."""
    (job,) = yaml.safe_load(export("scrape", at(**server)))["scrape_configs"]
    assert (job["job_name"], job["metrics_path"], job["scheme"]) == ("driftium", "/metrics", "http")
    assert job["static_configs"] == [{"targets": [target]}]
    assert "authorization" not in job


def test_a_driftium_that_listens_everywhere_is_scraped_by_its_name():
    (job,) = yaml.safe_load(export("scrape", at(host="0.0.0.0")))["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    assert target.endswith(":8000")
    assert not target.startswith("0.0.0.0")


def test_a_token_is_read_from_a_file_and_never_printed():
    settings = msgspec.structs.replace(at(admin_token="s3cret"), metrics=Metrics(require_token=True))
    texts = {what: export(what, settings) for what in FILES if what != "openapi"}
    (job,) = yaml.safe_load(texts["scrape"])["scrape_configs"]
    assert job["authorization"] == {"credentials_file": "/etc/prometheus/driftium.token"}
    assert not any("s3cret" in text for text in texts.values())


def test_links_of_alerts_and_dashboard_lead_to_the_public_address():
    settings = at(public_url="https://drift.example.org/x/")
    rules = export("rules", settings)
    assert "https://drift.example.org/x/root-cause?monitor={{ $labels.monitor | urlquery }}" in rules
    assert "$labels.instance }}/" not in rules
    variables = {one["name"]: one for one in json.loads(export("dashboards", settings))["templating"]["list"]}
    assert variables["console"]["query"] == "https://drift.example.org/x"
    assert export("rules", Settings()) == RULES.read_text()


def test_each_export_is_printed_or_written_under_its_name(tmp_path: Path):
    """Outside the checkout, as one that was installed."""

    def driftium(*words: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "proxy", "export", *words]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    printed = driftium("rules")
    assert (printed.returncode, printed.stdout) == (0, RULES.read_text())
    written = driftium("openapi", "--output", "new/folder")
    assert written.returncode == 0, written.stderr
    assert json.loads((tmp_path / "new/folder/openapi.json").read_text())["openapi"].startswith("3.")
    (tmp_path / "file").touch()
    refused = driftium("scrape", "--output", "file/below")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: file")
    assert "Traceback" not in refused.stderr
