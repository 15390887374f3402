"""PagerDuty's Events API v2: https://developer.pagerduty.com/docs/events-api-v2/overview.

An incident there is opened, updated and resolved under one key; the routing key stands in the body.
"""

from typing import Any

from proxy.moments import iso
from proxy.notify.records import Event, Excerpt, Message
from proxy.notify.wording import urgency

SUMMARY, KEY = 1_024, 255
MOST_EXCERPT = 2_000


def payload(message: Message, routing_key: str, excerpt: Excerpt | None = None) -> dict[str, Any]:
    """The body to post. PagerDuty answers it with 202."""
    action = "resolve" if message.event is Event.RESOLVED else "trigger"
    details: dict[str, Any] = dict(message.figures)
    details |= {"event": message.event.value, "text": message.text, "what_to_do": message.advice}
    if message.kind == "severity":
        details["monitor"] = message.subject[:MOST_EXCERPT]
    if excerpt:
        details["excerpt"] = {
            "prompt": excerpt.prompt[:MOST_EXCERPT],
            "baseline": excerpt.baseline[:MOST_EXCERPT],
            "current": excerpt.current[:MOST_EXCERPT],
        }
    return {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": message.key[:KEY],
        "client": "Driftium",
        "client_url": message.link,
        "links": [{"href": message.link, "text": "Open in Driftium"}],
        "payload": {
            "summary": message.title[:SUMMARY],
            "source": message.source,
            "severity": urgency(message),
            "timestamp": iso(message.at),
            "component": "driftium",
            "group": message.kind,
            "class": message.kind,
            "custom_details": details,
        },
    }


def resolve(message: Message, routing_key: str) -> dict[str, Any]:
    """What closes the incident that a test has opened."""
    return {"routing_key": routing_key, "event_action": "resolve", "dedup_key": message.key[:KEY]}
