"""Bytes that nobody would send on purpose: a parser takes them or refuses them, alike however they are split.

The examples are made anew by hypothesis, but the same ones in each run.
"""

import asyncio
import contextlib
import io
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drift.records import Exchange
from proxy.ingest.lines import TAIL_BYTES, Line, lines
from proxy.sse import Decoder, Event
from proxy.tabular.forms import Form
from proxy.tabular.reading import open_table
from proxy.tabular.records import Refused, TableFile
from proxy.wire import read, request_model
from proxy.wire_bytes import MAX_PLAIN_BYTES, Framed, UnreadableError, decompress, frame
from tests.unit.captured import capture

# Nothing depends on the clock: a machine may be busy.
fuzzed = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def made_of(*tokens: bytes, longest: int = 40) -> st.SearchStrategy[bytes]:
    """Bytes in which the tokens of a format come up often enough to matter."""
    token = st.one_of(st.sampled_from(tokens), st.sampled_from(tokens), st.binary(max_size=6))
    return st.lists(token, max_size=longest).map(b"".join)


@st.composite
def split(draw: Callable[[Any], Any], whole: st.SearchStrategy[bytes]) -> tuple[bytes, list[bytes]]:
    """Bytes, and the same in parts, some of which are empty."""
    body = draw(whole)
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=12)))
    return body, [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


EVENTS = made_of(
    *(b"\r\n", b"\n", b"\r", b"\n\n", b"data:", b"data: ", b"data", b"event: error", b"event:", b"id: 1", b":", b" "),
    *(
        b"\xef\xbb\xbf",
        b"[DONE]",
        b'{"choices":[{"delta":{"content":"x"}}]}',
        b'{"error":',
        b"{",
        b"}",
        b"\xe2\x80\xa8",
    ),
)
LINES = made_of(
    *(
        b"\n",
        b"\r\n",
        b'{"done":true}',
        b'{"message":{"content":"x"}}',
        b'{"response":"\xf0\x9f',
        b"{",
        b"}",
        b"[",
        b"1e999",
    ),
    *(b"NaN", b"\\ud800", b'"', b",", b"null", b'{"model":', b'"choices":', b"9" * 400, b"\0"),
)


def decoded(parts: Iterable[bytes]) -> list[Event]:
    decoder = Decoder()
    return [event for part in parts for event in decoder.feed(part)] + decoder.close()


@fuzzed
@given(split(EVENTS))
def test_events_are_the_same_however_they_are_split(given_: tuple[bytes, list[bytes]]):
    whole, parts = given_
    assert decoded(parts) == decoded([whole])


@fuzzed
@given(EVENTS)
def test_no_event_is_made_of_nothing(body: bytes):
    """What the events hold has come: they cannot grow beyond it."""
    assert sum(len(event.data) + len(event.name) for event in decoded([body])) <= len(body)


@fuzzed
@given(
    st.one_of(EVENTS, LINES),
    st.sampled_from(["text/event-stream", "application/x-ndjson", "application/json", "", "\0"]),
)
def test_a_body_is_framed_or_said_to_be_unreadable(body: bytes, kind: str):
    try:
        framed = frame(body, kind)
    except UnreadableError:
        return
    assert isinstance(framed, Framed)
    assert all(isinstance(found, dict) for found in framed.objects)


ENDPOINTS = ["chat/completions", "completions", "responses", "api/chat", "api/generate", "embeddings", "", "api/"]
ENCODINGS = ["", "gzip", "deflate", "br", "identity", "GZIP ", "x-gzip"]


@fuzzed
@given(
    LINES, st.one_of(EVENTS, LINES), st.sampled_from(ENDPOINTS), st.sampled_from(ENCODINGS), st.sampled_from(ENCODINGS)
)
def test_every_capture_becomes_an_exchange(request: bytes, response: bytes, endpoint: str, asked: str, answered: str):
    """Whatever the bytes, none of them raises; all that is made of them can be stored."""
    made = read(capture(request, response, endpoint=endpoint, request_encoding=asked, response_encoding=answered))
    assert isinstance(made, Exchange)
    for text in (made.prompt, made.response, made.error, made.model, made.response_model, *made.tool_calls):
        assert "\0" not in text
        text.encode()
    assert isinstance(request_model(request), str)


@fuzzed
@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate"]), st.integers(0, 300), st.integers(0, 255))
def test_a_compressed_body_that_is_cut_or_damaged_is_read_or_unreadable(body: bytes, name: str, at: int, byte: int):
    packed = bytearray(zlib.compress(body, wbits=31 if name == "gzip" else 15))
    packed[at % len(packed)] = byte
    for given_ in (bytes(packed), bytes(packed[: at % len(packed)])):
        with contextlib.suppress(UnreadableError):
            assert len(decompress(given_, name)) <= MAX_PLAIN_BYTES


class Dripping(io.BytesIO):
    """A stream that gives fewer bytes than it is asked for."""

    def __init__(self, parts: list[bytes]):
        super().__init__()
        self._parts = [part for part in parts if part]

    def read(self, size: int | None = -1, /) -> bytes:
        return self._parts.pop(0) if self._parts else b""


def lined(parts: list[bytes], max_bytes: int) -> list[Line]:
    return list(lines(Dripping(parts), offset=7, number=3, max_bytes=max_bytes))


@fuzzed
@given(split(made_of(b"\n", b"\r\n", b"\r", b"{}", b"x" * 50, b"\xff")), st.integers(1, 120))
def test_lines_are_the_same_however_they_are_read(given_: tuple[bytes, list[bytes]], max_bytes: int):
    """Their numbers and offsets leave nothing out, and none is longer than may be taken."""
    whole, parts = given_
    found = lined(parts, max_bytes)
    assert found == lined([whole], max_bytes)
    assert [line.number for line in found] == list(range(4, 4 + len(found)))
    places = [7, *(line.end for line in found)]
    assert [line.start for line in found] == places[:-1]
    assert places[-1] == 7 + len(whole)
    for line in found:
        text = whole[line.start - 7 : line.end - 7]
        assert line.tail == text[-TAIL_BYTES:]
        assert line.whole == text.endswith(b"\n")
        plain = text.removesuffix(b"\n").removesuffix(b"\r")
        assert line.text == (plain if len(plain) <= max_bytes else None)


TABLES = made_of(
    *(
        b"a,b\n",
        b"1,2\n",
        b"x;y\n",
        b"1;2,5\n",
        b"a\tb\n",
        b'"',
        b'"a, b"',
        b'""',
        b",",
        b";",
        b"\t",
        b"|",
        b"\n",
        b"\r\n",
        b"\r",
    ),
    *(b"NaN", b"", b"1e999", b"True", b"-0", b"\xef\xbb\xbf", b"\xe9", b"\0", b"2020-01-01", b"9" * 30, b"inf", b" "),
)


@fuzzed
@given(st.one_of(TABLES, TABLES.map(lambda rest: b"a,b,c\n" + b"1,x,2.5\n" * 5 + rest)))
def test_a_csv_is_read_whole_or_refused(tmp_path: Path, body: bytes):
    """What was checked is what is read afterwards: as many rows, of the same columns."""
    path = tmp_path / "table"
    path.write_bytes(body)
    try:
        table = open_table(TableFile(path=str(path), name="t"), 2**20)
        kinds = {name: ("categorical", "") for name in table.names}
        chunks = list(table.chunks(kinds))
    except Refused:
        return
    assert sum(len(chunk[table.names[0]]) for chunk in chunks) == table.rows
    assert all(list(chunk) == list(table.names) for chunk in chunks)
    assert {name: len(values) for name, values in table.sample.items()}.keys() == set(table.names)


FORMS = made_of(
    *(
        b"--b",
        b"--b\r\n",
        b"\r\n--b\r\n",
        b"\r\n--b--",
        b"\r\n--b--\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"a,b\n1,2\n",
        b"--",
        b"\n",
    ),
    b'content-disposition: form-data; name="file"; filename="../../x"\r\n\r\n',
    b'content-disposition: form-data; name="file"; filename=""\r\n\r\n',
    b'content-disposition: form-data; name="dataset"\r\n\r\n',
    *(b'content-disposition: form-data; name="', b"content-type: text/csv\r\n", b"content-length: 99999999999\r\n"),
)
WHOLE_FORM = (
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\na,b\n1,2\n\r\n'
    b'--b\r\ncontent-disposition: form-data; name="dataset"\r\n\r\norders\r\n--b--\r\n'
)


def formed(parts: list[bytes], folder: Path) -> Any:
    """What a form holds, or the status that it was refused with."""
    folder.mkdir(exist_ok=True)

    async def sent() -> AsyncIterator[bytes]:
        for part in parts:
            if part:
                yield part

    form = Form("multipart/form-data; boundary=b", ("file", "reference"), ("reference", "dataset"), 10_000)
    try:
        files = asyncio.run(form.read(sent(), folder))
    except Refused as error:
        return error.status  # the reason is whatever was wrong first
    assert all(Path(table.path).parent == folder for table in files.values())
    return form.fields, {name: (Path(table.path).read_bytes(), table.name) for name, table in files.items()}


@fuzzed
@given(split(st.one_of(FORMS, FORMS.map(lambda rest: WHOLE_FORM[:-9] + rest), st.just(WHOLE_FORM))))
def test_a_form_is_the_same_however_it_is_split(tmp_path: Path, given_: tuple[bytes, list[bytes]]):
    whole, parts = given_
    assert formed(parts, tmp_path / "split") == formed([whole], tmp_path / "whole")
    assert {path.parent.name for path in tmp_path.rglob("*") if path.is_file()} <= {"split", "whole"}
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {"file", "reference"}


def peak(work: Callable[[], Any]) -> int:
    """Bytes that were held at most, beyond what was held before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_a_body_that_unpacks_into_eight_times_its_bound_takes_no_more_than_that():
    bomb = zlib.compressobj(wbits=31)
    packed = b"".join(bomb.compress(bytes(2**20)) for _ in range(128)) + bomb.flush()

    def unpack() -> None:
        with pytest.raises(UnreadableError):
            decompress(packed, "gzip")

    assert peak(unpack) < 4 * MAX_PLAIN_BYTES


def test_a_line_without_an_end_is_not_kept():
    stream = Dripping([b"x" * 2**16] * 1_000)
    assert peak(lambda: list(lines(stream, offset=0, number=0, max_bytes=10_000))) < 2**19


def test_a_stream_of_small_events_is_not_kept():
    """What is decoded is the caller's; the decoder holds the event that is not complete."""
    decoder = Decoder()

    def stream() -> None:
        for _ in range(3_000):
            decoder.feed(b"data: x\n")
            decoder.feed(b": a comment that says nothing\n\n")

    assert peak(stream) < 2**16
