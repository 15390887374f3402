"""Several proxies on one database: what lies there is the same on all, and one scheduler works."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Driftium, wait_until
from tests.postgres import Postgres
from tests.scripted import Upstream, replay

CONFIG = """
[[canary]]
name = "daily"
model = "replay"
repeats = 1
prompts = ["a", "b", "c", "d", "e", "f", "g", "h"]
"""


class Several:
    """Two proxies without workers, with one data folder and the same canary."""

    def __init__(self, postgres: Postgres, folder: Path, upstream: Upstream):
        self.url = postgres.database()
        self.postgres = postgres
        self.env = {"DRIFTIUM_DATABASE__URL": self.url, "DRIFTIUM_QDRANT__URL": "http://127.0.0.1:9"}
        (folder / "config.toml").write_text(CONFIG)
        self.proxies = [Driftium(folder, upstream.url, "--no-worker", env=self.env).start() for _ in range(2)]

    def scheduler(self, driftium: Driftium) -> str:
        return str(driftium.get("/api/health")["scheduler"]["status"])

    def ids(self) -> list[str]:
        rows = self.postgres.execute("SELECT id FROM driftium.exchanges", database=self.url.rpartition("/")[2])
        return [str(number) for (number,) in rows]


@pytest.fixture(scope="module")
def several(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Several]:
    with Upstream(replay({})) as upstream:
        made = Several(postgres, tmp_path_factory.mktemp("several"), upstream)
        yield made
        for driftium in made.proxies:
            driftium.stop()
            assert "Traceback" not in driftium.stderr.read_text()


def test_each_proxy_tells_what_it_tapped_itself_and_of_the_history_all_tell_the_same(several: Several):
    one, other = several.proxies
    ids = {driftium.chat("Hello").headers["x-driftium-exchange-id"] for driftium in (one, one, other)}
    wait_until(lambda: asked(several) == 8, what="the canary is asked")
    wait_until(lambda: ids <= set(several.ids()), what="all is logged")
    logged = sorted(driftium.get("/api/health")["tap"]["logged"] for driftium in (one, other))
    assert logged in ([1, 10], [2, 9])
    assert [driftium.get("/api/health")["tap"]["lag_exchanges"] for driftium in (one, other)] == [11, 11]
    for driftium in several.proxies:
        # The rules take what all tell the same from one of them, by the time at which it began.
        assert "\ndriftium_shared_since_timestamp_seconds " in driftium.client.get("/metrics").text


def test_one_scheduler_works_until_it_hangs_or_dies_and_then_another_does(several: Several):
    """A canary is asked as often as it is due, whoever asks, and its answers are known as its own."""

    def works(driftium: Driftium) -> bool:
        return several.scheduler(driftium) == "ready"

    def stands_by(driftium: Driftium) -> bool:
        return several.scheduler(driftium) == "standing by"

    wait_until(lambda: sum(map(works, several.proxies)) == sum(map(stands_by, several.proxies)) == 1, what="one works")
    worked, waited = sorted(several.proxies, key=stands_by)
    wait_until(lambda: asked(several) == 8, what="the canary is asked")
    pid = scheduler_pid(worked)
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: works(waited), what="the other one works")
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: stands_by(worked), what="the first one stands by")
    # Without its parent no other takes its place there.
    assert waited.process
    waited.process.kill()
    waited.process.wait()
    wait_until(lambda: works(worked), what="the first one works again")
    assert asked(several) == 8


def asked(several: Several) -> int:
    query = "SELECT count(*) FROM driftium.exchanges WHERE monitor = 'canary:daily'"
    return int(str(several.postgres.execute(query, database=several.url.rpartition("/")[2])[0][0]))


def scheduler_pid(driftium: Driftium) -> int:
    assert driftium.process
    children = Path(f"/proc/{driftium.process.pid}/task/{driftium.process.pid}/children").read_text().split()
    lines = {int(pid): Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
    return next(pid for pid, line in lines.items() if "scheduler" in line)
