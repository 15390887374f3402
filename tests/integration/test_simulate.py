"""`driftium simulate`, from the installed wheel: it loads proxies with recorded answers and leaves nothing behind."""

import json
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from tests.conftest import Driftium, free_port, wait_until
from tests.integration.conftest import Start
from tests.scripted import Request, Script, Upstream, answer


@pytest.fixture
def simulate(command: Start, tmp_path: Path) -> Iterator[Start]:
    yield partial(command, "simulate")
    assert [*(tmp_path / "tmp").iterdir()] == []


def test_every_answer_that_was_sent_for_is_counted(simulate: Start):
    """Without a worker: what was sent was answered and logged, and the table says so, with sizes and CPU time."""
    printed, complaints = simulate("--rate", "20", "--seconds", "3", "--workers", "0", "--json").communicate(
        timeout=120
    )
    found = json.loads(printed)
    assert found["sent"] > 0, complaints
    assert found["sent"] == found["answered"] == found["logged"]
    assert (found["failed"], found["dropped"]) == ({}, 0)
    assert found["whole"]["answers"] + found["first"]["answers"] == found["sent"]
    assert found["stored"]["log_bytes"] > 0
    if Path("/proc/self/stat").exists():
        assert found["processes"]["proxy"]["cpu_seconds"] > 0


def test_two_proxies_share_a_database_and_leave_nothing_in_it(simulate: Start, database: str):
    """What they logged lies in one schema, which is gone afterwards."""
    flags = ("--rate", "20", "--seconds", "3", "--workers", "0", "--replicas", "2")
    settings = {"DRIFTIUM_DATABASE__URL": database, "DRIFTIUM_QDRANT__URL": "http://127.0.0.1:1"}
    started = simulate(*flags, **settings)
    printed, complaints = started.communicate(timeout=120)
    assert started.returncode == 0, printed + complaints
    assert "rows written" in printed
    assert "What broke first: nothing" in printed or "load generator itself came" in printed, printed
    url = sa.make_url(database)
    with psycopg.connect(host=url.host, port=url.port, user=url.username, dbname=url.database) as db:
        assert db.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'driftium%'").fetchall() == []


def test_ctrl_c_tells_what_was_measured_until_then(simulate: Start, tmp_path: Path):
    started = simulate("--rate", "20", "--seconds", "600", "--workers", "0", "--json")

    def answered() -> bool:
        told = [file.read_text() for file in (tmp_path / "tmp").glob("*/load.out")]
        return any(re.search(r'"answered":[1-9].*\n', text) for text in told)

    wait_until(answered, what="the load has told of answers")
    started.send_signal(signal.SIGINT)
    printed, complaints = started.communicate(timeout=60)
    assert started.returncode == 130, complaints
    found = json.loads(printed)
    assert found["interrupted"]
    assert 0 < found["answered"] <= found["sent"]


def test_a_model_that_is_no_simulation_is_sent_nothing(
    simulate: Start, driftium: Callable[..., Driftium], upstream: Callable[[Script], Upstream]
):
    """A proxy in front of a real server is asked for its models and then left alone: answers may cost money."""

    async def models(request: Request) -> AsyncIterator[bytes]:
        yield answer(b'{"object": "list", "data": [{"id": "gpt", "object": "model"}]}')

    real = upstream(models)
    proxy = driftium(real.url, "--no-worker")
    started = simulate("--rate", "5", "--seconds", "2", "--url", proxy.url, "--upstream-port", str(free_port()))
    complaints = started.communicate(timeout=60)[1]
    assert started.returncode == 1
    assert "does not forward to this simulation, so nothing was sent" in complaints
    assert "upstream.url = http://127.0.0.1:" in complaints
    assert [request.target for request in real.requests if request.method == "POST"] == []


def test_proxies_that_run_already_can_be_loaded(simulate: Start, driftium: Callable[..., Driftium]):
    """With their upstream pointed at the simulation's; one that is down then fails its own requests alone."""
    port = free_port()
    proxy = driftium(f"http://127.0.0.1:{port}", "--no-worker")
    flags = ("--rate", "20", "--seconds", "3", "--url", proxy.url, "--upstream-port", str(port), "--json")
    printed, complaints = simulate(*flags).communicate(timeout=60)
    found = json.loads(printed)
    assert found["answered"] == found["sent"] == found["logged"], complaints
    assert any("driftium erase" in note for note in found["notes"])


def test_what_cannot_be_done_is_said_at_once(simulate: Start):
    """Exit code 2 and one line, before anything is started."""
    started = simulate("--rate", "5", "--replicas", "2")
    printed, complaints = started.communicate(timeout=60)
    assert (started.returncode, printed) == (2, "")
    assert "several proxies share a PostgreSQL database; set database.url" in complaints
