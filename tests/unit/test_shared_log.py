"""The log in PostgreSQL: written by many, read by nobody twice, forgotten by whole partitions."""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
import sqlalchemy as sa

from proxy.settings import Data, Database, Qdrant, Server, Settings
from proxy.stores.log import Entry
from proxy.stores.migrations import Schema, bring_up_shared
from proxy.stores.opening import Stores, open_stores
from proxy.stores.queue import Overtaken, Ready
from proxy.stores.shared_log import SCHEMA, SharedLog

DAY = 86_400.0
NOON = 1_700_000_000 // DAY * DAY + DAY / 2

Opener = Callable[..., Stores]


@pytest.fixture
def stores(tmp_path: Path, database: str) -> Iterator[Opener]:
    """Opens log and history of one database, as a proxy of that name."""
    opened = []

    def open_as(name: str, hours: int = 24, port: int = 8000) -> Stores:
        settings = Settings(
            server=Server(port=port),
            data=Data(dir=str(tmp_path / name)),
            database=Database(url=database, partition_hours=hours),
            qdrant=Qdrant(url="http://127.0.0.1:9"),
        )
        opened.append(open_stores(settings))
        return opened[-1]

    yield open_as
    for one in opened:
        one.close()


@pytest.fixture
def log(stores: Opener) -> SharedLog:
    return shared(stores("one"))


def shared(stores: Stores) -> SharedLog:
    assert isinstance(stores.log, SharedLog)
    return stores.log


def entry(name: str, at: float = NOON, size: int = 10) -> Entry:
    return Entry(id=name, at=at, monitor=None, model="m", outcome="complete", capture=bytes(size))


def entries(count: int, prefix: str = "e") -> list[Entry]:
    return [entry(f"{prefix}{number}") for number in range(count)]


def ready(seq: int, population: str = "m") -> Ready:
    return Ready(seq=seq, population=population, drawn=True, prompt=b"p", response=b"r", encoder="x")


def make_ready(log: SharedLog, population: str = "m", limit: int = 1_000) -> list[int]:
    with log.queue.claim(limit) as claimed:
        claimed.finish([ready(one.seq, population) for one in claimed.entries])
    return [one.seq for one in claimed.entries]


def partitions(log: SharedLog) -> list[str]:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'exchanges'::regclass ORDER BY 1"
    with log.engine.connect() as db:
        return list(db.execute(sa.text(query)).scalars())


def test_what_is_logged_waits_and_can_be_read(log: SharedLog):
    log.append(entries(3), {"logged": 3})
    assert log.waiting(0) == (3, NOON)
    assert log.head() == log.last_given() == 3
    assert log.unread_bytes(0) == 30
    assert log.captures([1, 2, 9], (NOON, NOON)) == {1: bytes(10), 2: bytes(10)}
    found = log.entry("e1")
    assert found
    assert (found.seq, found.at, found.model) == (2, NOON, "m")


def test_an_empty_log_has_no_head(log: SharedLog):
    assert log.head() == 0
    assert log.waiting(0) == (0, None)


def test_what_is_written_twice_is_there_once(log: SharedLog):
    log.append(entries(3), {"logged": 3})
    log.append(entries(3), {"logged": 3})
    assert log.waiting(0) == (3, NOON)
    assert log.collect([entry("e0", NOON + 5), entry("new", NOON + 5)]) == {"e0"}
    assert log.waiting(0)[0] == 4


def test_two_who_collect_the_same_at_once_log_it_once(stores: Opener):
    logs = [shared(stores(f"proxy{number}")) for number in range(3)]
    logs[0].append([], {})
    found: list[set[str]] = []
    threads = [
        threading.Thread(target=lambda log=log, at=at: found.append(log.collect([entry("same", NOON + at)])))
        for at, log in enumerate(logs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, found)) == [0, 1, 1]
    assert logs[0].waiting(0)[0] == 1


def test_each_proxy_counts_for_itself_and_goes_on_after_a_restart(stores: Opener):
    one, two = shared(stores("one")), shared(stores("two"))
    one.append(entries(1), {"logged": 1, "dropped": 2})
    two.append(entries(1, "other"), {"logged": 7})
    one.add_total("unredacted", 1)
    assert one.totals() == {"logged": 1, "dropped": 2, "unredacted": 1}
    assert two.totals() == {"logged": 7}
    assert shared(stores("one")).totals() == one.totals()


def test_two_proxies_may_have_one_data_folder(stores: Opener):
    one, two = shared(stores("one")), shared(stores("one", port=8001))
    one.append(entries(1), {"logged": 1})
    two.append(entries(1, "other"), {"logged": 7})
    assert (one.totals(), two.totals()) == ({"logged": 1}, {"logged": 7})


def test_a_data_folder_that_cannot_be_used_stops_no_proxy(stores: Opener, tmp_path: Path):
    (tmp_path / "file").write_text("")
    log = shared(stores("file/below"))
    log.append(entries(1), {"logged": 1})
    assert log.totals() == {"logged": 1}


def test_a_name_that_no_text_of_postgresql_can_hold_fails_no_batch(log: SharedLog):
    log.append([msgspec.structs.replace(entry("e"), monitor="a\0b", model="\0")], {})
    with log.queue.claim(1) as claimed:
        assert [(one.monitor, one.model) for one in claimed.entries] == [("a\ufffdb", "\ufffd")]


def test_two_workers_never_hold_the_same(log: SharedLog):
    log.append(entries(5), {})
    with log.queue.claim(3) as first, log.queue.claim(3) as second:
        assert [one.seq for one in first.entries] == [1, 2, 3]
        assert [one.seq for one in second.entries] == [4, 5]


def test_what_a_worker_held_when_it_failed_is_free_again(log: SharedLog):
    def fail() -> None:
        with log.queue.claim(2) as claimed:
            claimed.finish([ready(1)])
            raise ZeroDivisionError

    log.append(entries(2), {})
    with pytest.raises(ZeroDivisionError):
        fail()
    assert make_ready(log) == [1, 2]


def test_nothing_is_scored_before_what_came_earlier(log: SharedLog):
    log.append(entries(4), {})
    with log.queue.claim(2):
        assert make_ready(log) == [3, 4]
        assert log.queue.ready(["m"], 10) == []
    make_ready(log)
    assert [one.entry.seq for one in log.queue.ready(["m"], 10)] == [1, 2, 3, 4]
    assert log.queue.ready(["other"], 10) == []
    assert log.queue.populations() == {"m"}


def test_vectors_come_back_as_they_were_put(log: SharedLog):
    log.append(entries(1), {})
    make_ready(log)
    (found,) = log.queue.ready(["m"], 1)
    assert found.ready == ready(1)
    assert (found.entry.id, found.entry.outcome) == ("e0", "complete")


def test_nothing_is_scored_twice(log: SharedLog):
    log.append(entries(3), {})
    make_ready(log)
    with log.engine.begin() as db:
        log.queue.done(db, [1, 2])
    with pytest.raises(Overtaken), log.engine.begin() as db:
        log.queue.done(db, [2, 3])
    assert [one.entry.seq for one in log.queue.ready(["m"], 10)] == [3]


def test_a_capture_goes_with_its_place_in_the_queue_where_no_text_is_kept(log: SharedLog):
    log.append(entries(2), {})
    make_ready(log)
    with log.engine.begin() as db:
        log.queue.done(db, [1], erase=True)
    assert set(log.captures([1, 2])) == {2}


def test_a_command_waits_for_what_its_monitor_has_before_it(log: SharedLog):
    log.append(entries(2), {})
    with log.queue.claim(1) as claimed:
        claimed.finish([ready(1, "a")])
    assert not log.queue.reached(2, "b")  # nobody knows yet of which monitor the second is
    make_ready(log, "a")
    assert log.queue.reached(2, "b")
    assert not log.queue.reached(2, "a")
    assert not log.queue.reached(2)
    assert log.queue.reached(0, "a")


def test_what_is_too_old_goes_by_partitions_and_what_nobody_read_of_it_is_counted(log: SharedLog):
    log.append([entry("old", NOON - 3 * DAY), entry("older", NOON - 4 * DAY), entry("new")], {})
    make_ready(log, limit=1)
    assert len(partitions(log)) == 3
    assert log.prune(before=NOON - 2 * DAY, max_bytes=10**12, cursor=0) == 2
    assert len(partitions(log)) == 1
    assert log.totals() == {"expired": 2}
    assert log.waiting(0)[0] == 1
    assert log.prune(before=NOON + 9 * DAY, max_bytes=10**12, cursor=0) == 0  # the newest stays
    log.append([entry("late", NOON - 3 * DAY)], {})
    assert log.entry("late")


def test_the_oldest_go_while_all_together_are_too_large(log: SharedLog):
    log.append([entry(f"e{day}", NOON - day * DAY, 100_000) for day in range(3)], {})
    log.prune(before=0, max_bytes=1, cursor=0)
    assert len(partitions(log)) == 1
    assert log.entry("e0")


def test_for_want_of_room_nothing_goes_that_is_still_to_be_read(log: SharedLog):
    # Nothing that could be compressed.
    before = msgspec.structs.replace(entry("before", NOON - DAY), capture=random.Random(1).randbytes(1_000_000))
    log.append([before, entry("after")], {})
    room = 500_000
    assert log.prune(before=0, max_bytes=room, cursor=0) == 0
    assert log.entry("before")
    make_ready(log)
    with log.engine.begin() as db:
        log.queue.done(db, [1])
    log.prune(before=0, max_bytes=room, cursor=0)
    assert log.entry("before") is None
    assert log.entry("after")
    assert log.totals() == {}


def test_nobody_waits_behind_a_long_reader_for_a_partition_to_be_dropped(log: SharedLog):
    log.append([entry("old", NOON - 3 * DAY), entry("new")], {})
    with log.engine.begin() as reader:
        reader.execute(sa.text("SELECT count(*) FROM exchanges"))
        assert log.prune(before=NOON - DAY, max_bytes=10**12, cursor=0) == 0
        log.append([entry("meanwhile")], {})
    assert log.prune(before=NOON - DAY, max_bytes=10**12, cursor=0) == 1


def test_what_was_scored_before_loses_its_text_where_none_is_kept_any_more(log: SharedLog):
    log.append(entries(4), {})
    make_ready(log, limit=2)
    with log.engine.begin() as db:
        log.queue.done(db, [1, 2])
    for _ in range(2):
        log.erase_scored()
        assert set(log.captures([1, 2, 3, 4])) == {3, 4}


def test_partitions_may_become_shorter_or_longer(stores: Opener):
    for number, hours in enumerate((24, 1, 168, 24)):
        log = shared(stores("one", hours))
        log.append([entry(f"{number}-{hour}", NOON + hour * 3_600) for hour in range(-30, 31, 5)], {})
    assert log.waiting(0)[0] == 4 * 13


def test_another_proxy_notices_that_a_partition_was_dropped(stores: Opener):
    one, two = shared(stores("one")), shared(stores("two"))
    two.append([entry("old", NOON - 9 * DAY)], {})
    one.append([entry("new")], {})
    one.prune(before=NOON - DAY, max_bytes=10**12, cursor=0)
    with pytest.raises(sa.exc.SQLAlchemyError):
        two.append([entry("old2", NOON - 9 * DAY)], {})
    two.append([entry("old2", NOON - 9 * DAY)], {})
    assert two.entry("old2")


def test_proxies_that_start_at_once_make_one_schema_and_lose_nothing(stores: Opener):
    logs = [shared(stores(f"proxy{number}")) for number in range(4)]
    failed = []

    def write(number: int) -> None:
        try:
            for batch in range(5):
                logs[number].append(entries(20, f"{number}-{batch}-"), {"logged": 20})
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert logs[0].waiting(0)[0] == 400


def test_erasing_a_monitor_takes_what_waits_of_it_too(log: SharedLog):
    log.append([*entries(2), msgspec.structs.replace(entry("other"), model="n")], {})
    assert log.erase_monitor("m", ["m", "n"], log.head())
    assert log.waiting(0)[0] == 1
    assert not log.erase_monitor("m", ["m", "n"], log.head())


def test_an_older_database_takes_the_steps_that_it_has_not_taken(stores: Opener, database: str):
    def wider(db: psycopg.Connection) -> None:
        db.execute("ALTER TABLE exchanges ADD COLUMN wide TEXT")

    log = shared(stores("one"))
    log.append(entries(2), {})
    schema = Schema(SCHEMA.tables, (*SCHEMA.steps, wider), SCHEMA.name)
    for _ in range(2):
        with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as db:
            db.execute("SET search_path TO driftium")
            bring_up_shared(db, schema, "it")
            assert db.execute("SELECT count(*), count(wide) FROM exchanges").fetchone() == (2, 0)


def test_a_database_of_a_later_version_is_refused_with_what_to_do(stores: Opener):
    log = shared(stores("one"))
    log.append([], {})
    with log.engine.begin() as db:
        db.execute(sa.text("UPDATE schema_versions SET version = version + 1 WHERE name = 'log'"))
    with pytest.raises(sa.exc.SQLAlchemyError, match="install that version again"):
        stores("two").log.head()
