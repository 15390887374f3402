"""What privacy.redact names passes as it came, in both directions, and is in no file."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

from proxy.capture import decode
from proxy.stores.log import open_log
from proxy.wire import read
from tests.conftest import Driftium, wait_until
from tests.scripted import STREAM_HEAD, Request, Upstream, answer, chunk, completion

ENV = {"DRIFTIUM_PRIVACY__REDACT": r"['[\w.]+@[\w.]+\w']"}
SAID = b'data: {"model": "replay", "choices": [{"index": 0, "delta": {"content": "%s"}, "finish_reason": %s}]}\r\n\r\n'
STREAM = [SAID % (b"write to ann", b"null"), SAID % (b"@exam", b"null"), SAID % (b"ple.org now", b'"stop"')]


async def script(request: Request) -> AsyncIterator[bytes]:
    if b'"stream": true' in request.body or b'"stream":true' in request.body:
        yield STREAM_HEAD
        for event in STREAM:
            yield chunk(event)
        yield chunk(b"")
    else:
        packed = gzip.compress(completion("write to ann@example.org now"))
        yield answer(packed, headers=("content-encoding: gzip",))


def test_bytes_pass_as_they_came_and_nothing_that_matches_is_written(tmp_path: Path):
    asked = "I am ann@example.org"
    with Upstream(script) as upstream:
        running = Driftium(tmp_path / "data", upstream.url, "--no-worker", env=ENV).start()
        try:
            streamed = running.chat(asked, stream=True, headers={"x-driftium-monitor": "ann@example.org"})
            whole = running.chat(asked)
            wait_until(lambda: running.get("/api/health")["tap"]["logged"] == 2)
        finally:
            running.stop()
        sent = [one.json["messages"][0]["content"] for one in upstream.requests if one.method == "POST"]
    assert sent == [asked, asked]
    assert streamed.content == b"".join(STREAM)
    assert whole.json() == json.loads(completion("write to ann@example.org now"))

    with closing(open_log(tmp_path / "data")) as log:
        entries = log.after(0, 10)
        captures = log.captures([entry.seq for entry in entries])
    exchanges = [read(decode(captures[entry.seq])) for entry in entries]
    assert [x.prompt for x in exchanges] == ["I am [redacted]"] * 2
    assert [x.response for x in exchanges] == ["write to [redacted] now"] * 2
    assert entries[0].monitor == "[redacted]"
    held = [path.name for path in (tmp_path / "data").iterdir() if path.is_file() and b"ann@" in path.read_bytes()]
    assert held == []
