"""Bad input gets a clear 4xx that names the field and the rule; missing parts are said once and clearly."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.stores.history import open_history
from tests.conftest import Driftium, free_port, wait_until
from tests.integration.relayed import PATH, Relayed, end_to_end, relay_to
from tests.scripted import BREAK, Request, Upstream, answer, completion, replay

ORIGIN = "http://app.example"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driftium]:
    """A proxy without a worker and without an upstream, nine hours east of UTC."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    running = Driftium(tmp_path_factory.mktemp("bare"), nowhere, "--no-worker", env={"TZ": "JST-9"}).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    """A proxy whose control plane pages from ORIGIN may read."""
    with relay_to(replay({}), tmp_path_factory.mktemp("relay"), SERVER__CORS_ORIGINS=f'["{ORIGIN}"]') as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "/drift/history?limit=0", None, 400, "limit"),
        ("GET", "/drift/history?limit=x", None, 400, "limit"),
        ("GET", "/drift/history?from=yesterday", None, 400, "from"),
        ("GET", "/drift/history?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", None, 400, "must not be after"),
        (
            "GET",
            "/drift/history?from=9999-12-31T23:59:59-14:00&to=0001-01-01T00:00:00%2B14:00",
            None,
            400,
            "must not be after",
        ),
        ("GET", "/drift/history?from=2026-01-01T00:00:01&to=2026-01-01T00:00:00Z", None, 400, "must not be after"),
        ("GET", "/drift/history?from=1e300", None, 400, "from"),
        ("GET", f"/drift/history?cursor={10**25}", None, 400, "cursor"),
        ("GET", f"/samples?cursor={10**25}", None, 400, "cursor"),
        ("GET", "/samples?order=beauty", None, 400, "order"),
        ("POST", "/baseline", {"lst": 5}, 400, "lst"),
        ("POST", "/baseline", {"last": 0}, 400, "last"),
        ("POST", "/baseline", {"last": 5, "since": "2026-01-01T00:00:00Z"}, 400, "choose one"),
        ("POST", "/baseline", {"since": "noon"}, 400, "since"),
        ("POST", "/baseline/nothing/activate", None, 404, "no such baseline"),
        ("POST", "/generate", {}, 400, "prompt"),
        ("POST", "/generate", {"prompt": ""}, 400, "prompt"),
        ("POST", "/generate", {"prompt": "x", "temprature": 1}, 400, "temprature"),
        ("POST", "/generate", {"prompt": "x"}, 502, "is not ready"),
        ("GET", "/nowhere", None, 404, ""),
        ("DELETE", "/drift", None, 405, ""),
    ],
)
def test_what_is_refused_names_the_field_and_the_rule(
    bare: Driftium, method: str, path: str, body: object, status: int, says: str
):
    answered = bare.client.request(method, path, json=body)
    assert answered.status_code == status, answered.text
    assert answered.headers["content-type"] == "application/problem+json"
    assert says in answered.json()["detail"]
    assert answered.json()["status"] == status


def test_a_body_that_is_not_json_is_refused(bare: Driftium):
    answered = bare.client.post("/baseline", content=b'{"last": ', headers={"content-type": "application/json"})
    assert answered.status_code == 400
    assert answered.headers["content-type"] == "application/problem+json"


def test_a_body_larger_than_four_megabytes_is_refused(bare: Driftium):
    answered = bare.client.post("/baseline", json={"note": "x" * 5 * 2**20})
    assert answered.status_code == 413
    assert answered.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_the_first_and_the_last_day_are_times_like_any_other(bare: Driftium, moment: str):
    assert bare.get("/drift/history", **{"from": moment})["history"] == []
    assert bare.get("/drift/history", to=moment)["history"] == []


def test_a_baseline_may_be_asked_for_since_the_first_day(bare: Driftium):
    assert bare.client.post("/baseline", json={"since": "0001-01-01T00:00:00"}).status_code == 202


@pytest.mark.parametrize("number", ["9" * 18, "9" * 25, "9" * 5000, "-1", "soon"])
def test_a_last_event_id_that_was_never_given_is_ignored(bare: Driftium, number: str):
    with bare.client.stream("GET", "/events", headers={"last-event-id": number}) as stream:
        assert stream.status_code == 200
        assert next(stream.iter_lines()) == ": driftium"


def test_a_last_event_id_of_another_data_folder_does_not_silence_what_comes(relayed: Relayed):
    history = open_history(relayed.driftium.data_dir)
    history.tell("mute", {"monitor": "before"})
    with relayed.driftium.client.stream("GET", "/events", headers={"last-event-id": "987654"}) as stream:
        lines = stream.iter_lines()
        # Past this comment the stream knows where it stands.
        assert next(lines) == ": driftium"
        history.tell("mute", {"monitor": "after"})
        assert next(line for line in lines if line.startswith("data:")) == 'data: {"monitor":"after"}'
    history.close()


def test_without_an_upstream_requests_get_502_in_openais_shape(bare: Driftium):
    answered = bare.chat("hello")
    assert answered.status_code == 502
    error = answered.json()["error"]
    assert error["code"] == "upstream_unreachable"
    assert set(error) == {"message", "type", "param", "code"}


def test_without_an_upstream_one_banner_and_health_say_so(bare: Driftium):
    health = bare.get("/api/health")
    assert health["status"] == "degraded"
    assert health["upstream"]["status"] == "down"
    assert "--embedded" in health["upstream"]["message"]
    assert bare.stderr.read_text().count("No model server answers at") == 1


def test_without_a_worker_health_says_where_exchanges_wait(bare: Driftium):
    assert bare.get("/api/health")["worker"] == {
        "status": "off",
        "message": "No worker runs; exchanges wait in the log for `driftium worker`.",
    }


def test_liveness_readiness_and_schema(bare: Driftium):
    assert bare.get("/live") == {"status": "ok"}
    assert bare.get("/ready") == {"status": "ok"}
    assert "/baseline/{baseline_id}/activate" in bare.get("/schema/openapi.json")["paths"]
    page = bare.client.get("/schema")
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text


def test_no_origin_may_read_unless_it_is_set(bare: Driftium):
    assert "access-control-allow-origin" not in bare.client.get("/drift", headers={"origin": ORIGIN}).headers


def test_what_is_said_of_origins_under_v1_is_the_upstreams_own(relayed: Relayed):
    """Although an origin is set: no header of ours is there, and the preflight request reaches the upstream."""
    said = ("access-control-allow-origin: https://upstream.example", "vary: accept")
    relayed.say(answer(b"{}", headers=said))
    preflight = {"origin": ORIGIN, "access-control-request-method": "POST"}
    for method, target in (("OPTIONS", PATH), ("GET", "/v1/models"), ("POST", "/api/chat")):
        direct, through = relayed.both(method, target, headers=preflight)
        assert (relayed.got.method, relayed.got.target) == (method, target)
        assert (through.status_code, through.content) == (200, b"{}")
        assert end_to_end(through) == end_to_end(direct)


def test_the_control_plane_lets_the_origins_read_that_are_set_and_no_other(relayed: Relayed):
    for method in ("OPTIONS", "GET"):
        for origin, allowed in ((ORIGIN, ORIGIN), ("http://other.example", None)):
            told = relayed.driftium.client.request(method, "/drift", headers={"origin": origin})
            assert told.headers.get("access-control-allow-origin") == allowed


def test_a_metric_without_a_value_has_no_sample(bare: Driftium):
    text = bare.client.get("/metrics").text
    assert "driftium_drift_severity{" not in text
    assert "NaN" not in text
    assert "driftium_worker_up 0.0" in text
    assert 'driftium_tap_exchanges_total{result="dropped"} 0.0' in text


def test_generate_goes_through_the_data_plane(driftium: Callable[..., Driftium], upstream: Callable[..., Upstream]):
    """POST /generate asks the first model listed, and is logged as a chat completion from the playground."""
    server = upstream(replay({"ping": "pong"}))
    proxy = driftium(server.url, "--no-worker")
    told = proxy.client.post("/generate", json={"prompt": "ping", "system": "Be brief.", "options": {"seed": 1}})
    assert told.status_code == 200
    assert told.json()["response"] == "pong"
    asked = server.requests[-1]
    assert asked.json["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (asked.json["model"], asked.json["seed"]) == ("replay", 1)
    streamed = proxy.client.post("/generate", json={"prompt": "ping"}, headers={"accept": "text/event-stream"})
    assert streamed.headers["content-type"] == "text/event-stream"
    assert streamed.text.endswith("data: [DONE]\n\n")


def test_generate_passes_on_what_the_upstream_refuses(
    driftium: Callable[..., Driftium], upstream: Callable[..., Upstream]
):
    async def script(_: Request) -> AsyncIterator[bytes]:
        yield answer(b'{"error": {"message": "no such model"}}', status="404 Not Found")

    proxy = driftium(upstream(script).url, "--no-worker")
    told = proxy.client.post("/generate", json={"prompt": "ping", "model": "x"})
    assert told.status_code == 404
    assert told.json()["detail"] == "no such model"


@pytest.mark.parametrize(
    ("said", "status", "says"),
    [
        (answer(b'{"error": "overloaded"}', status="529 Overloaded"), 529, "overloaded"),
        (answer(b"<html>", status="500 Internal Server Error"), 500, "answered with status 500"),
        (answer(b'["no"]', status="404 Not Found"), 404, "answered with status 404"),
        (answer(b'{"error": {"message": ["no"]}}', status="400 Bad Request"), 400, "no"),
        (answer(b"", status="301 Moved Permanently"), 502, "answered with status 301"),
        (answer(b"<html>"), 502, "not a chat completion"),
        (answer(b"[]"), 502, "not a chat completion"),
        (answer(b"{}"), 502, "choices"),
        (answer(b'{"choices": {"0": "hi"}}'), 502, "choices"),
        (answer(b'{"choices": []}'), 502, "choices"),
        (answer(b'{"choices": ["hi"]}'), 502, "choices"),
        (answer(b'{"choices": [{"message": "hi"}]}'), 502, "message"),
        (answer(b'{"choices": [{"message": {"content": "\xff"}}]}'), 502, "not a chat completion"),
        (answer(b'{"usage": ' + b"[" * 100_000), 502, "not a chat completion"),
        (answer(completion("Hi."))[:-5], 502, "broke off"),
    ],
    ids=[
        "a status without a name",
        "an error that is not JSON",
        "an error that is a list",
        "an error whose message is a list",
        "a redirect",
        "not JSON",
        "a list",
        "no choices",
        "choices as a dict",
        "empty choices",
        "a choice as a string",
        "a message as a string",
        "not UTF-8",
        "too deep",
        "cut short",
    ],
)
def test_generate_says_what_is_wrong_with_the_upstreams_answer(relayed: Relayed, said: bytes, status: int, says: str):
    # A whole answer leaves its connection open: the next one may already be on its way there when it is closed.
    relayed.say(said, *[BREAK] * (says == "broke off"))
    told = relayed.driftium.client.post("/generate", json={"prompt": "x", "model": "m"})
    assert told.status_code == status, told.text
    assert told.headers["content-type"] == "application/problem+json"
    assert says in told.json()["detail"]


def test_model_names_become_labels_only_after_an_answer(
    driftium: Callable[..., Driftium], upstream: Callable[..., Upstream]
):
    """Failures can name anything and are "other", as is what comes past the limit; hostile names break nothing."""

    async def script(request: Request) -> AsyncIterator[bytes]:
        # The proxy itself looks at the upstream too, with GET.
        model = request.json["model"] if request.body else "bad"
        yield answer(b"{}", status="404 Not Found") if model == "bad" else answer(completion("hi", model))

    proxy = driftium(upstream(script).url, "--no-worker", env={"DRIFTIUM_METRICS__MAX_SERIES": "2"})
    for model in ('ev"il\n\\', "bad", "b", "c"):
        proxy.chat("x", model=model)

    def counted() -> dict[str, float]:
        """Requests by model, once all four are counted: the log knows of them a moment before the counters do."""
        families = text_string_to_metric_families(proxy.client.get("/metrics").text)
        samples = [s for family in families for s in family.samples if s.name == "driftium_requests_total"]
        totals: dict[str, float] = {}
        for sample in samples:
            totals[sample.labels["model"]] = totals.get(sample.labels["model"], 0) + sample.value
        return totals if sum(totals.values()) == 4 else {}

    totals = wait_until(counted, what="four requests are counted")
    assert len(totals) == 3
    assert totals["b"] == 1
    assert totals["other"] == 2
