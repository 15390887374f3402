"""What each receiver gets is what it accepts, whatever a monitor is called, and holds no text of users or models."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from proxy.notify import pagerduty, slack, teams, webhook
from proxy.notify.incidents import GONE
from proxy.notify.records import CRITICAL, HIGH, MEDIUM, WELL, Event, Excerpt, Fact, Incident, Message
from proxy.notify.wording import console_link, one_line, source_of, write, write_test
from proxy.settings import Server

NAMES = [
    "support",
    "<!channel> <@U024BE7LH> <https://evil.example|click>",
    "[click](https://evil.example) **bold** <at>everyone</at>",
    "x" * 10_000,
    "<" * 10_000,
    "a\r\nb\tc\u2028d\x00e\x1b[31m",
    "ünï 漢字 🦜 \u202etxt.exe",
    '"; rm -rf / #',
]
FIGURES: dict[str, Any] = {
    "severity": "HIGH",
    "provisional": True,
    "health_index": 19.5,
    "ratio": 2.03,
    "detector": "residual_mmd_50",
    "baseline_samples": 100,
    "window_samples": 50,
}
FOUND = {"verdict": "prompts_changed", "changed_at": "2026-11-20T08:00:00.000Z"}
SERVER = Server(public_url="https://drift.example.org/ops/")


def message(name: str = "support", event: Event = Event.OPENED, level: int = HIGH, **more: Any) -> Message:
    seen = Fact(kind="severity", subject=name, level=level, figures=FIGURES)
    given: dict[str, Any] = {"id": "i" * 32, "key": "driftium:abc:severity:x", "before": CRITICAL, "found": FOUND}
    incident = Incident(fact=more.pop("fact", seen), began_at=1.0)
    return write(incident, event, level=level, now=1_763_625_600.0, server=SERVER, **(given | more))


def texts(value: Any) -> Iterator[str]:
    """Every string in a payload."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


@pytest.mark.parametrize("name", NAMES)
def test_slack_gets_blocks_within_its_limits_and_no_name_makes_a_mention(name: str):
    body = slack.payload(message(name), Excerpt(prompt=name, baseline=name, current=name))
    assert 0 < len(body["text"]) <= 4_000
    assert len(body["blocks"]) <= 50
    for block in body["blocks"]:
        assert block["type"] in ("header", "section", "context")
        inner = [block["text"]] if "text" in block else block.get("fields") or block["elements"]
        assert 1 <= len(inner) <= 10
        most = 150 if block["type"] == "header" else 3_000 if "text" in block else 2_000
        for text in inner:
            assert text["type"] == ("plain_text" if block["type"] == "header" else "mrkdwn")
            assert 1 <= len(text["text"]) <= most
    markup = re.findall(r"<[^>]*>?", " ".join(texts(body)))
    (link,) = markup
    assert link.startswith("<https://drift.example.org/ops/")
    assert link.endswith("|Open in Driftium>")
    assert link.count("|") == 1
    assert not re.search(r"&(?!amp;|lt;|gt;)", " ".join(texts(body)))


@pytest.mark.parametrize("name", NAMES)
def test_teams_gets_an_adaptive_card_of_28_kb_at_most_in_which_no_name_is_markdown(name: str):
    body = teams.payload(message(name), Excerpt(prompt=name, baseline=name, current=name))
    assert len(json.dumps(body).encode()) <= 28_000
    assert set(body) == {"type", "attachments"}
    assert body["type"] == "message"
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["$schema"] == "http://adaptivecards.io/schemas/adaptive-card.json"
    shown = one_line(name)
    for element in card["body"]:
        assert element["type"] in ("RichTextBlock", "FactSet")
        if element["type"] == "FactSet":
            # Facts read Markdown: none of them holds a name.
            assert shown not in " ".join(texts(element))
            assert all(set(fact) == {"title", "value"} for fact in element["facts"])
        else:
            assert all(run["type"] == "TextRun" and run["text"] for run in element["inlines"])
    (action,) = card["actions"]
    assert action["type"] == "Action.OpenUrl"
    assert action["url"].startswith("https://drift.example.org/ops/")


def test_markdown_is_escaped_where_teams_reads_it():
    assert teams.escaped("[a](b) **c** <at>d</at> `e`") == r"\[a\]\(b\) \*\*c\*\* \<at\>d\</at\> \`e\`"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("event", [Event.OPENED, Event.RESOLVED])
def test_pagerduty_gets_an_event_of_its_version_2(name: str, event: Event):
    told = message(name, event, WELL if event is Event.RESOLVED else CRITICAL)
    body = pagerduty.payload(told, "R" * 32)
    assert body["routing_key"] == "R" * 32
    assert body["event_action"] == ("resolve" if event is Event.RESOLVED else "trigger")
    assert 1 <= len(body["dedup_key"]) <= 255
    inner = body["payload"]
    assert 1 <= len(inner["summary"]) <= 1_024
    assert inner["source"] == "drift.example.org"
    assert inner["severity"] == ("info" if event is Event.RESOLVED else "critical")
    assert inner["timestamp"] == "2025-11-20T08:00:00.000Z"
    assert inner["component"] == "driftium"
    assert isinstance(inner["custom_details"], dict)
    assert body["client"] == "Driftium"
    assert body["client_url"] == body["links"][0]["href"]
    assert len(body["client_url"]) <= 2_100
    assert len(msgspec.json.encode(body)) < 512_000


@pytest.mark.parametrize(("level", "word"), [(MEDIUM, "warning"), (HIGH, "error"), (CRITICAL, "critical")])
def test_pagerduty_gets_its_own_word_for_each_severity(level: int, word: str):
    assert pagerduty.payload(message(level=level), "R")["payload"]["severity"] == word


def test_the_plain_webhook_gets_what_is_documented_and_the_whole_name():
    body = webhook.payload(message(NAMES[3]))
    documented = re.findall(r"^ *([a-z_]+)  +\w", webhook.__doc__ or "", re.M)
    assert set(documented) - {"excerpt"} == set(body)
    assert body["version"] == 1
    assert body["monitor"] == NAMES[3]
    assert body["severity"] == "HIGH"
    assert body["figures"]["verdict"] == "prompts_changed"
    assert "excerpt" not in body


def test_a_signature_is_what_the_standard_says():
    """The example of standardwebhooks.com's specification."""
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = webhook.signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_key_that_is_plain_text_signs_too():
    digest = hmac.new(b"k", b"id.1.body", hashlib.sha256).digest()
    assert webhook.signature("k", "id", 1, b"body") == "v1," + base64.b64encode(digest).decode()


def test_a_message_says_how_bad_whose_doing_since_when_and_what_to_do():
    told = message()
    assert told.title == "HIGH drift (provisional) of support"
    assert "Health index 19.5 of 100, 2.03 times the alarm line." in told.text
    assert "The users' prompts changed." in told.text
    assert "Since 2026-11-20T08:00:00.000Z." in told.text
    assert "driftium rca --monitor support" in told.advice
    assert "Provisional" in told.advice
    assert told.link == "https://drift.example.org/ops/?monitor=support"
    assert told.shown["Severity"] == "HIGH (provisional)"


def test_a_command_is_quoted_and_left_out_where_a_name_cannot_be_pasted():
    assert "--monitor '\"; rm -rf / #'" in message('"; rm -rf / #').advice
    assert "--monitor" not in message("a\nb").advice


@pytest.mark.parametrize(
    ("fact", "title"),
    [
        (Fact(kind="severity", subject="m", level=WELL, figures={}), "Drift of m is over"),
        (Fact(kind="severity", subject="m", level=MEDIUM, figures={}), "Drift of m fell to MEDIUM"),
        (Fact(kind="severity", subject="m", level=WELL, reason=GONE), "Drift of m is over"),
        (Fact(kind="worker", level=WELL), "The worker works again"),
        (Fact(kind="tap", level=WELL), "The tap lets nothing go any more"),
        (Fact(kind="upstream", level=WELL), "The model server answers again"),
        (Fact(kind="canary", subject="basics", level=WELL), "Canary basics: answers as in the reference again"),
    ],
)
def test_every_end_is_told_in_words(fact: Fact, title: str):
    told = message(event=Event.RESOLVED, level=WELL, fact=fact, found={})
    assert told.title == title
    assert told.text
    for payload in (slack.payload(told), teams.payload(told), pagerduty.payload(told, "R"), webhook.payload(told)):
        assert json.loads(msgspec.json.encode(payload))


def test_a_link_leads_to_where_people_reach_the_console():
    assert console_link(Server(port=9), "a b/ü&") == "http://127.0.0.1:9/?monitor=a+b%2F%C3%BC%26"
    assert console_link(Server(host="::1")) == "http://[::1]:8000/"
    assert "0.0.0.0" not in console_link(Server(host="0.0.0.0"))
    assert console_link(SERVER, "x" * 10_000) == "https://drift.example.org/ops/"
    assert source_of(SERVER) == "drift.example.org"


def test_a_test_says_that_it_is_one_in_every_format():
    told = write_test(Server(), id="i", key="k", channel="on-call", now=0.0)
    for payload in (slack.payload(told), teams.payload(told), pagerduty.payload(told, "R"), webhook.payload(told)):
        assert "Test of Driftium's channel on-call" in " ".join(texts(payload))
        assert "Nothing is wrong" in " ".join(texts(payload)).replace("\\", "")
