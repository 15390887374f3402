"""Of several processes that want to do something that one is to do at a time, one does it."""

from collections.abc import Iterator

import pytest
from sqlalchemy.exc import SQLAlchemyError

from proxy import turn
from proxy.settings import Database
from proxy.stores.postgres import open_postgres
from proxy.turn import Turn
from tests.conftest import wait_until
from tests.postgres import Postgres


@pytest.fixture
def two(database: str) -> Iterator[tuple[Turn, Turn]]:
    """Of two processes."""
    engines = [open_postgres(Database(url=database, schema="public")) for _ in range(2)]
    with Turn(engines[0], "work") as one, Turn(engines[1], "work") as other:
        yield one, other
    for engine in engines:
        engine.dispose()


def test_one_works_and_the_other_when_that_one_leaves(two: tuple[Turn, Turn]):
    one, other = two
    assert [one.mine(), other.mine(), one.mine(), other.mine()] == [True, False, True, False]
    one.__exit__()
    assert wait_until(other.mine)
    assert not one.mine()


def test_what_is_another_thing_or_in_another_schema_is_anothers(database: str):
    engines = [open_postgres(Database(url=database, schema=schema)) for schema in ("public", "pg_catalog")]
    with Turn(engines[0], "a") as a, Turn(engines[0], "b") as b, Turn(engines[1], "a") as elsewhere:
        assert [a.mine(), b.mine(), elsewhere.mine()] == [True, True, True]
    for engine in engines:
        engine.dispose()


def test_one_that_hangs_loses_its_turn(two: tuple[Turn, Turn], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(turn._LIMITS, "idle_session_timeout", "300ms")
    one, other = two
    assert one.mine()
    # It says nothing any more.
    assert wait_until(other.mine)
    with pytest.raises(SQLAlchemyError):
        one.mine()
    assert not one.mine()


def test_one_whose_connection_was_lost_keeps_its_turn_where_nobody_took_it(
    two: tuple[Turn, Turn], database: str, postgres: Postgres
):
    one, other = two
    assert one.mine()
    name = database.rpartition("/")[2]
    postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    with pytest.raises(SQLAlchemyError):
        one.mine()
    assert one.mine()
    assert not other.mine()
