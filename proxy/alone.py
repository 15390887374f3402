"""One process of a kind on each data folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Busy(Exception):
    """Another process of that kind works on this data folder."""


@contextmanager
def alone(data_dir: Path, kind: str) -> Iterator[None]:
    """Hold the folder's lock of that kind: two workers would both count every exchange.

    Raises Busy where another process holds it.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / f"{kind}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"Another {kind} works on {data_dir}: stop it, or choose another --data-dir.") from None
        yield
