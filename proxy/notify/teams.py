"""Microsoft Teams: an Adaptive Card for a Workflows webhook.

Format: https://adaptivecards.io/explorer and https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors.
A card is limited to 28 kB. What somebody named stands in text runs, which read no Markdown; in facts it is escaped.
"""

import re
from typing import Any

from proxy.notify.records import Event, Excerpt, Message

VERSION = "1.4"
MOST_TEXT, MOST_VALUE, MOST_EXCERPT = 2_000, 300, 600
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&])")


def payload(message: Message, excerpt: Excerpt | None = None) -> dict[str, Any]:
    """The body to post. Workflows answer it with 202."""
    colour = "good" if message.event in (Event.RESOLVED, Event.BETTER) else "attention" if message.level else "accent"
    body = [
        _plain(message.title, size="large", weight="bolder", color=colour),
        _plain(message.text),
    ]
    if message.shown:
        facts = [{"title": label, "value": escaped(value[:MOST_VALUE])} for label, value in message.shown.items()]
        body.append({"type": "FactSet", "facts": facts})
    if excerpt:
        for label, text in (("Prompt", excerpt.prompt), ("Before", excerpt.baseline), ("Now", excerpt.current)):
            body += [_plain(label, weight="bolder"), _plain(text[:MOST_EXCERPT])]
    body += [_plain(message.advice), _plain(f"Driftium at {message.source}", isSubtle=True, size="small")]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": VERSION,
        "fallbackText": escaped(f"{message.title}. {message.text}"[:MOST_TEXT]),
        "msteams": {"width": "Full"},
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": "Open in Driftium", "url": message.link}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _plain(text: str, **style: Any) -> dict[str, Any]:
    """A paragraph in which nothing is markup."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text[:MOST_TEXT], **style}]}


def escaped(text: str) -> str:
    """Text in which no character is Markdown."""
    return _MARKDOWN.sub(r"\\\1", text)
