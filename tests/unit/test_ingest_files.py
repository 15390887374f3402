"""Files of collected logs: nothing is lost and nothing taken twice, whatever becomes of them between two looks."""

import gzip
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.ingest.lines import TAIL_BYTES, lines
from proxy.settings import Privacy
from tests.collected import Shelf


def row(i: int, text: str = "", **more: Any) -> str:
    """A line of the field format: `answer` and an id of its own."""
    return json.dumps({"id": f"r-{i}", "question": "Hi?", "answer": text or f"Answer {i}."} | more) + "\n"


FIELDS = {"format": "fields", "fields": {"prompt": "question", "response": "answer", "id": "id"}}
NO_IDS = {"format": "fields", "fields": {"prompt": "question", "response": "answer"}}


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    one = Shelf(tmp_path / "data")
    yield one
    one.history.close()
    one.log.close()


def collect(shelf: Shelf, path: Path | str, **more: Any) -> dict[str, int]:
    from msgspec import convert

    from proxy.ingest.settings import Fields

    given = FIELDS | more
    return shelf.collect(path, **(given | {"fields": convert(given["fields"], Fields)})).last


def said(*numbers: int) -> list[str]:
    return [f"Answer {i}." for i in numbers]


def test_a_second_look_takes_only_what_was_added(shelf: Shelf, tmp_path: Path):
    file = tmp_path / "a.jsonl"
    file.write_text(row(1) + row(2))
    assert collect(shelf, file) == {"logged": 2}
    assert collect(shelf, file) == {}
    with file.open("a") as more:
        more.write(row(3))
    assert collect(shelf, file) == {"logged": 1}
    assert shelf.answers() == said(1, 2, 3)


def test_the_checkpoint_outlives_the_log(shelf: Shelf, tmp_path: Path):
    """The log forgets what it kept, ids included; what was read is not read again."""
    file = tmp_path / "a.jsonl"
    file.write_text(row(1))
    collect(shelf, file)
    shelf.forget()
    assert shelf.answers() == []
    file.touch()
    assert collect(shelf, file) == {}


def test_a_line_without_its_end_waits_until_it_is_whole(shelf: Shelf, tmp_path: Path):
    file = tmp_path / "a.jsonl"
    whole = row(2)
    file.write_text(row(1) + whole[:20])
    assert collect(shelf, file) == {"logged": 1}
    file.write_text(row(1) + whole)
    assert collect(shelf, file) == {"logged": 1}
    assert shelf.answers() == said(1, 2)


def test_a_last_line_that_is_a_whole_object_needs_no_end(shelf: Shelf, tmp_path: Path):
    file = tmp_path / "a.jsonl"
    file.write_text(row(1) + row(2).rstrip("\n"))
    assert collect(shelf, file) == {"logged": 2}
    with file.open("a") as more:
        more.write("\n" + row(3))
    assert collect(shelf, file) == {"logged": 1}
    assert shelf.answers() == said(1, 2, 3)


def rename(file: Path) -> Path:
    return file.rename(file.with_name("a.jsonl.1"))


def copy_and_truncate(file: Path) -> Path:
    shutil.copy(file, copy := file.with_name("a.jsonl.1"))
    os.truncate(file, 0)
    return copy


def compress(file: Path) -> Path:
    packed = file.with_name("a.jsonl.1.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    return packed


@pytest.mark.parametrize("rotate", [rename, copy_and_truncate, compress])
@pytest.mark.parametrize(
    ("pattern", "shape"), [("a.jsonl", FIELDS), ("a.jsonl*", NO_IDS), (".", NO_IDS)], ids=["one name", "glob", "folder"]
)
def test_a_rotated_file_is_read_to_its_end_and_not_twice(
    shelf: Shelf, tmp_path: Path, rotate: Any, pattern: str, shape: Any
):
    """Also where its new name is not asked for, where it is compressed, and where records have no ids."""
    folder = tmp_path / "logs"
    folder.mkdir()
    file = folder / "a.jsonl"
    place = folder if pattern == "." else folder / pattern
    file.write_text(row(1) + row(2))
    assert collect(shelf, place, **shape) == {"logged": 2}
    shelf.forget()
    with file.open("a") as more:
        more.write(row(3))
    rotate(file)
    with file.open("a") as new:
        new.write(row(4) + row(5))
    assert collect(shelf, place, **shape) == {"logged": 3}
    assert sorted(shelf.answers()) == said(3, 4, 5)
    shelf.forget()
    assert collect(shelf, place, **shape) == {}


def test_a_file_that_is_replaced_under_the_reader_is_not_read_across(shelf: Shelf, tmp_path: Path):
    """It is cut off and written anew while the reader waits for room: the rest is read from the copy."""
    file = tmp_path / "a.jsonl"
    old, new = [row(i, "x" * 4_000) for i in range(300)], [row(1_000 + i, "y" * 5_000) for i in range(300)]
    file.write_text("".join(old))

    class Rotating:
        turned = False

        def moved(self, status: Any, read: int) -> None:
            if not self.turned:
                self.turned = True
                copy_and_truncate(file)
                file.write_text("".join(new))

        def waits(self, why: str) -> None: ...

    first = collect(shelf, file, observer=Rotating())
    second = collect(shelf, file)
    assert first.get("malformed", 0) + second.get("malformed", 0) == 0
    assert len(shelf.answers()) == 600


def test_files_that_begin_alike_are_told_apart(shelf: Shelf, tmp_path: Path):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_text(row(1) + row(2))
    two.write_text(row(1) + row(3, "Another, longer.") + row(4))
    assert collect(shelf, tmp_path / "*.jsonl") == {"logged": 4, "duplicate": 1}


def test_equal_lines_without_ids_are_exchanges_of_their_own(shelf: Shelf, tmp_path: Path):
    (tmp_path / "a.jsonl").write_text('{"question": "Hi?", "answer": "Hello."}\n' * 3)
    assert collect(shelf, tmp_path / "a.jsonl", **NO_IDS) == {"logged": 3}


def test_what_cannot_be_read_is_counted_and_named_by_its_line(shelf: Shelf, tmp_path: Path):
    file = tmp_path / "a.jsonl"
    long = row(6, "z" * 5_000)
    file.write_bytes(
        b"\xef\xbb\xbf"
        + row(1).replace("\n", "\r\n").encode()
        + b"{broken\n\n"
        + b'{"id": "r-2", "question": "Hi?", "answer": "caf\xe9"}\n'
        + b"17\n"
        + long.encode()
        + row(7, " ").replace('" "', '""').encode()
        + row(8).encode()
    )
    status = shelf.collect(file, max_line_bytes=1_000, **fields())
    assert status.last == {"logged": 3, "malformed": 2, "too_large": 1, "no_content": 1}
    assert [(e.line, e.result) for e in status.errors] == [
        (2, "malformed"),
        (5, "malformed"),
        (6, "too_large"),
        (7, "no_content"),
    ]
    assert all(error.file == str(file) for error in status.errors)
    assert shelf.answers() == ["Answer 1.", "caf�", "Answer 8."]
    for part in ("3 exchanges logged", "could not be read", "has no answer in it", f"{file}:7"):
        assert part in status.message


def fields() -> dict[str, Any]:
    from proxy.ingest.settings import Fields

    return {"format": "fields", "fields": Fields(prompt="question", response="answer", id="id")}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[\n  {}\n]\n", "one JSON document"),
        ("{}\n".encode("utf-16"), "UTF-16"),
        (b"\x28\xb5\x2f\xfdxx", "zstd"),
        (gzip.compress(b'{"a": 1}\n' * 1000)[:-20], "not complete, or damaged"),
    ],
)
def test_a_file_of_another_kind_says_what_to_do(shelf: Shelf, tmp_path: Path, content: bytes, says: str):
    (tmp_path / "a.jsonl").write_bytes(content)
    status = shelf.collect(tmp_path / "a.jsonl", **fields())
    assert says in status.message
    assert status.state == "failed" or status.last


def test_a_gzip_file_that_is_still_written_is_read_on_when_it_is_complete(shelf: Shelf, tmp_path: Path):
    text = "".join(row(i, noise=os.urandom(500).hex()) for i in range(200)).encode()
    packed = gzip.compress(text)
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(packed[: len(packed) // 2])
    collect(shelf, file)
    file.write_bytes(packed)
    collect(shelf, file)
    assert sorted(shelf.answers()) == sorted(said(*range(200)))


def test_answers_of_a_batch_are_joined_with_their_requests(shelf: Shelf, tmp_path: Path):
    """Those lie in the input file; a custom_id that two inputs have says nothing."""

    def asked(custom_id: str, prompt: str) -> str:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}]}
        return (
            json.dumps({"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}) + "\n"
        )

    def answered(custom_id: str, text: str) -> str:
        body = {"id": "c", "model": "gpt-4o-1", "created": 1_767_225_600, "choices": [{"message": {"content": text}}]}
        line = {"id": f"b-{custom_id}", "custom_id": custom_id, "response": {"status_code": 200, "body": body}}
        return json.dumps(line | {"error": None}) + "\n"

    (tmp_path / "batch_input.jsonl").write_text(asked("1", "One?") + asked("2", "Two?") + asked("3", "Three?"))
    (tmp_path / "other_input.jsonl").write_text(asked("3", "Drei?"))
    (tmp_path / "batch_output.jsonl").write_text("".join(answered(str(i), f"{i}.") for i in (2, 1, 3, 4)))
    assert shelf.collect(tmp_path / "*.jsonl").last == {"logged": 4, "skipped": 4}
    told = {one.response: (one.prompt, one.model) for one in shelf.exchanges()}
    assert told == {"1.": ("One?", "gpt-4o"), "2.": ("Two?", "gpt-4o"), "3.": ("", "gpt-4o-1"), "4.": ("", "gpt-4o-1")}


def test_a_failure_between_log_and_checkpoint_give_nothing_twice(shelf: Shelf, tmp_path: Path):
    """The log is written first: a run that is cut off right after it is repeated, and its ids are known."""
    file = tmp_path / "a.jsonl"
    file.write_text("".join(row(i) for i in range(100)))

    class CutOff(Exception):
        pass

    class Cutting:
        def moved(self, status: Any, read: int) -> None: ...

        def waits(self, why: str) -> None: ...

    original = shelf.log.collect

    def collect_and_die(entries: Any) -> Any:
        original(entries)
        raise CutOff

    shelf.log.collect = collect_and_die  # type: ignore[method-assign]
    with pytest.raises(CutOff):
        collect(shelf, file, observer=Cutting())
    shelf.log.collect = original  # type: ignore[method-assign]
    last = collect(shelf, file)
    assert last["logged"] + last["duplicate"] == 100
    assert shelf.answers() == said(*range(100))


def test_what_is_to_be_masked_is_masked_before_the_log(tmp_path: Path):
    shelf = Shelf(tmp_path / "data", privacy=Privacy(redact=("[a-z]+@example.com",)))
    (tmp_path / "a.jsonl").write_text(row(1, "Ask ann@example.com."))
    collect(shelf, tmp_path / "a.jsonl")
    assert shelf.answers() == ["Ask [redacted]."]


def test_without_a_worker_nothing_is_logged_and_it_says_so(tmp_path: Path):
    shelf = Shelf(tmp_path / "data", worker=False)
    (tmp_path / "a.jsonl").write_text(row(1))
    status = shelf.collect(tmp_path / "a.jsonl", wait=False, **fields())
    assert "No worker runs" in status.message
    assert shelf.answers() == []
    shelf.tell_worker(answers_per_second=10.0)
    assert shelf.collect(tmp_path / "a.jsonl", **fields()).last == {"logged": 1}


def test_no_more_waits_than_the_worker_embeds_in_half_its_lag(tmp_path: Path):
    """At 2 answers a second and 60 s of lag, 60 wait; the others come when those are embedded."""
    shelf = Shelf(tmp_path / "data", worker=False)
    shelf.tell_worker(answers_per_second=2.0)
    file = tmp_path / "a.jsonl"
    file.write_text("".join(row(i) for i in range(150)))
    waited: list[int] = []

    def pause(_: float) -> None:
        waited.append(shelf.log.waiting(shelf.history.cursor())[0])
        shelf.tell_worker(answers_per_second=2.0, cursor=shelf.log.head())

    assert shelf.collect(file, pause=pause, **fields()).last == {"logged": 150}
    assert max(waited) == 60


def test_a_dry_run_reads_everything_and_writes_nothing(tmp_path: Path):
    shelf = Shelf(tmp_path / "data", worker=False)
    (tmp_path / "a.jsonl").write_text(row(1) + "{\n")
    assert shelf.collect(tmp_path / "a.jsonl", dry=True, **fields()).last == {"logged": 1, "malformed": 1}
    assert not (tmp_path / "data").exists()


def test_files_of_a_store_are_read_through_fsspec(shelf: Shelf):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.pipe("/bucket/one.jsonl", row(1).encode())
    store.pipe("/bucket/two.jsonl.gz", gzip.compress(row(2).encode()))
    assert collect(shelf, "memory://bucket/*.jsonl*") == {"logged": 2}
    store.pipe("/bucket/one.jsonl", (row(1) + row(3)).encode())
    assert collect(shelf, "memory://bucket/*.jsonl*") == {"logged": 1}
    assert sorted(shelf.answers()) == said(1, 2, 3)


def test_a_store_whose_package_is_missing_says_what_to_install(shelf: Shelf, monkeypatch: pytest.MonkeyPatch):
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert "pip install 'driftium[remote]'" in shelf.collect("s3://bucket/*.jsonl").message


class Pieces(io.BytesIO):
    """Gives at most so many bytes at a time."""

    def __init__(self, data: bytes, most: int):
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(self._most, size if size and size > 0 else self._most))


@settings(max_examples=50, deadline=None)
@given(
    data=st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b"{}", b"b" * 50, b"c" * 3000])).map(b"".join),
    most=st.integers(1, 4096),
    limit=st.integers(1, 2500),
)
def test_lines_hold_all_bytes_once_however_they_come(data: bytes, most: int, limit: int):
    found = list(lines(Pieces(data, most), offset=7, number=3, max_bytes=limit))
    expected = data.split(b"\n")
    whole, rest = expected[:-1], expected[-1]
    assert [line.number for line in found] == list(range(4, 4 + len(found)))
    assert len(found) == len(whole) + bool(rest)
    at = 7
    for line, text in zip(found, [*whole, rest], strict=False):
        end = b"\n" if line.whole else b""
        assert (line.start, line.end) == (at, at + len(text + end))
        bare = text.removesuffix(b"\r") if line.whole else text
        assert line.tail == (text + end)[-TAIL_BYTES:]
        assert line.text == (bare.removesuffix(b"\r") if len(bare) <= limit else None) or not line.whole
        at = line.end
    assert at == 7 + len(data)
