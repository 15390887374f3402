"""What the worker makes of the log: each exchange is counted under one result, and only answers are scored."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from drift.embedder import Embedder, find_weights
from drift.policy import Policy
from drift.records import Outcome
from proxy.capture import Capture, encode
from proxy.commands import Commands
from proxy.populations import Populations
from proxy.scoring import Scorer
from proxy.settings import Data, Monitors, Privacy, Settings
from proxy.settings import Worker as WorkerSettings
from proxy.stores.history import History, open_history
from proxy.stores.ledger import Ledger
from proxy.stores.log import Entry, Log, open_log
from proxy.stores.vectors import Vectors
from proxy.tape import exchange_id
from proxy.views import DriftView, drift_view
from tests.scripted import completion

SECRET = "the launch code is 0000"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(find_weights(), threads=1)


class Bench:
    """A scorer with real stores in a folder, and a log to fill by hand."""

    def __init__(self, folder: Path, embedder: Embedder, settings: Settings):
        self.settings = msgspec.structs.replace(settings, data=Data(dir=str(folder)))
        self._folder, self._embedder = folder, embedder
        self._sent = 0
        self.start()

    def start(self) -> None:
        """Open everything, as a worker does when it starts."""
        folder, settings, encoder = self._folder, self.settings, self._embedder.encoder
        self.log: Log = open_log(folder)
        self.history: History = open_history(folder)
        self.vectors = Vectors(settings.qdrant, folder, self._embedder.dimension)
        ledger = Ledger(self.history, settings.history, settings.drift.recent_samples)
        populations = Populations(settings, Policy(), self.history, self.vectors, encoder)
        self.scorer = Scorer(settings, self.history, ledger, self.log, self.vectors, self._embedder, populations)
        self.commands = Commands(
            settings, self.history, ledger, self.log, self.vectors, populations, self.scorer, encoder
        )

    def restart(self) -> None:
        self.close()
        self.start()

    def ask(self, kind: str, **arguments: Any) -> dict[str, Any]:
        """A command and its answer."""
        choices = {"monitor": None, "last": None, "since": None, "exchange_ids": None, "note": ""}
        asked = self.history.ask(kind, choices | {"id": exchange_id(1.0), "head": 0} | arguments)
        self.commands.answer_all()
        answer = self.history.answer(asked)
        assert answer
        return answer

    def add(
        self,
        *,
        model: str = "m",
        monitor: str | None = None,
        outcome: Outcome = Outcome.COMPLETE,
        body: bytes | None = None,
        status: int = 200,
    ) -> str:
        self._sent += 1
        name = exchange_id(1.8e9 + self._sent)
        request = json.dumps({"model": model, "messages": [{"role": "user", "content": "What is it?"}]}).encode()
        capture = Capture(
            id=name,
            at=1.8e9 + self._sent,
            endpoint="chat/completions",
            monitor=monitor,
            status=status,
            request_type="application/json",
            request=request,
            response_type="application/json",
            response=completion(SECRET, model) if body is None else body,
            duration_seconds=0.1,
            outcome=outcome,
        )
        entry = Entry(id=name, at=capture.at, monitor=monitor, model=model, outcome=outcome, capture=encode(capture))
        self.log.append([entry], {"logged": self._sent})
        return name

    def score(self) -> dict[str, dict[str, int]]:
        while self.scorer.score_batch():
            pass
        return {row.name: row.counts for row in self.history.monitors()}

    def view(self) -> DriftView:
        return drift_view(self.history, self.log, {}, "m")

    def close(self) -> None:
        self.vectors.close()
        self.log.close()
        self.history.close()


@pytest.fixture
def bench(tmp_path: Path, embedder: Embedder) -> Iterator[Bench]:
    settings = Settings(monitors=Monitors(max=2), privacy=Privacy(store_text=False))
    bench = Bench(tmp_path, embedder, settings)
    yield bench
    bench.close()


def test_each_exchange_is_counted_under_one_result_and_only_answers_are_scored(bench: Bench):
    bench.add()
    for outcome in (
        Outcome.TRUNCATED,
        Outcome.UPSTREAM_ERROR,
        Outcome.HTTP_ERROR,
        Outcome.TOO_LARGE,
        Outcome.CLIENT_CLOSED,
    ):
        bench.add(outcome=outcome, body=b"{")
    bench.add(body=completion("ok")[:-20])
    bench.log.erase([seq.seq for seq in bench.log.after(6, 1)])
    bench.add(body=b"<html>not an answer</html>")
    assert bench.score() == {
        "m": {
            "scored": 1,
            "truncated": 1,
            "upstream_error": 2,
            "http_error": 1,
            "too_large": 1,
            "client_closed": 1,
            "erased": 1,
        }
    }


def test_a_client_that_closes_at_the_last_byte_has_its_whole_answer(bench: Bench):
    bench.add(outcome=Outcome.CLIENT_CLOSED)
    assert bench.score() == {"m": {"scored": 1}}


def test_names_are_known_after_an_answer_and_at_most_so_many(bench: Bench):
    """With two places, the third name and whatever only failed share the monitor "other"."""
    bench.add(model="failed", outcome=Outcome.HTTP_ERROR)
    for model in ("a", "b", "c"):
        bench.add(model=model)
    bench.add(model="a", monitor="c")
    assert bench.score() == {
        "a": {"scored": 1},
        "b": {"scored": 1},
        "other": {"http_error": 1, "scored": 2},
    }


def test_hostile_names_lose_their_control_characters_and_their_length(bench: Bench):
    bench.add(monitor="a\x00b\n" + "c" * 500)
    (name,) = bench.score()
    assert name == "ab" + "c" * 98


def test_without_store_text_no_text_is_left_anywhere(bench: Bench, tmp_path: Path):
    bench.add()
    bench.score()
    assert bench.history.samples("m", limit=1)[0].text.response == ""
    bench.close()
    for file in tmp_path.rglob("*"):
        if file.is_file() and not file.name.endswith(("-wal", "-shm")):
            assert SECRET.encode() not in file.read_bytes(), file


def test_a_backlog_that_cannot_be_held_is_sampled_and_the_rest_counted(tmp_path: Path, embedder: Embedder):
    """What is not drawn is counted as sampled_out; what is drawn follows from the ids alone."""
    settings = Settings(worker=WorkerSettings(max_lag_seconds=2.0, batch=4))
    bench = Bench(tmp_path, embedder, settings)
    bench.add()
    bench.score()
    for _ in range(3_000):
        bench.add()
    counts = bench.score()["m"]
    assert sum(counts.values()) == 3_001
    assert counts["sampled_out"] > counts["scored"]
    drawn = [row.at for row in bench.history.samples("m", limit=2_000)]
    late = sum(at > 1.8e9 + 1_500 for at in drawn)
    assert abs(late - len(drawn) / 2) < 4 * math.sqrt(len(drawn)) / 2, "no part of the backlog is favoured"
    bench.close()


def test_a_new_log_under_an_old_history_is_read_from_its_beginning(bench: Bench, tmp_path: Path):
    """Someone moved a damaged log away: what the new one holds is not mistaken for read."""
    for _ in range(3):
        bench.add()
    bench.score()
    bench.close()
    for file in tmp_path.glob("exchanges.db*"):
        file.unlink()
    bench.start()
    bench.add()
    assert bench.score() == {"m": {"scored": 4}}


def test_texts_that_a_killed_worker_left_in_the_log_go_when_the_next_one_starts(bench: Bench):
    """The erasure follows the commit; what lies between them when the worker dies is made up for."""
    quiet, bench.settings = bench.settings, msgspec.structs.replace(bench.settings, privacy=Privacy(store_text=True))
    bench.restart()
    bench.add()
    bench.score()
    (entry,) = bench.log.after(0, 1)
    assert bench.log.captures([entry.seq])
    bench.settings = quiet
    bench.restart()
    assert bench.log.captures([entry.seq]) == {}


def test_a_fresh_score_of_a_single_answer_has_no_p_value_and_harms_nobody(bench: Bench):
    for _ in range(12):
        bench.add()
    bench.score()
    made = bench.ask("baseline")
    assert made["baseline_size"] == 12
    bench.add()
    bench.score()
    assert bench.ask("score", monitor="m") == {"monitor": "m", "p_value": None}


def test_a_baseline_whose_vectors_are_gone_is_refused_and_named(bench: Bench, tmp_path: Path):
    """After vectors/ was moved away, as the error of a damaged store advises, the worker goes on."""
    for _ in range(4):
        bench.add()
    bench.score()
    assert bench.ask("baseline")["baseline_size"] == 4
    bench.add()
    bench.score()
    bench.close()
    shutil.rmtree(tmp_path / "vectors")
    bench.start()
    refused = bench.ask("baseline", last=3)
    assert refused["status"] == 409
    assert "vectors" in refused["error"]
    assert "make a new one" in bench.scorer.state("ready").error
    for _ in range(2):
        bench.add()
    bench.score()
    assert bench.ask("baseline", last=2)["baseline_size"] == 2
    assert bench.scorer.state("ready").error == ""


def test_a_baseline_made_active_again_starts_anew_over_restarts_too(bench: Bench):
    """Reports from before say nothing about the window that begins now."""
    for _ in range(20):
        bench.add()
    bench.score()
    made = bench.ask("baseline")
    for _ in range(15):
        bench.add()
    bench.score()
    bench.ask("score", monitor="m")
    assert drift_view(bench.history, bench.log, {}, "m").severity == "LOW"
    bench.ask("activate", id=made["baseline_id"])
    assert drift_view(bench.history, bench.log, {}, "m").status == "waiting_for_telemetry"
    for _ in range(3):
        bench.add()
    bench.score()
    bench.restart()
    bench.add()
    bench.score()
    assert bench.ask("score", monitor="m")["p_value"] is not None
    assert drift_view(bench.history, bench.log, {}, "m").observed == 4


def alarmed(bench: Bench) -> tuple[str, DriftView]:
    """A baseline, its id, and what is told once answers to it have turned into others."""
    for i in range(50):
        bench.add(body=completion(f"The shop opens at {i % 12} in the morning.", "m"))
    bench.score()
    made = bench.ask("baseline")["baseline_id"]
    for i in range(50):
        bench.add(body=completion(f"Photosynthesis needs light, water and {i} leaves.", "m"))
    bench.score()
    bench.ask("score", monitor="m")
    view = bench.view()
    assert view.severity == "CRITICAL"
    return made, view


FIGURES = (
    *("severity", "ratio", "mmd_score", "threshold", "centroid_score", "detector", "health_index"),
    *("observed", "verdict", "window", "baseline_id", "baseline_size", "provisional"),
)


def figures(view: DriftView) -> dict[str, Any]:
    found = {name: getattr(view, name) for name in FIGURES}
    return {name: pytest.approx(value) if isinstance(value, float) else value for name, value in found.items()}


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("left", ["for another", "for none", "for two others"])
def test_a_baseline_gone_back_to_at_once_goes_on_as_if_it_had_never_been_left(bench: Bench, left: str, restarts: bool):
    """The undo of a wrong click: an alarm is not cleared by it, and its witnesses are there again."""
    made, before = alarmed(bench)
    pairs = bench.history.pairs("m")
    assert pairs
    if left == "for none":
        bench.ask("deactivate", id=made)
    else:
        other = bench.ask("baseline", id="0" * 32)["baseline_id"]
        if left == "for two others":
            bench.ask("baseline", id="1" * 32, last=10)
            bench.ask("activate", id=other)
    assert bench.view().severity is None
    # A failure is not compared with anything.
    bench.add(outcome=Outcome.UPSTREAM_ERROR)
    bench.score()
    if restarts:
        bench.restart()
    told = bench.ask("activate", id=made)
    assert "the comparison goes on" in told["message"]
    assert figures(bench.view()) == figures(before)
    assert [pair.exchange_id for pair in bench.history.pairs("m")] == [pair.exchange_id for pair in pairs]
    if restarts:
        bench.restart()
    bench.ask("score", monitor="m")
    assert figures(bench.view()) == figures(before)
    bench.add()
    bench.score()
    assert bench.view().observed == 51


def test_a_baseline_gone_back_to_after_an_answer_starts_anew(bench: Bench):
    """That answer was compared with another baseline, or with none."""
    made, _ = alarmed(bench)
    bench.ask("baseline")
    bench.add()
    bench.score()
    assert "the window starts anew" in bench.ask("activate", id=made)["message"]
    assert (bench.view().severity, bench.view().observed) == (None, 0)


def test_a_data_folder_of_before_gets_what_an_undo_needs(bench: Bench):
    with bench.history.engine.begin() as db:
        db.exec_driver_sql("drop table left_baselines")
    bench.restart()
    made, before = alarmed(bench)
    bench.ask("baseline")
    bench.ask("activate", id=made)
    assert figures(bench.view()) == figures(before)


def test_weights_replaced_under_a_name_are_marked_and_become_evidence(bench: Bench):
    """Ollama keeps a model's name when its weights are replaced; the digest tells."""
    bench.ask("digests", digests={"m:latest": "a" * 64})
    for _ in range(8):
        bench.add()
    bench.score()
    bench.ask("baseline")
    bench.ask("digests", digests={"m:latest": "b" * 64})
    bench.restart()
    for _ in range(8):
        bench.add()
    bench.score()
    bench.ask("score")
    found = bench.history.evidence("m")
    assert found
    altered = {one.what: one for one in found.alterations}
    assert set(altered) == {"digest"}
    assert (altered["digest"].before, altered["digest"].after) == ("a" * 64, "b" * 64)
    assert altered["digest"].window_share == 1.0
    marks = [mark["text"] for mark in bench.history.annotations("m", 0.0, math.inf) if mark["kind"] == "digest"]
    assert marks == ["The weights of m were replaced: aaaaaaaaaaaa -> bbbbbbbbbbbb."]


def test_evidence_keeps_behaviour_and_survives_a_restart(bench: Bench):
    """What a sample's answer was like is kept with it, texts or not."""
    for _ in range(4):
        bench.add()
    bench.score()
    bench.ask("baseline")
    for _ in range(3):
        bench.add(body=completion("I'm sorry, but I cannot help with that.", "m"))
    bench.score()
    bench.ask("score")
    before = bench.history.evidence("m")
    bench.restart()
    bench.ask("score")
    after = bench.history.evidence("m")
    assert before
    assert after
    refusal = next(column for column in after.features if column.name == "refusal")
    assert "100" in refusal.direction
    assert after.features == before.features
    assert after.witness_total == pytest.approx(before.witness_total, abs=1e-6)


def test_a_calibration_of_an_earlier_version_is_made_anew(bench: Bench):
    """A baseline that was calibrated with other detectors is watched with provisional lines until it is again."""
    for _ in range(3):
        bench.add()
    bench.score()
    made = bench.ask("baseline")["baseline_id"]
    with bench.history.engine.begin() as db:
        db.exec_driver_sql('update baselines set calibration = \'{"windows": [50], "factors": [3.0]}\'')
    bench.restart()
    bench.add()
    bench.score()
    assert drift_view(bench.history, bench.log, {}, "m").baseline_id == made
