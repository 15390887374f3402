"""What a backup says of itself: who made it, of which schemas, and each file's checksum."""

import hashlib
from pathlib import Path

import msgspec

FILE = "manifest.json"
FORMAT = 1


class Described(msgspec.Struct, frozen=True):
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    driftium: str
    created_at: str
    schemas: dict[str, int]
    """{database file: its schema's number}"""
    files: dict[str, Described]
    """{path inside the backup, with slashes: what it is}"""


class Damaged(Exception):
    """A backup that is not what its manifest says; the message says which file, and how."""


def describe(folder: Path) -> dict[str, Described]:
    """Every file under a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _described(path) for path in paths}


def _described(path: Path) -> Described:
    with path.open("rb") as file:
        return Described(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def verified(folder: Path) -> Manifest:
    """The manifest of an unpacked backup, once all its files are there as it says, and no others. Raises Damaged."""
    try:
        manifest = msgspec.json.decode((folder / FILE).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise Damaged(f"there is no {FILE} in it: it is no backup of Driftium") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise Damaged(f"its {FILE} cannot be read: {error}") from None
    if manifest.format > FORMAT:
        raise Damaged(f"it was made by Driftium {manifest.driftium}, in a later format: restore it with that version")
    found = describe(folder)
    found.pop(FILE)
    for name in sorted(manifest.files.keys() | found.keys()):
        if name not in found:
            raise Damaged(f"{name} is missing")
        if name not in manifest.files:
            raise Damaged(f"{name} is none of its files")
        if found[name] != manifest.files[name]:
            raise Damaged(f"{name} is not as it was written: its checksum differs")
    return manifest
