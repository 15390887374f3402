"""What proxy/deploy/ ships is what the tools that read it accept, and keeps what it promises.

Neither Docker nor a cluster is at hand here: images are not built, nothing is started.
"""

import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "proxy" / "deploy"
COMPOSE = DEPLOY / "compose"
UNIT = DEPLOY / "systemd" / "driftium.service"
CHART = DEPLOY / "helm" / "driftium"
DOCKERFILE = DEPLOY / "docker" / "Dockerfile"
DRAIN = Settings().server.drain_seconds


def run(*command: object) -> str:
    """What it prints; fails where it is not satisfied."""
    told = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout + told.stderr


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def compose_text() -> str:
    """compose.yaml with its variables as they are when nothing but the required ones is set."""
    text = (COMPOSE / "compose.yaml").read_text()
    return re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)\}", lambda found: found[1] or "secret", text)


SERVICES = yaml.safe_load(compose_text())["services"]


# -- Docker -----------------------------------------------------------------------------------


def test_hadolint_finds_nothing_in_the_dockerfile():
    run(Path(sysconfig.get_path("scripts")) / "hadolint", DOCKERFILE)


def test_the_image_runs_as_nobody_in_particular_and_writes_to_its_volume_alone():
    last = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER (\d+):\1$", last, re.MULTILINE)
    assert re.search(r"^VOLUME /data$", last, re.MULTILINE)
    for setting in ("PYTHONDONTWRITEBYTECODE=1", "TMPDIR=/tmp", "DRIFTIUM_DATA__DIR=/data"):
        assert setting in last
    assert re.search(r"^HEALTHCHECK .*\n +CMD \[.*/live", last, re.MULTILINE)
    entry, command = (re.search(rf"^{word} (\[.*\])$", last, re.MULTILINE) for word in ("ENTRYPOINT", "CMD"))
    assert entry
    assert command
    # As lists: a shell in between would swallow the signal to stop.
    assert json.loads(entry[1]) + json.loads(command[1]) == ["driftium", "serve"]


def test_the_image_is_built_of_files_that_are_there_and_sent():
    """What the Dockerfile copies exists, and .dockerignore lets it through."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = {source for line in copied for source in line.split()}
    assert sources == allowed
    assert all((ROOT / source).exists() for source in sources)


def test_the_images_version_is_the_packages():
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert f"ARG VERSION={version[1]}\n" in DOCKERFILE.read_text()
    assert SERVICES["driftium"]["image"] == f"driftium:{version[1]}"
    chart = read(CHART / "Chart.yaml")
    assert chart["version"] == chart["appVersion"] == version[1]


# -- Compose ----------------------------------------------------------------------------------


def test_compose_yaml_follows_the_compose_specification():
    compose_spec = pytest.importorskip("compose_spec", reason="pip install compose-spec")
    options = compose_spec.PyOptions()
    options.apply_merge = True
    options.from_yaml(compose_text()).validate()
    with pytest.raises(ValueError, match="capdrop"):
        options.from_yaml(compose_text().replace("stop_grace_period", "capdrop"))


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_can_write_or_gain_anything(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    assert re.search(r":\D*\d", service["image"]), "its version is named"
    # The image of Driftium brings its own.
    assert "healthcheck" in service or name == "driftium"


def test_what_compose_mounts_and_waits_for_is_there():
    volumes = set(yaml.safe_load(compose_text())["volumes"])
    used = set()
    for service in SERVICES.values():
        assert set(service.get("depends_on", [])) <= SERVICES.keys()
        for mount in service.get("volumes", []):
            source, _, rest = mount.partition(":")
            if source.startswith("."):
                assert (COMPOSE / source).exists(), source
                assert rest.endswith(":ro")
            else:
                used.add(source)
    assert used == volumes
    build = SERVICES["driftium"]["build"]
    assert (COMPOSE / build["context"] / build["dockerfile"]).samefile(DOCKERFILE)


def test_compose_does_not_start_without_its_two_secrets():
    text = (COMPOSE / "compose.yaml").read_text()
    required = set(re.findall(r"\$\{(\w+):\?", text))
    told = set(re.findall(r"^(\w+)=$", (COMPOSE / "example.env").read_text(), re.MULTILINE))
    assert required == told == {"DRIFTIUM_ADMIN_TOKEN", "GRAFANA_ADMIN_PASSWORD"}


def test_grafana_is_provisioned_with_the_prometheus_and_the_dashboard():
    environment = SERVICES["grafana"]["environment"]
    (source,) = read(DEPLOY / "grafana/provisioning/datasources/driftium.yml")["datasources"]
    assert source["url"] == "${PROMETHEUS_URL}"
    assert environment["PROMETHEUS_URL"] == "http://prometheus:9090"
    (provider,) = read(DEPLOY / "grafana/provisioning/dashboards/driftium.yml")["providers"]
    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]


def test_its_prometheus_scrapes_as_the_shipped_job_says():
    (shipped,) = read(DEPLOY / "prometheus/scrape.yml")["scrape_configs"]
    config = read(COMPOSE / "prometheus.yml")
    (here,) = config["scrape_configs"]
    assert here.pop("static_configs") == [{"targets": ["driftium:8000"]}]
    shipped.pop("static_configs")
    assert here == shipped
    mounts = dict(mount.removesuffix(":ro").split(":") for mount in SERVICES["prometheus"]["volumes"])
    assert config["rule_files"] == [mounts["../prometheus/rules.yml"]]


@pytest.mark.parametrize(
    ("tool", "words", "file"),
    [
        ("promtool", ("check", "config", "--syntax-only"), COMPOSE / "prometheus.yml"),
        ("amtool", ("check-config",), COMPOSE / "alertmanager.yml"),
    ],
)
def test_prometheus_and_alertmanager_take_their_files(tool: str, words: tuple[str, ...], file: Path):
    if not shutil.which(tool):
        pytest.skip(f"no {tool}: apt-get install prometheus prometheus-alertmanager")
    run(tool, *words, file)


# -- systemd ----------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze: apt-get install systemd")
    file = tmp_path / UNIT.name
    file.write_text(UNIT.read_text().replace("/opt/driftium/bin/driftium", shutil.which("true") or ""))
    return file


def test_systemd_understands_every_line_of_the_unit(unit: Path):
    assert run("systemd-analyze", "verify", "--man=no", unit).strip() == ""


def test_the_unit_is_locked_up_as_systemd_itself_judges(unit: Path):
    """Out of 10, and anything up to 2 is good; what is left open is said in the unit, with the reason."""
    run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)


def test_stopping_leaves_time_for_the_answers_in_flight():
    """Twice server.drain_seconds: first the answers, then the worker's batch."""
    seconds = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert seconds
    assert int(seconds[1]) > 2 * DRAIN
    assert int(SERVICES["driftium"]["stop_grace_period"].removesuffix("s")) > 2 * DRAIN
    assert read(CHART / "values.yaml")["terminationGracePeriodSeconds"] > 2 * DRAIN


# -- Helm: what needs no helm; the rest is in tests/integration/test_deploy_helm.py -------------


def leaves(values: Any, name: str = "") -> set[str]:
    if not isinstance(values, dict) or not values:
        return {name}
    return {leaf for key, inner in values.items() for leaf in leaves(inner, f"{name}.{key}".lstrip("."))}


def test_every_value_is_used_and_every_used_value_is_there():
    templates = "".join(file.read_text() for file in (CHART / "templates").iterdir())
    used = set(re.findall(r"\.Values\.([A-Za-z.]+)", templates))
    values = leaves(read(CHART / "values.yaml"))
    assert {name for name in values if not any(name == u or name.startswith(f"{u}.") for u in used)} == set()
    assert {u for u in used if not any(name == u or name.startswith(f"{u}.") for name in values)} == set()


def test_every_value_is_in_the_schema_and_in_the_readme():
    values, schema = read(CHART / "values.yaml"), json.loads((CHART / "values.schema.json").read_text())
    assert schema["properties"].keys() - {"global"} == values.keys()
    readme = (CHART / "README.md").read_text()
    for name, value in values.items():
        assert re.search(rf"`{name}[.`]", readme), name
        described = schema["properties"][name].get("properties")
        if described:
            assert described.keys() == value.keys()
            assert all(re.search(rf"[.`]{key}`", readme) for key in described), name


def test_the_chart_carries_the_shipped_rules():
    """Helm reads no file outside its chart."""
    assert (CHART / "files/rules.yml").read_text() == (DEPLOY / "prometheus/rules.yml").read_text()
