"""A baseline is previewed before it is made, of the very answers it is then made of; and the first can be undone."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from proxy.preview import Preview, preview_of
from proxy.settings import History as HistorySettings
from proxy.settings import Settings
from proxy.stores.history import MonitorRow, SampleRow, Text, open_history
from proxy.stores.ledger import Changes, Ledger
from tests.conftest import Driftium, wait_until
from tests.integration.relayed import relay_to
from tests.scripted import replay


class Seen(dict[str, Any]):
    """What was seen, by name."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Twelve answers, of which two are the playground's and one another model's; a baseline; its undo; another."""
    with relay_to(replay({}), tmp_path_factory.mktemp("preview"), worker=True) as relayed:
        proxy, told = relayed.driftium, Seen()
        told["nothing"] = proxy.get("/baseline/preview")
        headers = {"x-driftium-monitor": "shop"}
        for i in range(9):
            proxy.chat(f"Question {i}", headers=headers).raise_for_status()
        proxy.chat("Question 9", model="other", headers=headers).raise_for_status()
        for i in (10, 11):
            proxy.client.post("/generate", json={"prompt": f"Question {i}", "model": "replay", "monitor": "shop"})
        proxy.wait_until_scored(12, "shop")
        told["all"] = proxy.get("/baseline/preview", monitor="shop")
        told["last"] = proxy.get("/baseline/preview", monitor="shop", last=5)
        told["one"] = proxy.get("/baseline/preview", monitor="shop", last=1)
        told["nobody"] = proxy.get("/baseline/preview", monitor="nobody")
        told["zero"] = proxy.client.get("/baseline/preview?last=0")
        told["unchanged"] = proxy.get("/baseline")["baselines"]
        told["made"] = done(proxy, "/baseline", {"monitor": "shop", "last": 5, "note": "release 1"})
        told["made of"] = proxy.get("/samples", monitor="shop")["baseline_items"]
        told["after"] = proxy.get("/baseline/preview", monitor="shop")
        baseline = told["made"]["baseline_id"]
        told["wrong"] = proxy.client.post("/baseline/nothing/deactivate")
        told["undone"] = done(proxy, f"/baseline/{baseline}/deactivate")
        told["view"] = proxy.get("/drift", monitor="shop")
        told["again"] = proxy.get("/baseline/preview", monitor="shop")
        told["listed"] = proxy.get("/baseline")["baselines"]
        told["twice"] = proxy.client.post(f"/baseline/{baseline}/deactivate")
        told["history"] = proxy.get("/drift/history", monitor="shop")["annotations"]
        # As the next worker takes it up from the folder.
        proxy.stop()
        proxy.start()
        proxy.wait_for_worker()
        proxy.chat("Question 12", headers=headers).raise_for_status()
        proxy.wait_until_scored(13, "shop")
        told["restarted"] = proxy.get("/drift", monitor="shop")
        told["back"] = done(proxy, f"/baseline/{baseline}/activate")
        told["active"] = proxy.get("/baseline")["baselines"]
        yield told


def done(proxy: Driftium, path: str, body: Any = None) -> Any:
    """The answer, once what was asked for is done: a busy worker may take longer than it is waited for."""
    answered = proxy.client.post(path, json=body)
    assert answered.status_code in (200, 201, 202), answered.text
    told = answered.json()
    wanted = (told["baseline_id"], "deactivate" not in path)
    wait_until(lambda: wanted in [(b["id"], b["active"]) for b in proxy.get("/baseline")["baselines"]], what=path)
    return told


def test_before_the_first_answer_the_preview_says_how_to_send_one(seen: Seen):
    assert (seen["nothing"]["status"], seen["nothing"]["size"]) == ("not_initialized", 0)
    assert "base URL" in seen["nothing"]["message"]
    assert seen["nobody"]["message"] == "No answer of a monitor 'nobody' has been seen. Known: shop."


def test_the_preview_counts_answers_models_and_sources(seen: Seen):
    told = seen["all"]
    assert (told["status"], told["monitor"], told["size"]) == ("waiting_for_baseline", "shop", 12)
    assert told["models"] == {"replay": 11, "other": 1}
    assert told["sources"] == {"proxy": 10, "playground": 2, "collected": 0}
    assert datetime.fromisoformat(told["from"]) < datetime.fromisoformat(told["to"])
    assert told["replaces"] is None
    for words in (
        "send 88 more",
        "2 models (11 of replay, 1 of other)",
        "2 answers came from the playground",
    ):
        assert words in told["advice"]


def test_five_examples_are_shown_the_newest_first(seen: Seen):
    assert [one["prompt"] for one in seen["all"]["examples"]] == [f"Question {i}" for i in (11, 10, 9, 8, 7)]


def test_the_preview_changes_nothing(seen: Seen):
    assert seen["unchanged"] == []


def test_a_baseline_is_made_of_what_was_previewed(seen: Seen):
    previewed, made = seen["last"]["examples"], seen["made of"]
    assert seen["last"]["size"] == len(made) == 5
    assert [one["id"] for one in previewed] == [one["id"] for one in made]


def test_too_few_answers_are_told_as_they_are_refused(seen: Seen):
    assert seen["one"]["size"] == 1
    assert seen["one"]["message"] == "1 answer of shop to choose from; a baseline needs 2: send more."
    assert seen["zero"].status_code == 400


def test_after_a_baseline_the_preview_is_of_what_came_since_and_names_the_one_it_would_replace(seen: Seen):
    assert seen["after"]["size"] == 0
    replaced = seen["after"]["replaces"]
    assert (replaced["id"], replaced["size"], replaced["note"]) == (seen["made"]["baseline_id"], 5, "release 1")


def test_the_first_baseline_is_undone_and_all_is_as_before(seen: Seen):
    assert seen["undone"]["baseline_id"] == seen["made"]["baseline_id"]
    view = seen["view"]
    assert (view["status"], view["baseline_id"], view["severity"]) == ("waiting_for_baseline", None, None)
    assert {**seen["again"], "message": ""} == {**seen["all"], "message": ""}
    assert [(one["id"], one["active"]) for one in seen["listed"]] == [(seen["made"]["baseline_id"], False)]
    marks = [mark["text"] for mark in seen["history"] if mark["kind"] == "baseline"]
    assert marks == ["Baseline of 5 answers. release 1", "No baseline any more."]


def test_what_is_not_active_cannot_be_undone(seen: Seen):
    assert seen["twice"].status_code == 409
    assert "not the active one of shop" in seen["twice"].json()["detail"]
    assert seen["wrong"].status_code == 404


def test_a_restarted_worker_knows_that_there_is_no_baseline(seen: Seen):
    assert (seen["restarted"]["status"], seen["restarted"]["observed"]) == ("waiting_for_baseline", 0)
    assert seen["restarted"]["coverage"]["scored"] == 13


def test_an_undone_baseline_can_be_made_active_again(seen: Seen):
    assert [(one["id"], one["active"]) for one in seen["active"]] == [(seen["made"]["baseline_id"], True)]


def preview(tmp_path: Path, *samples: Text, waiting: int = 0) -> Preview:
    history = open_history(tmp_path)
    row = MonitorRow(
        name="m", created_at=0.0, last_scored_at=1.0, model="a", response_model="a", received=len(samples), observed=0
    )
    rows = [("m", SampleRow(number=i, exchange_id=str(i), at=float(i), text=text)) for i, text in enumerate(samples)]
    Ledger(history, HistorySettings(), ring=2_000).commit(Changes(monitors=[row], samples=rows))
    found = preview_of(Settings(), history, row, last=None, waiting=waiting)
    history.close()
    return found


def advice(tmp_path: Path, *samples: Text) -> str:
    return preview(tmp_path, *samples).advice


@pytest.mark.parametrize(
    ("waiting", "says"),
    [
        (0, "wait"),
        (1, " 1 exchange of all monitors waits to be scored first."),
        (7, " 7 exchanges of all monitors wait to be scored first."),
    ],
)
def test_what_waits_is_said_of_all_monitors_since_nobody_has_read_whose_it_is(tmp_path: Path, waiting: int, says: str):
    message = preview(tmp_path, Text(), Text(), waiting=waiting).message
    assert message.endswith(says) if waiting else says not in message


@pytest.mark.parametrize(
    ("size", "says"),
    [
        (1, "Below 10 answers there is no severity: send 9 more first."),
        (9, "Below 10 answers there is no severity: send 1 more first."),
        (10, "Below 100 answers severities stay provisional: send 90 more for calibrated alarm lines."),
        (99, "Below 100 answers severities stay provisional: send 1 more for calibrated alarm lines."),
        (100, "Enough answers for calibrated alarm lines."),
    ],
)
def test_the_advice_says_what_so_many_answers_are_good_for(tmp_path: Path, size: int, says: str):
    assert advice(tmp_path, *[Text(model="a")] * size) == says


def test_many_models_are_named_by_their_share_the_first_three(tmp_path: Path):
    samples = [Text(model=name) for name, count in zip("abcde", (50, 30, 20, 10, 5), strict=True) for _ in range(count)]
    assert "5 models (50 of a, 30 of b, 20 of c and 2 more)" in advice(tmp_path, *samples)


def test_answers_of_one_session_alone_are_advised_against(tmp_path: Path):
    assert "of one" in advice(tmp_path, *[Text(model="a", session="s")] * 100)
