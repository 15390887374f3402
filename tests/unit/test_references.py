"""A stored reference is the old one or the new one, whenever the process ends and whatever the file system knows."""

import os
from pathlib import Path

import pytest

from proxy.tabular.records import DescribedColumn, Description
from proxy.tabular.references import References, UnknownReference, is_name

FOUND = Description(rows=2, columns=(DescribedColumn(name="a", kind="numeric", kind_reason="declared", missing=0.0),))


def sent(folder: Path, content: bytes) -> Path:
    path = folder / "sent"
    path.write_bytes(content)
    return path


@pytest.fixture
def stored(tmp_path: Path) -> References:
    references = References(tmp_path / "references")
    references.keep("ours", sent(tmp_path, b"old"), FOUND, at=1.0)
    return references


def test_what_was_lent_stays_when_the_reference_is_replaced_and_removed(stored: References, tmp_path: Path):
    lent = stored.lend("ours", tmp_path)
    _, new = stored.keep("ours", sent(tmp_path, b"newer"), FOUND, at=2.0)
    assert not new
    assert (stored.find("ours").created_at, stored.find("ours").bytes) == (2.0, 5)
    stored.remove("ours")
    assert Path(lent.path).read_bytes() == b"old"
    assert stored.all() == []


def test_a_file_system_without_links_lends_a_copy(stored: References, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    lent = stored.lend("ours", tmp_path)
    stored.remove("ours")
    assert Path(lent.path).read_bytes() == b"old"


def test_a_process_that_ends_inside_a_replacement_leaves_the_old_one(stored: References, tmp_path: Path):
    """The new table lies there and nothing names it yet: the next start clears it away."""
    before = stored.find("ours")
    folder = tmp_path / "references" / "ours"
    (folder / "new.table").write_bytes(b"new")
    (folder / "new.table.about").write_bytes(b"{")
    again = References(tmp_path / "references")
    assert again.find("ours") == before
    assert sorted(os.listdir(folder)) == sorted(["about.json", before.file])


def test_an_unknown_name_is_answered_with_the_known_ones(stored: References):
    for name in ("theirs", "../references/ours", "", "."):
        with pytest.raises(UnknownReference) as caught:
            stored.find(name)
        assert caught.value.known == ["bank-marketing", "ours"]


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("a", True),
        ("A.b_c-9", True),
        ("n" * 64, True),
        ("n" * 65, False),
        (".a", False),
        ("a/b", False),
        ("a\n", False),
    ],
)
def test_a_name_is_one_folder_on_every_file_system(name: str, good: bool):
    assert is_name(name) is good
