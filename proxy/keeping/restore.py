"""`driftium restore`: a backup into a new data folder, once it is known to be whole."""

import shutil
import tarfile
from contextlib import closing
from pathlib import Path

from proxy.alone import Busy, alone
from proxy.client import Failed, fail
from proxy.keeping import manifest
from proxy.keeping.backup import REFERENCES
from proxy.keeping.shared import refuse_shared
from proxy.keeping.vector_files import FOLDER, read_vectors
from proxy.settings import Settings
from proxy.stores import history, log
from proxy.stores.vectors import Vectors, VectorStoreError

UNPACKED = ".restoring"


def restore(settings: Settings, source: Path, *, replace_vectors: bool = False) -> int:
    """Restore into the data folder; returns the exit code. What is in the folder already is never touched.

    Nor are vectors that a Qdrant server holds already, unless they may be replaced.
    """
    try:
        made = _restore(settings, source, replace_vectors)
    except Failed as error:
        return fail(error)
    except (OSError, VectorStoreError) as error:
        return fail(Failed(f"{source} was not restored: {str(error).partition(chr(10))[0]}"))
    print(f"The backup of {made.created_at} (Driftium {made.driftium}) is restored in {settings.data_dir}")
    print(f"go on with: driftium serve --data-dir {settings.data_dir}")
    return 0


def _restore(settings: Settings, source: Path, replace_vectors: bool) -> manifest.Manifest:
    refuse_shared(settings)
    data_dir = settings.data_dir
    if not source.exists():
        raise Failed(f"there is no {source}")
    there = sorted(path.name for path in data_dir.iterdir() if path.suffix != ".lock") if data_dir.exists() else []
    if there:
        raise Failed(f"{data_dir} is not empty ({there[0]}): name a new folder with --data-dir, or move that away")
    try:
        # A server that starts meanwhile finds no worker's place; one that runs has files here.
        with alone(data_dir, "worker"), alone(data_dir, "backup"):
            if settings.qdrant.url and not replace_vectors:
                _refuse_live_vectors(settings)
            unpacked = data_dir / UNPACKED
            try:
                return _move_in(settings, _checked(source, unpacked), unpacked)
            except BaseException:
                for name in (FOLDER, REFERENCES):
                    shutil.rmtree(data_dir / name, ignore_errors=True)
                (data_dir / log.FILE).unlink(missing_ok=True)
                raise
            finally:
                shutil.rmtree(unpacked, ignore_errors=True)
    except Busy as error:
        raise Failed(str(error)) from None


def _refuse_live_vectors(settings: Settings) -> None:
    """On a server they are no part of the data folder: they may be those of a Driftium that runs."""
    with closing(Vectors(settings.qdrant, settings.data_dir)) as vectors:
        if next(vectors.parts(1), None):
            raise Failed(
                f"Qdrant at {vectors.where} holds vectors already, perhaps those of a Driftium that runs: "
                "name another server with qdrant.url, or write over them with --replace-vectors"
            )


def _checked(source: Path, unpacked: Path) -> manifest.Manifest:
    """Unpack a backup and look at every byte of it."""
    try:
        unpacked.mkdir(mode=0o700)
        if source.is_dir():
            shutil.copytree(source, unpacked, dirs_exist_ok=True)
        else:
            with tarfile.open(source) as archive:
                # Refuses what would be written elsewhere, links that lead there, and devices.
                archive.extractall(unpacked, filter="data")
        made = manifest.verified(unpacked)
    except (tarfile.TarError, EOFError) as error:
        raise Failed(f"{source} cannot be unpacked: {error}") from None
    except manifest.Damaged as damage:
        raise Failed(f"{source} cannot be restored: {damage}") from None
    for name, schema in ((history.FILE, history.SCHEMA), (log.FILE, log.SCHEMA)):
        if name not in made.files:
            raise Failed(f"{source} cannot be restored: {name} is missing")
        if made.schemas.get(name, 0) > schema.version:
            raise Failed(f"{source} was made by Driftium {made.driftium}, which is later: restore it with that version")
    return made


def _move_in(settings: Settings, made: manifest.Manifest, unpacked: Path) -> manifest.Manifest:
    """The history last: without it nothing takes the folder for a whole one."""
    data_dir = settings.data_dir
    with closing(Vectors(settings.qdrant, data_dir)) as vectors:
        read_vectors(unpacked / FOLDER, vectors)
    if (unpacked / REFERENCES).is_dir():
        (unpacked / REFERENCES).rename(data_dir / REFERENCES)
    for name in (log.FILE, history.FILE):
        (unpacked / name).rename(data_dir / name)
    return made
