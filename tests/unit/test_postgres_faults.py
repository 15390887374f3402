"""What is wrong with PostgreSQL is said in one line, with what to do and without a password."""

from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from proxy.checks.database import postgres as check
from proxy.settings import Database, Settings
from proxy.stores.faults import fault_of
from proxy.stores.history import SCHEMA
from proxy.stores.postgres import open_postgres
from tests.postgres import GUARDED, Postgres, binaries

SECRET = "s3cret"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A small one, which is stopped and filled up."""
    if binaries() is None:
        pytest.skip("no PostgreSQL server is installed")
    with Postgres(fsync=False, options={"max_connections": "6"}) as running:
        running.role(GUARDED, password=SECRET)
        running.role("stranger")
        yield running


def said(url: str, statement: str = "SELECT 1", *, schema: str = "driftium") -> str:
    """What people are told when this is tried."""
    engine = open_postgres(Database(url=url, schema=schema, connect_seconds=2), SCHEMA)
    try:
        with pytest.raises(SQLAlchemyError) as raised, engine.begin() as db:
            db.execute(sa.text(statement))
    finally:
        engine.dispose()
    message = fault_of(raised.value).message
    assert "\n" not in message
    assert SECRET not in message
    return message


def found(url: str, *, schema: str = "driftium") -> list[tuple[str, str]]:
    """What the doctor finds."""
    findings = list(check(Settings(database=Database(url=url, schema=schema))))
    assert SECRET not in str(findings)
    return [(finding.mark, f"{finding.found}: {finding.mend}") for finding in findings]


def test_who_may_not_enter_is_told_so(server: Postgres):
    for user, password in ((GUARDED, f"not{SECRET}"), (GUARDED, ""), ("nobody", "")):
        url = server.url_of("postgres", user=user, password=password)
        assert "refuses the login" in said(url)
        assert [mark for mark, _ in found(url)] == ["error"]


def test_who_may_make_no_tables_is_told_what_the_owner_has_to_do(server: Postgres):
    name = server.database().rpartition("/")[2]
    url = server.url_of(name, user="stranger")
    assert "CREATE SCHEMA driftium AUTHORIZATION" in said(url)
    (finding,) = found(url)
    assert finding[0] == "error"
    server.execute(finding[1].rpartition("owner: ")[2], database=name)
    assert [mark for mark, _ in found(url)] == ["warning"], "few connections are left"
    engine = open_postgres(Database(url=url), SCHEMA)
    with engine.begin() as db:
        db.execute(sa.text("INSERT INTO counters VALUES ('a', 'b', 1)"))
    engine.dispose()


def test_a_database_that_is_not_there_takes_no_writes_or_is_of_a_later_version(server: Postgres):
    url = server.database()
    name = url.rpartition("/")[2]
    assert "nowhere does not exist" in said(server.url_of("nowhere"))
    engine = open_postgres(Database(url=url), SCHEMA)
    with engine.connect():
        server.execute("UPDATE driftium.schema_versions SET version = 99", database=name)
    engine.dispose()
    assert "later Driftium" in said(url)
    assert "later Driftium" in found(url)[0][1]
    server.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    assert "name the primary" in said(url, schema="fresh")
    assert "read-only" in found(url)[0][1]


def test_a_full_disk_and_a_statement_that_takes_too_long_are_told_apart(server: Postgres):
    url = server.database()
    full = "DO $$ BEGIN RAISE 'could not extend file: No space left on device' USING errcode = '53100'; END $$"
    assert "disk of PostgreSQL" in said(url, full)
    assert "too slow" in said(url, "SET LOCAL statement_timeout = 10; SELECT pg_sleep(60)")


def test_a_server_without_a_free_connection_says_so(server: Postgres):
    url = server.database()
    held: list[psycopg.Connection] = []

    def take_all() -> None:
        while True:
            held.append(psycopg.connect(host="127.0.0.1", port=server.port, user="postgres"))

    with pytest.raises(psycopg.OperationalError, match="too many"):
        take_all()
    try:
        assert "no connection left" in said(url)
    finally:
        for connection in held:
            connection.close()


def test_a_server_that_hangs_or_is_not_there_is_said_to(server: Postgres):
    url = server.database()
    server.pause()
    try:
        assert "does not answer" in said(url)
        assert "does not answer" in found(url)[0][1]
    finally:
        server.resume()
    guarded = server.url_of("x", user=GUARDED, password=SECRET)
    server.kill()
    assert "is not reached" in said(guarded)
    assert "is not reached" in found(guarded)[0][1]
    server.start()


@pytest.mark.parametrize("more", ["?sslmode=nonsense", "?no_such_option=1", "?connect_timeout=x"])
def test_an_address_that_cannot_be_used_is_not_shown_with_its_password(more: str):
    url = f"postgresql+psycopg://me:{SECRET}@127.0.0.1:9/name{more}"
    assert "127.0.0.1:9/name" in said(url)
    assert [mark for mark, _ in found(url)] == ["error"]
