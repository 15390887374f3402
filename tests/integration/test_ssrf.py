"""Only what the config names is ever called: no request, header, body or answer makes Driftium call another server."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.bare import ask
from tests.integration.relayed import ASK, Relayed, post, relay_to
from tests.scripted import Request, Upstream, answer, completion, replay

ROOT = Path(__file__).parents[2]
HI = completion("Hi.")
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def canary() -> Iterator[Upstream]:
    """A server that nobody was told to call."""
    with Upstream(replay({})) as running:
        yield running
        assert running.accepted == 0
        assert ask(running.url, b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").status == 200, "it would have noticed"


@pytest.fixture(scope="module")
def relayed(canary: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("ssrf")) as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh(relayed: Relayed) -> None:
    relayed.say(answer(HI))


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/drift", "/api/health", "/x", ""])
@pytest.mark.parametrize("form", ["http://{0}{1}", "http://me:pw@{0}{1}", "//{0}{1}", "/{0}{1}", "{0}{1}", "/\\{0}{1}"])
def test_a_target_that_names_another_server_does_not_reach_it(relayed: Relayed, canary: Upstream, form: str, path: str):
    other = canary.url.removeprefix("http://")
    target = form.format(other, path)
    said = ask(relayed.driftium.url, f"GET {target} HTTP/1.1\r\nhost: {other}\r\n\r\n".encode())
    assert 200 <= said.status < 500
    assert canary.accepted == 0


@pytest.mark.parametrize(
    "header",
    [
        "host: {0}",
        "host: here\r\nx-forwarded-host: {0}",
        "host: here\r\nx-forwarded-for: {0}",
        "host: here\r\nforwarded: for={0};host={0}",
        "host: here\r\nx-original-url: http://{0}/",
        "host: here\r\nx-rewrite-url: http://{0}/",
        "host: here\r\nreferer: http://{0}/",
        "host: here\r\nvia: 1.1 {0}",
        "host: here\r\nx-driftium-upstream: http://{0}",
        "host: here\r\nx-driftium-upstream-key: http://{0}",
        "host: here\r\nproxy: http://{0}",
    ],
)
@pytest.mark.parametrize("target", ["/v1/chat/completions", "/generate"])
def test_no_header_says_where_to_go(relayed: Relayed, canary: Upstream, header: str, target: str):
    named = header.format(canary.url.removeprefix("http://"))
    body = ASK if target.startswith("/v1") else b'{"prompt": "Hello?", "model": "replay"}'
    head = f"POST {target} HTTP/1.1\r\n{named}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    assert ask(relayed.driftium.url, head.encode() + body).status == 200
    assert relayed.got.header("host") == relayed.upstream.url.removeprefix("http://")
    assert canary.accepted == 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_of_the_upstream_is_the_clients_to_follow(relayed: Relayed, canary: Upstream, status: str):
    """Neither the data plane, nor the playground, nor the look at the upstream's models goes there."""

    async def script(_: Request) -> AsyncIterator[bytes]:
        yield answer(b"", status=status, headers=(f"location: {canary.url}/v1/models", f"refresh: 0; url={canary.url}"))

    relayed.play(script)
    said = ask(relayed.driftium.url, post())
    assert (said.status, dict(said.headers)[b"location"]) == (int(status[:3]), f"{canary.url}/v1/models".encode())
    client = relayed.driftium.client
    assert client.post("/generate", json={"prompt": "Hello?", "model": "replay"}).status_code == 502
    assert client.post("/generate", json={"prompt": "Hello?"}).status_code == 502
    assert canary.accepted == 0


def test_no_value_of_a_body_is_called(relayed: Relayed, canary: Upstream):
    client, url = relayed.driftium.client, canary.url
    bodies = {
        "/generate": {"prompt": url, "model": url, "monitor": url, "options": {"base_url": url, "api_base": url}},
        "/baseline": {"monitor": url, "exchange_ids": [url], "note": url},
        "/drift/rca": {"monitor": url},
        "/drift/agentic-rca": {"monitor": url, "model": url},
        "/api/rca": {"feature": url, "drift_rows": [], "incoming_source_description": url, "report_id": url},
    }
    for path, body in bodies.items():
        assert client.post(path, content=json.dumps(body), headers=JSON).status_code < 500
    for given in (url.encode(), f"@{url}".encode(), b"a,b\n" + b"".join(b"%s,1\n" % url.encode() for _ in range(30))):
        assert client.post("/api/monitoring/upload", content=given, params={"reference": url}).status_code < 500
        assert client.post("/api/monitoring/upload", content=given).status_code < 500
    assert canary.accepted == 0


def test_no_route_takes_an_address(relayed: Relayed):
    """Nothing that the HTTP interface describes is a URL, a host or a path to read from."""
    schema = relayed.driftium.get("/schema/openapi.json")
    asked = [
        parameter["name"]
        for operations in schema["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
    ]
    bodies = [
        part["$ref"].rpartition("/")[2]
        for operations in schema["paths"].values()
        for operation in operations.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        for part in [content["schema"], *content["schema"].get("oneOf", [])]
        if "$ref" in part
    ]
    asked += [name for body in bodies for name in schema["components"]["schemas"][body]["properties"]]
    assert len(asked) > 20
    assert not [name for name in asked if re.search(r"ur[il]|host|href|address|callback|webhook|path|endpoint", name)]


def test_no_client_of_ours_follows_redirects():
    """httpx follows none unless it is told to, and nobody tells it to; other clients, which do, are not used."""
    follows = re.compile(r"follow_redirects\s*=\s*True|urllib\.request|^import requests|^from requests", re.MULTILINE)
    files = [file for folder in ("proxy", "drift") for file in (ROOT / folder).rglob("*.py")]
    assert [file for file in files if follows.search(file.read_text())] == []
