"""Messages in words: what is so, the figures it rests on, and what to do. No text of users or models gets in here;
what clients can name, which is a monitor, is shortened and kept on one line."""

import shlex
import socket
from urllib.parse import urlencode

from drift.evidence import Verdict
from drift.records import Severity
from proxy.moments import iso
from proxy.notify.records import CRITICAL, HIGH, Event, Fact, Figure, Incident, Message
from proxy.settings import Server

MOST_NAME = 80
MOST_LINK = 2_000
WILDCARDS = ("0.0.0.0", "::", "")

VERDICTS = {
    Verdict.NO_CHANGE: "neither users nor model changed for certain",
    Verdict.PROMPTS_CHANGED: "the users' prompts changed",
    Verdict.MODEL_CHANGED: "the model changed",
    Verdict.BOTH: "both the users' prompts and the model changed",
    Verdict.INSUFFICIENT_OVERLAP: "users or model: cannot be told, the prompts have too little in common",
    Verdict.INSUFFICIENT_DATA: "users or model: cannot be told yet, there are too few answers",
}
LABELS = {
    "severity": "Severity",
    "severity_before": "Before",
    "health_index": "Health index",
    "ratio": "Times the alarm line",
    "detector": "Detector",
    "verdict": "Users or model",
    "changed_at": "Changed at",
    "baseline_samples": "Answers in the baseline",
    "window_samples": "Answers in the window",
    "status": "Status",
    "restarts": "Restarts",
    "dropped_now": "Let go just now",
    "dropped": "Let go in all",
    "pending": "Waiting in memory",
    "model": "Model",
    "p_value": "p",
    "effect": "Effect",
    "answers": "Answers compared",
    "since": "Since",
}


def one_line(text: str, most: int = MOST_NAME) -> str:
    """A name that somebody chose, as it can be shown: printable, on one line, not too long."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most]).split())
    return shown if len(shown) <= most and len(text) <= 4 * most else shown[: most - 1] + "…"


def console_link(server: Server, monitor: str = "") -> str:
    """Where people see a monitor in the console."""
    query = "?" + urlencode({"monitor": monitor}) if monitor else ""
    base = server.public_url.partition("?")[0].rstrip("/") or _address(server)
    return f"{base}/{query}" if len(base) + len(query) < MOST_LINK else base + "/"


def source_of(server: Server) -> str:
    """The host that tells, as people know it."""
    address = server.public_url or _address(server)
    return address.partition("://")[2].partition("/")[0]


def _address(server: Server) -> str:
    host = socket.gethostname() if server.host in WILDCARDS else server.host
    return f"http://{f'[{host}]' if ':' in host else host}:{server.port}"


def word(level: int) -> str:
    """The severity's name."""
    return list(Severity)[level].value


def write(
    incident: Incident,
    event: Event,
    *,
    id: str,
    key: str,
    level: int,
    before: int,
    now: float,
    server: Server,
    found: dict[str, Figure],
) -> Message:
    """The message about an incident. `found` are further figures: the verdict, and when the change began."""
    fact = incident.fact
    name = one_line(fact.subject)
    figures = fact.figures | found
    if fact.kind == "severity":
        figures = figures | {"severity": word(fact.level if event is Event.RESOLVED else level)}
        if event is not Event.OPENED:
            figures["severity_before"] = word(before)
    elif event is not Event.RESOLVED:
        figures["since"] = iso(incident.began_at)
    title, text, advice = _WORDS[fact.kind](fact, event, name, level, before, found)
    return Message(
        id=id,
        event=event,
        kind=fact.kind,
        subject=fact.subject,
        key=key,
        level=level,
        at=now,
        title=title,
        text=text,
        advice=advice,
        link=console_link(server, fact.subject if fact.kind == "severity" else ""),
        source=source_of(server),
        figures=figures,
        shown=shown(figures),
    )


def shown(figures: dict[str, Figure]) -> dict[str, str]:
    """The figures that people are shown, by their labels."""
    found = {}
    for name, label in LABELS.items():
        value = figures.get(name)
        if value is None or value == "" or (name == "restarts" and value == 0):
            continue
        text = f"{value:g}" if isinstance(value, float) else str(value)
        found[label] = one_line(VERDICTS[Verdict(text)] if name == "verdict" else text, 200)
        if name == "severity" and figures.get("provisional"):
            found[label] += " (provisional)"
    return found


def _drift(
    fact: Fact, event: Event, name: str, level: int, before: int, found: dict[str, Figure]
) -> tuple[str, str, str]:
    provisional = " (provisional)" if fact.figures.get("provisional") else ""
    measured = _measured(fact.figures)
    if event is Event.RESOLVED:
        return _drift_is_over(fact, name, before, provisional + ".", measured)
    verdict = Verdict(str(found["verdict"])) if found.get("verdict") else None
    since = f" Since {found['changed_at']}." if found.get("changed_at") else ""
    said = f" {VERDICTS[verdict][0].upper()}{VERDICTS[verdict][1:]}." if verdict else ""
    title = {
        Event.OPENED: f"{word(level)} drift{provisional} of {name}",
        Event.WORSE: f"Drift of {name} rose to {word(level)}{provisional}",
        Event.BETTER: f"Drift of {name} fell to {word(level)}{provisional}",
    }[event]
    advice = (
        f"See what moved in the console, and why with: driftium rca{_option(fact.subject)}. "
        "If the change is wanted, make the new answers the baseline; if somebody deals with it, acknowledge it."
    )
    if provisional:
        advice += " Provisional: the alarm line is not calibrated yet, a false alarm is more likely than later."
    return title, f"The answers of {name} have moved away from the baseline. {measured}{said}{since}", advice


def _drift_is_over(fact: Fact, name: str, before: int, end: str, measured: str) -> tuple[str, str, str]:
    advice = "Nothing is to be done."
    if fact.reason:
        return f"Drift of {name} is over", fact.reason, advice
    if fact.level:
        text = f"Its severity was {word(before)}. {measured} The channel is told of worse drift alone."
        return f"Drift of {name} fell to {word(fact.level)}{end[:-1]}", " ".join(text.split()), advice
    return f"Drift of {name} is over", f"Its severity is LOW{end} It was {word(before)}. {measured}".rstrip(), advice


def _measured(figures: dict[str, Figure]) -> str:
    health, ratio = figures.get("health_index"), figures.get("ratio")
    if not isinstance(health, float) or not isinstance(ratio, float):
        return ""
    return f"Health index {health:g} of 100, {ratio:g} times the alarm line."


def _option(monitor: str) -> str:
    plain = monitor.isprintable() and len(monitor) <= MOST_NAME
    return f" --monitor {shlex.quote(monitor)}" if plain else ""


def _worker(
    fact: Fact, event: Event, name: str, level: int, before: int, found: dict[str, Figure]
) -> tuple[str, str, str]:
    if event is Event.RESOLVED:
        return "The worker works again", "Answers are scored again, those that waited first.", "Nothing is to be done."
    return "The worker is down", fact.reason, "On the server run: driftium doctor. It names what is missing."


def _tap(
    fact: Fact, event: Event, name: str, level: int, before: int, found: dict[str, Figure]
) -> tuple[str, str, str]:
    if event is Event.RESOLVED:
        return "The tap lets nothing go any more", "Exchanges are logged again.", "Nothing is to be done."
    return (
        "The tap is letting exchanges go" if fact.figures.get("dropped_now") else "Exchanges cannot be logged",
        fact.reason,
        "Check the disk of the data folder (driftium doctor). If it is only slow, raise tap.max_pending_bytes.",
    )


def _upstream(
    fact: Fact, event: Event, name: str, level: int, before: int, found: dict[str, Figure]
) -> tuple[str, str, str]:
    if event is Event.RESOLVED:
        return "The model server answers again", "Requests are answered again.", "Nothing is to be done."
    return "The model server is down", fact.reason, "Start it, or check upstream.url with: driftium doctor"


def _canary(
    fact: Fact, event: Event, name: str, level: int, before: int, found: dict[str, Figure]
) -> tuple[str, str, str]:
    if event is Event.RESOLVED:
        return (
            f"Canary {name}: answers as in the reference again",
            "The last round shows no difference, or was compared with a new reference.",
            "Nothing is to be done.",
        )
    return (
        f"Canary {name}: the model changed",
        fact.reason,
        "Look whether the model, its server or its settings were changed. If that is wanted, start a new reference.",
    )


_WORDS = {"severity": _drift, "worker": _worker, "tap": _tap, "upstream": _upstream, "canary": _canary}


def urgency(message: Message) -> str:
    """critical, error, warning or info: PagerDuty's words for how bad it is."""
    return {CRITICAL: "critical", HIGH: "error"}.get(message.level, "warning" if message.level else "info")


def write_test(server: Server, *, id: str, key: str, channel: str, now: float) -> Message:
    """A message that says clearly that nothing is wrong."""
    return Message(
        id=id,
        event=Event.TEST,
        kind="test",
        subject="",
        key=key,
        level=0,
        at=now,
        title=f"Test of Driftium's channel {channel}",
        text="This is a test, sent by hand. Nothing is wrong.",
        advice="Nothing is to be done.",
        link=console_link(server),
        source=source_of(server),
    )
