"""Tabular drift over HTTP: the simulated drift, stored references and reports, and the gauges of named datasets."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.conftest import Driftium, free_port, wait_until

SIMULATED = "/api/monitoring/simulated"
UPLOAD = "/api/monitoring/upload"
REFERENCES = "/api/monitoring/references"
REPORTS = "/api/monitoring/reports"
CSV = {"content-type": "text/csv"}
HOSTILE = 'a"b\\c\r\u2028} 1\x85'
"""Ends a label, a line or a sample to a reader that does not mind the escapes."""


def table(*names: str, rows: int = 200, shift: int = 0) -> bytes:
    """Columns of numbers, all of which move by `shift`."""
    lines = [",".join(str(i * 7 % 50 + shift) for _ in names) for i in range(rows)]
    return "\n".join([",".join(f'"{name.replace(chr(34), 2 * chr(34))}"' for name in names), *lines, ""]).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driftium]:
    """A proxy without a worker and without an upstream."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    running = Driftium(tmp_path_factory.mktemp("tabular"), nowhere, "--no-worker").start()
    yield running
    running.stop()
    assert "Traceback" not in running.stderr.read_text()


def put(server: Driftium, name: str, content: bytes) -> httpx.Response:
    return server.client.put(f"{REFERENCES}/{name}", content=content, headers=CSV)


def compare(server: Driftium, content: bytes, **query: str) -> Any:
    told = server.client.post(UPLOAD, params=query, content=content, headers=CSV)
    assert told.status_code == 200, told.text
    return told.json()


def samples(server: Driftium, accept: str = "text/plain") -> dict[tuple[str, ...], float]:
    """The tabular samples of /metrics: (name, label values) and value."""
    told = server.client.get("/metrics", headers={"accept": accept})
    parse = parse_openmetrics if told.headers["content-type"].startswith("application/openmetrics") else parse_text
    return {
        (sample.name.removeprefix("driftium_tabular_"), *sample.labels.values()): sample.value
        for family in parse(told.text)
        for sample in family.samples
        if sample.name.startswith("driftium_tabular_")
    }


def test_the_simulated_drift_names_age_and_tells_the_same_again(server: Driftium):
    """Young rows differ in age the most; the same seed splits the rows the same way, another one otherwise."""
    run = server.get(SIMULATED, age_threshold=35, p_threshold=0.05)
    assert set(run) == {"generated_at", "summary", "display_rows", "report_id", "dataset"}
    assert run["dataset"] == "", "it sets no gauge that alerts fire on"
    assert run["summary"]["strongest"]["feature"] == "age"
    assert run["display_rows"][0]["drifted"]
    again, other = server.get(SIMULATED), server.get(SIMULATED, seed=1)
    assert again["display_rows"] == run["display_rows"] != other["display_rows"]
    assert len({each["report_id"] for each in (run, again, other)}) == 3


def test_everybody_below_the_threshold_is_no_drift(server: Driftium):
    assert server.get(SIMULATED, age_threshold=150)["summary"]["drifted"] == 0


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", f"{SIMULATED}?age_threshold=-1", 400, "age_threshold = '-1': expected int >= 0"),
        ("GET", f"{SIMULATED}?age_threshold=151", 400, "age_threshold"),
        ("GET", f"{SIMULATED}?age_threshold=old", 400, "age_threshold"),
        ("GET", f"{SIMULATED}?age_threshold=1", 422, "age_threshold = 1"),
        ("GET", f"{SIMULATED}?p_threshold=0", 400, "p_threshold"),
        ("GET", f"{SIMULATED}?p_threshold=1", 400, "p_threshold"),
        ("GET", f"{SIMULATED}?p_threshold=nan", 400, "p_threshold"),
        ("GET", f"{SIMULATED}?seed=-1", 400, "seed"),
        ("GET", f"{SIMULATED}?seed={10**25}", 400, "seed"),
        ("GET", f"{SIMULATED}?dataset=%00", 400, "dataset"),
        ("GET", f"{REFERENCES}/nothing", 404, "bank-marketing"),
        ("GET", f"{REFERENCES}/..%2Fuploads", 404, ""),
        ("DELETE", f"{REFERENCES}/nothing", 404, "bank-marketing"),
        ("DELETE", f"{REFERENCES}/bank-marketing", 409, "choose another name"),
        ("PUT", f"{REFERENCES}/bank-marketing", 409, "choose another name"),
        ("PUT", f"{REFERENCES}/.hidden", 400, "not begin with a dot"),
        ("PUT", f"{REFERENCES}/a%20b", 400, "1 to 64 of"),
        ("PUT", f"{REFERENCES}/{'n' * 65}", 400, "1 to 64 of"),
        ("PUT", f"{REFERENCES}/good", 422, "body is empty"),
        ("GET", f"{REPORTS}/nothing", 404, "there is no such report"),
        ("GET", f"{REPORTS}/nothing.html", 404, "there is no such report"),
        ("GET", f"{REPORTS}?limit=0", 400, "limit"),
        ("DELETE", REPORTS, 405, ""),
    ],
)
def test_what_is_refused_names_the_field_and_the_rule(server: Driftium, method: str, path: str, status: int, says: str):
    told = server.client.request(method, path)
    assert told.status_code == status, told.text
    assert told.headers["content-type"] == "application/problem+json"
    assert says in told.json()["detail"]


def test_a_reference_is_stored_described_replaced_and_deleted(server: Driftium):
    told = put(server, "prices", table("net", "gross"))
    assert told.status_code == 201
    assert (told.json()["rows"], [c["name"] for c in told.json()["columns"]]) == (200, ["net", "gross"])
    assert told.json()["columns"][0]["kind"] == "numeric"
    assert server.get(f"{REFERENCES}/prices") == told.json()
    assert [r["name"] for r in server.get(REFERENCES)["references"]][:2] == ["bank-marketing", "prices"]
    assert put(server, "prices", table("net", rows=100)).status_code == 200
    assert server.get(f"{REFERENCES}/prices")["rows"] == 100
    assert len(list((server.data_dir / "references" / "prices").iterdir())) == 2
    gone = server.client.delete(f"{REFERENCES}/prices")
    assert (gone.status_code, gone.content) == (204, b"")
    assert server.client.get(f"{REFERENCES}/prices").status_code == 404
    assert not (server.data_dir / "references" / "prices").exists()


def test_the_shipped_reference_is_described_as_it_is(server: Driftium):
    """What is said of it was written down once; a table that is put in its place is read."""
    shipped = server.get(f"{REFERENCES}/bank-marketing")
    assert shipped["shipped"]
    file = Path(__file__).parents[2] / "proxy" / "tabular" / "data" / "bank_marketing.csv.gz"
    copy = put(server, "copy", file.read_bytes()).json()
    assert all(copy[name] == shipped[name] for name in ("rows", "columns", "bytes"))
    run = compare(server, file.read_bytes(), reference="bank-marketing")
    assert (run["summary"]["reference"], run["summary"]["drifted"]) == ("bank-marketing", 0)
    assert run["summary"] | {"reference": "copy"} == compare(server, file.read_bytes(), reference="copy")["summary"]


def test_a_table_that_is_refused_leaves_the_reference_as_it_was(server: Driftium):
    before = put(server, "kept", table("a")).json()
    assert put(server, "kept", b"a,a\n1,2\n").status_code == 422
    assert put(server, "never", b"a,a\n1,2\n").status_code == 422
    assert server.get(f"{REFERENCES}/kept") == before
    assert server.client.get(f"{REFERENCES}/never").status_code == 404
    assert list((server.data_dir / "uploads").iterdir()) == []


def test_a_comparison_reads_its_reference_whatever_becomes_of_it(server: Driftium):
    """Uploads queue while their reference is replaced by a table that shares no column with them, and deleted."""
    put(server, "busy", table("a", rows=20_000))
    answers: list[httpx.Response] = []
    url = f"{server.url}{UPLOAD}?reference=busy"

    def send() -> None:
        body = table("a", rows=20_000)
        answers.append(httpx.post(url, content=body, headers=CSV, timeout=60, trust_env=False))

    senders = [threading.Thread(target=send) for _ in range(5)]
    for sender in senders:
        sender.start()
    # A lent table is there as soon as its upload was read.
    wait_until(lambda: len(list((server.data_dir / "uploads").glob("*/stored"))) == 5 or answers, seconds=20)
    put(server, "busy", table("z"))
    server.client.delete(f"{REFERENCES}/busy")
    for sender in senders:
        sender.join()
    assert {told.status_code for told in answers} <= {200, 404}, [told.text for told in answers]
    assert {told.json()["summary"]["drifted"] for told in answers if told.status_code == 200} == {0}


def test_reports_are_kept_listed_and_shown(server: Driftium):
    put(server, "base", table("a"))
    run = compare(server, table("a", shift=20), reference="base", dataset="prices")
    latest = server.get(REPORTS, limit=1)["reports"][0]
    assert latest == {
        "id": run["report_id"],
        "generated_at": run["generated_at"],
        "dataset": "prices",
        "drifted": 1,
        "message": run["summary"]["message"],
    }
    assert [each["dataset"] for each in server.get(REPORTS, dataset="prices")["reports"]] == ["prices"]
    assert server.get(f"{REPORTS}/{run['report_id']}") == run
    page = server.client.get(f"{REPORTS}/{run['report_id']}.html")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert run["report_id"] in page.text
    assert "<script" not in page.text


def test_only_the_latest_reports_are_kept_and_gauges_outlive_theirs(driftium: Callable[..., Driftium]):
    """Unnamed uploads push a named dataset's report out, and end no alert on it."""
    settings = {"DRIFTIUM_TABULAR__KEEP_REPORTS": "2", "DRIFTIUM_METRICS__MAX_SERIES": "2"}
    proxy = driftium(None, "--no-worker", env=settings)
    put(proxy, "base", table("a"))
    runs = [compare(proxy, table("a"), reference="base", dataset=name) for name in ("x", "y", "z", "", "")]
    kept = [each["id"] for each in proxy.get(REPORTS)["reports"]]
    assert kept == [run["report_id"] for run in reversed(runs[-2:])]
    assert {key[1] for key in samples(proxy)} == {"y", "z"}


def test_a_dataset_has_gauges_once_it_was_compared(driftium: Callable[..., Driftium]):
    """None before, none for an unnamed upload; then those of its last run, under names that break nothing."""
    proxy = driftium(None, "--no-worker")
    put(proxy, "base", table("a", HOSTILE, "x" * 500))
    assert samples(proxy) == {}
    compare(proxy, table("a"), reference="base")
    assert samples(proxy) == {}
    dataset = 'p"r\\i}ces 1'
    for shift in (20, 0):
        run = compare(proxy, table("a", HOSTILE, "x" * 500, shift=shift), reference="base", dataset=dataset)
        for accept in ("text/plain", "application/openmetrics-text"):
            found = samples(proxy, accept)
            assert found["drifted_features", dataset] == run["summary"]["drifted"] == (3 if shift else 0)
            assert found["last_success_timestamp_seconds", dataset] > 1.7e9
            effects = {key[2]: value for key, value in found.items() if key[0] == "feature_effect"}
            assert len(effects) == 3
            assert effects["a"] == pytest.approx(run["display_rows"][0]["effect"])


def test_a_dataset_shows_its_fifty_largest_effects(driftium: Callable[..., Driftium]):
    """Also where names are so long that they are cut to the same label: a series is never given twice."""
    proxy = driftium(None, "--no-worker")
    names = [*(f"c{i}" for i in range(60)), *("y" * 300 + str(i) for i in range(3))]
    put(proxy, "base", table(*names))
    compare(proxy, table(*names, shift=5), reference="base", dataset="wide")
    assert sum(key[0] == "feature_effect" for key in samples(proxy)) == 50


def test_references_reports_and_gauges_outlive_the_process(driftium: Callable[..., Driftium]):
    """Killed, not stopped; what it left half done in a reference's folder is gone."""
    proxy = driftium(None, "--no-worker")
    put(proxy, "base", table("a"))
    run = compare(proxy, table("a", shift=20), reference="base", dataset="d")
    reference, gauges = proxy.get(f"{REFERENCES}/base"), samples(proxy)
    assert proxy.process
    proxy.process.kill()
    proxy.process.wait()
    folder = proxy.data_dir / "references"
    (folder / "base" / "half.table").write_bytes(b"a")
    (folder / "half").mkdir()
    (folder / "half" / "half.table").write_bytes(b"a")
    proxy.start()
    assert proxy.get(f"{REFERENCES}/base") == reference
    assert proxy.get(f"{REPORTS}/{run['report_id']}") == run
    assert samples(proxy) == gauges
    assert sorted(os.listdir(folder)) == ["base"]
    assert len(os.listdir(folder / "base")) == 2
    assert compare(proxy, table("a", shift=20), reference="base")["summary"]["drifted"] == 1


def test_the_schema_lists_the_routes_and_the_tables_they_take(server: Driftium):
    paths = server.get("/schema/openapi.json")["paths"]
    for path, verbs in {
        SIMULATED: {"get"},
        UPLOAD: {"post"},
        REFERENCES: {"get"},
        f"{REFERENCES}/{{name}}": {"get", "put", "delete"},
        REPORTS: {"get"},
        f"{REPORTS}/{{report_id}}": {"get"},
        "/api/rca": {"post"},
    }.items():
        assert verbs <= set(paths[path])
    for operation in (paths[UPLOAD]["post"], paths[f"{REFERENCES}/{{name}}"]["put"]):
        assert {"text/csv", "multipart/form-data"} <= set(operation["requestBody"]["content"])
