"""With server.admin_token the control plane is for those who send it, and the token goes nowhere else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.config import load
from proxy.control_plane import ROUTES
from proxy.routes.authorisation import METRICS, OPEN
from proxy.routes.console import VIEWS, console
from proxy.section import ConfigError
from tests.conftest import Driftium
from tests.integration.relayed import PATH, Relayed, relay_to
from tests.scripted import replay

TOKEN = "s3cret-of-the-house"
RIGHT = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    env = {"SERVER__ADMIN_TOKEN": TOKEN, "SERVER__CORS_ORIGINS": '["http://app.example"]'}
    with relay_to(replay({}), tmp_path_factory.mktemp("guarded"), **env) as running:
        yield running
        # Whatever was asked: the log of a server is read by others.
        assert TOKEN not in running.driftium.stderr.read_text()


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(replay({}), tmp_path_factory.mktemp("open")) as running:
        yield running


def get(relayed: Relayed, path: str, **headers: str) -> httpx.Response:
    return relayed.driftium.client.get(path, headers=headers)


def test_every_route_of_the_control_plane_is_guarded_but_these():
    """A new route is guarded unless somebody decides otherwise here."""
    found = {path: h.opt["open"] for h in [*ROUTES, *console()] for path in h.paths if "open" in h.opt}
    assert found.pop("/metrics") == METRICS["open"]
    assert set(found.values()) == {OPEN["open"]}
    # Those with a dot are the files beside the console's page.
    assert {path for path in found if "." not in path} == {*VIEWS, "/assets/{name:str}", "/live", "/ready"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/drift"),
        ("GET", "/api/health"),
        ("GET", "/monitors"),
        ("GET", "/samples"),
        ("GET", "/events"),
        ("GET", "/schema"),
        ("GET", "/schema/openapi.json"),
        ("POST", "/baseline"),
        ("POST", "/generate"),
        ("POST", "/monitors/a%2Fb/mute"),
        ("PUT", "/api/monitoring/references/x"),
        ("POST", "/api/monitoring/upload"),
    ],
)
@pytest.mark.parametrize(
    "sent",
    [None, "", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer é"],
)
def test_without_the_token_nothing_is_told_or_done(relayed: Relayed, method: str, path: str, sent: str | None):
    headers = {} if sent is None else {"authorization": sent.encode()}
    answered = relayed.driftium.client.request(method, path, headers=headers, content=b"{}")
    assert answered.status_code == 401
    assert answered.headers["www-authenticate"] == "Bearer"
    assert answered.headers["content-type"] == "application/problem+json"
    assert "Authorization: Bearer TOKEN" in answered.json()["detail"]
    assert TOKEN not in answered.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_with_it_the_control_plane_answers(relayed: Relayed, scheme: str):
    assert get(relayed, "/drift", authorization=f"{scheme} {TOKEN}").status_code == 200


@pytest.mark.parametrize("path", ["/live", "/ready", "/metrics", "/", "/set-up"])
def test_probes_the_scraper_and_the_console_need_none(relayed: Relayed, path: str):
    assert get(relayed, path).status_code in (200, 503)


def test_the_data_plane_is_not_touched(relayed: Relayed):
    """A client's own key goes on to the model server, whatever it is."""
    for key in ("Bearer the-clients-key", f"Bearer {TOKEN}", None):
        relayed.play(replay({}))
        headers = {"authorization": key} if key else {}
        assert relayed.driftium.chat("hello", headers=headers).status_code == 200
        assert relayed.got.header("authorization") == key


def test_a_page_of_an_allowed_origin_can_read_why_it_was_refused(relayed: Relayed):
    origin = {"origin": "http://app.example"}
    asks = origin | {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}
    assert relayed.driftium.client.options("/drift", headers=asks).status_code == 204
    refused = get(relayed, "/drift", **origin)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "http://app.example"


def test_a_refused_upload_that_waits_to_be_asked_for_ends_its_connection(relayed: Relayed):
    """Its body will not come, and the next request must not be taken for it."""
    head = b"POST /api/monitoring/upload HTTP/1.1\r\nhost: here\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n"
    assert relayed.raw(head).startswith(b"HTTP/1.1 401")


def generated(relayed: Relayed, **headers: str) -> tuple[int, str | None]:
    """The status, and what the model server got as Authorization."""
    relayed.play(replay({}))
    body = {"prompt": "hello", "model": "replay"}
    answered = relayed.driftium.client.post("/generate", json=body, headers=headers)
    assert all(name != "x-driftium-upstream-key" for name, _ in relayed.got.headers)
    return answered.status_code, relayed.got.header("authorization")


def test_the_playground_never_sends_the_token_on(relayed: Relayed):
    assert generated(relayed, **RIGHT) == (200, None)


def test_the_playground_sends_the_model_servers_own_key(relayed: Relayed):
    assert generated(relayed, **RIGHT, **{"x-driftium-upstream-key": "k-1"}) == (200, "Bearer k-1")


def test_without_a_token_the_playground_sends_either_header(open_house: Relayed):
    assert generated(open_house, authorization="Bearer k-2") == (200, "Bearer k-2")
    assert generated(open_house, **{"x-driftium-upstream-key": "k-3"}) == (200, "Bearer k-3")
    assert generated(open_house) == (200, None)


@pytest.mark.parametrize(("key", "sent"), [("", None), ("k-4", "Bearer k-4")])
def test_where_the_playgrounds_header_is_there_a_token_no_longer_asked_for_stays_here(
    open_house: Relayed, key: str, sent: str | None
):
    assert generated(open_house, **RIGHT, **{"x-driftium-upstream-key": key}) == (200, sent)


def test_an_empty_key_sends_nothing_where_a_token_is_asked_for(relayed: Relayed):
    assert generated(relayed, **RIGHT, **{"x-driftium-upstream-key": ""}) == (200, None)


def test_the_data_plane_keeps_the_playgrounds_header_to_itself(open_house: Relayed):
    open_house.play(replay({}))
    open_house.driftium.client.post(PATH, json={"model": "m"}, headers={"x-driftium-upstream-key": "k"})
    assert open_house.got.header("x-driftium-upstream-key") is None
    assert open_house.got.header("authorization") is None


def test_metrics_can_be_guarded_too(tmp_path: Path):
    env = {"SERVER__ADMIN_TOKEN": TOKEN, "METRICS__REQUIRE_TOKEN": "true"}
    with relay_to(replay({}), tmp_path, **env) as relayed:
        assert get(relayed, "/metrics").status_code == 401
        assert get(relayed, "/metrics", **RIGHT).status_code == 200


def run(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command, in a folder without settings."""
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "proxy", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": root} | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", [("drift", "--json"), ("baseline", "list", "--json"), ("rca", "--json"), ("baseline", "set")]
)
def test_commands_send_the_token_of_their_settings(relayed: Relayed, tmp_path: Path, arguments: tuple[str, ...]):
    url = relayed.driftium.url
    refused = run(tmp_path, *arguments, "--url", url)
    assert refused.returncode == 1
    assert "server.admin_token" in refused.stderr
    told = run(tmp_path, *arguments, "--url", url, DRIFTIUM_SERVER__ADMIN_TOKEN=TOKEN)
    assert "server.admin_token" not in told.stderr
    assert TOKEN not in told.stdout + told.stderr


def test_doctor_knows_a_guarded_driftium_and_never_prints_the_token(relayed: Relayed, tmp_path: Path):
    port = relayed.driftium.url.rpartition(":")[2]
    common = ("doctor", "--port", port, "--data-dir", str(tmp_path / "data"), "--upstream", relayed.upstream.url)
    with_it = run(tmp_path, *common, DRIFTIUM_SERVER__ADMIN_TOKEN=TOKEN)
    assert "serves at" in with_it.stdout
    without = run(tmp_path, *common)
    assert "asks for another token" in without.stdout
    assert TOKEN not in with_it.stdout + with_it.stderr + without.stdout + without.stderr


@pytest.mark.parametrize(("token", "warned"), [("", True), (TOKEN, False)])
def test_serving_beyond_this_machine_without_a_token_is_warned_of_in_one_line(tmp_path: Path, token: str, warned: bool):
    env = {"DRIFTIUM_SERVER__ADMIN_TOKEN": token} if token else {}
    running = Driftium(tmp_path, "http://127.0.0.1:9", "--no-worker", "--host", "0.0.0.0", env=env).start()
    running.stop()
    lines = [line for line in running.stderr.read_text().splitlines() if "server.admin_token" in line]
    assert len(lines) == warned


def test_serving_this_machine_alone_is_not_warned_of(open_house: Relayed):
    assert "admin_token" not in open_house.driftium.stderr.read_text()


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ('[server]\nadmin_token = "s3cret x"', {}),
        ("[server]\nadmin_tokn = 's3cret'", {}),
        ("[server]\nadmin_token = ['s3cret']", {}),
        ("", {"DRIFTIUM_SERVER__ADMIN_TOKEN": "s3cret\u00e9 x"}),
    ],
)
def test_a_token_that_cannot_be_used_is_refused_without_being_shown(tmp_path: Path, text: str, environ: dict[str, str]):
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, environ=environ, flags={})
    assert "server.admin_tok" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("text", ["12345", "true", "a=b", '"quoted"', "[1]"])
def test_a_token_from_the_environment_is_taken_as_it_is(text: str):
    found: Any = load(Path(os.devnull), environ={"DRIFTIUM_SERVER__ADMIN_TOKEN": text}, flags={})
    assert found.server.admin_token == text
