"""[[notify]]: one channel that is told of trouble."""

from collections.abc import Iterable
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from proxy.section import ConfigError, Section

Type = Literal["slack", "teams", "pagerduty", "webhook"]
Kind = Literal["severity", "worker", "tap", "upstream", "canary"]

# A name becomes a label of metrics and a word of the command line.
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")]
Variable = Annotated[str, Meta(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?\Z")]
Header = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}\Z")]
# Several tell the same thing at once where a pause is 0.
Pause = Annotated[float, Meta(ge=0, le=1e9)]
Patience = Annotated[float, Meta(gt=0, le=120)]

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"

_SECRET_HOSTS = ("slack.com", "office.com", "azure.com", "powerplatform.com", "powerautomate.com")
"""Whoever knows a webhook's address there can post to it."""
_TAKEN = ("content-type", "content-length", "host", "transfer-encoding", "connection", "user-agent")


class Notify(Section, frozen=True):
    name: Name
    type: Type
    url: str = ""
    url_env: Variable = ""
    routing_key_env: Variable = ""
    token_env: Variable = ""
    token_header: Header = "Authorization"
    signing_key_env: Variable = ""
    on: tuple[Kind, ...] = ("severity", "worker", "tap", "canary")
    min_severity: Literal["MEDIUM", "HIGH", "CRITICAL"] = "HIGH"
    monitors: tuple[str, ...] = ()
    after_seconds: Pause = 60.0
    resolve_after_seconds: Pause = 300.0
    cooldown_seconds: Pause = 3600.0
    send_resolved: bool = True
    include_text: bool = False
    timeout_seconds: Patience = 10.0


def check(entries: Iterable[Notify]) -> None:
    """Raises ConfigError on what cannot work. No message holds an address: those of Slack and Teams are secrets."""
    names: set[str] = set()
    for one in entries:
        if one.name in names:
            raise ConfigError(f"notify.name = {one.name!r}: is there twice; each channel needs a name of its own")
        names.add(one.name)
        if not one.on:
            raise ConfigError(f"notify {one.name!r}: on = []: must name what the channel is told of")
        _check_address(one)
        _check_keys(one)


def _check_address(one: Notify) -> None:
    if one.url and one.url_env:
        raise ConfigError(f"notify {one.name!r}: has both url and url_env: leave one out")
    if not one.url and not one.url_env and one.type != "pagerduty":
        raise ConfigError(
            f"notify {one.name!r}: needs url_env, the name of the environment variable that holds the webhook's address"
        )
    if one.url and (wrong := wrong_address(one.url)):
        raise ConfigError(f"notify {one.name!r}: url {wrong}")
    host = urlsplit(one.url).hostname or ""
    if one.type in ("slack", "teams") and any(host == known or host.endswith("." + known) for known in _SECRET_HOSTS):
        raise ConfigError(
            f"notify {one.name!r}: url is a secret at {host}: put it into an environment variable "
            "and name that in url_env"
        )


def _check_keys(one: Notify) -> None:
    if one.type == "pagerduty" and not one.routing_key_env:
        raise ConfigError(
            f"notify {one.name!r}: needs routing_key_env, the name of the environment variable "
            "that holds the integration key"
        )
    if one.type != "pagerduty" and one.routing_key_env:
        raise ConfigError(f"notify {one.name!r}: routing_key_env is for type = 'pagerduty'")
    for key in ("token_env", "signing_key_env"):
        if getattr(one, key) and one.type != "webhook":
            raise ConfigError(f"notify {one.name!r}: {key} is for type = 'webhook'")
    if one.token_header.lower() in _TAKEN or one.token_header.lower().startswith("webhook-"):
        raise ConfigError(f"notify {one.name!r}: token_header = {one.token_header!r}: is set by Driftium itself")


def wrong_address(url: str) -> str:
    """What is wrong with a webhook's address, without the address; "" where nothing is."""
    rule = "must be http(s)://host[:port]/path, without user, password or fragment"
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return rule
    if not fine or parts.username is not None or parts.fragment or not url.isascii() or not url.isprintable():
        return rule
    return rule if " " in url else ""


def host_of(url: str) -> str:
    """The part of an address that may be shown."""
    try:
        return urlsplit(url).hostname or "no host"
    except ValueError:
        return "no host"
