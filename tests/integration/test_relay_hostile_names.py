"""Names that clients choose break nothing that reads them: neither the metrics nor the log lines."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client import parser as prometheus
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.samples import Sample

from proxy.collector import HistoryCollector
from proxy.metrics import Metrics
from proxy.settings import History as HistorySettings
from proxy.settings import Settings
from proxy.stores.history import MonitorRow, WorkerState, open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import open_log
from proxy.tap import Tap
from tests.integration.bare import ask
from tests.integration.relayed import Relayed, post, relay_to
from tests.scripted import answer, completion, replay

SECRET = "the prompt that nobody logs"
NAMES = {
    "new line": 'a\nb 1\n# HELP x\ndriftium_requests_total{model="forged"} 99',
    "carriage return": "a\rb",
    "quote": 'a"b',
    "backslash": "a\\b\\",
    "escaped quote": 'a\\"b\\n',
    "NUL": "a\0b",
    "long": "x" * 100_000,
    "emoji": "🦙👩‍👩‍👧",
    "lone surrogate": "a\ud800b",
    "other surrogate": "\udfff",
    "braces": "{}",
    "format": "{0.__class__} %s %(x)s ${x}",
    "line separator": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "escape": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "end of labels": '"} 1\n',
    "another label": 'a",outcome="forged',
    "exemplar": 'a"} 1 # {exchange_id="x"} 1',
    "end of file": "# EOF",
    "right to left": "\u202eabc\u2066",
    "rich markup": "[red]a[/red][/]",
    "white space": " \t ",
    "path": "../../etc/passwd",
    "markup": "<script>alert(1)</script>",
    "SQL": "'; DROP TABLE monitors; --",
    "number": "NaN",
}


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with relay_to(
        replay({}), tmp_path_factory.mktemp("relay"), TAP__FLUSH_SECONDS="0.02", METRICS__MAX_SERIES="1000"
    ) as running:
        yield running


def parsed(text: str, *, open_metrics: bool) -> list[Sample]:
    parse = (openmetrics_parser if open_metrics else prometheus).text_string_to_metric_families
    return [sample for family in parse(text) for sample in family.samples]


def scraped(relayed: Relayed, *, open_metrics: bool) -> list[Sample]:
    accept = "application/openmetrics-text; version=1.0.0" if open_metrics else "text/plain"
    said = relayed.driftium.client.get("/metrics", headers={"accept": accept})
    assert said.headers["content-type"].startswith(accept.partition(";")[0])
    return parsed(said.content.decode(), open_metrics=open_metrics)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_model_of_any_name_is_one_series(relayed: Relayed, name: str):
    """The request passes as it is; the model's label is one line of bounded length, and forges no other."""
    body = json.dumps({"model": name, "messages": [{"role": "user", "content": SECRET}]}).encode()
    relayed.say(answer(completion("Hi.")))
    before = {s.labels["model"] for s in scraped(relayed, open_metrics=False) if s.name == "driftium_requests_total"}
    through = ask(relayed.driftium.url, post(body))
    assert (through.status, relayed.got.body) == (200, body)
    relayed.logged(dict(through.headers)[b"x-driftium-exchange-id"].decode())
    for open_metrics in (False, True):
        counted = [s for s in scraped(relayed, open_metrics=open_metrics) if s.name == "driftium_requests_total"]
        fresh = {s.labels["model"] for s in counted} - before
        assert len(fresh) <= 1
        assert all(len(model) <= 200 and len(model.splitlines()) <= 1 for model in fresh)
        assert all(s.labels["outcome"] in ("complete", "upstream_error", "truncated") for s in counted)
        assert not any("forged" in s.labels.values() for s in counted)


HEADER_NAMES = {key: name for key, name in NAMES.items() if not set(name) & set("\n\r\0\x1b\x07\x0b\x0c")}


@pytest.mark.parametrize("name", HEADER_NAMES.values(), ids=HEADER_NAMES.keys())
def test_a_monitor_of_any_name_is_logged(relayed: Relayed, name: str):
    """What a header can carry at all, in whatever bytes."""
    relayed.say(answer(completion("Hi.")))
    value = name.encode("utf-8", "surrogatepass").decode("latin-1")
    body = json.dumps({"model": "m", "x": SECRET}).encode()
    through = ask(relayed.driftium.url, post(body, f"x-driftium-monitor: {value}"))
    assert through.status == 200
    capture = relayed.logged(dict(through.headers)[b"x-driftium-exchange-id"].decode())
    assert capture.monitor == name.encode("utf-8", "surrogatepass").decode("utf-8", "replace").strip(" \t")
    for open_metrics in (False, True):
        assert scraped(relayed, open_metrics=open_metrics)


def test_what_an_upstream_says_of_itself_breaks_nothing(relayed: Relayed):
    """Its models, the model in its answer, its content types and its errors."""
    for name in NAMES.values():
        relayed.say(answer(completion("Hi.", name)))
        assert ask(relayed.driftium.url, post(b'{"model":"m"}')).status == 200
        relayed.say(answer(json.dumps({"error": {"message": name}}).encode(), status="500 X", kind="text/x\xff; \xe9"))
        assert ask(relayed.driftium.url, post(b'{"model":"m"}')).status == 500
    for open_metrics in (False, True):
        assert scraped(relayed, open_metrics=open_metrics)


def test_log_lines_stay_lines_and_hold_no_prompt(relayed: Relayed):
    """Of all the above: no name starts a line of its own, none colours a terminal, and no prompt is told."""
    said = relayed.driftium.stderr.read_bytes()
    assert SECRET.encode() not in said
    assert b"\x1b" not in said
    assert b"\0" not in said
    assert b"Traceback" not in said, said
    assert not any(line.startswith((b"b 1", b"# HELP", b"driftium_requests_total")) for line in said.splitlines())


def test_monitors_and_models_of_any_name_are_series_of_their_own(tmp_path: Path):
    """As the worker leaves them in the history, even if it cleaned nothing."""
    names = [name for name in NAMES.values() if name.isprintable() or name.isascii()]
    names = [name.replace("\0", "") for name in names]
    history = open_history(tmp_path)
    counts = {"created_at": 1.0, "last_scored_at": 2.0, "received": 1, "observed": 1, "counts": {"scored": 1}}
    rows = [MonitorRow(name=name, model=name, response_model=name, **counts) for name in names]  # type: ignore[arg-type]
    tokens = dict.fromkeys(names, (3, 4))
    state = WorkerState(pid=1, stage="ready", since=1.0, heartbeat_at=1.0, encoder='"}\n', tokens=tokens)
    Ledger(history, HistorySettings(), ring=10).commit(Changes(monitors=rows, state=state))
    log = open_log(tmp_path)
    settings = Settings()
    registry = CollectorRegistry()
    metrics = Metrics(registry, 50)
    tap = Tap(settings.tap, lambda *_: None, metrics.observe, {})
    up = dict.fromkeys(("upstream", "worker", "vector_store", "embedder"), True)
    registry.register(HistoryCollector(history, log, tap, lambda: up, settings))
    texts = {False: generate_latest(registry), True: openmetrics.generate_latest(registry)}
    for open_metrics, text in texts.items():
        samples = parsed(text.decode(), open_metrics=open_metrics)
        scored = {s.labels["monitor"]: s.value for s in samples if s.name == "driftium_scored_total"}
        assert scored == dict.fromkeys(names, 1.0)
        counted = {(s.labels["model"], s.labels["type"]): s.value for s in samples if s.name == "driftium_tokens_total"}
        assert counted == {(n, t): v for n in names for t, v in (("input", 3.0), ("output", 4.0))}
        assert not any(math.isnan(s.value) for s in samples)
    log.close()
    history.close()
