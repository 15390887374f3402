"""Whatever becomes of PostgreSQL, requests are answered, what is wrong is said, and all that passed is logged."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.conftest import Driftium, wait_until
from tests.postgres import GUARDED, Postgres, binaries
from tests.scripted import Upstream, replay

SECRET = "s3cret"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One that is killed and made to hang: not the one of the other tests."""
    if binaries() is None:
        pytest.skip("no PostgreSQL server is installed")
    with Postgres(fsync=False) as running:
        running.role(GUARDED, password=SECRET)
        yield running


class Proxy:
    """A proxy without a worker whose log is a database on the server."""

    def __init__(self, server: Postgres, folder: Path, upstream: Upstream):
        self.server = server
        name = server.database().rpartition("/")[2]
        server.execute(f'ALTER DATABASE "{name}" OWNER TO {GUARDED}')
        self.database = name
        env = {
            "DRIFTIUM_DATABASE__URL": server.url_of(name, user=GUARDED, password=SECRET),
            "DRIFTIUM_DATABASE__CONNECT_SECONDS": "2",
            "DRIFTIUM_QDRANT__URL": "http://127.0.0.1:9",
        }
        self.driftium = Driftium(folder / "data", upstream.url, "--no-worker", env=env)

    def chats(self, count: int) -> set[str]:
        """Ids of so many exchanges; each is answered."""
        ids = set()
        for number in range(count):
            answer = self.driftium.chat(f"question {number}")
            assert answer.status_code == 200
            ids.add(answer.headers["x-driftium-exchange-id"])
        return ids

    def logged(self) -> list[str]:
        rows = self.server.execute("SELECT id FROM driftium.exchanges ORDER BY id", database=self.database)
        return [str(number) for (number,) in rows]

    def wait_until_logged(self, ids: set[str]) -> None:
        wait_until(lambda: self.driftium.get("/api/health")["tap"]["pending"] == 0, what="the tap is empty")
        assert self.logged() == sorted(ids)

    def storage(self) -> dict[str, str]:
        return dict(self.driftium.get("/api/health")["storage"])


@pytest.fixture
def proxy(server: Postgres, tmp_path: Path) -> Iterator[Proxy]:
    with Upstream(replay({})) as upstream:
        made = Proxy(server, tmp_path, upstream)
        yield made
        server.resume()
        if made.driftium.process:
            made.driftium.stop()
            told = made.driftium.stderr.read_text()
            assert "Traceback" not in told
            assert SECRET not in told


def test_a_database_that_comes_later_gets_what_has_passed(proxy: Proxy):
    """One that is not there at the start, or is killed, is no reason to refuse anybody."""
    proxy.server.stop()
    proxy.driftium.start()
    ids = proxy.chats(5)
    answer = proxy.driftium.client.get("/ready")
    assert (answer.status_code, "not recorded" in answer.json()["message"]) == (200, True)
    said = proxy.storage()
    assert "Connection refused" in said["message"]
    assert f"127.0.0.1:{proxy.server.port}/{proxy.database}" in said["message"]
    assert SECRET not in str(proxy.driftium.get("/api/health"))
    assert "driftium_stores_up 0.0" in proxy.driftium.client.get("/metrics").text
    proxy.server.start()
    proxy.wait_until_logged(ids)
    wait_until(lambda: proxy.storage() == {"status": "ok"}, what="nothing is said to be wrong")
    proxy.server.kill()
    ids |= proxy.chats(5)
    proxy.server.start()
    proxy.wait_until_logged(ids)


def test_a_database_that_hangs_holds_nobody_up(proxy: Proxy):
    """Nor does a crowd that asks for what lies in it: each of them gets an answer, and so does who stops the proxy."""
    driftium = proxy.driftium.start()
    ids = proxy.chats(3)
    proxy.wait_until_logged(ids)
    proxy.server.pause()
    paths = ["/metrics", "/api/health", "/drift", "/monitors", "/baseline"] * 8
    # More at once than there are connections; what they get is for later.
    with ThreadPoolExecutor(len(paths)) as crowd:
        asked = [crowd.submit(httpx.get, driftium.url + path, timeout=120, trust_env=False) for path in paths]
        ids |= proxy.chats(50)
        assert driftium.client.get("/live").json() == {"status": "ok"}
        assert "not recorded" in driftium.client.get("/ready").json()["message"]
        answers = [one.result() for one in asked]
    for answer in answers:
        if answer.url.path == "/metrics":
            assert "driftium_stores_up 0.0" in answer.text
        elif answer.url.path == "/api/health":
            assert "PostgreSQL" in answer.json()["storage"]["message"]
        else:
            assert (answer.status_code, "is not affected" in answer.text) == (503, True)
    proxy.server.resume()
    proxy.wait_until_logged(ids)
    wait_until(lambda: proxy.storage() == {"status": "ok"}, what="nothing is said to be wrong")


def test_a_proxy_starts_before_a_database_that_hangs_and_ends_before_it(proxy: Proxy):
    proxy.server.pause()
    proxy.driftium.start()
    assert len(proxy.chats(3)) == 3
    proxy.driftium.process.terminate()
    assert proxy.driftium.process.wait(60) == 0
