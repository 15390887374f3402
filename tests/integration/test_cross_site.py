"""A web page of another site, open in the browser of whoever runs Driftium, can neither change nor read anything."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.conftest import Driftium
from tests.integration.relayed import ASK, Relayed, relay_to
from tests.scripted import replay

ORIGIN = "https://app.example"
EVIL = "https://evil.example"
REACHED = 404
"""What the route itself says: there is no such monitor."""


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    """One without a token, on the loopback address, with one allowed origin and a public address."""
    env = {"SERVER__CORS_ORIGINS": f'["{ORIGIN}"]', "SERVER__PUBLIC_URL": "http://drift.example:8080/"}
    with relay_to(replay({}), tmp_path_factory.mktemp("site"), **env) as running:
        yield running


@pytest.fixture
def driftium(relayed: Relayed) -> Driftium:
    return relayed.driftium


def change(driftium: Driftium, **headers: str) -> httpx.Response:
    """A request that would change something, if there were that monitor."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    return driftium.client.post("/monitors/x/mute", json={"until": until}, headers=named)


@pytest.mark.parametrize(
    "sent",
    [
        {"sec_fetch_site": "cross-site", "origin": EVIL},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site", "origin": "http://127.0.0.1:3000"},
        {"sec_fetch_site": "cross-site", "origin": "null"},
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": f"{ORIGIN}.evil.example"},
        {"origin": "http://127.0.0.1:1"},
    ],
    ids=str,
)
def test_what_another_sites_page_sends_is_refused(driftium: Driftium, sent: dict[str, str]):
    told = change(driftium, **sent)
    assert told.status_code == 403
    assert told.headers["content-type"] == "application/problem+json"
    assert "server.cors_origins" in told.json()["detail"]


def test_what_our_own_page_a_named_one_or_no_browser_sends_is_done(driftium: Driftium):
    """The console, pages of server.cors_origins, the console under server.public_url, curl, a typed address."""
    own = driftium.url
    assert change(driftium).status_code == REACHED
    assert change(driftium, sec_fetch_site="same-origin", origin=own).status_code == REACHED
    assert change(driftium, sec_fetch_site="none").status_code == REACHED
    assert change(driftium, origin=own).status_code == REACHED
    assert change(driftium, sec_fetch_site="cross-site", origin=ORIGIN).status_code == REACHED
    assert change(driftium, origin="http://drift.example:8080").status_code == REACHED


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/baseline"),
        ("POST", "/generate"),
        ("POST", "/drift/rca"),
        ("POST", "/api/monitoring/upload"),
        ("PUT", "/api/monitoring/references/x"),
        ("DELETE", "/monitors/x/mute"),
        ("DELETE", "/api/monitoring/references/x"),
    ],
)
def test_it_is_refused_before_anything_of_it_is_read(driftium: Driftium, method: str, path: str):
    """Also as a form or as plain text, which a page may send without asking first."""
    headers = {"sec-fetch-site": "cross-site", "origin": EVIL, "content-type": "text/plain"}
    assert driftium.client.request(method, path, content=b"{}", headers=headers).status_code == 403


def test_reading_is_left_to_the_browsers_own_rule(driftium: Driftium):
    """A link from elsewhere opens the console; a script from elsewhere is not let see the answer."""
    headers = {"sec-fetch-site": "cross-site", "origin": EVIL}
    for path in ("/", "/drift"):
        told = driftium.client.get(path, headers=headers)
        assert told.status_code in (200, 503)
        assert "access-control-allow-origin" not in told.headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "a.b", "a.b:x"])
def test_a_page_whose_own_name_leads_here_reads_nothing(driftium: Driftium, host: str):
    """DNS rebinding: to the browser it is the page's own server."""
    for path in ("/drift", "/samples", "/schema/openapi.json", "/api/health"):
        told = driftium.client.get(path, headers={"host": host})
        assert (told.status_code, told.headers["content-type"]) == (421, "application/problem+json")
    assert "server.public_url" in told.json()["detail"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "10.0.0.7", "drift.example", "app.example", "box"],
)
def test_by_its_address_and_by_names_that_are_set_it_is_reached(driftium: Driftium, host: str):
    assert driftium.client.get("/drift", headers={"host": host}).status_code == 200


def test_probes_the_scraper_and_the_data_plane_take_any_name(driftium: Driftium):
    """They tell nothing of what was written, or are the upstream's business."""
    for path in ("/live", "/ready", "/metrics", "/"):
        assert driftium.client.get(path, headers={"host": "evil.example"}).status_code in (200, 503)
    headers = {"host": "any.example", "origin": EVIL, "sec-fetch-site": "cross-site"}
    assert driftium.client.post("/v1/chat/completions", content=ASK, headers=headers).status_code == 200


def test_with_a_token_any_name_will_do(tmp_path_factory: pytest.TempPathFactory):
    """That page has no token to send. What it sends across sites is refused all the same."""
    with relay_to(replay({}), tmp_path_factory.mktemp("token"), SERVER__ADMIN_TOKEN="t0ken") as guarded:
        client, token = guarded.driftium.client, {"authorization": "Bearer t0ken"}
        assert client.get("/drift", headers=token | {"host": "drift.example"}).status_code == 200
        assert client.get("/drift", headers={"host": "drift.example"}).status_code == 401
        assert change(guarded.driftium, sec_fetch_site="cross-site", origin=EVIL, **token).status_code == 403
