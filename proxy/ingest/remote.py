"""Files in object stores and on other machines, through fsspec: s3://, gs:// and what else is installed.

Whose they are is found out as each store's own tools do: from the environment, its files or the machine's role.
"""

from typing import Any, BinaryIO

from proxy.ingest.errors import IngestError
from proxy.ingest.files import Found, in_order
from proxy.ingest.values import moment

INSTALL = "pip install 'driftium[remote]' for s3://; other stores need their own package, e.g. gcsfs for gs://"


def listed(path: str) -> list[Found]:
    """The files of a glob or folder, the one that changed last at the end. Raises IngestError."""
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]
    except ImportError:
        raise IngestError(f"{path}: fsspec is not installed: {INSTALL}") from None
    try:
        store, root = url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise IngestError(f"{path}: {str(error)[:200]}: {INSTALL}") from None
    try:
        # A store keeps its listings for a while.
        store.invalidate_cache()
        names = store.glob(root, detail=True)
        if not any(sign in root for sign in "*?[") and store.isdir(root):
            names = {info["name"]: info for info in store.ls(root, detail=True)}
        return in_order(_found(store, name, info) for name, info in names.items() if info.get("type") != "directory")
    except Exception as error:
        # Each store raises what its own library does.
        raise IngestError(f"{path}: cannot be listed: {type(error).__name__}: {str(error)[:300]}") from error


def _found(store: Any, name: str, info: dict[str, Any]) -> Found:
    changed = next(
        (info[key] for key in ("LastModified", "last_modified", "mtime", "updated", "created") if key in info), 0
    )
    marks = next((str(info[key]) for key in ("ETag", "etag", "md5Hash") if info.get(key)), str(changed))
    at = changed.timestamp() if hasattr(changed, "timestamp") else moment(changed) or 0.0
    url, size = store.unstrip_protocol(name), int(info.get("size") or 0)
    return Found(url, url, f"{size}:{marks}", size, at, lambda: _open(store, name))


def _open(store: Any, name: str) -> BinaryIO:
    try:
        return store.open(name, "rb")  # type: ignore[no-any-return]
    except Exception as error:
        raise IngestError(f"cannot be opened: {type(error).__name__}: {str(error)[:300]}") from error
