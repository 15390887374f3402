"""Tables kept to compare others with, each in a folder of its own.

A folder's about.json names the table's file beside it. It is replaced in one step, so that a reference is the old one
or the new one whenever the process ends. Comparisons read a link of their own: nothing that happens to a reference
reaches them.
"""

import os
import re
import shutil
import threading
import uuid
from pathlib import Path

import msgspec

from proxy.tabular.records import BANK, DescribedColumn, Description, TableFile

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_ABOUT = "about.json"


class UnknownReference(Exception):
    """There is none of that name; `known` are those there are."""

    def __init__(self, name: str, known: list[str]):
        super().__init__(name)
        self.name = name
        self.known = known


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a stored table."""

    name: str
    created_at: float
    bytes: int
    """As it was sent."""
    rows: int
    columns: tuple[DescribedColumn, ...]
    file: str
    """The table's, in the reference's folder."""


def is_name(name: str) -> bool:
    """1 to 64 of A-Z a-z 0-9 . _ -, not beginning with a dot."""
    return _NAME.fullmatch(name) is not None


class References:
    """The references under `folder`. Every method reads or writes files."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        """Remove what a killed process left half done."""
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            reference = self._read(folder.name)
            if reference is None:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            for file in folder.iterdir():
                if file.name not in (_ABOUT, reference.file):
                    file.unlink()

    def _read(self, name: str) -> Reference | None:
        try:
            return msgspec.json.decode((self._folder / name / _ABOUT).read_bytes(), type=Reference)
        except (OSError, msgspec.MsgspecError):
            return None

    def all(self) -> list[Reference]:
        """By name."""
        folders = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        return [reference for folder in folders if (reference := self._read(folder.name))]

    def find(self, name: str) -> Reference:
        """Raises UnknownReference."""
        reference = self._read(name) if is_name(name) else None
        if reference is None:
            raise UnknownReference(name, [BANK, *(known.name for known in self.all())])
        return reference

    def lend(self, name: str, folder: Path) -> TableFile:
        """The table, under a name of the caller's own in `folder`. Raises UnknownReference."""
        with self._lock:
            reference = self.find(name)
            source, path = self._folder / name / reference.file, folder / "stored"
            try:
                path.hardlink_to(source)
            except OSError:
                # Some file systems have no links.
                shutil.copyfile(source, path)
        return TableFile(path=str(path), name=name)

    def keep(self, name: str, path: Path, found: Description, *, at: float) -> tuple[Reference, bool]:
        """Store the table at `path`, which moves; whether the name is new comes with it."""
        own = self._folder / name
        with self._lock:
            before = self._read(name)
            own.mkdir(parents=True, exist_ok=True)
            file = f"{uuid.uuid4().hex}.table"
            reference = Reference(
                name=name, created_at=at, bytes=path.stat().st_size, rows=found.rows, columns=found.columns, file=file
            )
            os.replace(path, own / file)
            fresh = own / f"{file}.about"
            fresh.write_bytes(msgspec.json.encode(reference))
            os.replace(fresh, own / _ABOUT)
            if before:
                (own / before.file).unlink(missing_ok=True)
        return reference, before is None

    def remove(self, name: str) -> None:
        """Raises UnknownReference."""
        with self._lock:
            self.find(name)
            (self._folder / name / _ABOUT).unlink()
            shutil.rmtree(self._folder / name, ignore_errors=True)
