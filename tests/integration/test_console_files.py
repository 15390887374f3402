"""The console's page and files are served as a browser wants them, and nothing else of the disk is."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from proxy.console_files import DIST
from proxy.routes import problems
from proxy.routes.console import VIEWS, console
from tests.conftest import Driftium
from tests.integration.relayed import relay_to
from tests.scripted import replay

SCRIPT = "const answer = 42;\n" * 50


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driftium]:
    """A whole Driftium with the build of this checkout."""
    if not (DIST / "index.html").is_file():
        pytest.skip("the console is not built")
    with relay_to(replay({}), tmp_path_factory.mktemp("server")) as running:
        yield running.driftium


def served(dist: Path) -> TestClient[Litestar]:
    """The console's routes alone, of a build in that folder."""
    return TestClient(Litestar(console(dist), exception_handlers=problems.HANDLERS, logging_config=None))


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A small build, with a secret beside it."""
    dist = tmp_path / "console" / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html><title>Driftium</title>")
    (dist / "theme.js").write_text("document.title;")
    (dist / "assets" / "index-abc.js").write_text(SCRIPT)
    (dist / "assets" / "index-abc.css").write_text("body { margin: 0 }")
    (dist / "assets" / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (dist / "assets" / ".hidden").write_text("hidden")
    (dist.parent / "secret.txt").write_text("secret")
    return dist


@pytest.mark.parametrize("path", VIEWS)
def test_every_view_is_the_same_page(server: Driftium, path: str):
    answered = server.client.get(path, params={"monitor": "m"})
    assert answered.status_code == 200
    assert answered.headers["content-type"] == "text/html; charset=utf-8"
    assert answered.headers["cache-control"] == "no-cache"
    assert answered.content == (DIST / "index.html").read_bytes()


def test_the_page_loads_only_from_here_and_all_that_it_loads_is_there(server: Driftium):
    wanted = re.findall(r'(?:src|href)="([^"]+)"', server.client.get("/").text)
    assert any(name.startswith("/assets/") for name in wanted)
    for name in wanted:
        assert name.startswith("/")
        assert server.client.get(name).status_code == 200


@pytest.mark.parametrize("path", ["/", "/assets/index-abc.js", "/theme.js"])
def test_every_file_says_what_a_page_may_do(build: Path, path: str):
    headers = served(build).get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/assets/index-abc.js", "text/javascript; charset=utf-8"),
        ("/assets/index-abc.css", "text/css; charset=utf-8"),
        ("/assets/logo.svg", "image/svg+xml; charset=utf-8"),
        ("/theme.js", "text/javascript; charset=utf-8"),
    ],
)
def test_every_file_has_its_content_type(build: Path, path: str, kind: str):
    assert served(build).get(path).headers["content-type"] == kind


def test_assets_are_kept_for_ever_and_what_has_no_digest_in_its_name_is_not(build: Path):
    client = served(build)
    assert client.get("/assets/index-abc.js").headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.get("/theme.js").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip, deflate, br", True), ("*", True), ("gzip;q=0.5", True), ("gzip;q=0", False), ("br", False), ("", False)],
)
def test_a_file_comes_compressed_where_that_is_accepted(build: Path, accepted: str, packed: bool):
    with served(build).stream("GET", "/assets/index-abc.js", headers={"accept-encoding": accepted}) as answered:
        body = b"".join(answered.iter_raw())
    assert answered.headers["vary"] == "accept-encoding"
    assert (answered.headers.get("content-encoding") == "gzip") == packed
    assert (gzip.decompress(body) if packed else body).decode() == SCRIPT
    assert int(answered.headers["content-length"]) == len(body)


def test_a_file_that_compression_makes_no_smaller_stays_as_it_is(build: Path):
    assert "content-encoding" not in served(build).get("/theme.js").headers


def test_what_the_browser_has_is_not_sent_again(build: Path):
    client = served(build)
    tag = client.get("/").headers["etag"]
    for known in (tag, f'"other", {tag}', "*"):
        again = client.get("/", headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert "content-security-policy" in again.headers
    assert client.get("/", headers={"if-none-match": '"other"'}).status_code == 200


def test_a_new_build_is_served_at_once(build: Path):
    client = served(build)
    before = client.get("/").headers["etag"]
    (build / "index.html").write_text("<!doctype html><title>Another</title>")
    after = client.get("/", headers={"if-none-match": before})
    assert after.status_code == 200
    assert "Another" in after.text


def test_head_says_what_get_would(server: Driftium):
    for path in ("/", "/compare", "/favicon.svg"):
        head, get = server.client.head(path), server.client.get(path)
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["content-length"] == get.headers["content-length"]
        assert head.headers["etag"] == get.headers["etag"]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/absent.js",
        "/assets/",
        "/assets",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/%2e%2e/index.html",
        "/assets/..%2ftheme.js",
        "/assets/%00",
        "/assets/" + "x" * 5000,
        "/index.html",
        "/dist/index.html",
        "/console",
        "/compare/more",
    ],
)
def test_nothing_else_is_served(server: Driftium, path: str):
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        answered = client.get(path)
    assert answered.status_code == 404
    assert answered.headers["content-type"] == "application/problem+json"


def test_without_a_build_each_view_says_how_to_make_one(tmp_path: Path):
    client = served(tmp_path / "console" / "dist")
    for path in VIEWS:
        answered = client.get(path)
        assert answered.status_code == 503
        assert "npm ci && npm run build" in answered.json()["detail"]
    assert client.get("/assets/index-abc.js").status_code == 404


def test_a_build_that_is_only_half_there_breaks_nothing_else(build: Path):
    (build / "index.html").unlink()
    client = served(build)
    assert client.get("/").status_code == 503
    assert client.get("/assets/index-abc.js").status_code == 200


def test_other_routes_and_the_data_plane_keep_their_paths(server: Driftium):
    assert server.get("/drift")["status"] == "not_initialized"
    assert server.client.get("/v1/models").json()["data"][0]["id"] == "replay"
    assert server.client.post("/compare").status_code == 405
    assert server.client.post("/nowhere").status_code == 404
