"""`driftium notify`: what is set up and what stands, and a test message through every channel."""

import sys
import time
import uuid

from rich.console import Console

from proxy.client import Failed, fail, stores
from proxy.moments import iso
from proxy.notify.book import read
from proxy.notify.records import Delivery, Incident, Memory, Queued
from proxy.notify.sending import Attempt, host, missing, send
from proxy.notify.settings import Notify
from proxy.notify.wording import one_line, word, write_test
from proxy.settings import Settings
from proxy.stores.history import FILE

OK, ERROR, USAGE = 0, 1, 2

NONE = """No channel is set up. Add one to config.toml, for example:

[[notify]]
name = "on-call"
type = "slack"
url_env = "SLACK_WEBHOOK_URL"

and put the webhook's address into that environment variable; then: driftium notify --test"""


def run(settings: Settings, *, test: bool, channel: str | None) -> int:
    channels = [one for one in settings.notify if channel in (None, one.name)]
    if channel is not None and not channels:
        known = ", ".join(one.name for one in settings.notify) or "none"
        print(f"error: --channel {channel!r}: there is no such channel; there are: {known}", file=sys.stderr)
        return USAGE
    console = Console(highlight=False, markup=False, emoji=False)
    if not channels:
        console.print(NONE, soft_wrap=True)
        return USAGE if test else OK
    return _test(settings, channels, console) if test else _list(settings, channels, console)


def _test(settings: Settings, channels: list[Notify], console: Console) -> int:
    failed = 0
    for one in channels:
        key = f"driftium:test:{uuid.uuid4().hex}"
        message = write_test(settings.server, id=uuid.uuid4().hex, key=key, channel=one.name, now=time.time())
        attempt = send(one, message)
        failed += bool(attempt.error)
        where = f"{one.name} ({', '.join(filter(None, (one.type, host(one))))})"
        if not attempt.error:
            console.print(f"ok      {where}: the test message was taken; look whether it is there", soft_wrap=True)
        else:
            console.print(f"failed  {where}: {attempt.error}", soft_wrap=True)
            console.print(f"        {_mend(one, attempt)}", soft_wrap=True)
    return ERROR if failed else OK


def _mend(one: Notify, attempt: Attempt) -> str:
    if missing(one):
        return "Set it here too: export NAME=value. The service needs it in its own environment."
    if "redirects" in attempt.error:
        return "Nothing is sent to an address that is not in the settings: set the final one."
    if attempt.again:
        return "Check the address, the network and a proxy (HTTPS_PROXY, NO_PROXY); messages are repeated for a day."
    return {
        "slack": "Make a new incoming webhook in Slack, and put its address into the variable.",
        "teams": "Make a new Workflows webhook ('Post to a channel when a webhook request is received') in Teams.",
        "pagerduty": "Check the integration key (Events API v2), and the url where the account is in the EU.",
        "webhook": "The receiver refuses the message: check its address, token and what it expects.",
    }[one.type]


def _list(settings: Settings, channels: list[Notify], console: Console) -> int:
    incidents: dict[str, Incident] = {}
    queue: list[Queued] = []
    memory = Memory(instance="")
    if settings.database.url or (settings.data_dir / FILE).is_file():
        try:
            with stores(settings) as (history, _):
                incidents, queue, memory = read(history.engine)
        except Failed as error:
            return fail(error)
    for one in channels:
        delivery = memory.deliveries.get(one.name, Delivery())
        waiting = sum(queued.channel == one.name for queued in queue)
        console.print(f"{one.name}: {', '.join(filter(None, (one.type, host(one))))}", style="bold", soft_wrap=True)
        console.print(f"  told of    {_told_of(one)}", soft_wrap=True)
        console.print(f"  delivered  {iso(delivery.sent_at) or 'nothing yet'}; {waiting} waiting", soft_wrap=True)
        if delivery.error:
            console.print(f"  failed     {iso(delivery.failed_at)}: {delivery.error}", soft_wrap=True)
        if lacks := missing(one):
            console.print(f"  missing    here {lacks}; the service has an environment of its own", soft_wrap=True)
    standing = [one for one in incidents.values() if one.fact.level or any(told.level for told in one.told.values())]
    if not standing:
        console.print("\nNothing stands open.")
    for incident in sorted(standing, key=lambda one: one.began_at):
        console.print("\n" + _incident(incident), soft_wrap=True)
    console.print("\nTry every channel with: driftium notify --test", soft_wrap=True)
    return OK


def _told_of(one: Notify) -> str:
    kinds = [f"severity from {one.min_severity}" if kind == "severity" else kind for kind in one.on]
    return ", ".join(kinds) + (f"; of {', '.join(one.monitors)}" if one.monitors else "")


def _incident(incident: Incident) -> str:
    fact = incident.fact
    what = {"severity": "drift", "canary": "changed model, by canary"}.get(fact.kind, fact.kind)
    name = f" of {one_line(fact.subject)}" if fact.subject else ""
    level = f", {word(fact.level)}" if fact.kind == "severity" else ""
    told = [name for name, one in incident.told.items() if one.level]
    held = [name for name, one in incident.told.items() if one.held is not None and not one.level]
    parts = [f"told: {', '.join(told)}"] if told else []
    parts += [f"held back: {', '.join(held)}"] if held else []
    return f"{what}{name}{level}, since {iso(incident.began_at)}; {'; '.join(parts) or 'nobody is told yet'}"
