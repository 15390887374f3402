"""What tells a canary's own requests from those of a client that gives itself a canary's name.

Web process and scheduler work on one data folder, which nobody else can read: a key lies there.
"""

import os
import secrets
from pathlib import Path

FILE = "canary.key"
_SIGN = "#"


def canary_key(data_dir: Path) -> str:
    """The folder's key, made by whoever asks first; one that nobody knows where the folder cannot be used."""
    path = data_dir / FILE
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(16))
        except FileExistsError:
            pass
        return path.read_text() or secrets.token_hex(16)
    except OSError:
        return secrets.token_hex(16)


def signed(monitor: str, key: str) -> str:
    """The monitor's name as the scheduler's requests bear it."""
    return f"{monitor}{_SIGN}{key}"


def genuine(monitor: str, key: str) -> str | None:
    """The monitor's name where it is signed with the key, else None."""
    name, _, given = monitor.rpartition(_SIGN)
    return name if secrets.compare_digest(given.encode(), key.encode()) else None
