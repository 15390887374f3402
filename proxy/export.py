"""The files for Prometheus, Alertmanager and Grafana that come with Driftium, made out to one installation."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from proxy.notify.wording import console_link
from proxy.settings import Settings

DEPLOY = Path(__file__).parent / "deploy"

FILES = {
    "dashboards": "driftium.json",
    "rules": "rules.yml",
    "scrape": "scrape.yml",
    "alertmanager": "alertmanager.yml",
    "openapi": "openapi.json",
}
"""What can be exported, and the name of its file."""

_ANY_INSTANCE = "http://{{ $labels.instance }}/"
_TOKEN = """\
    # authorization:
    #   credentials_file: /etc/prometheus/driftium.token
"""


def export(what: str, settings: Settings) -> str:
    """The text of one of FILES. Raises OSError where an installation lacks it."""
    match what:
        case "dashboards":
            return _dashboard(settings)
        case "rules":
            return _rules(settings)
        case "scrape":
            return _scrape(settings)
        case "alertmanager":
            return (DEPLOY / "alertmanager" / "alertmanager.yml").read_text("utf-8")
        case _:
            from proxy.schema import described  # Which loads the whole control plane.

            return json.dumps(described(), indent=2) + "\n"


def _dashboard(settings: Settings) -> str:
    """With links to this console."""
    board = json.loads((DEPLOY / "grafana" / "dashboards" / FILES["dashboards"]).read_text("utf-8"))
    console = console_link(settings.server).rstrip("/")
    for variable in board["templating"]["list"]:
        if variable["name"] == "console":
            variable["query"] = variable["current"]["text"] = variable["current"]["value"] = console
    return json.dumps(board, indent=2, ensure_ascii=False) + "\n"


def _rules(settings: Settings) -> str:
    """With links to server.public_url; where it is not set they lead to whom Prometheus has scraped."""
    text = (DEPLOY / "prometheus" / "rules.yml").read_text("utf-8")
    return text.replace(_ANY_INSTANCE, console_link(settings.server)) if settings.server.public_url else text


def _scrape(settings: Settings) -> str:
    """With this address, past whatever stands before it, and with the token where /metrics asks for it."""
    text = (DEPLOY / "prometheus" / "scrape.yml").read_text("utf-8")
    direct = console_link(msgspec.structs.replace(settings.server, public_url=""))
    text = text.replace("127.0.0.1:8000", urlsplit(direct).netloc)
    if settings.metrics.require_token:
        text = text.replace(_TOKEN, _TOKEN.replace("# ", "", 1).replace("#   ", "  "))
    return text
