"""LiteLLM's SDK gets through the proxy what it gets from a real llama.cpp.

It has an environment of its own: it asks for older packages than the rest of the suite.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clients import ASKED, MODEL, SAME, Ways, alike, monitored

PACKAGE = "litellm==1.106.2"
"""Exact, else pip tries one large release after the other where an index lacks what the newest ask for."""

ASK = {"model": f"openai/{MODEL}", "messages": ASKED, "max_tokens": 16, "temperature": 0, "seed": 1, "extra_body": SAME}
STREAM = ASK | {"stream": True, "stream_options": {"include_usage": True}}

SCRIPT = """
import asyncio, json, sys
import litellm
import openai

litellm.suppress_debug_info = True

async def asynchronous(ask):
    answer = await litellm.acompletion(**ask)
    return [chunk.model_dump() async for chunk in answer] if ask.get("stream") else answer.model_dump()

def run(kind, ask):
    try:
        if kind == "async":
            return asyncio.run(asynchronous(ask))
        answer = litellm.completion(**ask)
        return [chunk.model_dump() for chunk in answer] if ask.get("stream") else answer.model_dump()
    except openai.APIStatusError as error:
        return {"raised": type(error).__name__, "status": error.status_code, "message": str(error)}

# Its import takes seconds: one process answers all that is asked.
for line in sys.stdin:
    print(json.dumps(run(**json.loads(line)), default=str), flush=True)
"""

Ask = Callable[..., Callable[[str], Any]]


@pytest.fixture(scope="session")
def python() -> Iterator[Path]:
    """An interpreter that has litellm."""
    with tempfile.TemporaryDirectory(prefix="litellm-") as folder:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        pip = [sys.executable, "-m", "pip", "--python", f"{folder}/bin/python", "--disable-pip-version-check"]
        command = [*pip, "install", "--quiet", "--no-compile", "--only-binary", ":all:", PACKAGE]
        try:
            installed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180)
        except subprocess.TimeoutExpired:
            pytest.skip(f"pip could not install {PACKAGE} within three minutes")
        if installed.returncode:
            pytest.skip(f"pip could not install {PACKAGE}: {installed.stderr.strip()[-200:]}")
        yield Path(folder) / "bin" / "python"


@pytest.fixture(scope="module")
def ask(python: Path) -> Iterator[Ask]:
    # Without this its import asks the network for prices.
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([python, "-c", SCRIPT], env=environment, **pipes) as process:
        assert process.stdin
        assert process.stdout
        to, out = process.stdin, process.stdout

        def of(body: dict[str, Any], kind: str = "sync") -> Callable[[str], Any]:
            def send(url: str) -> Any:
                own = {"api_base": f"{url}/v1", "api_key": "none", "num_retries": 0, "max_retries": 0}
                print(json.dumps({"kind": kind, "ask": body | own}), file=to, flush=True)
                return json.loads(out.readline())

            return send

        yield of


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_answer_is_the_same(ways: Ways, ask: Ask, kind: str):
    direct, relayed, (seen,) = ways.compare(ask(ASK, kind))
    assert alike(relayed) == alike(direct)
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, False)
    assert seen.response == relayed["choices"][0]["message"]["content"]
    assert seen.output_tokens == relayed["usage"]["completion_tokens"] == 16


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_stream_is_the_same_chunk_for_chunk(ways: Ways, ask: Ask, kind: str):
    direct, relayed, (seen,) = ways.compare(ask(STREAM, kind))
    assert alike(relayed) == alike(direct)
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, True)
    assert seen.response == "".join(c["choices"][0]["delta"]["content"] or "" for c in relayed if c["choices"])


def test_a_refused_request_raises_the_same(ways: Ways, ask: Ask):
    bad = ASK | {"response_format": {"type": "no such"}}
    direct, relayed, (seen,) = ways.compare(ask(bad))
    assert relayed == direct
    assert (relayed["raised"], relayed["status"]) == ("BadRequestError", 400)
    assert (seen.outcome, seen.status) == ("http_error", 400)
