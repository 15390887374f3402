"""Tables kept to compare others with, each in a folder of its own.

A folder's about.json names the table's file beside it. It is replaced in one step, so that a reference is the old one
or the new one whenever the process ends. Comparisons read a link of their own: nothing that happens to a reference
reaches them. A folder is removed on a person's word, or because it has no about.json; never because that cannot be
read today.
"""

import contextlib
import os
import re
import shutil
import threading
import uuid
from pathlib import Path

import msgspec
import structlog

from proxy.tabular.records import BANK, DescribedColumn, Description, Refused, TableFile

log = structlog.get_logger()

MAX_REFERENCES = 100
"""Each may be as large as a table may be."""
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_ABOUT = "about.json"


class UnknownReference(Exception):
    """There is none of that name; `known` are those there are."""

    def __init__(self, name: str, known: list[str]):
        super().__init__(name)
        self.name = name
        self.known = known


class UnreadableReference(Exception):
    """It is there, and cannot be read. name is "" where that goes for all of them."""

    def __init__(self, name: str, folder: Path, why: object):
        super().__init__(f"{folder}: {why}")
        self.name = name
        self.folder = folder
        self.why = str(why)


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
        try:
            folders = self._folders()
        except UnreadableReference as error:
            log.error("the stored references cannot be read; they are kept", error=str(error))
            return
        for folder in folders:
            try:
                reference = self._read(folder.name)
                if reference is None:
                    shutil.rmtree(folder, ignore_errors=True)
                else:
                    _tidy(folder, reference)
            except (OSError, UnreadableReference) as error:
                log.error("a stored reference cannot be read; it is kept", name=folder.name, error=str(error))

    def _folders(self) -> list[Path]:
        """Raises UnreadableReference."""
        try:
            return sorted(folder for folder in self._folder.iterdir() if folder.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UnreadableReference("", self._folder, error.strerror or error) from None

    def _read(self, name: str) -> Reference | None:
        """None where there is none. Raises UnreadableReference."""
        folder = self._folder / name
        try:
            return msgspec.json.decode((folder / _ABOUT).read_bytes(), type=Reference)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnreadableReference(name, folder, error.strerror or error) from None
        except msgspec.MsgspecError as error:
            raise UnreadableReference(name, folder, f"{_ABOUT}: {error}") from None

    def all(self) -> list[Reference]:
        """By name, without those that cannot be read. Raises UnreadableReference where none can."""
        found = []
        for folder in self._folders():
            with contextlib.suppress(UnreadableReference):
                found.append(self._read(folder.name))
        return [reference for reference in found if reference]

    def find(self, name: str) -> Reference:
        """Raises UnknownReference, UnreadableReference."""
        reference = self._read(name) if is_name(name) else None
        if reference is None:
            raise UnknownReference(name, [BANK, *(known.name for known in self.all())])
        return reference

    def lend(self, name: str, folder: Path) -> TableFile:
        """The table, under a name of the caller's own in `folder`. Raises UnknownReference, UnreadableReference."""
        with self._lock:
            reference = self.find(name)
            source, path = self._folder / name / reference.file, folder / "stored"
            try:
                _link(source, path)
            except OSError as error:
                raise UnreadableReference(name, source.parent, error.strerror or error) from None
        return TableFile(path=str(path), name=name)

    def room(self, name: str) -> None:
        """Raises Refused where a reference of that name would be one too many."""
        folders = [folder.name for folder in self._folders()]
        if name not in folders and len(folders) >= MAX_REFERENCES:
            raise Refused(f"{len(folders)} references are stored, and no more can be: delete one first.", 409)

    def keep(self, name: str, path: Path, found: Description, *, at: float) -> tuple[Reference, bool]:
        """Store the table at `path`, which moves; whether the name is new comes with it.

        Raises Refused when there is no place for it, on the disk or among the others; that changes nothing.
        """
        own = self._folder / name
        file = f"{uuid.uuid4().hex}.table"
        with self._lock:
            self.room(name)
            try:
                new = not (own / _ABOUT).exists()
                own.mkdir(parents=True, exist_ok=True)
                reference = Reference(
                    name=name,
                    created_at=at,
                    bytes=path.stat().st_size,
                    rows=found.rows,
                    columns=found.columns,
                    file=file,
                )
                os.replace(path, own / file)
                fresh = own / f"{file}.about"
                fresh.write_bytes(msgspec.json.encode(reference))
                os.replace(fresh, own / _ABOUT)
            except OSError as error:
                _undo(own, file)
                raise Refused(
                    f"The reference cannot be stored: {error.strerror or error}. Check the disk of {self._folder}.", 507
                ) from None
            with contextlib.suppress(OSError):
                # The next start tries again.
                _tidy(own, reference)
        return reference, new

    def remove(self, name: str) -> None:
        """Also one that cannot be read. Raises UnknownReference, UnreadableReference where it cannot be removed."""
        with self._lock:
            with contextlib.suppress(UnreadableReference):
                self.find(name)
            folder = self._folder / name
            try:
                (folder / _ABOUT).unlink()
            except OSError as error:
                raise UnreadableReference(name, folder, error.strerror or error) from None
            shutil.rmtree(folder, ignore_errors=True)


def _link(source: Path, path: Path) -> None:
    try:
        path.hardlink_to(source)
    except OSError:
        # Some file systems have no links.
        shutil.copyfile(source, path)


def _tidy(folder: Path, reference: Reference) -> None:
    """Remove what is not the reference's, in a folder of its own."""
    for file in folder.iterdir():
        if file.name not in (_ABOUT, reference.file):
            file.unlink()


def _undo(folder: Path, file: str) -> None:
    """Remove the parts of a reference that could not be stored, and its folder if that holds nothing else."""
    with contextlib.suppress(OSError):
        (folder / f"{file}.about").unlink(missing_ok=True)
        (folder / file).unlink(missing_ok=True)
        folder.rmdir()
