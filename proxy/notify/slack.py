"""Slack's incoming webhooks: Block Kit, and a text for notifications.

Limits and escapes: https://docs.slack.dev/reference/block-kit/blocks and
https://docs.slack.dev/messaging/formatting-message-text. What somebody named stands where Slack reads no markup but
&, < and >, which are escaped, so that no name can make a link or a mention.
"""

from typing import Any

from proxy.notify.records import CRITICAL, Event, Excerpt, Message

HEADER, SECTION, FIELD, FALLBACK = 150, 3_000, 2_000, 1_000
MOST_FIELDS = 10
MARKS = {Event.RESOLVED: "✅", Event.BETTER: "🔽", Event.TEST: "🧪"}
MOST_EXCERPT = 600


def payload(message: Message, excerpt: Excerpt | None = None) -> dict[str, Any]:
    """The body to post. Slack answers it with `ok`."""
    mark = MARKS.get(message.event, "🔴" if message.level >= CRITICAL else "🟠")
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": escaped(f"{mark} {message.title}", HEADER)}},
        _section(escaped(message.text, SECTION)),
    ]
    fields = [
        _text(f"*{escaped(label, 100)}*\n{escaped(value, FIELD - 110)}") for label, value in message.shown.items()
    ]
    if fields:
        blocks.append({"type": "section", "fields": fields[:MOST_FIELDS]})
    if excerpt:
        blocks += [_section(f"*{label}*\n{escaped(text, MOST_EXCERPT)}") for label, text in _excerpts(excerpt)]
    link = f"<{escaped(message.link, 2_500)}|Open in Driftium>"
    blocks.append(_section(f"{escaped(message.advice, 400)}\n{link}"))
    blocks.append({"type": "context", "elements": [_text(f"Driftium at {escaped(message.source, 200)}")]})
    return {"text": escaped(f"{mark} {message.title}. {message.text}", FALLBACK), "blocks": blocks}


def _excerpts(excerpt: Excerpt) -> list[tuple[str, str]]:
    return [("Prompt", excerpt.prompt), ("Before", excerpt.baseline), ("Now", excerpt.current)]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text)}


def _text(text: str) -> dict[str, Any]:
    # Verbatim: Slack looks for no links, channels and people in it.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def escaped(text: str, most: int) -> str:
    """Text without markup of Slack's, of at most so many characters once it is escaped."""
    found, length = [], 0
    for character in text:
        safe = _ESCAPES.get(character, character)
        if length + len(safe) > most - 1:
            found.append("…")
            break
        found.append(safe)
        length += len(safe)
    return "".join(found)


_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
