"""[[ingest]]: one place that answers are collected from."""

import re
from collections.abc import Container, Iterable
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from proxy.section import ConfigError, Count, Seconds, Section

Format = Literal["auto", "openai", "ollama", "langfuse", "litellm", "otel", "fields"]

# A name becomes a label of metrics and a part of the exchanges' ids.
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")]
Variable = Annotated[str, Meta(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?\Z")]
Monitor = Annotated[str, Meta(max_length=100)]

CANARY = "canary:"
"""Begins the names of monitors that only canaries may fill."""

_CRON = re.compile(r"[0-9A-Za-z*/,#?-]+( +[0-9A-Za-z*/,#?-]+){4}")


class Fields(Section, frozen=True):
    """Where a record of one's own has what: names, with dots into what lies inside ("choices.0.message.content")."""

    prompt: str = ""
    messages: str = ""
    response: str = ""
    model: str = ""
    at: str = ""
    id: str = ""
    session: str = ""
    finish_reason: str = ""
    input_tokens: str = ""
    output_tokens: str = ""
    latency: str = ""
    """Seconds."""


class Ingest(Section, frozen=True):
    name: Name
    path: str = ""
    url: str = ""
    format: Format = "auto"
    fields: Fields = Fields()
    monitor: Monitor = ""
    every_seconds: Seconds = 60.0
    cron: str = ""
    max_line_bytes: Count = 8 * 2**20
    # Of url alone:
    username_env: Variable = ""
    password_env: Variable = ""
    token_env: Variable = ""
    params: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it
    items: str = ""
    next: str = ""
    next_param: str = ""
    page_param: str = ""
    since_param: str = ""
    since_as: Literal["iso", "seconds", "milliseconds"] = "iso"
    start: datetime | None = None
    overlap_seconds: Seconds = 900.0
    timeout_seconds: Seconds = 30.0

    @property
    def place(self) -> str:
        return self.path or self.url


_OF_URLS: tuple[str, ...] = (
    "username_env",
    "password_env",
    "token_env",
    "params",
    "items",
    "next",
    "next_param",
    "page_param",
)
_OF_URLS += ("since_param", "start")


def check(entries: Iterable[Ingest], allowed: Container[str] = ()) -> None:
    """Raises ConfigError on what cannot work. `allowed` names the monitors that may be chosen; none: all."""
    names: set[str] = set()
    for one in entries:
        if one.name in names:
            raise ConfigError(f"ingest.name = {one.name!r}: is there twice; each source needs a name of its own")
        names.add(one.name)
        if bool(one.path) == bool(one.url):
            raise ConfigError(f"ingest {one.name!r}: needs either path or url")
        if one.monitor.startswith(CANARY):
            raise ConfigError(f"ingest {one.name!r}: monitor = {one.monitor!r}: {CANARY}… are for canaries")
        if one.monitor and allowed and one.monitor not in allowed:
            raise ConfigError(f"ingest {one.name!r}: monitor = {one.monitor!r}: is not in monitors.allow: add it there")
        if one.cron and not _CRON.fullmatch(one.cron):
            raise ConfigError(
                f"ingest {one.name!r}: cron = {one.cron!r}: must be five fields: minute, hour, day, month, day of week"
            )
        _check_fields(one)
        _check_url(one)


def _check_fields(one: Ingest) -> None:
    if one.format == "fields" and not one.fields.response:
        raise ConfigError(
            f"ingest {one.name!r}: format = 'fields' needs fields.response, where a record has its answer"
        )
    if one.format != "fields" and one.fields != Fields():
        raise ConfigError(f"ingest {one.name!r}: fields is for format = 'fields'")


def _check_url(one: Ingest) -> None:
    if one.path:
        for key in _OF_URLS:
            if getattr(one, key):
                raise ConfigError(f"ingest {one.name!r}: {key} is for url, and this source has a path")
        if one.path.startswith(("http://", "https://")):
            raise ConfigError(f"ingest {one.name!r}: path = {one.path!r}: is a URL; write url = ")
        return
    if wrong := wrong_address(one.url):
        raise ConfigError(f"ingest {one.name!r}: url {wrong}")
    if one.token_env and (one.username_env or one.password_env):
        raise ConfigError(f"ingest {one.name!r}: has both token_env and a user's name or password: leave one out")
    if one.next and one.page_param:
        raise ConfigError(f"ingest {one.name!r}: has both next and page_param: pages are found in one way")


def wrong_address(url: str) -> str:
    """What is wrong with a source's URL, without the URL; "" where nothing is."""
    rule = "must be http(s)://host[:port][/path], without user, password, query (params is for that) or fragment"
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return rule
    if not fine or parts.username is not None or parts.query or parts.fragment or " " in url:
        return rule
    return "" if url.isascii() and url.isprintable() else rule
