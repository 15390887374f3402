"""Answers pulled over HTTP: from a server that plays Langfuse's API, in both versions, and from one of its own kind."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from proxy.ingest import client, langfuse_api
from proxy.ingest.values import moment
from proxy.moments import iso
from tests.collected import Shelf

Answer = tuple[int, dict[str, str], Any]
KEYS = {"LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-secret"}


class Api:
    """Answers GET with what `answer` says of (path, parameters, headers). `asked` holds what was asked."""

    def __init__(self, answer: Callable[[str, dict[str, str], Any], Answer]):
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.faults: list[Answer] = []
        """What is answered first."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                params = {name: values[0] for name, values in parse_qs(parts.query).items()}
                api.asked.append((parts.path, params))
                status, headers, body = api.faults.pop(0) if api.faults else answer(parts.path, params, self.headers)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"content-length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True)

    def __enter__(self) -> "Api":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def observation(i: int, at: float, **more: Any) -> dict[str, Any]:
    return {
        "id": f"obs-{i}",
        "traceId": f"t-{i}",
        "type": "GENERATION",
        "startTime": iso(at),
        "endTime": iso(at + 1),
        "providedModelName": "m",
        "input": json.dumps([{"role": "user", "content": f"Question {i}?"}]),
        "output": json.dumps({"role": "assistant", "content": f"Answer {i}."}),
        "usageDetails": {"input": 3, "output": 4},
        "level": "DEFAULT",
    } | more


class Langfuse:
    """The newest first, in pages, of a slice of time; whoever has no key is refused."""

    def __init__(self) -> None:
        self.observations: list[dict[str, Any]] = []

    def __call__(self, path: str, params: dict[str, str], headers: Any) -> Answer:
        basic = base64.b64encode(b"pk-lf-1:sk-lf-secret").decode()
        if headers.get("authorization") != f"Basic {basic}":
            return 401, {}, {"message": "Invalid credentials"}
        begin, end = moment(params["fromStartTime"]), moment(params["toStartTime"])
        assert begin is not None
        assert end is not None
        within = [one for one in self.observations if begin <= (moment(one["startTime"]) or 0) < end]
        found = sorted((o for o in within if o["type"] == params["type"]), key=lambda o: o["startTime"], reverse=True)
        size = min(int(params["limit"]), 7)
        if path == langfuse_api.V2:
            assert "io" in params["fields"]
            start = int(base64.b64decode(params["cursor"])) if "cursor" in params else 0
            more = (
                {"cursor": base64.b64encode(str(start + size).encode()).decode()} if len(found) > start + size else {}
            )
            return 200, {}, {"data": found[start : start + size], "meta": more}
        assert path == langfuse_api.V1
        page, pages = int(params["page"]), -(-len(found) // size)
        meta = {"page": page, "limit": size, "totalItems": len(found), "totalPages": pages}
        return 200, {}, {"data": found[(page - 1) * size : page * size], "meta": meta}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(client, "BACKOFF_SECONDS", (0.01, 0.01, 0.01))
    one = Shelf(tmp_path / "data")
    yield one
    one.history.close()
    one.log.close()


@pytest.fixture
def langfuse() -> Iterator[tuple[Langfuse, Api]]:
    plays = Langfuse()
    with Api(plays) as api:
        yield plays, api


def collect(shelf: Shelf, url: str, **more: Any) -> Any:
    return shelf.collect(url=url, format="langfuse", name="lf", **more)


@pytest.mark.parametrize("path", ["", langfuse_api.V2, langfuse_api.V1], ids=["no path", "version 2", "version 1"])
def test_all_generations_of_langfuse_are_taken_in_the_order_of_time(
    shelf: Shelf, langfuse: tuple[Langfuse, Api], path: str
):
    plays, api = langfuse
    now = time.time()
    plays.observations = [observation(i, now - 20_000 + 60 * i) for i in range(50)]
    plays.observations += [observation(99, now - 5_000, type="SPAN")]
    assert collect(shelf, api.url + path).last == {"logged": 50}
    assert shelf.answers() == [f"Answer {i}." for i in range(50)]
    told = shelf.exchanges()[0]
    assert (told.prompt, told.model, told.output_tokens, told.source) == ("Question 0?", "m", 4, "ingest:lf")
    plays.observations.append(observation(50, now - 10))
    shelf.forget()
    assert collect(shelf, api.url + path).last == {"logged": 1}


def test_what_langfuse_tells_late_or_before_its_end_is_taken_once_it_is_there(
    shelf: Shelf, langfuse: tuple[Langfuse, Api]
):
    """The last minutes are asked for again; what was taken of them is known, though the log has forgotten it."""
    plays, api = langfuse
    now = time.time()
    plays.observations = [observation(0, now - 300), observation(1, now - 200, endTime=None, output=None)]
    plays.observations += [observation(2, now - 7_000, endTime=None, output=None), observation(4, now - 250, output="")]
    assert collect(shelf, api.url).last == {"logged": 1, "no_content": 2}
    shelf.forget()
    plays.observations[1] = observation(1, now - 200)
    plays.observations.append(observation(3, now - 400))
    assert collect(shelf, api.url).last == {"logged": 2, "duplicate": 1}
    assert shelf.answers() == ["Answer 3.", "Answer 1."]


def test_a_slice_of_time_with_too_much_in_it_is_halved(
    shelf: Shelf, langfuse: tuple[Langfuse, Api], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(langfuse_api, "MOST", 10)
    plays, api = langfuse
    now = time.time()
    plays.observations = [observation(i, now - 3_000 + i) for i in range(60)]
    assert collect(shelf, api.url).last == {"logged": 60}
    assert shelf.answers() == [f"Answer {i}." for i in range(60)]


def test_a_busy_or_failing_server_is_asked_again_and_nothing_is_lost(shelf: Shelf, langfuse: tuple[Langfuse, Api]):
    plays, api = langfuse
    now = time.time()
    plays.observations = [observation(i, now - 4_000 + i) for i in range(20)]
    api.faults = [(429, {"retry-after": "0"}, {}), (500, {}, b"<html>"), (503, {}, {})]
    assert collect(shelf, api.url).last == {"logged": 20}
    plays.observations.append(observation(20, now - 10))
    api.faults = [(502, {}, {})] * 4
    status = collect(shelf, api.url)
    assert (status.state, status.last) == ("failed", {})
    assert "answered 502; it is asked again at the next run" in status.message
    assert collect(shelf, api.url).last["logged"] == 1


def test_a_run_that_is_stopped_while_it_waits_loses_nothing(shelf: Shelf, langfuse: tuple[Langfuse, Api]):
    """The worker embeds 1 answer a second, so that 30 may wait; the rest of the slice is asked for again."""
    plays, api = langfuse
    now = time.time()
    plays.observations = [observation(i, now - 4_000 + i) for i in range(100)]
    shelf.tell_worker(answers_per_second=1.0)
    stopped: list[float] = []
    assert collect(shelf, api.url, stop=lambda: bool(stopped), pause=stopped.append).last == {"logged": 30}
    shelf.tell_worker(answers_per_second=1e6)
    assert collect(shelf, api.url).last == {"logged": 70, "duplicate": 30}
    assert sorted(shelf.answers()) == sorted(f"Answer {i}." for i in range(100))


def test_a_missing_or_wrong_key_says_which_variable_and_never_its_value(
    shelf: Shelf, langfuse: tuple[Langfuse, Api], monkeypatch: pytest.MonkeyPatch
):
    _, api = langfuse
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-wrong")
    status = collect(shelf, api.url)
    assert "answered 401: check the key" in status.message
    assert "sk-wrong" not in str(status)
    monkeypatch.delenv("LANGFUSE_SECRET_KEY")
    assert "the environment variable LANGFUSE_SECRET_KEY (password_env) is not set" in collect(shelf, api.url).message


def test_a_redirect_is_not_followed_and_takes_no_key_elsewhere(shelf: Shelf, langfuse: tuple[Langfuse, Api]):
    _, api = langfuse
    with Api(lambda *_: (200, {}, {"data": []})) as other:
        api.faults = [(302, {"location": f"{other.url}/api"}, {})]
        status = collect(shelf, api.url)
        assert "redirects are not followed" in status.message
        assert not other.asked


ITEMS = [{"id": i, "text": f"Answer {i}.", "at": 1_767_225_600 + i} for i in range(25)]
OWN: dict[str, Any] = {"format": "fields", "name": "own", "items": "data.rows", "token_env": "OWN_TOKEN"}


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    from proxy.ingest.settings import Fields

    monkeypatch.setenv("OWN_TOKEN", "t-1")
    return OWN | {"fields": Fields(response="text", id="id", at="at")}


def test_a_cursor_is_followed_and_kept_for_the_next_run(shelf: Shelf, mapped: dict[str, Any]):
    rows = ITEMS[:25]

    def answer(path: str, params: dict[str, str], headers: Any) -> Answer:
        if headers.get("authorization") != "Bearer t-1":
            return 403, {}, {}
        start = int(params.get("after", "0"))
        more = {"next": start + 10} if len(rows) > start + 10 else {}
        return 200, {}, {"data": {"rows": rows[start : start + 10]}, "paging": more}

    with Api(answer) as api:
        more = mapped | {"next": "paging.next", "next_param": "after", "params": {"limit": "10"}}
        assert shelf.collect(url=f"{api.url}/calls", **more).last == {"logged": 25}
        assert [params.get("after") for _, params in api.asked] == [None, "10", "20"]
        assert api.asked[0] == ("/calls", {"limit": "10"})
        shelf.forget()
        rows = [*ITEMS, {"id": 25, "text": "Answer 25."}]
        assert shelf.collect(url=f"{api.url}/calls", **more).last == {"logged": 1, "duplicate": 5}
        assert [params.get("after") for _, params in api.asked[3:]] == ["20"]


def test_pages_go_on_at_the_last_one(shelf: Shelf, mapped: dict[str, Any]):
    rows = ITEMS[:15]

    def answer(path: str, params: dict[str, str], headers: Any) -> Answer:
        page = int(params["page"]) - 1
        return 200, {}, {"data": {"rows": rows[page * 10 : page * 10 + 10]}}

    with Api(answer) as api:
        more = mapped | {"page_param": "page"}
        assert shelf.collect(url=api.url, **more).last == {"logged": 15}
        rows = ITEMS
        assert shelf.collect(url=api.url, **more).last["logged"] == 10
        assert shelf.collect(url=api.url, **more).last.get("logged", 0) == 0
        assert sorted(shelf.answers()) == sorted(one["text"] for one in ITEMS)


def test_what_came_since_is_asked_for_with_an_overlap(shelf: Shelf, mapped: dict[str, Any]):
    rows = ITEMS[:20]

    def answer(path: str, params: dict[str, str], headers: Any) -> Answer:
        since = float(params.get("since", "0"))
        return 200, {}, {"data": {"rows": [one for one in rows if one["at"] >= since]}}

    with Api(answer) as api:
        more = mapped | {"since_param": "since", "since_as": "seconds", "overlap_seconds": 5.0}
        assert shelf.collect(url=api.url, **more).last == {"logged": 20}
        rows = ITEMS
        assert shelf.collect(url=api.url, **more).last == {"logged": 5, "duplicate": 6}
        assert api.asked[-1][1]["since"] == str(ITEMS[19]["at"] - 5)


def test_a_next_page_on_another_server_is_not_asked(shelf: Shelf, mapped: dict[str, Any]):
    with Api(lambda *_: (200, {}, {})) as other:
        first = {"data": {"rows": ITEMS[:3]}, "next": f"{other.url}/calls?page=2"}
        with Api(lambda *_: (200, {}, first)) as api:
            status = shelf.collect(url=api.url, **(mapped | {"next": "next"}))
        assert "its next page lies on another server" in status.message
        assert status.last == {"logged": 3}
        assert not other.asked


@pytest.mark.parametrize(
    ("body", "says"),
    [({"rows": []}, "no list of records"), (b"<html>", "is not JSON"), ({"data": {"rows": [1, None]}}, "could not be")],
)
def test_an_answer_of_another_kind_says_what_to_do(shelf: Shelf, mapped: dict[str, Any], body: Any, says: str):
    with Api(lambda *_: (200, {}, body)) as api:
        assert says in shelf.collect(url=api.url, **mapped).message
