"""What one client can hold or fill is bounded: time, heads, bodies, connections, names."""

import contextlib
import json
import resource
import threading
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from proxy.app import CONTROL_BODY_BYTES
from proxy.front import MAX_HEAD_BYTES, MAX_HEADERS
from proxy.routes.followers import MAX_FOLLOWERS
from proxy.serve import DESCRIPTORS
from tests.conftest import wait_until
from tests.integration.bare import ask, bare
from tests.integration.relayed import ASK, Relayed, post, relay_to
from tests.scripted import Request, answer, completion, replay

HI = completion("Hi.")
HALF = b"GET /drift HTTP/1.1\r\nhost: here\r\nx-half"
JSON = {"content-type": "application/json"}
TABLE = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i % 3) for i in range(40))


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    """A proxy that gives its clients one second."""
    folder = tmp_path_factory.mktemp("bounds") / "house" / "data"
    with relay_to(replay({}), folder, SERVER__CLIENT_SECONDS="1") as running:
        yield running
        said = running.driftium.stderr.read_text()
        assert "Traceback" not in said, said


@pytest.fixture(autouse=True)
def _fresh(relayed: Relayed) -> None:
    relayed.say(answer(HI))


def time_is_up(relayed: Relayed) -> None:
    """Returns once the proxy has given up on a client that began after this."""
    with bare(relayed.driftium.url) as client:
        client.send(HALF)
        assert client.answer().status == 408


@pytest.mark.parametrize("sent", [HALF, b"G", b"\r\n", b"GET /drift HTTP/1.1\r\n"])
def test_a_head_that_does_not_end_is_answered_with_408_and_closed(relayed: Relayed, sent: bytes):
    with bare(relayed.driftium.url) as client:
        client.send(sent)
        said = client.answer()
        assert (said.status, said.whole) == (408, True)
        assert client.closed


def test_a_head_that_drips_is_no_better(relayed: Relayed):
    """The time counts from its first byte, whatever follows."""
    with bare(relayed.driftium.url) as client:
        client.send(HALF)
        client.socket.settimeout(0.05)
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                client.send(b"x")
                with contextlib.suppress(TimeoutError):
                    said = client.socket.recv(100)
                    assert said.startswith(b"HTTP/1.1 408")
                    return
        pytest.fail("it may drip for ever")


def test_the_next_head_of_a_connection_has_no_more_time(relayed: Relayed):
    with bare(relayed.driftium.url) as client:
        client.send(post())
        assert client.answer("POST").body == HI
        client.send(HALF)
        assert client.answer().status == 408


def test_a_connection_that_asks_nothing_is_closed_without_a_word(relayed: Relayed):
    """Browsers open some ahead of need, and would take an answer for that to their first request."""
    with bare(relayed.driftium.url) as client:
        assert client.socket.recv(1) == b""


def test_a_request_that_waits_its_turn_has_all_the_time_it_needs(relayed: Relayed, gate: threading.Event):
    """The proxy does not read a connection on which requests wait: the rest of a head may lie there unread."""

    async def held(_: Request) -> AsyncIterator[bytes]:
        await to_thread(gate.wait)
        yield answer(HI)

    relayed.play(held)
    with bare(relayed.driftium.url) as client:
        client.send(post() + post() + HALF)
        for _ in range(2):
            time_is_up(relayed)
        gate.set()
        assert [client.answer("POST").body for _ in range(2)] == [HI, HI]
        client.send(b": x\r\n\r\n")
        assert client.answer().status == 200


@pytest.mark.parametrize("path", ["/baseline", "/generate", "/drift/rca", "/api/rca", "/monitors/x/mute"])
def test_a_body_of_the_control_plane_that_does_not_come_is_answered_with_408(relayed: Relayed, path: str):
    with bare(relayed.driftium.url) as client:
        client.send(post(ASK, "content-type: application/json", target=path)[: -len(ASK) + 3])
        said = client.answer("POST")
    assert said.status == 408, said
    assert "server.client_seconds" in json.loads(said.body)["detail"]


def test_a_client_of_the_model_may_take_longer_over_its_prompt(relayed: Relayed):
    """What is uploaded there is forwarded as it comes, and the upstream has bounds of its own."""
    with bare(relayed.driftium.url) as client:
        client.send(post()[: -len(ASK)])
        for _ in range(2):
            time_is_up(relayed)
        client.send(ASK)
        assert client.answer("POST").body == HI


def test_a_body_without_a_length_has_the_same_bound(relayed: Relayed):
    def parts() -> Iterator[bytes]:
        yield b'{"prompt": "'
        for _ in range(CONTROL_BODY_BYTES // 2**16 + 2):
            yield b"x" * 2**16

    told = relayed.driftium.client.post("/generate", content=parts(), headers=JSON)
    assert told.status_code == 413
    assert relayed.driftium.client.get("/live").status_code == 200


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/drift?" + "x" * (MAX_HEAD_BYTES * 2), ""),
        ("/drift?" + "a=1&" * (MAX_HEAD_BYTES // 2), ""),
        ("/" + "x/" * MAX_HEAD_BYTES, ""),
        ("/drift", "x: y\r\n" * (MAX_HEADERS + 1)),
        ("/v1/models", "x: y\r\n" * (MAX_HEADERS + 1)),
    ],
    ids=["long query", "many parameters", "long path", "many headers", "many headers of the data plane"],
)
def test_too_large_a_head_is_refused(relayed: Relayed, target: str, headers: str):
    with bare(relayed.driftium.url) as client:
        with contextlib.suppress(ConnectionError):
            client.send(f"GET {target} HTTP/1.1\r\nhost: here\r\n{headers}\r\n".encode())
        assert client.answer().status in (0, 400)
    assert relayed.driftium.client.get("/live").status_code == 200


@pytest.mark.parametrize("path", ["/drift", "/samples", "/drift/history", "/monitors", "/nothing"])
def test_a_large_head_within_the_bound_is_answered(relayed: Relayed, path: str):
    """A thousand headers and thousands of parameters are odd, not harmful."""
    head = f"GET {path}?{'a=1&' * 5_000} HTTP/1.1\r\nhost: here\r\n{'x-y: z' * 2}\r\n" + "x: y\r\n" * 1_000
    assert ask(relayed.driftium.url, head.encode() + b"\r\n").status in (200, 400, 404)


@pytest.mark.parametrize("path", ["/baseline", "/generate", "/drift/rca", "/drift/agentic-rca", "/api/rca"])
@pytest.mark.parametrize("opened", [b"[", b'{"a":', b'{"prompt": "x", "options": {"a":' + b"["])
def test_a_body_nested_a_hundred_thousand_deep_is_refused(relayed: Relayed, path: str, opened: bytes):
    told = relayed.driftium.client.post(path, content=opened * 100_000, headers=JSON)
    assert told.status_code == 400
    assert told.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", f"/drift/history?cursor={'9' * 4000}", None),
        ("GET", f"/drift/history?limit=-{'9' * 400}", None),
        ("GET", "/samples?limit=1e400", None),
        ("GET", f"/api/monitoring/simulated?seed={'9' * 5000}", None),
        ("GET", "/api/monitoring/simulated?p_threshold=nan", None),
        ("POST", "/baseline", b'{"last": ' + b"9" * 5000 + b"}"),
        ("POST", "/baseline", b'{"last": 1e999}'),
        ("POST", "/baseline", b'{"since": ' + b"9" * 400 + b"}"),
        ("POST", "/monitors/x/mute", b'{"until": "999999-01-01T00:00:00Z"}'),
    ],
)
def test_a_number_beyond_all_bounds_is_refused(relayed: Relayed, method: str, target: str, body: bytes | None):
    told = relayed.driftium.client.request(method, target, content=body, headers=JSON if body else {})
    assert told.status_code == 400, told.text
    assert len(told.content) < 20_000


def test_so_many_follow_the_events_and_no_more(relayed: Relayed):
    """The next is told to come back, and may once another has left."""
    follow = b"GET /events HTTP/1.1\r\nhost: here\r\n\r\n"
    with contextlib.ExitStack() as stack:
        followers = [stack.enter_context(bare(relayed.driftium.url)) for _ in range(MAX_FOLLOWERS)]
        for follower in followers:
            follower.send(follow)
            assert follower.socket.recv(15) == b"HTTP/1.1 200 OK"
            while b"driftium" not in follower.socket.recv(4096):  # it is followed once it speaks
                pass
        refused = ask(relayed.driftium.url, follow)
        assert (refused.status, dict(refused.headers)[b"retry-after"]) == (503, b"30")
        assert relayed.driftium.client.get("/live").status_code == 200

    def answered() -> bool:
        with bare(relayed.driftium.url) as client:
            client.send(follow)
            return client.socket.recv(15) == b"HTTP/1.1 200 OK"

    wait_until(answered, seconds=30, what="a place is free again")


def test_a_thousand_clients_are_not_the_end(relayed: Relayed):
    """The usual 1,024 open files would be used up by half as many clients."""
    process = relayed.driftium.process
    assert process
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    assert soft in (DESCRIPTORS, hard)


CLIMBING = [
    "../../climbed",
    "..%2f..%2fclimbed",
    "..\\..\\climbed",
    "/tmp/climbed-to-the-root",
    "climbed\0.csv",
    ".climbed",
]


def files(relayed: Relayed) -> set[Path]:
    """All beside and in the data folder."""
    return set(relayed.driftium.data_dir.parents[1].rglob("*"))


@pytest.mark.parametrize("name", CLIMBING)
def test_no_name_that_a_client_gives_reaches_the_file_system(relayed: Relayed, name: str):
    """Neither an upload's file name, nor its part's, nor a dataset's, a reference's, a monitor's or a report's."""
    client = relayed.driftium.client
    quoted = httpx.URL("http://x/", params={"n": name}).query.decode().removeprefix("n=")
    form = (
        f'--b\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\n{TABLE.decode()}\r\n'
        f'--b\r\ncontent-disposition: form-data; name="dataset"\r\n\r\n{name}\r\n--b--\r\n'
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    told = client.post("/api/monitoring/upload", content=form.encode(), headers=headers)
    assert told.status_code in (200, 400, 422), told.text
    csv = {"content-type": "text/csv"}
    client.put(f"/api/monitoring/references/{quoted}", content=TABLE, headers=csv)
    client.post(f"/api/monitoring/upload?reference={quoted}", content=TABLE, headers=csv)
    client.delete(f"/api/monitoring/references/{quoted}")
    client.get(f"/api/monitoring/reports/{quoted}.html")
    client.get(f"/assets/{quoted}")
    client.post(f"/monitors/{quoted}/mute", json={"until": "2030-01-01T00:00:00Z"})
    assert not [path for path in files(relayed) if "climbed" in path.name]
    assert not Path("/tmp/climbed-to-the-root").exists()
    assert list((relayed.driftium.data_dir / "uploads").rglob("*")) == []
