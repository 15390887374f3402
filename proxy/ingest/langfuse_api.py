"""Langfuse's public API, version 1 (pages) or 2 (cursor): slices of time, each put into the order of time.

The API gives the newest first, and what is watched for drift must come in its order: so a slice is held while it is
put in order, and halved where it holds more than may be held. The last overlap_seconds are asked for again each time,
since observations arrive late and are told of before they have ended.
"""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from proxy.ingest.client import Client
from proxy.ingest.errors import IngestError
from proxy.ingest.langfuse import read
from proxy.ingest.records import Left
from proxy.ingest.settings import Ingest
from proxy.ingest.sink import Sink, Stopped
from proxy.ingest.values import moment
from proxy.moments import iso, seconds
from proxy.wire_values import as_count, as_object, as_objects, as_text

V1 = "/api/public/observations"
V2 = "/api/public/v2/observations"
FIRST_SECONDS = 86_400.0
"""How far back the first run goes where no start is set."""
MOST = 2_000
"""Observations that are held at once."""
MOST_BYTES = 64 * 2**20
PAGE = "100"
_SHORTEST, _LONGEST = 1.0, 86_400.0
_FIELDS = "core,basic,time,io,model,usage,metrics"


def collect(source: Ingest, sink: Sink, client: Client, stop: Callable[[], bool]) -> None:
    """All generations since the last run. Raises IngestError and Stopped."""
    now = time.time()
    since = sink.status.cursor.get("since")
    begin = since - source.overlap_seconds if since else seconds(source.start) or now - FIRST_SECONDS
    width = 3600.0
    while begin < now:
        end = min(begin + width, now)
        found = _slice(source, client, begin, end, bounded=width > _SHORTEST)
        if found is None:
            width = max(_SHORTEST, width / 2)
            continue
        for one in sorted(found, key=lambda one: moment(one.get("startTime")) or 0.0):
            _take(source, sink, one, settled=now - source.overlap_seconds)
        begin = end
        sink.commit(cursor={"since": max(end, since or 0.0)})
        if stop():
            raise Stopped("it was told to stop")
        width = min(width * 2, _LONGEST) if len(found) < MOST / 4 else width


def _take(source: Ingest, sink: Sink, one: dict[str, Any], settled: float) -> None:
    began = moment(one.get("startTime"))
    for i, found in enumerate(read(one)):
        never = isinstance(found, Left) and found.result == "pending" and (began is None or began < settled)
        # It is not asked for again: whoever made it never told of its end.
        told = Left("no_content", "the observation never ended") if never else found
        sink.take(told, file=source.url, line=None, place=f"{as_text(one.get('id'))}:{i}")


def _slice(source: Ingest, client: Client, begin: float, end: float, *, bounded: bool) -> list[dict[str, Any]] | None:
    """The generations that began in [begin, end); None where there are too many to hold, if `bounded`."""
    path = urlsplit(source.url).path.rstrip("/")
    url = source.url if path else source.url.rstrip("/") + V2
    first = path.endswith(V1)
    times = {"fromStartTime": iso(begin) or "", "toStartTime": iso(end) or ""}
    params = {"type": "GENERATION", "limit": PAGE} | source.params | times
    params |= {"page": "1"} if first else {"fields": _FIELDS}
    found: list[dict[str, Any]] = []
    asked: set[str] = set()
    received = client.received
    while True:
        answer = as_object(client.get(url, params))
        if not isinstance(answer.get("data"), list):
            raise IngestError(f"{client.host}: the answer has no data: is url that of Langfuse ({V2}, or {V1})?")
        found += as_objects(answer["data"])
        if bounded and (len(found) > MOST or client.received - received > MOST_BYTES):
            return None
        meta = as_object(answer.get("meta"))
        cursor = as_text(meta.get("cursor"))
        if first:
            page = int(params["page"])
            if not answer["data"] or page >= (as_count(meta.get("totalPages")) or 0):
                return found
            params["page"] = str(page + 1)
            continue
        if not cursor:
            return found
        if cursor in asked:
            raise IngestError(f"{client.host} names the same next page again and again")
        asked.add(cursor)
        params["cursor"] = cursor
