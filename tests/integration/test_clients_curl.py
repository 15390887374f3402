"""curl gets through the proxy what it gets from a real llama.cpp, headers and all."""

import gzip
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.clients import ASKED, ENDLESS, MODEL, SAME, Ways, alike, monitored
from tests.integration.relayed import relay_to
from tests.scripted import Request, answer, completion

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")

ASK = {"model": MODEL, "messages": ASKED, "max_tokens": 16, "temperature": 0, "seed": 1, **SAME}
PATH = "/v1/chat/completions"
CURL = ["curl", "-sS", "--noproxy", "*", "--max-time", "60"]


def curl(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run([*CURL, *arguments], input=stdin, stdout=subprocess.PIPE, check=True).stdout


def post(url: str, body: dict[str, object], *flags: str) -> bytes:
    """The body goes in on standard input, where it may be of any size."""
    return curl("-i", *flags, "--data-binary", "@-", url + PATH, stdin=json.dumps(body).encode())


def taken_apart(said: bytes) -> tuple[list[str], bytes]:
    """Status and headers of an answer less those of one connection and our own; and its body.

    ASGI knows the number of a status and not its words, and has the names of headers in lower case.
    """
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    own = ("connection", "keep-alive", "transfer-encoding", "x-driftium-exchange-id")
    named = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
    return [first.split(" ")[1], *(f"{name}: {value}" for name, value in named if name not in own)], body


def events(body: bytes) -> list[object]:
    said = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line]
    return [line if line == b"[DONE]" else alike(json.loads(line)) for line in said]


@pytest.mark.parametrize("flags", [("-i",), ("-I",), ("-i", "--compressed"), ("-i", "-X", "OPTIONS"), ("-i", "-0")])
def test_an_answer_is_the_same_header_for_header(ways: Ways, flags: tuple[str, ...]):
    """GET, HEAD, with compression offered, OPTIONS, HTTP/1.0."""
    direct, relayed, _ = ways.compare(lambda url: taken_apart(curl(*flags, f"{url}/v1/models")), logs=0)
    assert relayed[0] == direct[0]
    # Among the models is the second in which the server was asked.
    assert alike(json.loads(relayed[1] or b"{}")) == alike(json.loads(direct[1] or b"{}"))
    assert relayed[0][0] == "200"


def test_a_stream_is_the_same_event_for_event(ways: Ways):
    direct, relayed, (seen,) = ways.compare(lambda url: taken_apart(post(url, ASK | {"stream": True}, "-N")))
    assert relayed[0] == direct[0]
    assert events(relayed[1]) == events(direct[1])
    assert relayed[1].endswith(b"data: [DONE]\n\n")
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, True)


def test_an_unbuffered_stream_comes_while_the_model_speaks(ways: Ways):
    """The first event is there long before the last; curl is then ended, and what it had is logged."""
    body = json.dumps(ASK | ENDLESS | {"stream": True, "max_tokens": 1000})

    def first(url: str) -> bytes:
        command = [*CURL, "-N", "-d", body, url + PATH]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout
            line = process.stdout.readline()
            process.kill()
        return line

    direct, relayed, (seen,) = ways.compare(first)
    assert events(relayed) == events(direct)
    assert (seen.outcome, seen.stream) == ("client_closed", True)


def test_a_large_body_waits_for_100_continue(ways: Ways):
    """Most of it the model is not asked about; curl is told to go on, and then gets its answer."""
    body = ASK | {"metadata": {"padding": "x" * 800_000}}
    direct, relayed, (seen,) = ways.compare(lambda url: post(url, body, "-H", "Expect: 100-continue"))
    for said in (direct, relayed):
        assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    (_, direct_body), (_, relayed_body) = (taken_apart(said.split(b"\r\n\r\n", 1)[1]) for said in (direct, relayed))
    assert alike(json.loads(relayed_body)) == alike(json.loads(direct_body))
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, False)


def test_a_body_beyond_the_servers_bound_is_refused_alike(ways: Ways):
    """By llama.cpp, at two megabytes; the proxy passes the body and the refusal."""
    body = ASK | {"metadata": {"padding": "x" * 2_000_000}}
    direct, relayed, (seen,) = ways.compare(lambda url: taken_apart(post(url, body, "-H", "Expect:")))
    assert relayed == direct
    assert relayed[0][0] == "413"
    assert seen.status == 413


def test_a_chunked_upload_is_answered_alike(ways: Ways):
    chunked = ("-H", "Transfer-Encoding: chunked")
    direct, relayed, (seen,) = ways.compare(lambda url: taken_apart(post(url, ASK, *chunked)))
    assert alike(json.loads(relayed[1])) == alike(json.loads(direct[1]))
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, False)


def test_a_body_that_is_no_json_is_refused_alike(ways: Ways):
    direct, relayed, (seen,) = ways.compare(lambda url: taken_apart(curl("-i", "-d", '{"model":', url + PATH)))
    assert relayed == direct
    assert relayed[0][0] == "400"
    assert seen.outcome == "http_error"


def test_an_answer_that_is_compressed_stays_so(tmp_path: Path):
    """llama.cpp does not compress: a scripted upstream does. curl unpacks it, and so does the monitor."""
    packed = gzip.compress(completion("The Seine."), mtime=0)

    async def compressed(request: Request) -> AsyncIterator[bytes]:
        assert request.method == "GET" or "gzip" in str(request.header("accept-encoding"))
        yield answer(packed, headers=("content-encoding: gzip",))

    with relay_to(compressed, tmp_path / "data") as relayed:
        two = Ways(relayed.upstream.url, relayed.driftium)
        ask = ("-d", json.dumps(ASK), "-H", "Accept-Encoding: gzip")
        direct, through, (seen,) = two.compare(lambda url: curl("--compressed", *ask, url + PATH))
        assert through == direct == completion("The Seine.")
        assert (seen.outcome, seen.response) == ("complete", "The Seine.")
        direct, through, _ = two.compare(lambda url: curl(*ask, url + PATH))
        assert through == direct == packed
