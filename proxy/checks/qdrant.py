"""The Qdrant server: whether it answers, its version, the key, and Driftium's collections on it."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from proxy.checks import ASK_SECONDS, Finding
from proxy.settings import Settings
from proxy.stores.qdrant_access import VectorStoreError, address, key_of, shown, tls_of
from proxy.stores.qdrant_errors import refused, unanswered

PART = "vector store"
OLDEST = (1, 8)
"""Since then a server can be asked whether a collection exists."""


def server(settings: Settings) -> Iterable[Finding]:
    """What the server at qdrant.url says of itself; nothing is written."""
    wanted = settings.qdrant
    try:
        key, tls = key_of(wanted, os.environ), tls_of(wanted)
        headers = {"api-key": key} if key else {}
        with httpx.Client(
            base_url=address(wanted), headers=headers, verify=tls, timeout=ASK_SECONDS, trust_env=False
        ) as client:
            yield from _looked_at(settings, client, keyed=key is not None)
    except VectorStoreError as error:
        yield Finding("error", PART, str(error), f"until then answers are logged and not scored; {_OTHER}")
        return
    if key and wanted.url.startswith("http:"):
        mend = "set up TLS on the server and write https://, unless the network between is trusted"
        yield Finding("warning", PART, f"the key goes to {shown(wanted)} unencrypted", mend)


_OTHER = 'qdrant.url = "" keeps vectors in the data folder'


def _looked_at(settings: Settings, client: httpx.Client, *, keyed: bool) -> Iterable[Finding]:
    wanted = settings.qdrant

    def ask(path: str) -> Any:
        try:
            answer = client.get(path)
            if not answer.is_success:
                raise refused(wanted, answer.status_code, answer.content, answer.headers, key=keyed)
            return answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise unanswered(wanted, error) from None

    try:
        version = str(ask("/")["version"])
        names = {str(one["name"]) for one in ask("/collections")["result"]["collections"]}
        own = [wanted.prefix + name for name in ("window", "baseline") if wanted.prefix + name in names]
        found = {name: ask(f"/collections/{name}")["result"] for name in own}
        sizes = {name: {n: int(v["size"]) for n, v in _vectors(one).items()} for name, one in found.items()}
        points = sum(int(one.get("points_count") or 0) for one in found.values())
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise VectorStoreError(f"What answers at {shown(wanted)} is no Qdrant: correct qdrant.url.") from error
    at = f"Qdrant {version} at {shown(wanted)}"
    if _number(version) < OLDEST:
        mend = f"Driftium is made for Qdrant {OLDEST[0]}.{OLDEST[1]} and later"
        yield Finding("warning", PART, f"{at} is old", mend)
    for name, size in sizes.items():
        if size.keys() != {"prompt", "response"}:
            yield Finding("error", PART, f"collection {name} of {at} is not Driftium's", "set another qdrant.prefix")
            return
    there = {number for size in sizes.values() for number in size.values()}
    makes = _embedded(settings)
    if makes and there - {makes}:
        found_there = ", ".join(map(str, sorted(there)))
        mend = "go back to the embedder that made them ([embedder]), or set another qdrant.prefix"
        yield Finding("error", PART, f"{at} holds vectors of {found_there} numbers, the embedder makes {makes}", mend)
    elif own:
        numbers = "/".join(map(str, sorted(there)))
        yield Finding("ok", PART, f"{at} answers; {points} points of {numbers} numbers in {' and '.join(own)}")
    else:
        yield Finding("ok", PART, f"{at} answers; collections are made at the first start")


def _vectors(collection: Any) -> Any:
    return collection["config"]["params"]["vectors"]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _embedded(settings: Settings) -> int | None:
    """How many numbers the embedder's vectors have, where that is known without loading it."""
    wanted = settings.embedder
    if getattr(wanted, "url", ""):
        return None
    if not wanted.path:
        return 384
    try:
        told = json.loads((Path(wanted.path).expanduser() / "1_Pooling" / "config.json").read_text("utf-8"))
        return int(told["word_embedding_dimension"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
