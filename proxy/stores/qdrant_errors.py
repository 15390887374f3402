"""What goes wrong with a Qdrant server, in one line that says what to do, and whether it may pass by itself."""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from proxy.settings import Qdrant
from proxy.stores.qdrant_access import VectorStoreError, shown

PASSING = (408, 429, 500, 502, 503, 504)


def unanswered(settings: Qdrant, error: Exception) -> VectorStoreError:
    """The error for a request that got no answer, or one that is none of Qdrant's."""
    at, reason = f"Qdrant at {shown(settings)}", _root(error)
    text = " ".join(str(reason).split())
    if isinstance(reason, ssl.SSLCertVerificationError):
        mend = (
            "name its authority's certificate in qdrant.ca_file, and the server as its certificate does in qdrant.url"
        )
        return VectorStoreError(f"The certificate of {at} is not trusted ({reason.verify_message}): {mend}.")
    if isinstance(reason, ssl.SSLError) and any(w in text for w in ("WRONG_VERSION", "RECORD_LAYER", "record layer")):
        return VectorStoreError(f"{at} does not speak TLS: write http:// in qdrant.url.")
    if isinstance(error, httpx.TimeoutException):
        seconds = f"{settings.timeout_seconds:g} s (qdrant.timeout_seconds)"
        return VectorStoreError(f"{at} did not answer within {seconds}: see how busy it is.", passing=True)
    if isinstance(error, httpx.ConnectError):
        return VectorStoreError(f"{at} cannot be reached ({text}): start it, or correct qdrant.url.", passing=True)
    if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol):
        # A server that speaks TLS hangs up on whoever does not.
        tls = "" if settings.url.startswith("https:") else "; if it speaks TLS, write https:// in qdrant.url"
        return VectorStoreError(f"{at} hung up ({text or type(error).__name__}){tls}.", passing=True)
    what = f"What answers at {shown(settings)} is no Qdrant, or one that this qdrant-client does not know"
    return VectorStoreError(f"{what} ({text[:200]}): correct qdrant.url, or update the older of the two.")


def refused(settings: Qdrant, status: int, body: bytes, headers: Mapping[str, str], *, key: bool) -> VectorStoreError:
    """The error for an answer that is none of success; `key` says whether a key was sent."""
    at, said = f"Qdrant at {shown(settings)}", _said(body)
    if status in (401, 403):
        if not key:
            return VectorStoreError(f"{at} asks for a key: export {settings.api_key_env}=KEY.")
        may = "does not let the key in {} do this" if status == 403 else "refuses the key in {}"
        return VectorStoreError(f"{at} {may.format(settings.api_key_env)} (status {status}).")
    if status in PASSING:
        try:
            after = max(0.0, float(headers.get("retry-after", "")))
        except ValueError:
            after = None
        return VectorStoreError(f"{at} cannot do this now (status {status}: {said}).", passing=True, after=after)
    if status == 404 and "Not found" not in said:
        return VectorStoreError(f"What answers at {shown(settings)} is no Qdrant (status 404): correct qdrant.url.")
    return VectorStoreError(f"{at} refuses this (status {status}: {said}).")


def _root(error: BaseException) -> BaseException:
    """What lies under an error of the HTTP client: a TLS or an operating system's error where there is one."""
    seen, found = error, error
    while (deeper := seen.__cause__ or seen.__context__) is not None:
        seen = deeper
        if isinstance(seen, OSError):
            found = seen
    return found


def _said(body: bytes) -> str:
    """The server's own words, in one line."""
    try:
        told: Any = msgspec.json.decode(body)
        text = told["status"]["error"]
    except (msgspec.DecodeError, KeyError, TypeError):
        text = body.decode("utf-8", "replace")
    return " ".join(str(text).split())[:300] or "no reason given"
