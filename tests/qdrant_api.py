"""Which requests a Qdrant server knows, and its answers to them."""

import bisect
import json
import re
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from qdrant_client import models

from tests.qdrant_collections import Collection, Refused, encode, point_id, read, read_points

VERSION = "1.15.0"
OPEN_PATHS = ("/healthz", "/livez", "/readyz")


@dataclass
class Asked:
    """A request as it came; the body of an upsert is told by the number of its points, so that little is kept."""

    method: str
    path: str
    parameters: dict[str, str]
    body: Any
    status: int = 0


def told(status: Any, result: Any, began: float) -> bytes:
    told = {"status": status, "time": time.perf_counter() - began}
    return encode(told if result is None else {"result": result, **told})


class Api:
    """The collections behind a server."""

    def __init__(self, *, strict: bool):
        self.collections: dict[str, Collection] = {}
        self._strict = strict
        self._operations = 0

    def answer(self, asked: Asked, body: bytes, began: float) -> bytes:
        method, path = asked.method, asked.path
        if (method, path) == ("GET", "/"):
            return encode({"title": "qdrant - vector search engine", "version": VERSION, "commit": "stand-in"})
        if method == "GET" and path in OPEN_PATHS:
            return f"{path[1:]} check passed".encode()
        if (method, path) == ("GET", "/collections"):
            return told("ok", {"collections": [{"name": name} for name in self.collections]}, began)
        fits = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
        if fits is None:
            raise Refused(404, f"Not found: {method} {path}")
        name, rest = fits[1], fits[2] or ""
        if (method, rest) == ("GET", "/exists"):
            return told("ok", {"exists": name in self.collections}, began)
        if not rest:
            return told("ok", self._collection(method, name, asked, body), began)
        if name not in self.collections:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        found = self.collections[name]
        if (method, rest) == ("PUT", "/points"):
            points = read_points(body)
            asked.body = len(points)
            found.upsert(points)
            return told("ok", self._done(asked), began)
        asked.body = json.loads(body) if body else None
        if (method, rest) == ("POST", "/points/delete"):
            selector = read(body, models.PointIdsList, models.FilterSelector)
            if isinstance(selector, models.PointIdsList):
                found.delete([point_id(key) for key in selector.points])
            else:
                passes = found.matching(selector.filter, strict=self._strict)
                found.delete([key for key in found.points if passes(key)])
            return told("ok", self._done(asked), began)
        if (method, rest) == ("PUT", "/index"):
            index = read(body, models.CreateFieldIndex)
            schema = index.field_schema
            found.indexed[index.field_name] = getattr(schema, "value", None) or schema.type.value
            return told("ok", self._done(asked), began)
        return told("ok", self._read(found, method, rest, body), began)

    def _collection(self, method: str, name: str, asked: Asked, body: bytes) -> Any:
        asked.body = json.loads(body) if body else None
        if method == "PUT":
            made = Collection(read(body, models.CreateCollection))
            if re.search(r'[<>:"/\\|?*\0]', name) or len(name) > 255:
                raise Refused(422, f"Validation error in path parameters: [collection_name: value {name} invalid]")
            if name in self.collections:
                raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
            self.collections[name] = made
            return True
        if method == "DELETE":
            return self.collections.pop(name, None) is not None
        if name not in self.collections:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        if method == "PATCH":
            self.collections[name].update(read(body, models.UpdateCollection))
            return True
        if method == "GET":
            return self.collections[name].info()
        raise Refused(405, "Method not allowed")

    def _done(self, asked: Asked) -> dict[str, Any]:
        self._operations += 1
        done = asked.parameters.get("wait") == "true"
        return {"operation_id": self._operations, "status": "completed" if done else "acknowledged"}

    def _read(self, found: Collection, method: str, rest: str, body: bytes) -> Any:
        if (method, rest) == ("POST", "/points"):
            wanted = read(body, models.PointRequest)
            payload = True if wanted.with_payload is None else wanted.with_payload
            ids = dict.fromkeys(point_id(key) for key in wanted.ids)
            return [found.record(key, payload, wanted.with_vector) for key in ids if key in found.points]
        if (method, rest) == ("POST", "/points/count"):
            passes = found.matching(read(body, models.CountRequest).filter, strict=self._strict)
            return {"count": sum(1 for key in found.points if passes(key))}
        if (method, rest) == ("POST", "/points/scroll"):
            return self._scroll(found, read(body, models.ScrollRequest))
        if (method, rest) == ("POST", "/points/query"):
            return self._query(found, read(body, models.QueryRequest))
        raise Refused(404, f"Not found: {method} {rest}")

    def _scroll(self, found: Collection, wanted: models.ScrollRequest) -> dict[str, Any]:
        limit = 10 if wanted.limit is None else wanted.limit
        if limit < 1:
            raise Refused(422, f"Validation error in JSON body: [limit: value {limit} invalid, must be 1 or larger]")
        passes, page = found.matching(wanted.filter, strict=self._strict), []
        offset = None if wanted.offset is None else point_id(wanted.offset)
        order, begin = found.ordered(), 0
        if offset is not None:
            begin = bisect.bisect_left(order, (isinstance(offset, str), offset), key=lambda k: (isinstance(k, str), k))
        for key in order[begin:]:
            if passes(key):
                page.append(key)
                if len(page) > limit:
                    break
        payload = True if wanted.with_payload is None else wanted.with_payload
        return {
            "points": [found.record(key, payload, wanted.with_vector) for key in page[:limit]],
            "next_page_offset": page[limit] if len(page) > limit else None,
        }

    def _query(self, found: Collection, wanted: models.QueryRequest) -> dict[str, Any]:
        """Every point is looked at: the exact answer."""
        query = getattr(wanted.query, "nearest", wanted.query)
        if not isinstance(query, list) or wanted.using not in found.vectors:
            raise Refused(400, "this stand-in answers a vector that says which named vectors it is `using`")
        passes = found.matching(wanted.filter, strict=self._strict)
        keys = [key for key, (_, vectors) in found.points.items() if wanted.using in vectors and passes(key)]
        if len(query) != (size := found.vectors[wanted.using]["size"]):
            raise Refused(400, f"Wrong input: Vector dimension error: expected dim: {size}, got {len(query)}")
        scores = [float(found.points[key][1][wanted.using] @ np.asarray(query, dtype=np.float32)) for key in keys]
        begin = wanted.offset or 0
        best = sorted(range(len(keys)), key=lambda i: -scores[i])[begin : begin + (wanted.limit or 10)]
        return {
            "points": [
                found.record(keys[i], wanted.with_payload, wanted.with_vector) | {"version": 0, "score": scores[i]}
                for i in best
            ]
        }
