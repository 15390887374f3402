"""Answers pulled from an HTTP API, page by page: Langfuse's, or one of which the config says where it has what.

Only the configured origin is asked: an address for the next page that leads elsewhere is refused, and no redirect is
followed.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2s
from typing import Any
from urllib.parse import urljoin, urlsplit

from proxy.ingest.client import Client
from proxy.ingest.errors import IngestError
from proxy.ingest.langfuse_api import collect as collect_langfuse
from proxy.ingest.reading import read_value
from proxy.ingest.records import Record
from proxy.ingest.settings import Ingest
from proxy.ingest.sink import Sink, Stopped
from proxy.ingest.values import at_path, text_or_none
from proxy.moments import seconds
from proxy.wire_values import json_text

_LISTS = ("data", "items", "results", "records")


def collect(source: Ingest, sink: Sink, *, stop: Callable[[], bool], pause: Callable[[float], object]) -> None:
    """Everything that is new there. Raises IngestError and Stopped."""
    began = time.time()
    with Client(source, stop, pause) as client:
        (collect_langfuse if source.format == "langfuse" else _pages)(source, sink, client, stop)
    sink.checkpoints.forget_recent(began - source.overlap_seconds)


def _pages(source: Ingest, sink: Sink, client: Client, stop: Callable[[], bool]) -> None:
    cursor = dict(sink.status.cursor)
    params = dict(source.params)
    since = cursor.get("since")
    if source.since_param:
        start = since - source.overlap_seconds if since else seconds(source.start)
        if start is not None:
            params[source.since_param] = _as(start, source.since_as)
        # Each run pages through the time that it asks for, from the first page on.
        cursor.pop("token", None)
        cursor.pop("page", None)
    url, token, page, newest = source.url, cursor.get("token"), int(cursor.get("page", 1)), since or 0.0
    asked: set[str] = set()
    while True:
        if token:
            url, params = _next(source, url, token, params)
        if source.page_param:
            params[source.page_param] = str(page)
        answer = client.get(url, params)
        items = _items(answer, source.items)
        for item in items:
            # The same record stands at another place of another page when it is asked for again.
            words = blake2s(json_text(item).encode("utf-8", "replace"), digest_size=16).hexdigest()
            for i, found in enumerate(read_value(item, source)):
                at = found.at if isinstance(found, Record) else None
                newest = max(newest, at or 0.0)
                sink.take(found, file=source.url, line=None, place=f"{words}:{i}")
        if items:
            # The last page that held something is asked for again by the next run: it may have been filled since.
            cursor |= {"token": token, "page": page}
        following = text_or_none(at_path(answer, source.next)) if source.next else None
        more = following is not None if source.next else bool(source.page_param and items)
        if not more and newest:
            cursor["since"] = newest
        sink.commit(cursor={name: value for name, value in cursor.items() if value is not None})
        if not more or not items:
            return
        if stop():
            raise Stopped("it was told to stop")
        token, page = following, page + 1
        if token is not None and token in asked:
            raise IngestError(f"{source.url} names the same next page again and again ({source.next})")
        asked.add(token or "")


def _items(answer: Any, path: str) -> list[Any]:
    """The records of a page."""
    found = at_path(answer, path) if path else answer
    if not path and isinstance(answer, dict):
        found = next((answer[name] for name in _LISTS if isinstance(answer.get(name), list)), None)
    if not isinstance(found, list):
        raise IngestError(f"its answer has no list of records at items = {path!r}: say where it has one")
    return found


def _next(source: Ingest, url: str, token: str, params: dict[str, str]) -> tuple[str, dict[str, str]]:
    """(URL, parameters) of the page behind a token, or behind the address that the token is."""
    if source.next_param:
        return source.url, params | {source.next_param: token}
    following = urljoin(url, token)
    if _origin(following) != _origin(source.url):
        raise IngestError(
            "its next page lies on another server, which is not asked; name a next_param if it is a token"
        )
    return following, {}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _as(at: float, form: str) -> str:
    if form == "seconds":
        return str(int(at))
    if form == "milliseconds":
        return str(int(at * 1000))
    return iso_utc(at)


def iso_utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
