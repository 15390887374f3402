"""The files of a table that lies in parts: a file, a folder, a glob, here or in an object store."""

import glob
import os
from pathlib import Path
from typing import Any

from proxy.tabular.records import Refused

TABLES = (".parquet", ".parq", ".pq", ".csv", ".csv.gz", ".tsv", ".tsv.gz")
"""How a table's name ends, in a folder that may hold others."""
_SIGNS = "*?["
_INSTALL = "pip install 'driftium[remote]' for s3://; other stores need their own package, e.g. gcsfs for gs://"


def listed(where: str) -> list[str]:
    """The files, absolute and by name, which is the order of their rows. Raises Refused."""
    found = _elsewhere(where) if is_url(where) else _here(where)
    if not found:
        raise Refused("There is no such file, and none that matches.")
    return found


def is_url(where: str) -> bool:
    return "://" in where


def name_of(where: str, count: int) -> str:
    """What a report calls the table."""
    if count > 1:
        return f"{where} ({count:,} files)"
    return where if is_url(where) else Path(where).name or where


def _here(where: str) -> list[str]:
    path = os.path.abspath(os.path.expanduser(where))
    try:
        if os.path.isdir(path):
            return _of_folder(where, _walked(path))
        names = [path] if os.path.lexists(path) else glob.glob(path, recursive=True)
        # A glob passes over folders that may not be read, and names folders too.
        return sorted(name for name in names if not os.path.isdir(name))
    except (OSError, ValueError) as error:
        raise Refused(f"It cannot be read: {error}.") from None


def _walked(path: str) -> list[str]:
    def fail(error: OSError) -> None:
        raise error

    return [
        os.path.join(folder, name)
        for folder, _, names in os.walk(path, onerror=fail, followlinks=True)
        for name in names
    ]


def _elsewhere(where: str) -> list[str]:
    store, root = _store(where)
    try:
        # A store keeps its listings for a while.
        store.invalidate_cache()
        if any(sign in root for sign in _SIGNS):
            found = store.glob(root, detail=True)
            return sorted(store.unstrip_protocol(name) for name, info in found.items() if info["type"] == "file")
        if store.isdir(root):
            return _of_folder(where, [store.unstrip_protocol(name) for name in store.find(root)])
        return [store.unstrip_protocol(root)] if store.exists(root) else []
    except Refused:
        raise
    except Exception as error:
        # Each store raises what its own library does.
        raise Refused(f"It cannot be listed: {type(error).__name__}: {str(error)[:300]}.") from None


def _store(where: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]

        store, root = url_to_fs(where)
    except (ImportError, ValueError) as error:
        raise Refused(f"{str(error)[:200]}: {_INSTALL}.") from None
    except Exception as error:
        raise Refused(f"It cannot be reached: {type(error).__name__}: {str(error)[:300]}.") from None
    return store, root


def _of_folder(where: str, names: list[str]) -> list[str]:
    base = len(os.path.abspath(os.path.expanduser(where))) if not is_url(where) else len(where.rstrip("/"))
    # Spark and others leave _SUCCESS, _temporary and hidden checksums beside the tables.
    seen = [name for name in names if not any(part[:1] in ("_", ".") for part in name[base:].split("/") if part)]
    tables = sorted(name for name in seen if name.lower().endswith(TABLES))
    if not tables:
        raise Refused(f"In this folder no file ends with {', '.join(TABLES[:-1])} or {TABLES[-1]}.")
    return tables
