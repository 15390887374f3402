"""Tables that people send: what is taken, what is refused and how, and what is left behind."""

import gzip
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Driftium, free_port, wait_until

MAX_BYTES = 2_000_000
UPLOAD = "/api/monitoring/upload"
CSV = {"content-type": "text/csv"}


def table(rows: int = 200, shift: int = 0) -> bytes:
    """Two columns; the first moves by `shift`."""
    lines = [f"{i * 7 % 50 + shift},{('red', 'green', 'blue')[i % 3]}" for i in range(rows)]
    return "\n".join(["size,colour", *lines, ""]).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driftium]:
    """A proxy without a worker and without an upstream, with one stored reference."""
    settings = {"DRIFTIUM_TABULAR__MAX_BYTES": str(MAX_BYTES)}
    nowhere = f"http://127.0.0.1:{free_port()}"
    running = Driftium(tmp_path_factory.mktemp("uploads"), nowhere, "--no-worker", env=settings).start()
    stored = running.client.put("/api/monitoring/references/ours", content=table(), headers=CSV)
    assert stored.status_code == 201, stored.text
    yield running
    running.stop()
    assert "Traceback" not in running.stderr.read_text()


def leftovers(server: Driftium) -> list[Path]:
    return list((server.data_dir / "uploads").rglob("*"))


def column(run: Any, name: str) -> Any:
    return next(row for row in run["display_rows"] if row["name"] == name)


@pytest.mark.parametrize(
    "kind",
    [
        "text/csv",
        "text/csv; charset=utf-8",
        "text/plain",
        "application/csv",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        None,
    ],
)
def test_a_body_is_taken_under_every_type_that_clients_give_to_csv(server: Driftium, kind: str | None):
    headers = {"content-type": kind} if kind else {}
    told = server.client.post(UPLOAD, params={"reference": "ours"}, content=table(shift=20), headers=headers)
    assert told.status_code == 200, told.text
    run = told.json()
    assert set(run) == {"report_id", "generated_at", "dataset", "summary", "display_rows"}
    assert run["summary"]["reference"] == "ours"
    assert (run["summary"]["drifted"], run["summary"]["strongest"]["feature"]) == (1, "size")
    assert not column(run, "colour")["drifted"]
    assert leftovers(server) == []


@pytest.mark.parametrize("way", ["body", "encoding", "part"])
def test_gzip_is_taken_as_a_file_as_a_coding_and_in_a_form(server: Driftium, way: str):
    packed, client, where = gzip.compress(table(shift=20)), server.client, {"reference": "ours"}
    if way == "body":
        told = client.post(UPLOAD, params=where, content=packed, headers={"content-type": "application/gzip"})
    elif way == "encoding":
        told = client.post(UPLOAD, params=where, content=packed, headers=CSV | {"content-encoding": "gzip"})
    else:
        told = client.post(UPLOAD, data=where, files={"file": ("new.csv.gz", packed)})
    assert told.status_code == 200, told.text
    assert told.json()["summary"]["drifted"] == 1


def test_a_form_brings_the_file_its_reference_and_the_settings(server: Driftium):
    """The reference is a stored one's name or a file of its own; what the form says wins over the query."""
    fields = {"reference": "ours", "p_threshold": "0.01", "dataset": "orders"}
    file = {"file": ("C:\\new.csv", table(shift=20), "application/vnd.ms-excel")}
    run = server.client.post(UPLOAD, params={"p_threshold": 0.5}, data=fields, files=file).json()
    assert (run["dataset"], run["summary"]["p_threshold"]) == ("orders", 0.01)
    assert (run["summary"]["reference"], run["summary"]["current"]) == ("ours", "new.csv")
    both = {"file": ("new.csv", table(shift=20)), "reference": ("old.csv", table(shift=20))}
    run = server.client.post(UPLOAD, files=both).json()
    assert (run["summary"]["reference"], run["summary"]["drifted"]) == ("old.csv", 0)


def test_curl_sends_a_table_in_its_two_usual_ways(server: Driftium, tmp_path: Path):
    file = tmp_path / "new.csv"
    file.write_bytes(table(60_000, shift=20))
    url = f"{server.url}{UPLOAD}?reference=ours"
    for way in (["--data-binary", f"@{file}"], ["-F", f"file=@{file}"], ["-T", str(file), "-X", "POST"]):
        told = subprocess.run(["curl", "-sS", "--noproxy", "*", *way, url], capture_output=True, check=True)
        assert json.loads(told.stdout)["summary"]["drifted"] == 1, told.stdout


def form(*parts: tuple[str, bytes], boundary: bytes = b"edge", end: bytes = b"--\r\n") -> bytes:
    """A form's bytes; each part is its Content-Disposition after form-data, and its body."""
    body = b"".join(
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (boundary, head.encode(), part)
        for head, part in parts
    )
    return body + b"--" + boundary + end


FORM = {"content-type": "multipart/form-data; boundary=edge"}
FILE = ('name="file"; filename="a.csv"', table())


@pytest.mark.parametrize(
    ("query", "headers", "body", "status", "says"),
    [
        ("", {"content-type": "application/json"}, b"{}", 415, "send CSV"),
        ("", {"content-type": "image/png"}, b"\x89PNG", 415, "send CSV"),
        ("", CSV | {"content-encoding": "br"}, table(), 415, "Content-Encoding = 'br'"),
        ("", FORM | {"content-encoding": "gzip"}, b"", 415, "Content-Encoding = 'gzip'"),
        ("", {"content-type": "multipart/form-data"}, b"", 415, "boundary"),
        ("", {"content-type": f"multipart/form-data; boundary={'e' * 300}"}, b"", 415, "boundary"),
        ("", CSV, b"", 422, "body is empty"),
        ("", CSV, b"size\n", 422, "row"),
        ("", CSV, b"\x89PNG\r\n\x1a\n\0\0\0\0", 415, "a picture"),
        ("?treshold=0.01", CSV, table(), 400, "treshold: no such parameter"),
        ("?effect_threshold=2", CSV, table(), 400, "effect_threshold"),
        ("", CSV, b"size,size\n1,2\n", 422, "size"),
        ("?reference=ours", CSV, b"other\n1\n2\n", 422, "share no column"),
        ("?reference=ours", CSV, b"size,colour\n1,red\n2,red,3\n", 422, "Row 2"),
        ("?reference=theirs", CSV, table(), 404, "bank-marketing, ours"),
        ("?reference=../ours", CSV, table(), 404, "bank-marketing, ours"),
        ("?p_threshold=0", CSV, table(), 400, "p_threshold"),
        ("?p_threshold=nan", CSV, table(), 400, "p_threshold"),
        ("?dataset=" + "d" * 65, CSV, table(), 400, "dataset"),
        ("?dataset=a%0Ab", CSV, table(), 400, "printable"),
        ("", FORM, form(), 422, "file: there is no such part"),
        ("", FORM, form(('name="data"; filename="a.csv"', table())), 422, "data: no such part"),
        ("", FORM, form(('name="../x"; filename="a.csv"', table())), 422, "no such part"),
        ("", FORM, form(FILE, FILE), 422, "file: given twice"),
        ("", FORM, form(('name="file"; filename="a.csv"', b"")), 422, "a.csv is empty"),
        ("", FORM, form(('name="file"; filename=""', b"")), 422, "file: there is no such part, or it is empty"),
        ("", FORM, form(FILE, ('name="p_threshold"', b"2")), 400, "p_threshold = '2'"),
        ("", FORM, form(FILE, ('name="p_threshold"', b"low")), 400, "p_threshold = 'low'"),
        ("", FORM, form(FILE, ('name="dataset"', b"\xff")), 422, "dataset: must be UTF-8"),
        ("", FORM, form(FILE, ('name="dataset"', b"d" * 2_000)), 422, "dataset: longer than"),
        ("", FORM, form(FILE, ('name="dataset"', b"a\nb")), 400, "printable"),
        ("", FORM, form(FILE, ('name="reference"', b"theirs")), 404, "bank-marketing, ours"),
        ("", FORM, form(*[(f'name="{i}"', b"") for i in range(30)]), 422, "no such part"),
        ("", FORM, form(FILE)[:-10], 422, "cannot be read"),
        ("", FORM, b"no form at all", 422, "cannot be read"),
        ("", FORM, b"--edge\r\n" + b"x" * 9_000, 422, "cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_what_to_do(
    server: Driftium, query: str, headers: dict[str, str], body: bytes, status: int, says: str
):
    """And leaves neither a report nor a file."""
    before = server.get("/api/monitoring/reports")["reports"]
    told = server.client.post(UPLOAD + query, content=body, headers=headers)
    assert told.status_code == status, told.text
    assert told.headers["content-type"] == "application/problem+json"
    assert says in told.json()["detail"]
    assert server.get("/api/monitoring/reports")["reports"] == before
    assert leftovers(server) == []


def test_a_form_may_end_without_a_line_break_or_with_more_than_one(server: Driftium):
    for end in (b"--", b"--\r\n", b"--\r\n\r\n"):
        told = server.client.post(UPLOAD + "?reference=ours", content=form(FILE, end=end), headers=FORM)
        assert told.status_code == 200, told.text


@pytest.mark.parametrize("length", ["said", "not said"])
@pytest.mark.parametrize("way", ["body", "form"])
def test_too_large_a_table_is_refused_and_the_client_gets_to_read_why(server: Driftium, length: str, way: str):
    """At once where its length is said, else when the limit is passed; the client is still sending then."""
    body = table(2) + b"1,red\n" * (3 * MAX_BYTES // 6)
    headers = CSV
    if way == "form":
        body, headers = form(('name="file"; filename="a.csv"', body)), FORM
    parts = (body[i : i + 65_536] for i in range(0, len(body), 65_536))
    told = server.client.post(UPLOAD, content=body if length == "said" else parts, headers=headers)
    assert told.status_code == 413, told.text
    assert f"tabular.max_bytes = {MAX_BYTES:,}" in told.json()["detail"]
    assert leftovers(server) == []
    assert server.get("/live") == {"status": "ok"}


def test_what_is_too_large_by_its_length_is_refused_before_it_is_sent(server: Driftium, tmp_path: Path):
    """Curl asks first (Expect: 100-continue), sends nothing, and shows the answer."""
    file = tmp_path / "big.csv"
    file.write_bytes(b"x" * (MAX_BYTES + 1))
    command = ["curl", "-sS", "--noproxy", "*", "-w", "\n%{size_upload} %{http_code}", "-H", "Expect: 100-continue"]
    told = subprocess.run([*command, "--data-binary", f"@{file}", server.url + UPLOAD], capture_output=True, check=True)
    body, _, counted = told.stdout.decode().rpartition("\n")
    assert counted == "0 413"
    assert "tabular.max_bytes" in json.loads(body)["detail"]


def test_a_small_file_that_unpacks_into_too_much_is_refused(server: Driftium):
    packed = gzip.compress(b"size,colour\n" + b"1,red\n" * MAX_BYTES)
    assert len(packed) < MAX_BYTES
    told = server.client.post(UPLOAD + "?reference=ours", content=packed, headers=CSV)
    assert told.status_code == 413, told.text


def begin(server: Driftium, target: str = UPLOAD, method: str = "POST") -> socket.socket:
    """A client that has sent the head and a part of its table."""
    address = httpx.URL(server.url)
    connection = socket.create_connection((address.host, address.port or 80), timeout=10)
    head = f"{method} {target} HTTP/1.1\r\nhost: here\r\ncontent-type: text/csv\r\ncontent-length: 1000000\r\n\r\n"
    connection.sendall(head.encode() + table())
    return connection


def test_a_client_that_leaves_in_mid_upload_leaves_no_file(server: Driftium):
    for target, method in ((UPLOAD, "POST"), ("/api/monitoring/references/half", "PUT")):
        connection = begin(server, target, method)
        wait_until(lambda: leftovers(server), seconds=5, what="the upload has begun")
        connection.close()
        wait_until(lambda: not leftovers(server), seconds=5, what="nothing is left")
    assert server.client.get("/api/monitoring/references/half").status_code == 404


def test_two_are_received_at_once_eight_wait_and_the_next_is_told_to_come_back(server: Driftium):
    """A silent client holds a place; the others are served once it has gone."""
    silent = [begin(server) for _ in range(2)]
    wait_until(lambda: len(list((server.data_dir / "uploads").glob("*"))) == 2, seconds=5, what="two are received")
    answers: list[httpx.Response] = []

    def send() -> None:
        answers.append(
            httpx.post(server.url + UPLOAD + "?reference=ours", content=table(), timeout=60, trust_env=False)
        )

    senders = [threading.Thread(target=send) for _ in range(9)]
    for sender in senders:
        sender.start()
    wait_until(lambda: len(answers) == 2, seconds=10, what="there is no place for two of them")
    assert {told.status_code for told in answers} == {503}
    assert int(answers[0].headers["retry-after"]) > 0
    assert server.client.get("/api/monitoring/simulated").status_code == 503
    for connection in silent:
        connection.close()
    for sender in senders:
        sender.join()
    assert sorted(told.status_code for told in answers) == [200] * 7 + [503] * 2


def test_what_a_killed_process_left_is_removed_at_the_next_start(driftium: Callable[..., Driftium]):
    proxy = driftium(None, "--no-worker")
    with begin(proxy):
        wait_until(lambda: leftovers(proxy), seconds=5, what="the upload has begun")
        assert proxy.process
        proxy.process.kill()
        proxy.process.wait()
    assert leftovers(proxy)
    proxy.start()
    assert leftovers(proxy) == []
