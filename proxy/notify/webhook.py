"""The plain webhook: a JSON object of our own, signed as https://www.standardwebhooks.com describes where a key is set.

version         1; a field may be added without a new version, none is changed or taken away
id              of the message; the same when it is sent again
event           opened, worse, better, resolved or test
kind            severity, worker, tap, upstream, canary or test
dedup_key       the same for all messages about one thing
monitor         the monitor's whole name, for the kind severity, else null
canary          the canary's name, for the kind canary, else null
severity        MEDIUM, HIGH or CRITICAL of a drift that stands, else null
urgency         critical, error, warning or info
at              when it was noticed, ISO 8601 in UTC
title           one line for people
text            some sentences for people
what_to_do      for people
link            to the console
source          the host that tells
figures         what the message rests on, by name
excerpt         with include_text: {prompt, baseline, current}, else absent
"""

import base64
import binascii
import hashlib
import hmac
from typing import Any

from proxy.moments import iso
from proxy.notify.records import Excerpt, Message
from proxy.notify.wording import urgency, word

VERSION = 1


def payload(message: Message, excerpt: Excerpt | None = None) -> dict[str, Any]:
    """The body to post. Any status from 200 to 299 takes it."""
    body = {
        "version": VERSION,
        "id": message.id,
        "event": message.event.value,
        "kind": message.kind,
        "dedup_key": message.key,
        "monitor": message.subject if message.kind == "severity" else None,
        "canary": message.subject if message.kind == "canary" else None,
        "severity": word(message.level) if message.kind == "severity" and message.level else None,
        "urgency": urgency(message),
        "at": iso(message.at),
        "title": message.title,
        "text": message.text,
        "what_to_do": message.advice,
        "link": message.link,
        "source": message.source,
        "figures": message.figures,
    }
    if excerpt:
        body["excerpt"] = {"prompt": excerpt.prompt, "baseline": excerpt.baseline, "current": excerpt.current}
    return body


def signature(key: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature: HMAC-SHA256 over id, time and body. A key may be base64 after whsec_."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(_key(key), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _key(key: str) -> bytes:
    if key.startswith("whsec_"):
        try:
            return base64.b64decode(key.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            pass
    return key.encode()
