"""No thread waits for ever for a PostgreSQL that has stopped answering, and none is taken for another's answer."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa

from proxy.settings import Database
from proxy.stores import patience
from proxy.stores.events import write
from proxy.stores.history import SCHEMA, History
from proxy.stores.postgres import open_postgres
from tests.conftest import wait_until
from tests.postgres import Postgres, binaries


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    if binaries() is None:
        pytest.skip("no PostgreSQL server is installed")
    with Postgres(fsync=False) as running:
        yield running


@pytest.fixture
def history(server: Postgres) -> Iterator[History]:
    engine = open_postgres(Database(url=server.database(), connect_seconds=2.0), SCHEMA)
    with closing(History(engine)) as made:
        assert made.monitors() == []
        yield made
        server.resume()


def test_a_statement_under_way_ends_once_nothing_has_come_for_too_long(
    server: Postgres, history: History, monkeypatch: pytest.MonkeyPatch
):
    with history.engine.connect() as db:
        monkeypatch.setattr(db.connection.dbapi_connection, "patience", 0.5)
        server.pause()
        with pytest.raises(sa.exc.OperationalError, match=r"no answer within 0\.5 s"):
            db.execute(sa.select(1))
    server.resume()
    # What was answered too late is no answer to this.
    with history.engine.connect() as db:
        assert db.execute(sa.text("SELECT 2")).scalar() == 2


def test_whoever_comes_while_it_hangs_is_told_and_uses_it_again_afterwards(
    server: Postgres, history: History, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(patience, "PING_SECONDS", 0.5)
    history.tell("k", {})
    server.pause()
    with ThreadPoolExecutor(30) as crowd:
        errors = [one.exception() for one in [crowd.submit(history.monitors) for _ in range(30)]]
    assert all(isinstance(error, sa.exc.SQLAlchemyError) for error in errors), errors
    server.resume()

    def works() -> bool:
        try:
            return history.last_event() == 1
        except sa.exc.SQLAlchemyError:
            return False

    assert wait_until(works)


def test_closing_ends_what_is_still_waited_for(server: Postgres, history: History):
    failed: list[Exception] = []
    begun = threading.Event()

    def ask() -> None:
        with history.engine.connect() as db:
            begun.set()
            try:
                db.execute(sa.text("SELECT pg_sleep(600)"))
            except sa.exc.SQLAlchemyError as error:
                failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    begun.wait(60)
    history.close()
    asking.join(60)
    assert "no answer before the end" in str(failed)


def test_events_are_seen_in_the_order_of_their_numbers(history: History):
    """A reader that goes on after the last number it saw misses none, however many write at once."""
    begun, go = threading.Event(), threading.Event()

    def slowly() -> None:
        with history.engine.begin() as db:
            write(db, [("slow", "{}")])
            begun.set()
            go.wait(60)

    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(slowly)
        assert begun.wait(60)
        fast = pool.submit(history.tell, "fast", {})
        assert history.events(0) == []
        go.set()
        slow.result(60)
        fast.result(60)
    assert [kind for _, kind, _ in history.events(0)] == ["slow", "fast"]
