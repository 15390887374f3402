"""The web console's built files, each read and compressed once."""

import gzip
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import msgspec

SOURCE = Path(__file__).parent / "console"
DIST = SOURCE / "dist"
PAGE = "index.html"

# The framework adds the charset to those of text.
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
OTHER_TYPE = "application/octet-stream"
MOST_FILES = 64
"""Kept in memory; a build has a dozen."""


class NotBuilt(Exception):
    """There is no build of the console; the message says how to make one."""


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    body: bytes
    compressed: bytes | None
    """With gzip; None where that makes it no smaller."""
    content_type: str
    etag: str


def page(dist: Path) -> Asset:
    """The page of every view. Raises NotBuilt."""
    if found := file(dist, PAGE):
        return found
    raise NotBuilt(
        f"The web console is not built: {dist / PAGE} is missing. In a source checkout run: cd {dist.parent} && "
        "npm ci && npm run build. Else install Driftium again. Everything but the console works without it."
    )


def file(folder: Path, name: str) -> Asset | None:
    """The file of that name in the folder itself, None where there is none."""
    path = folder / name
    try:
        # A name that climbs, or holds a slash, is not in the folder.
        if path.parent != folder or path.name != name or not path.is_file():
            return None
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):
        return None


def root_files(dist: Path) -> list[str]:
    """Names of the files beside the page."""
    return sorted(path.name for path in dist.glob("*") if path.is_file() and path.name != PAGE)


@lru_cache(MOST_FILES)
def _read(path: Path, modified_ns: int) -> Asset:
    """The file as it was at that time: a new build is read anew."""
    body = path.read_bytes()
    smaller = gzip.compress(body, 9, mtime=0)
    return Asset(
        body=body,
        compressed=smaller if len(smaller) < len(body) else None,
        content_type=TYPES.get(path.suffix, OTHER_TYPE),
        # Weak: the same for the file and for its compressed form.
        etag=f'W/"{blake2b(body, digest_size=12).hexdigest()}"',
    )
