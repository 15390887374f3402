"""What a simulation was asked for, and whether it can be done."""

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from proxy.settings import Settings
from proxy.simulate.answers import Unreadable, rows


class Wrong(Exception):
    """What was asked cannot be done; the message says what to do."""


class Broken(Exception):
    """A part did not start or is not there; the message says what to do."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The command line. rate is in answers a second over all proxies."""

    rate: float
    seconds: float
    monitors: int
    replicas: int
    workers: int
    urls: tuple[str, ...] = ()
    arrivals: Literal["poisson", "constant"] = "poisson"
    streamed: float = 0.3
    answer_seconds: float = 1.0
    upstream_host: str = "127.0.0.1"
    upstream_port: int = 0
    answers: str = ""


def check(asked: Asked, settings: Settings) -> None:
    """Raises Wrong."""
    try:
        rows(asked.answers)
    except Unreadable as error:
        raise Wrong(f"--answers {error}") from None
    if asked.urls:
        for url in asked.urls:
            if not _is_address(url):
                raise Wrong(f"--url {url}: must be http(s)://host[:port]")
        if not asked.upstream_port:
            raise Wrong(
                "--url needs --upstream-port: these proxies must forward to this simulation and not to a model, so "
                f"start them with upstream.url = http://{asked.upstream_host}:PORT and name that PORT here"
            )
        return
    if not settings.database.url and asked.replicas > 1:
        raise Wrong(
            f"--replicas {asked.replicas}: several proxies share a PostgreSQL database; set database.url "
            "(DRIFTIUM_DATABASE__URL), or simulate one"
        )
    if not settings.database.url and asked.workers > 1:
        raise Wrong(
            f"--workers {asked.workers}: several workers share a PostgreSQL database; set database.url "
            "(DRIFTIUM_DATABASE__URL), or simulate one"
        )
    if asked.monitors > settings.monitors.max:
        raise Wrong(
            f"--monitors {asked.monitors}: only monitors.max = {settings.monitors.max} are kept, the others would "
            "share one; raise it in the settings (DRIFTIUM_MONITORS__MAX), or simulate fewer"
        )
    if asked.upstream_host not in ("127.0.0.1", "localhost"):
        raise Wrong("--upstream-host is for proxies that run elsewhere: name them with --url")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
