"""Tables that people send: written to disk as they come, in folders that do not outlive their request."""

import asyncio
import contextlib
import os
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request

from proxy.leaving import ClientLeft
from proxy.tabular.forms import MAX_FORM_BYTES, Form
from proxy.tabular.records import Refused, TableFile
from proxy.tabular.spool import Spool

RECEIVED_AT_ONCE = 2
MAX_PRESENT = 9
"""One that is compared, and eight that wait or are received."""
IDLE_SECONDS = 60.0
"""Longest silence inside an upload: whoever falls silent holds one of two places."""
LEAST_BYTES_PER_SECOND = 10_000
PATIENCE_SECONDS = 60.0
"""How long an upload may be slower than that, on average since it began: who trickles holds a place too."""

TYPES = frozenset(
    (
        "",
        "text/csv",
        "text/plain",
        "text/tab-separated-values",
        "application/csv",
        "application/vnd.ms-excel",  # a CSV file's type in browsers on Windows
        "application/octet-stream",
        "application/gzip",
        "application/x-gzip",
        "application/vnd.apache.parquet",
        "application/x-parquet",
        "application/x-www-form-urlencoded",  # what curl --data-binary says of anything
    )
)


class Busy(Exception):
    """More is asked for than can wait."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What one request brought."""

    folder: Path
    """Its own, removed at its end."""
    files: dict[str, TableFile]
    """By the part's name: "file", and "reference" where a form brought one."""
    fields: dict[str, str]


class Uploads:
    """Receives tables into folders under `folder`; what a killed process left there is removed first.

    A folder's name begins with the number of its process: others may receive theirs beside it. clock tells seconds.
    """

    def __init__(self, folder: Path, max_bytes: int, *, clock: Callable[[], float] = time.monotonic):
        self._folder = folder
        self._clock = clock
        self._max_bytes = max_bytes
        self._receiving = asyncio.Semaphore(RECEIVED_AT_ONCE)
        self._present = 0
        # Where the data folder cannot be used, requests are served all the same.
        with contextlib.suppress(OSError):
            for left in folder.iterdir():
                if not _lives(left.name.partition("-")[0]):
                    shutil.rmtree(left, ignore_errors=True)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue of comparisons. Raises Busy."""
        if self._present >= MAX_PRESENT:
            raise Busy
        self._present += 1
        try:
            yield
        finally:
            self._present -= 1

    @contextlib.asynccontextmanager
    async def receive(
        self, request: Request[Any, Any, Any], *, form_files: tuple[str, ...], form_fields: tuple[str, ...] = ()
    ) -> AsyncIterator[Sent]:
        """The request's tables on disk, for as long as the context lasts.

        form_files and form_fields name the parts that a form may have. Raises Refused, ClientLeft.
        """
        form = self._form(request.headers, form_files, form_fields)
        folder = self._folder / f"{os.getpid()}-{uuid.uuid4().hex}"
        try:
            async with self._receiving:
                files = await self._read(request, form, folder)
            yield Sent(folder=folder, files=files, fields=form.fields if form else {})
        finally:
            # Freeing a gigabyte takes a while, and has to be done even if this request is cut off.
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    def _form(self, headers: Mapping[str, str], files: tuple[str, ...], fields: tuple[str, ...]) -> Form | None:
        """What reads the body; None where it is the table itself. Raises Refused, before a byte is read."""
        given = headers.get("content-type", "")
        kind = given.partition(";")[0].strip().lower()
        coding = headers.get("content-encoding", "").strip().lower()
        form = None
        if kind == "multipart/form-data":
            form = Form(given, files, fields, self._max_bytes)
        elif kind not in TYPES:
            raise Refused(
                f"Content-Type = {kind!r}: send CSV (text/csv), gzipped CSV (application/gzip) or Parquet "
                "(application/vnd.apache.parquet) as the body, or a form (multipart/form-data) with the part file.",
                415,
            )
        if coding not in ("", "identity") and (form or coding not in ("gzip", "x-gzip")):
            raise Refused(f"Content-Encoding = {coding!r}: send the table as it is, or a CSV as gzip.", 415)
        length = headers.get("content-length", "")
        most = self._max_bytes * len(files) + MAX_FORM_BYTES if form else self._max_bytes
        if length.isdecimal() and int(length) > most:
            raise Refused(
                f"{int(length):,} bytes: tabular.max_bytes = {self._max_bytes:,} is the most a table has", 413
            )
        return form

    async def _read(self, request: Request[Any, Any, Any], form: Form | None, folder: Path) -> dict[str, TableFile]:
        try:
            await asyncio.to_thread(folder.mkdir, parents=True)
            if form:
                return await form.read(self._parts(request), folder)
            return {"file": await self._whole(request, folder)}
        except OSError as error:
            why = error.strerror or error
            raise Refused(f"The table cannot be stored: {why}. Check the disk of {self._folder.parent}.", 507) from None

    async def _whole(self, request: Request[Any, Any, Any], folder: Path) -> TableFile:
        spool = Spool(folder / "file", self._max_bytes)
        try:
            async for part in self._parts(request):
                await spool.add(part)
        finally:
            await spool.close()
        if not spool.size:
            raise Refused("The body is empty: send a CSV or Parquet file.")
        return TableFile(path=str(spool.path), name="the upload")

    async def _parts(self, request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
        """The body as it comes. `scope["state"]["reading"]` says from here on that the client was asked for it."""
        request.scope["state"]["reading"] = more = True
        size, waited = 0, 0.0
        while more:
            # What our own disk takes is not the client's.
            since = self._clock()
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    message: Any = await request.receive()
            except TimeoutError:
                raise Refused(f"Nothing came for {IDLE_SECONDS:g} s inside the upload; send it again.", 408) from None
            if message["type"] == "http.disconnect":
                raise ClientLeft
            more = message.get("more_body", False)
            part = message.get("body", b"")
            size, waited = size + len(part), waited + self._clock() - since
            if more and waited > PATIENCE_SECONDS and size < waited * LEAST_BYTES_PER_SECOND:
                raise Refused(
                    f"{size:,} bytes came in {waited:.0f} s: an upload has to bring {LEAST_BYTES_PER_SECOND:,} bytes a "
                    "second on average. Send it again over a faster connection.",
                    408,
                )
            if part:
                yield part


def _lives(process: str) -> bool:
    """Whether another process with that number runs: this one has left nothing yet."""
    if not process.isdecimal() or int(process) in (0, os.getpid()):
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        # Somebody else's.
        return True
    return True
