"""What people stored is kept until they say otherwise, and what a request left is cleared away."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from proxy.routes.drift_rows import row_of
from proxy.routes.problems import Problem
from proxy.tabular import references as stored
from proxy.tabular.records import DescribedColumn, Description, Refused
from proxy.tabular.references import References, UnreadableReference
from proxy.tabular.uploads import Uploads

FOUND = Description(rows=2, columns=(DescribedColumn(name="a", kind="numeric", kind_reason="declared", missing=0.0),))


def keep(references: References, folder: Path, name: str) -> None:
    path = folder / f"sent-{name}"
    path.write_bytes(b"a\n1\n2\n")
    references.keep(name, path, FOUND, at=1.0)


def test_a_reference_that_cannot_be_read_today_outlives_a_start(tmp_path: Path):
    """Of another version, or damaged: its table stays, it is said when it is asked for, and it can be removed."""
    references = References(tmp_path / "references")
    keep(references, tmp_path, "ours")
    keep(references, tmp_path, "theirs")
    about = tmp_path / "references" / "ours" / "about.json"
    about.write_bytes(msgspec.json.encode(msgspec.json.decode(about.read_bytes()) | {"rows": "many"}))
    again = References(tmp_path / "references")
    assert [reference.name for reference in again.all()] == ["theirs"]
    assert len(list((tmp_path / "references" / "ours").iterdir())) == 2
    with pytest.raises(UnreadableReference, match="ours"):
        again.find("ours")
    again.remove("ours")
    assert not about.exists()


def test_a_disk_that_is_full_stores_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    references = References(tmp_path / "references")
    keep(references, tmp_path, "ours")
    before = references.find("ours")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    (tmp_path / "sent").touch()
    with pytest.raises(Refused, match="No space left") as refused:
        references.keep("ours", tmp_path / "sent", FOUND, at=2.0)
    assert refused.value.status == 507
    assert references.find("ours") == before
    assert len(list((tmp_path / "references" / "ours").iterdir())) == 2


def test_references_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One more is refused; replacing one is not."""
    monkeypatch.setattr(stored, "MAX_REFERENCES", 2)
    references = References(tmp_path / "references")
    for name in ("a", "b", "a"):
        keep(references, tmp_path, name)
    with pytest.raises(Refused, match="delete one first") as refused:
        keep(references, tmp_path, "c")
    assert refused.value.status == 409


def test_a_start_clears_what_the_dead_left_and_nothing_of_the_living(tmp_path: Path):
    for owner in (str(os.getppid()), str(os.getpid()), "999999999", "not a process"):
        (tmp_path / f"{owner}-x").mkdir()
    Uploads(tmp_path, 1_000)
    assert [folder.name for folder in tmp_path.iterdir()] == [f"{os.getppid()}-x"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"reference_rows": -3}, "reference_rows = -3"),
        ({"current_rows": 10**400}, "current_rows"),
        ({"shares": [{"label": "a", "reference": 1e308, "current": 0}]}, "shares[0].reference = 1e+308"),
        ({"current_missing": 1.5}, "current_missing = 1.5"),
        ({"p_value": -0.1}, "p_value = -0.1"),
        ({"effect": -1}, "effect = -1"),
    ],
)
def test_figures_that_no_comparison_finds_are_refused(row: dict[str, object], says: str):
    with pytest.raises(Problem) as problem:
        row_of(0, {"name": "age", **row})
    assert problem.value.status_code == 422
    assert says in problem.value.detail


def test_an_upload_that_drips_is_ended_and_one_that_comes_slowly_is_not(tmp_path: Path):
    """A byte every minute would hold one of two receiving places for ever; our own disk's time is not the client's."""
    seconds = 0.0

    async def send(part: bytes, pause: float, parts: int) -> int:
        nonlocal seconds
        left = parts

        async def receive() -> dict[str, object]:
            nonlocal seconds, left
            seconds += pause
            left -= 1
            return {"type": "http.request", "body": part, "more_body": left > 0}

        headers = {"content-type": "text/csv"}
        request = SimpleNamespace(headers=headers, receive=receive, scope={"state": {}})
        uploads = Uploads(tmp_path, 2**30, clock=lambda: seconds)
        async with uploads.receive(request, form_files=("file",)) as sent:  # type: ignore[arg-type]
            return os.stat(sent.files["file"].path).st_size

    with pytest.raises(Refused, match="a second on average") as refused:
        asyncio.run(send(b"x", 59, 100))
    assert refused.value.status == 408
    assert asyncio.run(send(b"x" * 2**20, 30, 10)) == 10 * 2**20
    assert not list(tmp_path.iterdir())
