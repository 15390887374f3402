"""The dashboard is what its source builds, and Grafana can read it; the provisioning names what is there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "proxy" / "deploy" / "grafana"
FILE = GRAFANA / "dashboards" / "driftium.json"
BOARD: dict[str, Any] = json.loads(FILE.read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def test_the_committed_dashboard_is_what_its_source_builds():
    """Else: python -m proxy.deploy.grafana.build"""
    pytest.importorskip("grafana_foundation_sdk", reason="needs driftium[test]")
    command = [sys.executable, "-m", "proxy.deploy.grafana.build", "--print"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    assert built == FILE.read_bytes()


def test_panels_have_ids_of_their_own_and_places_that_do_not_overlap():
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert min(ids) >= 1
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_panel_says_what_it_shows_and_asks_the_chosen_data_source(panel: dict[str, Any]):
    assert panel["description"].endswith(".")
    assert panel["datasource"] == SOURCE
    assert panel["targets"]
    assert [target["refId"] for target in panel["targets"]] == [chr(ord("A") + n) for n in range(len(panel["targets"]))]
    for target in panel["targets"]:
        assert target["datasource"] == SOURCE
        assert '$instance"' in target["expr"]
    if panel["type"] == "timeseries":
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_the_variables_are_data_source_instance_monitor_and_console():
    variables = {one["name"]: one for one in BOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "instance", "monitor", "console"]
    assert variables["datasource"]["query"] == "prometheus"
    for name in ("instance", "monitor"):
        assert variables[name]["datasource"] == SOURCE
        assert variables[name]["multi"]
        assert variables[name]["allValue"] == ".*"


def test_a_monitor_leads_to_the_console():
    table = next(panel for panel in PANELS if panel["title"] == "Monitors")
    link = next(p for o in table["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "links")
    assert link["value"][0]["url"].startswith("${console}/?monitor=$")


def test_provisioning_takes_the_dashboard_from_a_folder_and_names_one_source():
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "driftium.yml").read_text())["datasources"]
    assert [(one["type"], one["isDefault"]) for one in source] == [("prometheus", True)]
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "driftium.yml").read_text())["providers"]
    assert [one["type"] for one in provider] == ["file"]


def test_the_product_does_not_import_the_builder():
    """Nothing of proxy/ but the builder itself needs the SDK."""
    users = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "proxy").rglob("*.py")
        if "node_modules" not in file.parts and "grafana_foundation_sdk" in file.read_text()
    }
    assert users == {"proxy/deploy/grafana/build.py", "proxy/deploy/grafana/look.py"}
