"""One attempt to deliver a message, and what is to be made of its outcome.

Nothing is followed, nothing unbounded is read, and nothing that is shown holds an address beyond its host, a token or
what the receiver says beyond a line.
"""

import asyncio
import os
import re
import ssl
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from proxy.notify import pagerduty, slack, teams, webhook
from proxy.notify.records import Event, Excerpt, Message
from proxy.notify.settings import PAGERDUTY_URL, Notify, host_of, wrong_address
from proxy.notify.wording import one_line

MOST_ANSWER = 2_048
"""Bytes read of a receiver's answer; its reason for a refusal stands in the first of them."""
MOST_SAID = 160
LEAST_SECRET = 8
"""Characters; shorter parts of an address are words like /hook."""
LONGEST_WAIT = 3_600.0
BACK_OFF = (5.0, 15.0, 60.0, 180.0, 600.0, 900.0)
"""Seconds before each further attempt; the last repeats."""
RETRIED = (408, 425, 429)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one. `error` says what is wrong and is "" where nothing is."""

    error: str = ""
    again: bool = False
    """Whether it may succeed later."""
    retry_after: float | None = None
    """Seconds that the receiver asks for."""


class _Unset(Exception):
    """An environment variable that is missing or unusable, in words."""


class _Request(msgspec.Struct, frozen=True):
    url: str
    headers: Mapping[str, str]
    body: bytes
    secrets: tuple[str, ...]


def address(channel: Notify, environ: Mapping[str, str]) -> str:
    """Raises _Unset."""
    url = channel.url or (PAGERDUTY_URL if channel.type == "pagerduty" and not channel.url_env else "")
    if url:
        return url
    url = _variable(environ, channel.url_env)
    if wrong_address(url):
        raise _Unset(f"the environment variable {channel.url_env} holds no http(s) address")
    return url


def host(channel: Notify, environ: Mapping[str, str] = os.environ) -> str:
    """Where a channel leads, as it may be shown; "" where that is not known here."""
    try:
        return host_of(address(channel, environ))
    except _Unset:
        return ""


def missing(channel: Notify, environ: Mapping[str, str] = os.environ) -> str:
    """What a channel lacks in the environment, in words; "" where nothing is missing."""
    try:
        address(channel, environ)
        for name in (channel.routing_key_env, channel.token_env, channel.signing_key_env):
            _secret(environ, name)
    except _Unset as error:
        return str(error)
    return ""


def _variable(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise _Unset(f"the environment variable {name} is not set")
    return value


def _secret(environ: Mapping[str, str], name: str) -> str:
    if not name:
        return ""
    value = _variable(environ, name)
    # A header cannot carry anything else, and what it is must not stand in an error of the client's.
    if not value.isascii() or not value.isprintable():
        raise _Unset(f"the environment variable {name} holds characters that cannot be sent")
    return value


def _request(
    channel: Notify, message: Message, excerpt: Excerpt | None, environ: Mapping[str, str], now: float, closes: bool
) -> _Request:
    url, headers, secrets = address(channel, environ), {"content-type": "application/json"}, []
    headers["user-agent"] = f"driftium/{version('driftium')}"
    payload: dict[str, Any]
    match channel.type:
        case "slack":
            payload = slack.payload(message, excerpt)
        case "teams":
            payload = teams.payload(message, excerpt)
        case "pagerduty":
            secrets.append(_secret(environ, channel.routing_key_env))
            payload = pagerduty.payload(message, secrets[0], excerpt)
            if closes:
                payload = pagerduty.resolve(message, secrets[0])
        case "webhook":
            payload = webhook.payload(message, excerpt)
            headers |= {"webhook-id": message.id, "webhook-timestamp": str(int(now))}
    body = msgspec.json.encode(payload)
    if token := _secret(environ, channel.token_env):
        bearer = channel.token_header.lower() == "authorization"
        headers[channel.token_header] = f"Bearer {token}" if bearer else token
        secrets.append(token)
    if key := _secret(environ, channel.signing_key_env):
        headers["webhook-signature"] = webhook.signature(key, message.id, int(now), body)
        secrets.append(key)
    return _Request(url, headers, body, (*secrets, *_secret_parts(url)))


def _secret_parts(url: str) -> list[str]:
    """What a receiver could say back of its address, of which only the host may be shown."""
    parts = urlsplit(url)
    pieces = [piece for piece in re.split(r"[/?&=]", f"{parts.path}?{parts.query}") if len(piece) >= LEAST_SECRET]
    return [url, f"{parts.path}?{parts.query}", parts.path, *pieces] if pieces else []


def send(
    channel: Notify,
    message: Message,
    excerpt: Excerpt | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.time,
) -> Attempt:
    """Deliver a message once. A test leaves no incident open at PagerDuty. Never raises for the receiver's fault."""
    attempt = _send(channel, message, excerpt, environ, clock, closes=False)
    if not attempt.error and channel.type == "pagerduty" and message.event is Event.TEST:
        return _send(channel, message, None, environ, clock, closes=True)
    return attempt


def _send(
    channel: Notify,
    message: Message,
    excerpt: Excerpt | None,
    environ: Mapping[str, str],
    clock: Callable[[], float],
    *,
    closes: bool,
) -> Attempt:
    try:
        request = _request(channel, message, excerpt, environ, clock(), closes)
    except _Unset as error:
        # After a restart with the variable set, what waits is delivered.
        return Attempt(error=f"{error}: set it where Driftium runs", again=True)
    where = host_of(request.url)
    try:
        # A loop of its own, for the one deadline over all of it: a receiver may send its answer a byte at a time.
        status, headers, said = asyncio.run(_post(request, channel.timeout_seconds))
    except TimeoutError:
        return Attempt(error=f"{where} did not answer within {channel.timeout_seconds:g} s", again=True)
    except httpx.TransportError as error:
        reason = _cleaned(str(error) or type(error).__name__, request.secrets)
        return Attempt(error=f"{where} cannot be reached: {reason}", again=True)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as error:
        return Attempt(error=f"{where} cannot be asked: {type(error).__name__}")
    return judge(status, headers, _cleaned(said, request.secrets), where, clock())


async def _post(request: _Request, seconds: float) -> tuple[int, httpx.Headers, str]:
    """(status, headers, the beginning of the body)"""
    # The environment's proxies lead out of a company's network; nothing on this machine is behind one.
    local = _is_local(urlsplit(request.url).hostname or "")
    # The system's authorities, or SSL_CERT_FILE's, as for the model server; they take a while to load.
    tls = ssl.create_default_context() if request.url.startswith("https:") else False
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(verify=tls, follow_redirects=False, timeout=seconds, trust_env=not local) as client,
        client.stream("POST", request.url, content=request.body, headers=dict(request.headers)) as answer,
    ):
        said = b""
        # Raw: a small compressed body may be a very large one.
        async for part in answer.aiter_raw():
            said += part
            if len(said) >= MOST_ANSWER:
                break
        return answer.status_code, answer.headers, said[:MOST_ANSWER].decode("utf-8", "replace")


def _is_local(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _cleaned(text: str, secrets: tuple[str, ...]) -> str:
    # The longest first: one may be the beginning of another.
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "…")
    return one_line(text, MOST_SAID)


def judge(status: int, headers: Mapping[str, str], said: str, where: str, now: float) -> Attempt:
    """What a receiver's answer means."""
    if 200 <= status < 300:
        return Attempt()
    if 300 <= status < 400:
        target = host_of(headers.get("location", ""))
        return Attempt(
            error=f"{where} redirects to {one_line(target)} (status {status}); redirects are not followed, set the "
            "final address"
        )
    error = f"{where} answered with status {status}" + (f": {said}" if said else "")
    if status in RETRIED or status >= 500:
        return Attempt(error=error, again=True, retry_after=retry_after(headers.get("retry-after", ""), now))
    return Attempt(error=error)


def retry_after(header: str, now: float) -> float | None:
    """The seconds of a Retry-After header, given as such or as a date; None where it says nothing of use."""
    try:
        seconds = float(header) if header.strip().isdigit() else parsedate_to_datetime(header).timestamp() - now
    except (ValueError, OverflowError, TypeError):
        return None
    return min(max(0.0, seconds), LONGEST_WAIT)


def pause(attempts: int, asked: float | None) -> float:
    """Seconds until the next attempt, after so many."""
    return max(BACK_OFF[min(attempts, len(BACK_OFF)) - 1], asked or 0.0)
