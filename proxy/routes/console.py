"""The web console: one page for every view, and the files that it loads."""

import asyncio
from pathlib import Path
from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.handlers import HTTPRouteHandler

from proxy.console_files import DIST, Asset, NotBuilt, file, page, root_files
from proxy.routes.authorisation import OPEN
from proxy.routes.problems import Problem

VIEWS = ("/", "/compare", "/playground", "/root-cause", "/tables", "/set-up")

READ = [HttpMethod.GET, HttpMethod.HEAD]

SAME_NEXT_TIME = "no-cache"
"""Asked for anew each time, and answered with 304 where nothing has changed."""
FOR_EVER = "public, max-age=31536000, immutable"
"""The name holds a digest of what is in it."""

GUARD = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}

_Request = Request[Any, Any, Any]


def console(dist: Path = DIST) -> list[HTTPRouteHandler]:
    """The routes of the build in a folder; where there is none, each view says how to make one."""

    @route(list(VIEWS), http_method=READ, include_in_schema=False, opt=OPEN)
    async def view(request: _Request) -> Response[bytes]:
        try:
            return _answer(request, await asyncio.to_thread(page, dist), SAME_NEXT_TIME)
        except NotBuilt as missing:
            raise Problem(503, str(missing)) from None

    @route("/assets/{name:str}", http_method=READ, include_in_schema=False, opt=OPEN)
    async def asset(request: _Request, name: str) -> Response[bytes]:
        return _answer(request, await _file(dist / "assets", name), FOR_EVER)

    beside = [f"/{name}" for name in root_files(dist)]

    @route(beside, http_method=READ, include_in_schema=False, opt=OPEN)
    async def other(request: _Request) -> Response[bytes]:
        return _answer(request, await _file(dist, request.scope["path"].strip("/")), SAME_NEXT_TIME)

    return [view, asset, other] if beside else [view, asset]


async def _file(folder: Path, name: str) -> Asset:
    found = await asyncio.to_thread(file, folder, name)
    if found is None:
        raise Problem(404, f"{name!r} is not among the console's files: reload the page, it may be of an older version")
    return found


def _answer(request: _Request, found: Asset, cache: str) -> Response[bytes]:
    headers = GUARD | {"cache-control": cache, "etag": found.etag, "vary": "accept-encoding"}
    if _knows(request.headers.get("if-none-match", ""), found.etag):
        return Response(b"", status_code=304, headers=headers, media_type=found.content_type)
    body = found.body
    if found.compressed is not None and _takes_gzip(request.headers.get("accept-encoding", "")):
        body, headers = found.compressed, headers | {"content-encoding": "gzip"}
    return Response(body, headers=headers, media_type=found.content_type)


def _knows(if_none_match: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


def _takes_gzip(accept_encoding: str) -> bool:
    quality = {}
    for offer in accept_encoding.lower().split(","):
        coding, _, parameters = offer.partition(";")
        quality[coding.strip()] = parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return quality.get("gzip", quality.get("*", False))
