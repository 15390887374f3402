"""Log, history and vectors keep what was committed, once, and forget what the settings no longer keep."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.exc import IntegrityError

from drift.records import Report, Severity
from drift.samples import Sample
from proxy.settings import History as HistorySettings
from proxy.settings import Qdrant
from proxy.storage import first_look
from proxy.stores.history import FILE as HISTORY_FILE
from proxy.stores.history import KEEP_EVENTS, History, MonitorRow, SampleRow, Text, open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import Entry, Log, open_log
from proxy.stores.opening import Stores
from proxy.stores.rollups import read_hours
from proxy.stores.vectors import LEFT, WINDOW, Vectors, VectorStoreError

TOTALS = {"logged": 1, "dropped": 0, "skipped": 0}


def entry(name: str, at: float = 0.0, size: int = 10) -> Entry:
    return Entry(id=name, at=at, monitor=None, model="m", outcome="complete", capture=b"x" * size)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return open_log(tmp_path)


@pytest.fixture
def history(stores: Stores) -> History:
    return stores.history


@pytest.fixture
def ledger(history: History) -> Ledger:
    return Ledger(history, HistorySettings(keep_reports=3), ring=4)


def report(at: float, mmd2: float = 0.1, severity: Severity | None = Severity.LOW, health: float = 90.0) -> Report:
    return Report(
        monitor="m",
        at=at,
        baseline_id="b",
        encoder="e",
        baseline_samples=10,
        observed=5,
        window_samples=5,
        detectors=(),
        mmd2=mmd2,
        centroid_distance=0.2,
        centroid_mmd2=0.0,
        threshold=0.1,
        ratio=1.0,
        health_index=health,
        severity=severity,
        provisional=False,
        run_length=None,
        calibration_progress=1.0,
        missing=0,
        missing_from="",
        message="",
    )


def test_writing_a_batch_twice_logs_it_once(log: Log):
    log.append([entry("a"), entry("b")], TOTALS)
    log.append([entry("a"), entry("b"), entry("c")], TOTALS)
    assert [e.id for e in log.after(0, 10)] == ["a", "b", "c"]


def test_a_reader_goes_on_after_its_cursor(log: Log):
    log.append([entry(name, at=float(i)) for i, name in enumerate("abcde")], TOTALS)
    first = log.after(0, 2)
    assert [e.id for e in first] == ["a", "b"]
    assert [e.id for e in log.after(first[-1].seq, 10)] == ["c", "d", "e"]
    assert log.waiting(first[-1].seq) == (3, 2.0)
    assert log.waiting(log.head()) == (0, None)


def test_the_oldest_entries_go_when_the_log_is_too_old_or_too_large(log: Log):
    log.append([entry(name, at=float(i), size=100) for i, name in enumerate("abcde")], TOTALS)
    assert log.prune(before=2.0, max_bytes=1000, cursor=9) == 2
    assert log.prune(before=0.0, max_bytes=150, cursor=9) == 2
    assert [e.id for e in log.after(0, 10)] == ["e"]
    assert log.prune(before=0.0, max_bytes=150, cursor=9) == 0


def test_what_nobody_has_read_is_counted_when_it_goes(log: Log):
    """Of 1,200 entries 1,000 were read; all go, over several transactions, and 200 are counted as expired."""
    log.append([entry(f"x{i}") for i in range(1_200)], TOTALS)
    assert log.prune(before=1.0, max_bytes=10**9, cursor=1_000) == 1_200
    log.append([entry("y")], TOTALS)
    log.prune(before=1.0, max_bytes=10**9, cursor=1_200)
    assert log.totals()["expired"] == 201


def test_a_sequence_number_is_never_given_twice(log: Log):
    """A cursor stays true after everything was pruned."""
    log.append([entry("a"), entry("b")], TOTALS)
    head = log.head()
    log.prune(before=1.0, max_bytes=0, cursor=head)
    log.append([entry("c", at=2.0)], TOTALS)
    assert [e.id for e in log.after(head, 10)] == ["c"]


def test_an_erased_capture_leaves_its_entry(log: Log):
    log.append([entry("a"), entry("b")], TOTALS)
    first, second = log.after(0, 2)
    log.erase([first.seq])
    assert log.captures([first.seq, second.seq]) == {second.seq: b"x" * 10}


def test_totals_survive_a_restart(log: Log, tmp_path: Path):
    log.append([], {"logged": 7, "dropped": 2, "skipped": 1})
    log.close()
    assert open_log(tmp_path).totals() == {"logged": 7, "dropped": 2, "skipped": 1}


def test_a_batch_is_committed_as_a_whole_or_not_at_all(history: History, ledger: Ledger):
    row = MonitorRow(
        name="m",
        created_at=0.0,
        last_scored_at=None,
        model="m",
        response_model="",
        received=1,
        observed=0,
        baseline_id=None,
        counts={"scored": 1},
    )
    bad = Changes(cursor=5, monitors=[row], annotations=[("m", "kind", None)])  # type: ignore[list-item]
    with pytest.raises(IntegrityError):
        ledger.commit(bad)
    assert (history.cursor(), history.monitors()) == (0, [])
    ledger.commit(Changes(cursor=5, monitors=[row]))
    assert (history.cursor(), history.monitors()) == (5, [row])


def test_samples_are_a_ring(history: History, ledger: Ledger):
    rows = [SampleRow(number=i, exchange_id=f"x{i}", at=float(i), text=Text(response=str(i))) for i in range(6)]
    ledger.commit(Changes(samples=[("m", row) for row in rows]))
    assert history.samples("m", limit=10) == rows[:1:-1]
    assert history.samples("m", limit=1, before=4) == [rows[3]]


def test_reports_beyond_the_limit_live_on_in_their_hours(history: History, ledger: Ledger):
    ledger.commit(Changes(reports=[report(10.0 + i, mmd2=i / 10) for i in range(5)]))
    ledger.commit(Changes(reports=[report(3700.0, mmd2=0.7, severity=Severity.HIGH, health=20.0)]))
    ledger.prune()
    assert [r.mmd2 for _, r in history.reports("m", limit=10)] == [0.7, 0.4, 0.3]
    # The first hour is long past what roll-ups are kept for.
    assert read_hours(history.engine, "m", 0, 4000) == []
    ledger.commit(Changes(reports=[report(10.0 + i, mmd2=i / 10) for i in range(5)]))
    hour = read_hours(history.engine, "m", 0, 10)[0]
    assert (hour["reports"], hour["mmd2_max"], hour["severity_max"]) == (5, 0.4, 0)
    assert hour["mmd2_sum"] == pytest.approx(1.0)


def test_a_command_is_answered_once(history: History, ledger: Ledger):
    asked = history.ask("score", {"monitor": None})
    assert ledger.commands() == [(asked, "score", {"monitor": None})]
    assert history.answer(asked) is None
    ledger.commit(Changes(answers={asked: {"monitor": "m"}}))
    assert ledger.commands() == []
    assert history.answer(asked) == {"monitor": "m"}


def sample(name: str, rng: np.random.Generator) -> Sample:
    vectors = rng.normal(size=(2, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Sample(exchange_id=name, at=1.0, response=vectors[0], prompt=vectors[1])


def test_events_are_forgotten_without_a_worker_too(history: History):
    for number in range(KEEP_EVENTS + 5):
        history.tell("rca", {"number": number})
    kept = history.events(0, limit=2 * KEEP_EVENTS)
    assert len(kept) == KEEP_EVENTS
    assert kept[0][2] == '{"number":5}'


def test_vectors_come_back_bit_for_bit_after_a_restart(tmp_path: Path):
    rng = np.random.default_rng(1)
    samples = [sample(f"x{i}", rng) for i in range(5)]
    vectors = Vectors(Qdrant(), tmp_path, 8)
    vectors.put(WINDOW, "m", list(enumerate(samples)), {"monitor": "m"})
    vectors.put(WINDOW, "m", [(0, samples[4])], {"monitor": "m"})
    vectors.close()
    again = Vectors(Qdrant(), tmp_path, 8)
    found = again.get(WINDOW, "m", [4, 0, 2])
    assert [s.exchange_id for s in found] == ["x4", "x4", "x2"]
    assert np.array_equal(found[2].response, samples[2].response)
    assert np.array_equal(found[2].prompt, samples[2].prompt)
    with pytest.raises(KeyError):
        again.get(WINDOW, "m", [9])
    again.close()


def test_a_vector_store_in_use_or_out_of_reach_says_what_to_do(tmp_path: Path):
    first = Vectors(Qdrant(), tmp_path, 8)
    with pytest.raises(VectorStoreError, match="in use by another worker"):
        Vectors(Qdrant(), tmp_path, 8)
    first.close()
    with pytest.raises(VectorStoreError, match=r"qdrant\.url"):
        Vectors(Qdrant(url="http://127.0.0.1:9"), tmp_path, 8)


def test_the_totals_of_the_log_go_on_where_only_the_history_is_damaged(tmp_path: Path):
    with closing(open_log(tmp_path)) as log:
        log.append([], TOTALS)
        (tmp_path / HISTORY_FILE).write_bytes(b"no database at all " * 1_000)
        assert first_look(open_history(tmp_path), log) == TOTALS


def test_vectors_that_a_full_disk_did_not_let_overwrite_are_overwritten_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(db: sqlite3.Connection) -> None:
        db.close()
        raise sqlite3.OperationalError("database or disk is full")

    vector = np.ones(4, dtype=np.float32)
    sample = Sample(exchange_id="zebraquartz", at=1.0, prompt=vector, response=vector)
    with closing(Vectors(Qdrant(), tmp_path, 4)) as vectors:
        vectors.put(WINDOW, "m", [(0, sample)], {"monitor": "m"})
        with monkeypatch.context() as patch:
            patch.setattr("proxy.stores.vectors.closing", full)
            vectors.erase("exchange_id", "zebraquartz")
        assert list(vectors.parts()) == []
        assert (tmp_path / "vectors" / LEFT).exists()
    # After a restart too.
    with closing(Vectors(Qdrant(), tmp_path)) as vectors:
        vectors.overwrite_left()
        assert not (tmp_path / "vectors" / LEFT).exists()
        assert not any(b"zebraquartz" in path.read_bytes() for path in tmp_path.rglob("storage.sqlite"))
