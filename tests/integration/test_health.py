"""Where something is wrong, /api/health says what, and the command that mends it."""

import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from proxy.ollama_models import ollama_lives_at
from tests.conftest import Driftium, free_port, wait_until
from tests.scripted import Request, Script, Upstream, answer, replay


def without_models(*, ollama: bool) -> Script:
    """A model server in which nothing is loaded."""

    async def script(request: Request) -> AsyncIterator[bytes]:
        if request.target == "/v1/models":
            yield answer(json.dumps({"object": "list", "data": None if ollama else []}).encode())
        elif ollama and request.target == "/api/tags":
            yield answer(b'{"models": []}')
        else:
            yield answer(b"{}", status="404 Not Found")

    return script


async def locked(_: Request) -> AsyncIterator[bytes]:
    yield answer(b'{"error": "a key is needed"}', status="401 Unauthorized")


def asked(running: Driftium, part: str) -> Callable[[], Any]:
    """The part, once the upstream has been asked."""
    return lambda: (
        (told := running.get("/api/health")[part]) and "not asked yet" not in told.get("message", "") and told
    )


def upstream_of(running: Driftium, status: str) -> Any:
    return wait_until(lambda: (told := running.get("/api/health")["upstream"])["status"] == status and told)


def test_a_model_server_that_is_down_is_told_of_with_what_to_check(driftium: Callable[..., Driftium]):
    """It may be any: no command starts it."""
    running = driftium(f"http://127.0.0.1:{free_port()}", "--no-worker")
    told = wait_until(asked(running, "upstream"))
    assert told["status"] == "down"
    assert "Check that it runs" in told["message"]
    assert "--embedded" in told["message"]
    assert "Ollama" not in told["message"]
    assert "models" not in told
    assert "mend" not in told


def test_without_an_ollama_where_one_serves_by_default_it_is_the_command_that_starts_one(
    driftium: Callable[..., Driftium],
):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 11434)) == 0:
            pytest.skip("an Ollama serves here")
    told = wait_until(asked(driftium("http://localhost:11434", "--no-worker"), "upstream"))
    assert (told["status"], told["mend"]) == ("down", "ollama serve")
    assert "Start Ollama" in told["message"]


@pytest.mark.parametrize(
    ("url", "ollama"),
    [
        ("http://127.0.0.1:11434", True),
        ("http://localhost:11434/prefix", True),
        ("http://[::1]:11434", True),
        ("http://127.0.0.1:8000", False),
        ("http://127.0.0.1", False),
        ("http://models.example:11434", False),
    ],
)
def test_a_server_is_taken_for_ollama_by_its_port_on_this_machine(url: str, ollama: bool):
    assert ollama_lives_at(url) is ollama


@pytest.mark.parametrize(
    ("default", "mend"), [("", "ollama pull smollm2:135m"), ("qwen3:0.6b", "ollama pull qwen3:0.6b")]
)
def test_an_ollama_without_a_model_is_told_to_pull_one(
    driftium: Callable[..., Driftium], upstream: Callable[[Script], Upstream], default: str, mend: str
):
    env = {"DRIFTIUM_UPSTREAM__DEFAULT_MODEL": default}
    running = driftium(upstream(without_models(ollama=True)).url, "--no-worker", env=env)
    told = upstream_of(running, "up")
    assert (told["models"], told["mend"]) == ([], mend)
    assert told["message"].startswith("Ollama at ")
    assert told["message"].endswith("every request fails.")
    assert running.get("/api/health")["status"] == "degraded"


def test_another_server_may_serve_a_model_that_it_does_not_list(
    driftium: Callable[..., Driftium], upstream: Callable[[Script], Upstream]
):
    running = driftium(upstream(without_models(ollama=False)).url, "--no-worker")
    told = upstream_of(running, "up")
    assert "lists no model" in told["message"]
    assert "mend" not in told
    assert running.get("/api/health")["status"] == "ok"


def test_without_a_worker_its_parts_wait_for_one(
    driftium: Callable[..., Driftium], upstream: Callable[[Script], Upstream]
):
    told = driftium(upstream(replay({})).url, "--no-worker").get("/api/health")
    for part in ("embedder", "vector_store"):
        assert told[part]["message"] == "It waits for a worker; none runs."
        assert "mend" not in told[part]


@pytest.mark.parametrize("script", [replay({}), locked])
def test_nothing_is_said_of_a_server_with_models_or_with_a_lock(
    driftium: Callable[..., Driftium], upstream: Callable[[Script], Upstream], script: Script
):
    told = upstream_of(driftium(upstream(script).url, "--no-worker"), "up")
    assert "message" not in told
    assert "mend" not in told


def test_weights_that_are_missing_are_told_of_where_they_are_missed(
    driftium: Callable[..., Driftium], upstream: Callable[[Script], Upstream]
):
    env = {"DRIFTIUM_EMBEDDER__PATH": "/nowhere/at/all"}
    running = driftium(upstream(replay({})).url, env=env)
    told = wait_until(
        lambda: (told := running.get("/api/health"))["worker"]["status"] == "failed" and told, seconds=120
    )
    assert told["status"] == "degraded"
    assert "/nowhere/at/all" in told["worker"]["message"]
    assert told["worker"]["mend"] == "driftium doctor"
    assert told["embedder"]["status"] == "not ready"
    assert told["embedder"]["message"] == told["worker"]["message"]
    assert told["embedder"]["mend"] == "pip install 'driftium[embedded]'"
    assert told["vector_store"]["message"] == "It waits for the worker, which has failed."


def test_a_vector_store_that_does_not_answer_is_told_of_there(
    driftium: Callable[..., Driftium], upstream: Callable[[Script], Upstream]
):
    env = {"DRIFTIUM_QDRANT__URL": f"http://127.0.0.1:{free_port()}"}
    running = driftium(upstream(replay({})).url, env=env)
    told = wait_until(
        lambda: (told := running.get("/api/health"))["worker"]["status"] == "failed" and told, seconds=120
    )
    assert "Qdrant" in told["vector_store"]["message"]
    assert told["vector_store"]["mend"] == "driftium doctor"
    assert told["embedder"]["message"] == "It waits for the worker, which has failed."
