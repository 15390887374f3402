"""The scheduler process: small, hard to bring down, and quick to end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from proxy import scheduler as module
from proxy.heartbeat import SchedulerState, read_heartbeat
from proxy.notify.book import read
from proxy.scheduler import reason
from proxy.settings import Data, Settings
from proxy.settings import History as HistorySettings
from proxy.stores.counters import read_counters
from proxy.stores.history import History, open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import open_log
from tests.conftest import wait_until
from tests.integration.receivers import OK, Receiver

ROOT = Path(__file__).parents[2]
HEAVY = ("pandas", "scipy", "sklearn", "qdrant_client", "torch", "litestar", "uvicorn")
HUSH = "my secret illness"


def test_it_loads_nothing_heavy():
    code = f"import sys, proxy.scheduler; print([m for m in {HEAVY!r} if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


class Failing:
    """A job that fails as often as it is told to, and one beside it."""

    def __init__(self, failures: int):
        self.left = failures
        self.ran = threading.Event()
        self.other = threading.Event()

    def add_jobs(self, scheduler: BackgroundScheduler, *_: Any) -> None:
        scheduler.add_job(self.fail, "interval", seconds=0.05, id="failing")
        scheduler.add_job(self.other.set, "interval", seconds=0.05, id="other")

    def fail(self) -> None:
        if self.left:
            self.left -= 1
            raise ValueError(HUSH)
        self.ran.set()


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with closing(open_history(tmp_path)) as opened:
        yield opened


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.05)


class Running:
    """The scheduler's work in a thread, with these jobs."""

    def __init__(self, tmp_path: Path, history: History, monkeypatch: pytest.MonkeyPatch, *jobs: Any):
        monkeypatch.setattr(module, "ADD_JOBS", jobs)
        self._log = open_log(tmp_path)
        self._stop = threading.Event()
        settings = Settings(data=Data(dir=str(tmp_path)))
        self._thread = threading.Thread(target=module._work, args=(settings, history, self._log, self._stop))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._log.close()


def heartbeat(history: History) -> SchedulerState:
    state = read_heartbeat(history.engine)
    assert state
    return state


@pytest.mark.usefixtures("quick")
def test_a_job_that_fails_is_counted_shown_and_tried_again_and_nothing_of_it_is_quoted(
    tmp_path: Path, history: History, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    jobs = Failing(failures=3)
    with Running(tmp_path, history, monkeypatch, jobs.add_jobs):
        assert jobs.other.wait(30)
        assert jobs.ran.wait(30)
        counted = wait_until(lambda: read_counters(history.engine).get("scheduled_job_failures"))
        wait_until(lambda: sum(read_counters(history.engine)["scheduled_job_failures"].values()) == 3)
        state = wait_until(lambda: (s := heartbeat(history)).jobs["failing"].last_run_at and s)
    assert set(counted) == {(("job", "failing"),)}
    assert state.pid == os.getpid()
    assert set(state.jobs) == {"failing", "other"}
    told = capfd.readouterr()
    assert "ValueError" in told.out + told.err
    assert HUSH not in told.out + told.err


@pytest.mark.usefixtures("quick")
def test_jobs_that_cannot_be_set_up_keep_no_others_from_their_work(
    tmp_path: Path, history: History, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: Any) -> None:
        raise KeyError(HUSH)

    jobs = Failing(failures=0)
    with Running(tmp_path, history, monkeypatch, broken, jobs.add_jobs):
        assert jobs.other.wait(30)


@pytest.mark.usefixtures("quick")
def test_it_goes_on_while_the_history_cannot_be_written_and_tells_again_afterwards(
    tmp_path: Path, history: History, monkeypatch: pytest.MonkeyPatch
):
    def execute(statement: str) -> None:
        with history.engine.connect() as db:
            db.exec_driver_sql(statement)
            db.commit()

    jobs = Failing(failures=0)
    execute("create trigger full before insert on state begin select raise(abort, 'disk full'); end")
    with Running(tmp_path, history, monkeypatch, jobs.add_jobs):
        assert jobs.ran.wait(30)
        assert read_heartbeat(history.engine) is None
        execute("drop trigger full")
        wait_until(lambda: read_heartbeat(history.engine), what="the heartbeat is written again")


def test_the_reason_of_a_failed_statement_leaves_out_what_it_was_about(history: History):
    ledger = Ledger(history, HistorySettings(), ring=10)
    with history.engine.connect() as db:
        db.exec_driver_sql("drop table events")
        db.commit()
    with pytest.raises(Exception) as caught:  # noqa: PT011
        ledger.commit(Changes(events=[("x", HUSH)]))
    assert HUSH not in reason(caught.value)
    assert "no such table" in reason(caught.value)


def test_it_ends_at_once_though_a_receiver_hangs(tmp_path: Path):
    """What hangs is cut off after a few seconds, long before the receiver's own two minutes."""
    forever = threading.Event()
    with Receiver() as receiver, closing(open_log(tmp_path)) as log:
        receiver.answers["/hangs"] = [lambda: (forever.wait(), OK)[1]]
        (tmp_path / "config.toml").write_text(
            f'[[notify]]\nname = "h"\ntype = "webhook"\nurl = "{receiver.url}/hangs"\ntimeout_seconds = 120\n'
        )
        log.append([], {"dropped": 1})
        process = subprocess.Popen(
            [sys.executable, "-m", "proxy", "scheduler", "--data-dir", str(tmp_path), "--port", "1"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        try:
            with closing(open_history(tmp_path)) as history:
                wait_until(lambda: read(history.engine)[2].dropped == 1, what="the first look")
            # What has been let go since the last look is news.
            log.append([], {"dropped": 2})
            wait_until(lambda: receiver.got, what="the receiver is asked")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            forever.set()
            process.kill()


def test_times_in_the_heartbeat_are_of_now(tmp_path: Path, history: History, monkeypatch: pytest.MonkeyPatch):
    before = time.time()
    jobs = Failing(failures=0)
    with Running(tmp_path, history, monkeypatch, jobs.add_jobs):
        state = wait_until(lambda: read_heartbeat(history.engine))
    assert before <= state.since <= state.heartbeat_at <= time.time()
