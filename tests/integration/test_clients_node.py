"""OpenAI's client for Node gets through the proxy what it gets from a real llama.cpp."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clients import ASKED, ENDLESS, MODEL, SAME, Ways, alike, monitored

PACKAGE = "openai@6"
ASK = {"model": MODEL, "messages": ASKED, "max_tokens": 16, "temperature": 0, "seed": 1, **SAME}

SCRIPT = """
import OpenAI from "openai";

const [url, what, body] = [process.argv[2], process.argv[3], JSON.parse(process.argv[4])];
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });

async function whole() {
  const { data, response } = await client.chat.completions.create(body).withResponse();
  return { data, status: response.status, type: response.headers.get("content-type") };
}

async function stream() {
  const chunks = [];
  for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) chunks.push(chunk);
  return chunks;
}

async function aborted() {
  const stream = await client.chat.completions.create({ ...body, stream: true });
  for await (const chunk of stream) if (chunk.choices[0].delta.content) { stream.controller.abort(); return chunk; }
}

async function refused() {
  try { await client.chat.completions.create(body); }
  catch (e) { return { name: e.constructor.name, status: e.status, message: e.message, error: e.error }; }
}

console.log(JSON.stringify(await { whole, stream, aborted, refused }[what]()));
"""


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script, beside an installed client."""
    npm = shutil.which("npm")
    if not (npm and shutil.which("node")):
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("node")
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", PACKAGE]
    try:
        installed = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm could not install {PACKAGE} within a minute")
    if installed.returncode:
        pytest.skip(f"npm could not install {PACKAGE}: {installed.stderr.strip()[:200]}")
    path = folder / "client.mjs"
    path.write_text(SCRIPT)
    return path


def run(script: Path, url: str, what: str, body: dict[str, Any]) -> Any:
    command = ["node", str(script), url, what, json.dumps(body)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout)


def test_an_answer_is_the_same(ways: Ways, script: Path):
    direct, relayed, (seen,) = ways.compare(lambda url: run(script, url, "whole", ASK))
    assert alike(relayed) == alike(direct)
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, False)
    assert seen.response == relayed["data"]["choices"][0]["message"]["content"]


def test_a_stream_is_the_same_chunk_for_chunk(ways: Ways, script: Path):
    ask = ASK | {"stream_options": {"include_usage": True}}
    direct, relayed, (seen,) = ways.compare(lambda url: run(script, url, "stream", ask))
    assert alike(relayed) == alike(direct)
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, True)
    assert seen.response == "".join(c["choices"][0]["delta"].get("content") or "" for c in relayed if c["choices"])
    assert seen.output_tokens == relayed[-1]["usage"]["completion_tokens"] == 16


def test_a_stream_that_is_aborted_is_logged_as_such(ways: Ways, script: Path):
    long = ASK | ENDLESS | {"max_tokens": 1000}
    direct, relayed, (seen,) = ways.compare(lambda url: run(script, url, "aborted", long))
    assert alike(relayed) == alike(direct)
    assert (seen.outcome, seen.stream) == ("client_closed", True)


def test_a_refused_request_throws_the_same(ways: Ways, script: Path):
    bad = ASK | {"messages": "not a list"}
    direct, relayed, (seen,) = ways.compare(lambda url: run(script, url, "refused", bad))
    assert relayed == direct
    assert (relayed["name"], relayed["status"]) == ("BadRequestError", 400)
    assert (seen.outcome, seen.error) == ("http_error", relayed["error"]["message"])
