"""`driftium doctor --pull` has Ollama fetch what is missing, shows how far it is, and says what went wrong."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.ollama_models import EXPLAINER, explaining_model
from tests.conftest import free_port
from tests.integration.test_cli import driftium_cli
from tests.integration.test_doctor import line
from tests.scripted import BREAK, Request, Script, Upstream, answer, chunk, replay

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
STEPS = [
    {"status": "pulling manifest"},
    {"status": "pulling a", "digest": "sha256:a", "total": 90_000_000},
    {"status": "pulling a", "digest": "sha256:a", "total": 90_000_000, "completed": 45_000_000},
    {"status": "pulling b", "digest": "sha256:b", "total": 10_000_000, "completed": 10_000_000},
    {"status": "pulling a", "digest": "sha256:a", "total": 90_000_000, "completed": 90_000_000},
    {"status": "verifying sha256 digest"},
    {"status": "success"},
]


class Ollama:
    """Has models, and pulls others in the steps given: the last one may be an error or a break."""

    def __init__(self, *models: str, steps: list[Any] = STEPS):
        self.models = list(models)
        self.steps = steps
        self.pulled: list[str] = []

    async def script(self, request: Request) -> AsyncIterator[bytes]:
        told = {
            "/api/version": {"version": "0.12.0"},
            "/api/tags": {"models": [{"model": name} for name in self.models]},
            "/v1/models": {"data": [{"id": name} for name in self.models]},
        }
        if request.target in told:
            yield answer(json.dumps(told[request.target]).encode())
            return
        assert (request.method, request.target) == ("POST", "/api/pull")
        name = request.json["model"]
        self.pulled.append(name)
        if self.steps[-1] == {"status": "success"}:
            self.models.append(name)
        yield STREAM_HEAD
        for step in self.steps:
            yield BREAK if step is BREAK else chunk(json.dumps(step).encode() + b"\n")
        yield chunk(b"")


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def examine(tmp_path: Path, upstream: Callable[[Script], Upstream]) -> Run:
    """Runs `driftium doctor` against a server; returns its exit code and what it printed."""

    def run(script: Script | None, *flags: str, **env: str) -> tuple[int, str]:
        url = upstream(script).url if script else f"http://127.0.0.1:{free_port()}"
        words = ["doctor", "--port", str(free_port()), "--data-dir", str(tmp_path / "data"), "--upstream", url, *flags]
        done = driftium_cli(*words, cwd=tmp_path, env=env)
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout

    return run


@pytest.fixture
def pull(examine: Run) -> Run:
    return lambda script, **env: examine(script, "--pull", **env)


def test_the_explaining_model_and_the_default_one_are_pulled_then_everything_is_looked_at(pull):
    server = Ollama("llama3.2:1b")
    code, printed = pull(server.script, DRIFTIUM_UPSTREAM__DEFAULT_MODEL="qwen3")
    assert code == 0, printed
    assert server.pulled == [EXPLAINER, "qwen3"]
    assert f"{EXPLAINER} is pulled.\nqwen3 is pulled.\n" in printed
    assert line(printed, "explanations") == ("ok", f"{EXPLAINER} writes them | ")


def test_what_is_there_is_not_pulled_again(pull):
    """A name without a tag is the latest one, as in Ollama."""
    server = Ollama("mine:latest", "qwen3:4b")
    env = {"DRIFTIUM_RCA__MODEL": "mine", "DRIFTIUM_UPSTREAM__DEFAULT_MODEL": "qwen3:4b"}
    code, printed = pull(server.script, **env)
    assert (code, server.pulled) == (0, [])
    assert "mine is there.\nqwen3:4b is there.\n" in printed


def test_a_terminal_is_shown_how_far_it_is(pull):
    """One bar for all files of a model."""
    _, printed = pull(Ollama().script, FORCE_COLOR="1", TERM="xterm", COLUMNS="120")
    assert "100.0/100.0 MB" in printed


def test_a_model_that_does_not_exist_is_an_error(pull):
    """Ollama says so inside its stream."""
    steps = [{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}]
    code, printed = pull(Ollama(steps=steps).script, DRIFTIUM_RCA__MODEL="none:1b")
    assert code == 1
    assert printed == "error: Ollama cannot pull none:1b: pull model manifest: file does not exist\n"


@pytest.mark.parametrize("steps", [[*STEPS[:3], BREAK], STEPS[:3]], ids=["a break", "an end before its time"])
def test_a_pull_that_breaks_off_can_be_run_again(pull, steps):
    code, printed = pull(Ollama(steps=steps).script)
    assert code == 4
    assert printed.startswith(f"error: Ollama broke off while it pulled {EXPLAINER}")
    assert printed.endswith("run this again, it goes on from there\n")


def test_without_a_server_the_exit_code_is_4(pull):
    code, printed = pull(None)
    assert code == 4
    assert printed.startswith("error: no model server answers at http://127.0.0.1:")
    assert "start Ollama (ollama serve)" in printed


def test_another_server_cannot_pull(pull):
    code, printed = pull(replay({}))
    assert code == 1
    assert "is not Ollama: load the model there" in printed


@pytest.mark.parametrize(
    ("there", "env", "found"),
    [
        ((), {}, "Ollama has no model to write them"),
        (("llama3.2:1b",), {"DRIFTIUM_RCA__MODEL": "mine"}, "Ollama does not have mine"),
        ((), {"DRIFTIUM_UPSTREAM__DEFAULT_MODEL": "qwen3"}, "Ollama does not have qwen3"),
    ],
)
def test_an_ollama_without_a_model_that_explains_is_a_warning(examine, there, env, found):
    code, printed = examine(Ollama(*there).script, **env)
    assert code == 0, printed
    mark, said = line(printed, "explanations")
    assert (mark, said) == ("warning", f"{found}: the rules' own text stands | driftium doctor --pull")


def test_another_server_is_not_asked_about_explanations(examine):
    _, printed = examine(replay({}))
    assert "explanations" not in printed


def test_the_small_model_explains_where_it_is_there():
    """Else the one that the clients use: an explanation must not load a second large one."""
    assert explaining_model(["a", EXPLAINER], "b") == EXPLAINER
    assert explaining_model(["a"], "b") == "b"
    assert explaining_model(["a"], "") == "a"
    assert explaining_model([], "") == ""
