"""Which worker owns a monitor: one at a time, whoever lives, and nobody writes what is another's by now."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from proxy.populations import new_row
from proxy.settings import Data, Database, Monitors, Qdrant, Settings
from proxy.shared import session as session_module
from proxy.shared.fence import Fence
from proxy.shared.naming import SharedNaming
from proxy.shared.ownership import Ownership, owner
from proxy.shared.session import Lost, Session
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import Entry
from proxy.stores.opening import Stores, open_stores
from proxy.stores.queue import Overtaken
from proxy.stores.shared_log import SharedLog
from proxy.stores.state import WorkerState
from proxy.stores.workers import bury, read_workers
from tests.conftest import wait_until

NAMES = [f"monitor {i}" for i in range(40)]


def state(stage: str = "ready", **more: object) -> WorkerState:
    now = time.time()
    return WorkerState(pid=1, stage=stage, since=now, heartbeat_at=now, **more)  # type: ignore[arg-type]


class Member:
    """A worker as far as owning goes."""

    def __init__(self, stores: Stores, name: str, **more: object):
        self.session = Session(stores.history.engine, name, state(**more))
        self.ownership = Ownership(stores.history.engine, self.session)
        assert isinstance(stores.log, SharedLog)
        fence = Fence(self.ownership, self.session, stores.log.queue, erase=False)
        self.ledger = Ledger(stores.history, Settings().history, 10, fence)

    def settle(self) -> set[str]:
        """Own what is this one's share, as far as it is free."""
        share = self.ownership.share()
        for name in self.ownership.epochs.keys() - share:
            self.ownership.give_up(name)
        for name in share - self.ownership.epochs.keys():
            self.ownership.take(name)
        return set(self.ownership.epochs)

    def write(self, *names: str, **more: object) -> None:
        self.ledger.commit(Changes(monitors=[new_row(name, "m") for name in names], **more))  # type: ignore[arg-type]


@pytest.fixture
def stores(tmp_path: Path, database: str) -> Iterator[Stores]:
    settings = Settings(
        data=Data(dir=str(tmp_path)), database=Database(url=database), qdrant=Qdrant(url="http://127.0.0.1:9")
    )
    opened = open_stores(settings)
    yield opened
    opened.close()


@pytest.fixture
def member(stores: Stores) -> Iterator[Callable[..., Member]]:
    with ExitStack() as stack:

        def join(name: str = "host:1", **more: object) -> Member:
            one = Member(stores, name, **more)
            stack.enter_context(one.session)
            return one

        yield join


def known(stores: Stores, names: list[str]) -> None:
    Ledger(stores.history, Settings().history, 10, lambda *_: None).commit(
        Changes(monitors=[new_row(name, "m") for name in names])
    )


def test_all_workers_come_to_the_same_owner_and_one_that_goes_moves_only_its_own():
    three = {name: owner(name, {3, 1, 2}) for name in NAMES}
    assert three == {name: owner(name, [1, 2, 3]) for name in NAMES}
    assert set(three.values()) == {1, 2, 3}
    two = {name: owner(name, [1, 2]) for name in NAMES}
    assert all(two[name] == three[name] for name in NAMES if three[name] != 3)


def test_each_monitor_has_one_owner_and_what_a_worker_leaves_is_taken(stores: Stores, member: Callable[..., Member]):
    known(stores, NAMES)
    one, two = member("host:1"), member("host:2")
    assert one.settle() | two.settle() == set(NAMES)
    assert one.settle().isdisjoint(two.settle())
    assert one.ownership.leads != two.ownership.leads
    one.session.close()
    # The server hears of it a moment later.
    wait_until(lambda: two.settle() == set(NAMES) and two.ownership.leads)


def test_a_worker_that_comes_gets_its_share_once_the_others_have_let_go(stores: Stores, member: Callable[..., Member]):
    known(stores, NAMES)
    one = member("host:1")
    assert one.settle() == set(NAMES)
    two = member("host:2")
    assert two.settle() == set()
    left = one.settle()
    assert two.settle() == set(NAMES) - left
    assert 0 < len(left) < len(NAMES)


def test_a_worker_that_still_loads_gets_nothing(stores: Stores, member: Callable[..., Member]):
    known(stores, NAMES)
    one, loading = member("host:1"), member("host:2", stage="loading")
    assert loading.settle() == set()
    assert one.settle() == set(NAMES)


def test_who_owned_a_monitor_that_is_gone_is_forgotten(stores: Stores, member: Callable[..., Member]):
    known(stores, NAMES[:2])
    one = member()
    one.settle()
    assert one.ownership.take("asked for")
    one.ownership.give_up("asked for")
    with stores.history.engine.begin() as db:
        db.execute(sa.text("DELETE FROM monitors WHERE name = :name"), {"name": NAMES[0]})
    one.settle()
    one.ownership.prune()
    with stores.history.engine.connect() as db:
        assert db.execute(sa.text("SELECT monitor FROM owners")).scalars().all() == [NAMES[1]]
    one.write(NAMES[1])


def test_a_former_owner_writes_nothing(stores: Stores, member: Callable[..., Member]):
    """Its session may have ended without its knowing: what it has under way is refused whole."""
    known(stores, ["a", "b"])
    one = member("host:1")
    one.settle()
    one.write("a", "b")
    # As when the machine slept: the server has ended the session, and another has taken what was free.
    with stores.history.engine.begin() as db:
        db.execute(sa.text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"))
    two = member("host:2")
    wait_until(lambda: two.settle() == {"a", "b"})
    with pytest.raises(Lost):
        one.write("a", annotations=[("a", "model", "Written by nobody.")])
    assert stores.history.annotations("a", 0.0, 1e12) == []
    two.write("a", "b")
    with pytest.raises(Lost):
        one.settle()


def test_what_the_former_owner_has_begun_to_write_is_waited_for(stores: Stores, member: Callable[..., Member]):
    """Else the new owner would read the history without it."""
    known(stores, ["a"])
    one, two = member("host:1"), member("host:2")
    first, second = (one, two) if one.settle() else (two, one)
    with stores.history.engine.begin() as db:
        first.ownership.check(db, ["a"])
        first.session.close()
        assert second.settle() == set()
    wait_until(lambda: second.settle() == {"a"})


def test_a_hanging_worker_loses_what_it_holds(
    stores: Stores, member: Callable[..., Member], monkeypatch: pytest.MonkeyPatch
):
    """The server ends a session that says nothing for too long; a machine that is gone says nothing either."""
    monkeypatch.setitem(session_module._LIMITS, "idle_session_timeout", "200ms")
    monkeypatch.setattr(session_module, "WORD_SECONDS", 1e6)
    known(stores, ["a"])
    hangs = member("host:1")
    assert hangs.ownership.take("a")
    monkeypatch.undo()
    two = member("host:2")
    wait_until(lambda: two.settle() == {"a"}, seconds=20)
    with pytest.raises(Lost):
        hangs.write("a")


def test_what_was_scored_by_another_or_erased_is_written_by_nobody(stores: Stores, member: Callable[..., Member]):
    known(stores, ["a"])
    one = member("host:1")
    one.settle()
    entry = Entry(id="x", at=1.8e9, monitor="a", model="m", outcome="complete", capture=b"")
    stores.log.append([entry], {})
    with pytest.raises(Overtaken):
        one.write("a", done=[1, 2], annotations=[("a", "model", "Written by nobody.")])
    assert stores.history.annotations("a", 0.0, 1e12) == []
    assert stores.log.waiting(0)[0] == 1
    one.write("a", done=[1])
    assert stores.log.waiting(0)[0] == 0


def test_counts_of_workers_never_fall_when_one_dies(stores: Stores, member: Callable[..., Member]):
    counted = {"encoder": "e", "embedding_counts": [1, 2], "embedding_seconds": 0.5, "tokens": {"m": (10, 20)}}
    one = member("host:1", answers_per_second=3.0, **counted)
    member("host:2", answers_per_second=4.0, **counted)

    def told() -> tuple[object, ...]:
        state = stores.history.state()
        assert state
        counts = state.embedding_counts, state.embedding_seconds, state.tokens
        return *counts, state.answers_per_second, state.processes

    counts = [2, 4], 1.0, {"m": (20, 40)}
    assert told() == (*counts, 7.0, ["host:1", "host:2"])
    one.session.close()
    wait_until(lambda: told() == (*counts, 4.0, ["host:2"]))
    bury(stores.history.engine)
    bury(stores.history.engine)
    assert told() == (*counts, 4.0, ["host:2"])
    with stores.history.engine.connect() as db:
        assert [row.name for row in read_workers(db)] == ["", "host:2"]


def test_all_workers_together_make_no_more_names_than_the_settings_allow(stores: Stores):
    settings = Settings(monitors=Monitors(max=3))
    got: list[str] = []

    def see(number: int) -> None:
        naming = SharedNaming(stores.history.engine, settings)
        entries = [
            Entry(id=f"{number}/{i}", at=1.0, monitor=f"name {i}", model="m", outcome="complete", capture=None)
            for i in range(number, number + 4)
        ]
        got.extend(naming.of(entries, {entry.id for entry in entries}))

    threads = [threading.Thread(target=see, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {row.name for row in stores.history.monitors()}
    assert len(names - {"other"}) == 3
    assert names == set(got)
