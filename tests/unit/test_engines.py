"""Whatever is stored comes back the same from SQLite and from PostgreSQL."""

import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from drift.evidence import Evidence
from drift.records import Severity
from proxy.heartbeat import JobState, SchedulerState, read_heartbeat, write_heartbeat
from proxy.ingest.checkpoints import Checkpoint, Checkpoints, Status, read_statuses
from proxy.notify.book import Book
from proxy.notify.records import Fact, Incident, Message, Queued
from proxy.settings import History as HistorySettings
from proxy.stores import canaries, counters, erasure
from proxy.stores.acknowledgements import (
    Acknowledgement,
    delete_acknowledgement,
    read_acknowledgements,
    write_acknowledgement,
)
from proxy.stores.endings import Endings, read_baseline, read_endings
from proxy.stores.history import BaselineRow, History, MonitorRow, Pair, SampleRow, Text
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.left import as_left
from proxy.stores.mutes import Mute, delete_mute, read_mutes, write_mute
from proxy.stores.opening import Stores
from proxy.stores.rollups import oldest_report, read_hours
from proxy.stores.root_causes import RootCauses
from proxy.stores.runs import Runs
from proxy.stores.samples import find_sample
from tests.unit.incidents import behaviours, evidence
from tests.unit.rca_reports import run_of as root_cause_run
from tests.unit.tabular_runs import bare
from tests.unit.test_stores import report

AT = 1_800_000_000.123456789
BIG = 2**40
HARD = 'Grüße "日本" \\n \\000 \x00 \U0001f600 \u202e % %s :x \' --'


@pytest.fixture
def history(stores: Stores) -> History:
    return stores.history


@pytest.fixture
def ledger(history: History) -> Ledger:
    return Ledger(history, HistorySettings(keep_reports=3), ring=4)


def monitor(name: str = "m", **more: object) -> MonitorRow:
    row = MonitorRow(
        name=name,
        created_at=AT,
        last_scored_at=AT / 3,
        model=HARD.replace("\0", ""),
        response_model="",
        received=BIG,
        observed=BIG,
        baseline_id="b1",
        baseline_at=AT,
        counts={"scored": BIG, "skipped": 1},
    )
    return msgspec.structs.replace(row, **more)


def sample(number: int, name: str = "") -> SampleRow:
    text = Text(prompt=HARD, response=HARD, features=behaviours(1)[0], settings={"m": HARD})
    return SampleRow(number=number, exchange_id=name or f"x{number}", at=AT, text=text)


def baseline(name: str = "m") -> BaselineRow:
    return BaselineRow(
        id="b1", monitor=name, created_at=AT, size=2, encoder="e", note=HARD.replace("\0", ""), calibration=None
    )


def found(name: str = "m", number: str = "e1", at: float = AT) -> Evidence:
    return msgspec.structs.replace(evidence(), id=number, monitor=name, at=at)


def pair(name: str) -> Pair:
    return Pair(
        exchange_id=name,
        baseline_exchange_id="y",
        prompt=HARD,
        baseline_prompt=HARD,
        baseline=HARD,
        current=HARD,
        witness=0.1,
        prompt_similarity=1 / 3,
    )


def everything(name: str = "m") -> Changes:
    return Changes(
        monitors=[monitor(name)],
        samples=[(name, sample(number)) for number in (BIG, BIG + 1)],
        endings=[(name, "", Endings([("scored", 3)]).runs), (name, "b1", {"scored": 2})],
        left=[monitor(name)],
        reports=[msgspec.structs.replace(report(AT), monitor=name)],
        evidence=[found(name)],
        witnesses={name: [pair("x1")]},
        baseline=baseline(name),
        baseline_samples=[sample(0), sample(1)],
        annotations=[(name, "baseline", HARD.replace("\0", ""))],
        events=[("score", {"monitor": name, "text": HARD})],
    )


def test_a_batch_of_the_worker_comes_back_as_it_was(history: History, ledger: Ledger):
    ledger.commit(everything())
    assert history.monitors() == [monitor()]
    assert history.samples("m", limit=9) == [sample(BIG + 1), sample(BIG)]
    assert history.samples("m", limit=9, before=BIG + 1, since=BIG) == [sample(BIG)]
    assert history.baselines("m") == [baseline()] == [history.baseline("b1")]
    assert history.baseline_samples("b1", limit=9) == [sample(1), sample(0)]
    assert history.latest("m") == report(AT)
    assert history.evidence("m") == found() == history.looks("m", AT, AT)[0]
    assert history.pairs("m") == [pair("x1")]
    assert [mark["text"] for mark in history.annotations("m", 0, 2 * AT)] == [HARD.replace("\0", "")]
    assert msgspec.json.decode(history.events(0)[-1][2]) == {"monitor": "m", "text": HARD}
    assert read_endings(history.engine, "m").runs == [("scored", 3)]
    assert read_baseline(history.engine, "m", "b1") == {"scored": 2}
    assert as_left(history.engine, monitor(baseline_id=None), "b1") == monitor()
    assert find_sample(history.engine, f"x{BIG}") == ("m", sample(BIG))


def test_a_batch_may_be_written_again_and_later_ones_replace_it(history: History, ledger: Ledger):
    ledger.commit(everything())
    again = Changes(
        monitors=[monitor(observed=BIG + 1)],
        samples=[("m", sample(BIG + 4))],
        left=[monitor(observed=BIG + 1)],
        witnesses={"m": []},
        smaller_baselines={"b1": [sample(1)]},
    )
    for _ in range(2):
        ledger.commit(again)
    assert history.monitors()[0].observed == BIG + 1
    assert [row.number for row in history.samples("m", limit=9)] == [BIG + 4, BIG + 1]
    assert [row.exchange_id for row in history.baseline_samples("b1", limit=9)] == ["x1"]
    ledger.commit(Changes(calibrations={"b1": "c" * 100_000}))
    assert history.baselines()[0].calibration == "c" * 100_000
    ledger.commit(Changes(erased_baselines=["b1"]))
    assert (history.baselines(), as_left(history.engine, monitor(), "b1")) == ([], None)


def test_reports_are_read_by_time_and_page_and_live_on_in_hours(history: History, ledger: Ledger):
    now = float(int(time.time()) // 3600 * 3600) + 0.7
    ledger.commit(Changes(reports=[report(now + i, mmd2=i / 10) for i in range(5)]))
    numbers = [number for number, _ in history.reports("m", limit=9)]
    assert [one.at for _, one in history.reports("m", limit=9, start=now + 1, end=now + 2)] == [now + 2, now + 1]
    assert [number for number, _ in history.reports("m", limit=1, cursor=numbers[0])] == numbers[1:2]
    ledger.prune()
    assert len(history.reports("m", limit=9)) == 3
    (hour,) = read_hours(history.engine, "m", now, now)
    assert (hour["hour"], hour["reports"], hour["severity_max"]) == (int(now), 5, 0)
    assert oldest_report(history.engine, "m", 0, 2 * now) == now + 2
    assert read_hours(history.engine, "m", now + 3600, now + 7200) == []
    assert read_hours(history.engine, "m", now - 0.7 + 3599.4, now + 7200, limit=1) == [hour]


def test_questions_and_their_answers_of_any_length(history: History, ledger: Ledger):
    """An index over long texts has its limits."""
    asked = history.ask("place", {"exchange_id": HARD})
    assert ledger.commands() == [(asked, "place", {"exchange_id": HARD})]
    answer = {"text": "".join(map(str, range(40_000)))}
    ledger.commit(Changes(answers={asked: answer}))
    assert (history.answer(asked), ledger.commands()) == (answer, [])


def test_a_character_that_a_text_cannot_hold_is_no_reason_to_fail(history: History):
    """PostgreSQL refuses NUL; people may send one."""
    engine = history.engine
    write_mute(engine, "m", Mute(until=AT, note=f"a{chr(0)}b", since=0.0))
    assert read_mutes(engine, 0.0)["m"].note in ("a\0b", "a\ufffdb")
    assert history.baseline("\0") is None
    assert find_sample(engine, "\0" * 40) is None
    assert not erasure.knows_exchange(engine, "\0")


def test_mutes_and_acknowledgements(history: History, ledger: Ledger):
    engine = history.engine
    for until in (5.0, AT):
        write_mute(engine, "m", Mute(until=until, note=HARD[:-20], since=AT))
    assert read_mutes(engine, AT - 1e-6)["m"].until == AT
    assert read_mutes(engine, AT) == {}
    delete_mute(engine, "m")
    assert read_mutes(engine, 0.0) == {}
    for severity in (Severity.HIGH, Severity.MEDIUM):
        write_acknowledgement(engine, "m", Acknowledgement(severity=severity, at=AT, by="me", note="n"))
    assert read_acknowledgements(engine)["m"].severity is Severity.MEDIUM
    ledger.commit(Changes(reports=[report(AT, severity=Severity.CRITICAL)]))
    assert read_acknowledgements(engine) == {}
    assert [kind for _, kind, _ in history.events(0)] == ["acknowledge"]
    assert not delete_acknowledgement(engine, "m")


def test_counters_add_up(history: History):
    labels = {"source": "s", "result": HARD}
    for _ in range(2):
        counters.count(history.engine, "ingested_exchanges", labels, BIG)
    counters.count(history.engine, "notifications", {"channel": "c"}, 0)
    assert counters.read_counters(history.engine) == {
        "ingested_exchanges": {tuple(labels.items()): 2 * BIG},
        "notifications": {(("channel", "c"),): 0},
    }


def test_rounds_of_canaries(history: History):
    engine, body = history.engine, canaries.Body(digest="d", model=HARD, prompts=1)
    for number, status in ((1, "reference"), (2, "compared"), (3, "compared")):
        one = canaries.Round(
            canary="c", number=number, at=AT + number, status=status, requests=3, p_value=1 / 3, changed=True, body=body
        )
        for _ in range(2):
            canaries.write_round(engine, one, b"\0\xff" * 10)
    assert [one.number for one in canaries.read_rounds(engine, "c", limit=2, first=1)] == [3, 2]
    assert canaries.latest_rounds(engine) == canaries.read_rounds(engine, "c", limit=1)
    assert canaries.read_vectors(engine, "c", 3) == b"\0\xff" * 10
    assert canaries.requests_since(engine, "c", AT + 2) == 6
    canaries.plan(engine, "c", next_at=AT)
    canaries.plan(engine, "c", reference_from=4, problem="p")
    assert canaries.read_plan(engine, "c") == canaries.Plan(reference_from=4, next_at=AT, problem="p")
    assert canaries.latest_rounds(engine) == []


def test_analyses_and_comparisons(history: History):
    stored = RootCauses(history.engine, keep=2)
    for number in range(3):
        stored.add(root_cause_run(number))
    assert [row.id for row in stored.rows(limit=9, monitor="m")] == [root_cause_run(n).id for n in (2, 1)]
    assert stored.find("e1") == root_cause_run(2) == stored.get(root_cause_run(2).id)
    runs = Runs(history.engine, keep=2, max_datasets=1)
    for number in range(3):
        runs.add(msgspec.structs.replace(bare(), report_id=f"r{number}", dataset=f"{number} {HARD[:20]}"), at=AT)
    assert [row.id for row in runs.latest(limit=9)] == ["r2", "r1"]
    assert len(runs.gauges()) == 1
    kept = runs.body("r2")
    assert kept is not None
    small = Runs(history.engine, keep=9, max_datasets=1, max_bytes=len(kept) + 10)
    small.add(msgspec.structs.replace(bare(), report_id="r9", dataset=""), at=AT)
    assert [row.id for row in small.latest(limit=9)] == ["r9"]


def test_what_was_collected_and_what_the_scheduler_does(history: History):
    engine = history.engine
    own = Checkpoints(engine, "s")
    file = Checkpoint(place="1:2", head="h", head_bytes=BIG, offset=BIG, line=BIG, path=HARD.replace("\0", ""))
    for _ in range(2):
        with engine.begin() as db:
            own.write_file(db, file)
            own.write_recent(db, ["b", "a", "b"])
            own.count(db, Counter({"logged": 2, "failed": 1}))
    assert [(one.offset, one.path) for one in own.files()] == [(BIG, file.path)]
    assert own.recent(["a", "c"]) == {"a"}
    own.forget_recent(time.time() + 1)
    own.forget_files(["1:2"])
    assert (own.recent(["a"]), len(own.files())) == (set(), 1)
    own.write_status(Status(message=HARD))
    assert (own.status().message, list(read_statuses(engine))) == (HARD, ["s"])
    state = SchedulerState(pid=1, since=AT, heartbeat_at=AT, jobs={"j": JobState(last_error=HARD)})
    write_heartbeat(engine, state)
    write_heartbeat(engine, state)
    assert read_heartbeat(engine) == state


def test_what_notifications_remember(history: History):
    book = Book(history.engine)
    fact = Fact(kind="severity", subject=HARD, level=2)
    message = Message(
        id="1", event="opened", kind="severity", subject="m", key="k", level=2, at=AT, title=HARD, text="", advice="",
        link="", source="",
    )  # fmt: skip
    book.incidents = {"severity:m": Incident(fact=fact, began_at=AT)}
    book.queue = [Queued(channel=str(n), message=message, created_at=AT, try_at=AT) for n in range(3)]
    book.count("c", "sent")
    book.save()
    again = Book(history.engine)
    assert (again.incidents, again.queue, again.memory) == (book.incidents, book.queue, book.memory)
    again.queue = again.queue[1:]
    again.save()
    assert [one.channel for one in Book(history.engine).queue] == ["1", "2"]


def test_an_exchange_is_erased_wherever_its_words_are(history: History, ledger: Ledger):
    ledger.commit(everything())
    ledger.commit(Changes(samples=[("m", sample(BIG + 2, "x1"))]))
    asked = history.ask("place", {})
    ledger.commit(Changes(answers={asked: {"nearest": "x1"}}))
    assert erasure.knows_exchange(history.engine, "x1")
    assert erasure.erase_exchange(history.engine, "x1") == {"m": AT}
    assert find_sample(history.engine, "x1") is None
    assert history.pairs("m") == []
    assert history.baseline_samples("b1", limit=1)[0].text == Text()
    assert history.answer(asked) is None


def test_a_monitor_is_erased_with_all_its_rows_and_no_other(history: History, ledger: Ledger):
    ledger.commit(everything())
    ledger.commit(Changes(monitors=[monitor("n")], reports=[msgspec.structs.replace(report(AT), monitor="n")]))
    write_mute(history.engine, "m", Mute(until=AT, note="", since=0.0))
    erasure.erase_monitor(history.engine, "m")
    assert [row.name for row in history.monitors()] == ["n"]
    assert (history.baselines(), history.events(0), read_mutes(history.engine, 0.0)) == ([], [], {})
    assert (history.reports("m", limit=9), len(history.reports("n", limit=9))) == ([], 1)


def test_the_folder_holds_no_database_where_there_is_a_server(stores: Stores, tmp_path: Path):
    stores.history.tell("k", {})
    stores.log.totals()
    files = {path.name for path in tmp_path.glob("*.db")}
    assert files == ({"drift_history.db", "exchanges.db"} if stores.history.engine.dialect.name == "sqlite" else set())
