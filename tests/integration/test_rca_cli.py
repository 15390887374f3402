"""`driftium rca`: of a running Driftium, or of the data folder by rules alone."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import Driftium, free_port
from tests.integration.rca_history import asked_of_model, drifted_history, evidence, obeys
from tests.integration.test_cli import driftium_cli
from tests.scripted import Request, Upstream, answer

ERROR, USAGE = 1, 2
ORDER = "[bold]x[/] \x1b[31m <script>alert(1)</script>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    drifted_history(tmp_path / "data", evidence("last", monitor=ORDER), monitor=ORDER, words=ORDER)
    return tmp_path / "data"


@pytest.fixture
def running(
    folder: Path, driftium: Callable[..., Driftium], upstream: Callable[..., Upstream]
) -> tuple[Driftium, Upstream]:
    """A proxy over that folder, with a model that keeps to the facts."""

    async def script(request: Request) -> AsyncIterator[bytes]:
        yield obeys(request) if asked_of_model(request) else answer(b'{"data": [{"id": "small"}]}')

    server = upstream(script)
    return driftium(server.url, "--no-worker", name=folder.name), server


def test_a_data_folder_is_explained_by_rules_alone(folder: Path, tmp_path: Path):
    told = driftium_cli("rca", "--data-dir", str(folder), "--json", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    view = json.loads(told.stdout)
    assert (view["available"], view["severity"], view["source"], view["id"]) == (True, "HIGH", "rules", None)
    assert [step["agent"] for step in view["agent_collaboration_log"]] == ["triage", "diagnosis", "recommendation"]


def test_the_report_fits_eighty_columns_and_its_words_do_nothing(folder: Path, tmp_path: Path):
    """Neither as rich markup nor as escape sequences."""
    told = driftium_cli("rca", "--data-dir", str(folder), cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("HIGH  model swapped or updated, in [bold]x[/] ⟨U+001B⟩[31m")
    for part in ("What moved", "Cause (", "What to do", "- Now: ", "Evidence", "How this was found", "Words by rules"):
        assert part in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 80
    assert "\x1b" not in told.stdout


def test_markdown_is_utf8_whatever_the_terminal(folder: Path, tmp_path: Path):
    told = driftium_cli(
        "rca", "--data-dir", str(folder), "--markdown", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii:surrogateescape"}
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("# HIGH: model swapped or updated (monitor \\[bold\\]x")
    assert "<script" not in told.stdout


def test_a_running_driftium_is_asked_where_one_is(running: tuple[Driftium, Upstream], folder: Path, tmp_path: Path):
    """By --url, or where the settings say that it listens; and its run is the one that is stored there."""
    proxy, _ = running
    by_url = driftium_cli("rca", "--url", proxy.url, "--json", cwd=tmp_path)
    view = json.loads(by_url.stdout)
    assert (view["source"], view["model"]) == ("model", "small")
    assert proxy.get("/drift/rca/runs")["runs"][0]["id"] == view["id"]
    port = {"DRIFTIUM_SERVER__PORT": str(httpx.URL(proxy.url).port)}
    by_port = driftium_cli("rca", "--json", cwd=tmp_path, env=port)
    assert json.loads(by_port.stdout)["id"] == view["id"]
    said = driftium_cli("rca", cwd=tmp_path, env=port)
    assert "Words by the model small." in " ".join(said.stdout.split())
    assert view["id"] in said.stdout
    here = driftium_cli("rca", "--json", "--data-dir", str(folder), cwd=tmp_path, env=port)
    assert json.loads(here.stdout)["id"] is None


def test_no_model_is_asked_where_none_is_wanted(running: tuple[Driftium, Upstream], tmp_path: Path):
    proxy, server = running
    told = driftium_cli("rca", "--url", proxy.url, "--no-model", "--json", cwd=tmp_path)
    assert json.loads(told.stdout)["source"] == "rules"
    assert not [request for request in server.requests if asked_of_model(request)]


def test_where_there_is_nothing_to_explain_it_says_what_to_do(folder: Path, tmp_path: Path):
    drifted_history(tmp_path / "new")
    told = driftium_cli("rca", "--data-dir", str(tmp_path / "new"), cwd=tmp_path)
    assert (told.returncode, told.stdout.strip()) == (0, "The answers have drifted.")
    unknown = driftium_cli("rca", "--data-dir", str(folder), "--monitor", "x", "--markdown", cwd=tmp_path)
    assert unknown.returncode == 0
    assert unknown.stdout.startswith("# No root cause analysis of x yet\n\nNo answer of a monitor 'x' has been seen.")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--data-dir", "nothing"], ERROR, "start `driftium serve` first"),
        (["--url", "http://127.0.0.1:9"], ERROR, "No Driftium answers at"),
        (["--url", "http://[::1"], ERROR, "error: 'http://[::1' is no address"),
        (["--markup"], USAGE, "--markup"),
    ],
)
def test_what_cannot_be_done_is_said_with_an_exit_code(tmp_path: Path, words: list[str], code: int, says: str):
    told = driftium_cli("rca", *words, cwd=tmp_path, env={"DRIFTIUM_SERVER__PORT": str(free_port())})
    assert told.returncode == code
    assert says in told.stderr
    assert "Traceback" not in told.stderr
