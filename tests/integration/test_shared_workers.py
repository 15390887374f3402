"""Two workers on one PostgreSQL: nothing is lost or scored twice whoever dies, and all is as on one machine."""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from proxy.embedding import make_embedder
from proxy.settings import Data, Drift, Embedder, Settings
from proxy.stores.database import reading
from proxy.stores.history import SampleRow
from proxy.stores.ledger import Ledger
from proxy.stores.log import Entry, exchanges
from proxy.stores.shared_tables import queue
from proxy.stores.vectors import Vectors
from proxy.worker import Worker
from tests.conftest import wait_until
from tests.embedding_server import EmbeddingServer
from tests.integration.shared import Deployment, Remembering, logged, numbers_of
from tests.postgres import Postgres
from tests.qdrant_server import QdrantServer

MONITORS = ["a", "b", "c"]
BASELINE, CHUNK = 20, 6
QUIET = {"DRIFTIUM_PRIVACY__STORE_TEXT": "false"}

Traffic = Callable[[int, int, str], list[Entry]]


@pytest.fixture(scope="module")
def traffic(answers: dict[str, list[tuple[str, str]]]) -> Traffic:
    """Real answers of a topic: from the first round on up to the second, each with one answer of each monitor."""

    def rounds(first: int, last: int, topic: str) -> list[Entry]:
        found = []
        for turn in range(first, last):
            for place, monitor in enumerate(MONITORS):
                prompt, answer = answers[topic][len(MONITORS) * turn + place]
                found.append(logged(len(MONITORS) * turn + place + 1, monitor, prompt, answer[:120]))
        return found

    return rounds


class Facts(msgspec.Struct):
    """What was seen of a run."""

    scored: dict[str, list[str]] = {}
    counts: dict[str, dict[str, int]] = {}
    reports: dict[str, dict[str, Any]] = {}
    p_values: dict[str, float | None] = {}


def facts_of(run: Any) -> Facts:
    answers = {name: run.ask("score", monitor=name) for name in MONITORS}
    return Facts(
        scored={name: run.scored(name) for name in MONITORS},
        counts=run.counts(),
        reports={name: numbers_of(run.report(name)) for name in MONITORS},
        p_values={name: answer["p_value"] for name, answer in answers.items()},
    )


@pytest.fixture(scope="module")
def embeddings() -> Iterator[Remembering]:
    """One real encoder for all: a worker that need not load one starts sooner."""
    with EmbeddingServer() as server, Remembering(server.url, server.name) as remembering:
        yield remembering


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, embeddings: Remembering
) -> Iterator[Deployment]:
    env = {"DRIFTIUM_EMBEDDER__URL": embeddings.url, "DRIFTIUM_EMBEDDER__MODEL": embeddings.model}
    folder, database = tmp_path_factory.mktemp("shared"), postgres.database()
    with (
        QdrantServer() as qdrant,
        Deployment(folder, database=database, qdrant=f"http://127.0.0.1:{qdrant.port}", env=env) as run,
    ):
        yield run
        if refused := qdrant.refused:
            pytest.fail(f"requests that a Qdrant server would refuse: {refused}")


@pytest.fixture(scope="module")
def story(shared: Deployment, traffic: Traffic) -> Facts:
    """Traffic while one of three workers is killed, and another hangs and wakes up."""
    run = shared
    first, second, third = run.start(), run.start(), run.start()
    run.append(traffic(0, BASELINE, "medicine"))
    run.wait_until_idle()
    run.wait_for_owners(MONITORS, [first, second, third])
    for number, name in enumerate(MONITORS, 1):
        run.baseline(name, number)

    run.append(traffic(BASELINE, BASELINE + CHUNK, "support"))
    run.end(first)
    run.append(traffic(BASELINE + CHUNK, BASELINE + 2 * CHUNK, "support"))
    run.wait_for_owners(MONITORS, [second, third])

    before = run.sessions(second)
    run.append(traffic(BASELINE + 2 * CHUNK, BASELINE + 3 * CHUNK, "support"))
    second.send_signal(signal.SIGSTOP)
    run.wait_for_owners(MONITORS, [third])
    run.append(traffic(BASELINE + 3 * CHUNK, BASELINE + 4 * CHUNK, "support"))
    run.wait_until_idle()
    second.send_signal(signal.SIGCONT)
    wait_until(lambda: run.sessions(second) - before, what="the worker that hung is registered anew")
    run.wait_for_owners(MONITORS, [second, third])
    return facts_of(run)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, traffic: Traffic, embeddings: Remembering) -> Iterator[Facts]:
    """The same traffic on one machine."""
    with Alone(tmp_path_factory.mktemp("alone"), embeddings) as run:
        run.append(traffic(0, BASELINE, "medicine"))
        run.work()
        for number, name in enumerate(MONITORS, 1):
            run.baseline(name, number)
        run.append(traffic(BASELINE, BASELINE + 4 * CHUNK, "support"))
        run.work()
        yield facts_of(run)


class Alone(Deployment):
    """One worker on files, in this process."""

    def __init__(self, folder: Path, embeddings: Remembering):
        super().__init__(folder)
        settings = Settings(
            data=Data(dir=str(folder)),
            drift=Drift(windows=(10, 20), expected_run_length=100, report_seconds=0.5),
            embedder=Embedder(url=embeddings.url, model=embeddings.model),
        )
        embedder = make_embedder(settings, self.history.engine, stop=threading.Event(), say=print)
        assert embedder
        self._vectors = Vectors(settings.qdrant, folder, embedder.dimension)
        ledger = Ledger(self.history, settings.history, settings.drift.recent_samples)
        self._worker = Worker(settings, self.history, ledger, self.log, self._vectors, embedder)

    def work(self) -> None:
        while self._worker.step():
            pass

    def ask(self, kind: str, seconds: float = 0, **arguments: Any) -> dict[str, Any]:
        asked = self.history.ask(kind, {"head": 0} | arguments)
        self.work()
        answer = self.history.answer(asked)
        assert answer
        return answer

    def __exit__(self, *error: object) -> None:
        self._vectors.close()
        super().__exit__(*error)


def test_nothing_is_lost_or_scored_twice_whoever_dies_or_hangs(story: Facts, traffic: Traffic):
    """Each answer once, in the log's order, and counted once."""
    sent = traffic(0, BASELINE, "medicine") + traffic(BASELINE, BASELINE + 4 * CHUNK, "support")
    assert story.scored == {name: [one.id for one in sent if one.monitor == name] for name in MONITORS}
    assert story.counts == {name: {"scored": BASELINE + 4 * CHUNK} for name in MONITORS}


def test_the_numbers_are_those_of_one_machine(story: Facts, alone: Facts):
    """MMD, centroid, thresholds, health, severity and p-values, over three changes of hands."""
    assert alone.scored == story.scored
    assert {"LOW", None}.isdisjoint(report["severity"] for report in alone.reports.values())
    assert story.p_values == pytest.approx(alone.p_values, abs=1e-6)
    for name in MONITORS:
        differences = list(differing(story.reports[name], alone.reports[name]))
        assert differences == []


def differing(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Where two reports say something else, numbers to 1e-6."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from differing(one[name], other[name], f"{path}.{name}")
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for place in range(len(one)):
            yield from differing(one[place], other[place], f"{path}[{place}]")
    elif isinstance(one, float) and isinstance(other, float):
        if one != pytest.approx(other, rel=1e-6, abs=1e-6):
            yield f"{path}: {one} and {other}"
    elif one != other:
        yield f"{path}: {one} and {other}"


def test_erasing_while_two_workers_run(shared: Deployment, story: Facts):
    """An answer of a baseline, by the worker that has it; a whole monitor, so that the other keeps its own."""
    run, (erased, *others) = shared, story.scored["a"]
    assert run.ask("erase", exchange_id=erased, since={"a": 0.0}, head=0) == {"erased": True}
    assert run.scored("a") == others
    (row,) = run.history.baselines("a")
    assert row.size == BASELINE - 1
    assert run.ask("erase", monitor="b", up_to=run.log.head(), head=0) == {"erased": True}
    assert "b" not in run.counts()
    with reading(run.history.engine) as db:
        assert (
            db.execute(sa.select(sa.func.count()).select_from(exchanges).where(exchanges.c.monitor == "b")).scalar()
            == 0
        )
    assert run.scored("c") == story.scored["c"]


def test_without_texts_none_is_left_in_log_queue_or_history(shared: Deployment, story: Facts, traffic: Traffic):
    """They go in the transaction that writes the scores."""
    run = shared
    for worker in list(run.workers):
        assert run.end(worker, signal.SIGTERM) == 0
    quiet = run.start(**QUIET)
    sent = traffic(BASELINE + 4 * CHUNK, BASELINE + 5 * CHUNK, "medicine")
    run.append(sent)
    run.wait_until_idle()
    run.wait_for_owners(MONITORS, [quiet])
    ids = [one.id for one in sent]
    with reading(run.history.engine) as db:
        kept = db.execute(sa.select(exchanges.c.id, exchanges.c.capture).where(exchanges.c.id.in_(ids))).all()
        assert len(kept) == len(ids)
        assert [one.id for one in kept if one.capture is not None] == []
        assert db.execute(sa.select(queue.c.id)).all() == []
    new: list[SampleRow] = [row for name in MONITORS for row in run.history.samples(name, limit=CHUNK)]
    assert {row.exchange_id for row in new} == set(ids)
    assert {(row.text.prompt, row.text.response) for row in new} == {("", "")}
