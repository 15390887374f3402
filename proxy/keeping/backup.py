"""`driftium backup`: everything in the data folder in one file or folder, made while Driftium goes on."""

import os
import shutil
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from proxy.alone import Busy, alone
from proxy.client import Failed, fail
from proxy.keeping import manifest
from proxy.keeping.shared import refuse_shared
from proxy.keeping.snapshot import WAIT_SECONDS, copy_database, copy_worker_part, remove_left, staging
from proxy.keeping.vector_files import FOLDER
from proxy.moments import iso
from proxy.settings import Settings
from proxy.stores import history, log
from proxy.stores import tables as t
from proxy.stores.history import History, open_history
from proxy.stores.vectors import Vectors, VectorStoreError

ARCHIVES = (".tar.gz", ".tgz")
REFERENCES = "references"
POLL_SECONDS = 0.2


def backup(settings: Settings, target: Path) -> int:
    """Make a backup; returns the exit code. Whoever reads it reads prompts and answers: it is for its owner alone."""
    try:
        found = _backup(settings, target)
    except Failed as error:
        return fail(error)
    except (OSError, SQLAlchemyError, VectorStoreError) as error:
        return fail(Failed(f"no backup was made: {str(error).partition(chr(10))[0]}"))
    size = sum(one.bytes for one in found.files.values())
    print(f"{settings.data_dir} is backed up in {target} ({size / 2**20:.1f} MiB before compression)")
    print(f"restore it with: driftium restore {target} --data-dir NEW_FOLDER")
    return 0


def _backup(settings: Settings, target: Path) -> manifest.Manifest:
    refuse_shared(settings)
    data_dir, name = settings.data_dir, uuid.uuid4().hex
    if not (data_dir / history.FILE).is_file():
        raise Failed(f"there is no history in {data_dir}: name the folder with --data-dir")
    if target.exists():
        raise Failed(f"{target} is there already: name another file, or move that away")
    for own in (data_dir / FOLDER, data_dir / REFERENCES):
        if target.resolve().is_relative_to(own.resolve()):
            raise Failed(f"{own} is a folder of Driftium's own: name a place outside it")
    try:
        with alone(data_dir, "backup"):
            remove_left(data_dir)
            folder = staging(data_dir, name)
            # Before anything is copied: prompts and answers are for their owner alone.
            folder.mkdir(mode=0o700)
            try:
                _copy(settings, name)
                copy_database(data_dir / log.FILE, folder / log.FILE)
                if (data_dir / REFERENCES).is_dir():
                    shutil.copytree(data_dir / REFERENCES, folder / REFERENCES)
                return _finish(folder, target)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except Busy as error:
        raise Failed(str(error)) from None


def _copy(settings: Settings, name: str) -> None:
    """History and vectors: by the worker where one runs, else here, and none can start meanwhile."""
    try:
        with alone(settings.data_dir, "worker"):
            with closing(open_history(settings.data_dir)) as stored:
                stored.last_event()  # Brings an older file up to date: the manifest names today's schema.
            with closing(Vectors(settings.qdrant, settings.data_dir)) as vectors:
                copy_worker_part(settings.data_dir, name, vectors)
    except Busy:
        with closing(open_history(settings.data_dir)) as stored:
            _ask(stored, name)


def _ask(stored: History, name: str) -> None:
    command = stored.ask("backup", {"name": name, "head": 0, "asked_at": time.time()})
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while (answer := stored.answer(command)) is None:
            state = stored.state()
            if state and state.stage == "failed":
                raise Failed(f"the worker cannot copy its part: {state.error}")
            if time.monotonic() > deadline:
                raise Failed("the worker did not answer within ten minutes: look at GET /api/health, then try again")
            time.sleep(POLL_SECONDS)
    finally:
        # A worker that comes later must not make a copy that nobody waits for.
        c = t.commands.c
        with stored.engine.begin() as db:
            db.execute(sa.delete(t.commands).where(c.id == command, c.answer.is_(None)))
    if "error" in answer:
        raise Failed(f"the worker could not copy its part: {answer['error']}")


def _finish(folder: Path, target: Path) -> manifest.Manifest:
    """Describe what was copied and put it where it is wanted; whole, or not at all."""
    described = manifest.Manifest(
        driftium=version("driftium"),
        created_at=iso(time.time()) or "",
        schemas={history.FILE: history.SCHEMA.version, log.FILE: log.SCHEMA.version},
        files=manifest.describe(folder),
    )
    (folder / manifest.FILE).write_bytes(msgspec.json.format(msgspec.json.encode(described)))
    with _whole(target) as partial:
        if target.name.endswith(ARCHIVES):
            with open(partial, "xb", opener=_for_owner) as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
                archive.add(folder, arcname=".", filter=_anonymous)
        else:
            partial.mkdir(mode=0o700)
            shutil.copytree(folder, partial, dirs_exist_ok=True)
    return described


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A place beside the target, which becomes the target once all is written there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        yield partial
        partial.rename(target)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
