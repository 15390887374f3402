"""Kill -9 of the worker, of the web process and of both: nothing logged is lost or counted twice."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable

import httpx

from tests.conftest import Driftium, wait_until
from tests.scripted import Upstream, replay

WORDS = {f"question {i}": f"answer {i}" for i in range(400)}
ENV = {"DRIFTIUM_WORKER__MAX_LAG_SECONDS": "900", "DRIFTIUM_WORKER__BATCH": "8"}
MISSING_SECONDS = 0.1
SLACK_SECONDS = 1.0
"""A flush takes time of its own on a busy machine, and so does a client until it notes an answer."""


class Traffic:
    """A client that goes on asking, whatever happens to the server. `answered` has the id and time of each answer, in
    their order, and `by` which server gave it.
    """

    def __init__(self) -> None:
        self.answered: dict[str, float] = {}
        self.by: dict[str, list[str]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.url = ""

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        i = 0
        while not self._stop.wait(0.02):
            body = {"model": "replay", "messages": [{"role": "user", "content": f"question {i % len(WORDS)}"}]}
            i += 1
            url = self.url
            try:
                answer = httpx.post(url + "/v1/chat/completions", json=body, timeout=5, trust_env=False)
            except httpx.TransportError:
                continue
            exchange = answer.headers["x-driftium-exchange-id"]
            self.by.setdefault(url, []).append(exchange)
            self.answered[exchange] = time.time()

    def wait_for(self, count: int) -> None:
        target = len(self.answered) + count
        wait_until(lambda: len(self.answered) >= target, what=f"{count} more answers")


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def logged(proxy: Driftium) -> list[str]:
    with sqlite3.connect(f"file:{proxy.data_dir / 'exchanges.db'}?mode=ro", uri=True) as db:
        return [row[0] for row in db.execute("SELECT id FROM exchanges ORDER BY seq")]


def scored(proxy: Driftium) -> list[str]:
    with sqlite3.connect(f"file:{proxy.data_dir / 'drift_history.db'}?mode=ro", uri=True) as db:
        return [row[0] for row in db.execute("SELECT exchange_id FROM samples ORDER BY number")]


def test_killed_in_the_middle_of_traffic_nothing_logged_is_lost_or_counted_twice(
    driftium: Callable[..., Driftium], upstream: Callable[..., Upstream]
):
    proxy = driftium(upstream(replay(WORDS)).url, env=ENV)
    proxy.wait_for_worker()
    kills: dict[str, float] = {}
    with Traffic() as traffic:
        traffic.url = proxy.url
        traffic.wait_for(40)

        kill(proxy.worker_pid)
        traffic.wait_for(20)
        proxy.wait_for_worker()
        assert proxy.get("/api/health")["worker"]["restarts"] == 1

        assert proxy.process
        kills[proxy.url] = time.time()
        proxy.process.kill()
        proxy.process.wait()
        proxy.start()
        traffic.url = proxy.url
        proxy.wait_for_worker()
        traffic.wait_for(40)

        worker = proxy.worker_pid
        kills[proxy.url] = time.time()
        proxy.process.kill()
        kill(worker)
        proxy.process.wait()
        proxy.start()
        traffic.url = proxy.url
        traffic.wait_for(20)
    proxy.wait_for_worker()
    total = len(wait_until(lambda: (ids := logged(proxy)) and ids[-1] in traffic.answered and ids))
    proxy.wait_until_scored(total, seconds=240)

    ids = logged(proxy)
    assert len(ids) == len(set(ids))
    assert scored(proxy) == ids, "each logged exchange is scored once, in order"
    counted = proxy.get("/monitors")["monitors"][0]["coverage"]
    assert counted["seen"] == counted["scored"] == len(ids)
    kept = set(ids)
    for url, given in traffic.by.items():
        missing = [exchange for exchange in given if exchange not in kept]
        assert given[len(given) - len(missing) :] == missing, (
            "only the last before a kill of the web process are missing"
        )
        for exchange in missing:
            assert kills[url] - traffic.answered[exchange] <= MISSING_SECONDS + SLACK_SECONDS


def test_a_hung_worker_slows_no_request_and_loses_nothing(
    driftium: Callable[..., Driftium], upstream: Callable[..., Upstream]
):
    """While the worker is stopped requests are answered and logged; when it goes on, all are scored."""
    proxy = driftium(upstream(replay(WORDS)).url, env=ENV)
    proxy.wait_for_worker()
    worker = proxy.worker_pid
    os.kill(worker, signal.SIGSTOP)
    try:
        for i in range(50):
            assert proxy.chat(f"question {i}").status_code == 200
        wait_until(lambda: len(logged(proxy)) == 50)
        assert proxy.get("/drift")["lag_exchanges"] == 50
        # Nobody waits longer for the worker than promised, and what was asked is done later.
        asked = proxy.client.post("/baseline")
        assert asked.status_code == 202
    finally:
        os.kill(worker, signal.SIGCONT)
    proxy.wait_until_scored(50)
    wait_until(lambda: proxy.get("/baseline")["baselines"])
    made = proxy.get("/baseline")["baselines"][0]
    assert (made["id"], made["size"], made["active"]) == (asked.json()["baseline_id"], 50, True)
