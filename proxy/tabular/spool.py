"""A table on its way to disk, written off the event loop and bounded."""

import asyncio
from pathlib import Path

from proxy.tabular.records import Refused

WRITE_BYTES = 2**20
"""A disk may stall for as long as it likes: each write is a thread's, and this large so that they are few."""


class Spool:
    """The file at `path`, of at most `max_bytes`. Whoever fills it closes it."""

    def __init__(self, path: Path, max_bytes: int):
        self.path = path
        self.size = 0
        self._max_bytes = max_bytes
        self._file = path.open("wb")
        self._parts: list[bytes] = []
        self._held = 0

    async def add(self, part: bytes) -> None:
        """Raises Refused when that makes it too large."""
        self.size += len(part)
        if self.size > self._max_bytes:
            raise Refused(f"The table is larger than tabular.max_bytes = {self._max_bytes:,} bytes.", 413)
        self._parts.append(part)
        self._held += len(part)
        if self._held >= WRITE_BYTES:
            parts, self._parts, self._held = self._parts, [], 0
            await asyncio.to_thread(self._file.writelines, parts)

    async def close(self) -> None:
        parts, self._parts = self._parts, []
        await asyncio.shield(asyncio.to_thread(self._finish, parts))

    def _finish(self, parts: list[bytes]) -> None:
        with self._file:
            self._file.writelines(parts)
