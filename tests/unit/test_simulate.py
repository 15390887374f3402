"""What a simulation replays, how it counts, and what it says gave way first."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from drift.records import Outcome
from proxy import wire
from proxy.capture import Capture
from proxy.config import load
from proxy.settings import Canary, Database, Notify, Qdrant, Server, Settings, Tap
from proxy.simulate.answers import DONE, Unreadable, filled, recorded
from proxy.simulate.borrowed import for_simulation
from proxy.simulate.deployment import environment
from proxy.simulate.load import Quantiles, Seen, quantiles
from proxy.simulate.plan import Asked, Wrong, check
from proxy.simulate.report import added, together
from proxy.simulate.watch import Figures, Watch


def captured(body: bytes, kind: str) -> Capture:
    return Capture(
        id="x",
        at=0.0,
        endpoint="chat/completions",
        status=200,
        request_type="application/json",
        request=json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode(),
        response_type=kind,
        response=body,
        duration_seconds=1.0,
        outcome=Outcome.COMPLETE,
    )


@pytest.mark.parametrize("streamed", [False, True])
def test_the_wire_format_is_one_that_the_proxy_reads(streamed: bool):
    """Each recorded answer comes out of the worker's own parser as the text that it is, whole with its usage."""
    for one in recorded()[:40]:
        body = b"".join((*one.parts, one.usage, DONE)) if streamed else one.whole
        body = filled(body, b"chatcmpl-1", b'"a \\"model\\""')
        exchange = wire.read(captured(body, "text/event-stream" if streamed else "application/json"))
        assert exchange.response == one.response
        assert exchange.response_model == 'a "model"'
        assert exchange.outcome is Outcome.COMPLETE
        assert exchange.output_tokens


def test_own_answers_can_be_replayed(tmp_path: Path):
    """JSON lines, gzipped or not; a line that is none is named."""
    file = tmp_path / "own.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"prompt": "a", "response": "b"}\n'))
    assert [(one.prompt, one.response) for one in recorded(str(file))] == [("a", "b")]
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"prompt": "a", "response": "b"}\n{"prompt": "a"}\n')
    with pytest.raises(Unreadable, match="line 2"):
        recorded(str(wrong))


def test_what_is_started_has_the_settings_that_were_given():
    """Every setting that is no default travels as a variable, and comes out as it was."""
    given = Settings(
        server=Server(port=9000, cors_origins=("http://a.example",), admin_token="1234"),
        tap=Tap(flush_seconds=0.5),
        database=Database(url="postgresql+psycopg://u:p'\"@h/db"),
        qdrant=Qdrant(url="http://q:6333"),
    )
    assert load(Path("/dev/null"), environ=environment(given, Path("/tmp")), flags={}) == given


def test_nothing_that_people_use_is_touched():
    """A schema and collections of its own, no channels, no canaries, no embedded model."""
    given = Settings(
        database=Database(url="postgresql+psycopg://h/db", schema="driftium"),
        qdrant=Qdrant(url="http://q:6333", prefix="team-"),
        notify=(Notify(name="n", type="webhook", url="http://127.0.0.1:9"),),
        canary=(Canary(name="c", prompts=("a",) * 8),),
    )
    own = for_simulation(given)
    assert own.database.schema != "driftium"
    assert own.database.schema.startswith("driftium_simulate_")
    assert own.qdrant.prefix.startswith("team-simulate_")
    assert (own.notify, own.canary, own.scheduled) == ((), (), False)


def test_added_latency_is_the_difference_of_quantiles():
    """By hand: 1 to 100 ms through a proxy, half of that directly."""
    through = quantiles([i / 1000 for i in range(1, 101)])
    direct = quantiles([i / 2000 for i in range(1, 101)])
    found = added(through, direct)
    assert (through.p50, through.p99, through.largest) == (51.0, 100.0, 100.0)
    assert (found.p50, found.p99) == (25.5, 50.0)
    assert added(through, Quantiles(0)).p50 is None


def test_proxies_that_share_a_history_are_counted_once():
    """Their own taps add up; what the workers did is told by each of them, and is the same."""
    before = [Figures(logged=10, scored={"scored": 4}, shared=True, last_scored=5.0)] * 2
    for later in (9.0, 9.5):
        # The workers may go on between two looks.
        after = [
            Figures(logged=30, scored={"scored": 20 + 2 * (later > 9)}, shared=True, last_scored=later),
            Figures(logged=35, scored={"scored": 20}, shared=True, last_scored=9.0),
        ]
        found = together(before, after)
        assert (found["logged"], found["scored"]) == (45, {"scored": 16 + 2 * (later > 9)})
    apart = [Figures(logged=30, scored={"scored": 20}, last_scored=9.0), Figures(scored={"scored": 7}, last_scored=8.0)]
    assert together([None, None], apart)["scored"] == {"scored": 27}


def seen(failed: dict[str, int], late: float = 0.1) -> Seen:
    none = Quantiles(0)
    return Seen(
        seconds=1.0, sent=9, answered=9, failed=failed, whole=none, first=none, direct_whole=none,
        direct_first=none, direct_failed=0, late=Quantiles(9, late, late, late),
    )  # fmt: skip


def test_what_gives_way_is_told_once_and_in_its_order():
    """One late second is no trouble of the generator; three in a row are."""
    watch = Watch(["http://127.0.0.1:9"], "", 60.0)
    try:
        watch._began = time.monotonic()
        for late in (500.0, 0.1, 500.0, 500.0):
            watch.heard(seen({}, late))
        assert watch.troubles == []
        watch.heard(seen({"status 502": 3}, 500.0))
        watch.heard(seen({"status 502": 9}, 500.0))
        assert [one.what for one in watch.troubles] == ["generator", "failed"]
    finally:
        watch.close()


def asked(**changes: Any) -> Asked:
    return Asked(**{"rate": 5.0, "seconds": 5.0, "monitors": 20, "replicas": 1, "workers": 1} | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"workers": 2}, "several workers share a PostgreSQL database"),
        ({"monitors": 60}, "monitors.max = 50"),
        ({"urls": ("http://127.0.0.1:1",)}, "--url needs --upstream-port"),
        ({"urls": ("localhost:8000",), "upstream_port": 9}, r"must be http\(s\)://host"),
        ({"answers": "/absent.jsonl"}, "/absent.jsonl: cannot be read"),
        ({"upstream_host": "0.0.0.0"}, "--upstream-host is for proxies that run elsewhere"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], said: str):
    check(asked(), Settings())
    with pytest.raises(Wrong, match=said):
        check(asked(**changes), Settings())
