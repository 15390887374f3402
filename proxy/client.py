"""The commands that ask: a running Driftium over HTTP, or the data folder without one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from drift.records import Severity
from proxy.moments import iso
from proxy.settings import Settings
from proxy.stores.faults import fault_of
from proxy.stores.history import FILE, History
from proxy.stores.log import Log
from proxy.stores.opening import opened
from proxy.views import drift_view

OK, ERROR, DRIFT = 0, 1, 3


class Failed(Exception):
    """What to tell the person, in one line."""


def call(
    settings: Settings, method: str, url: str, path: str, body: Any = None, *, seconds: float = 30
) -> dict[str, Any]:
    """A JSON answer of a running Driftium, which gets the settings' token. Raises Failed."""
    headers = bearer(settings)
    try:
        answer = httpx.request(
            method, url.rstrip("/") + path, json=body, headers=headers, timeout=seconds, trust_env=False
        )
        told = answer.json()
    except httpx.InvalidURL as error:
        raise Failed(f"{url!r} is no address: {error}; name one like http://127.0.0.1:8000 with --url.") from None
    except httpx.HTTPError as error:
        raise Failed(
            f"No Driftium answers at {url} ({error}): start it with `driftium serve`, or name it with --url."
        ) from None
    except ValueError:
        raise Failed(f"{url} is no Driftium: its answer is not JSON.") from None
    if answer.is_error:
        raise Failed(told.get("detail", f"{url} answered with status {answer.status_code}."))
    return dict(told)


def bearer(settings: Settings) -> dict[str, str]:
    """The header that lets into the control plane."""
    token = settings.server.admin_token
    return {"authorization": f"Bearer {token}"} if token else {}


def show_drift(settings: Settings, url: str | None, monitor: str | None, *, as_json: bool, fail_on: str | None) -> int:
    try:
        view = _drift(settings, url, monitor)
    except Failed as error:
        return fail(error)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(view)).decode())
    else:
        _print_drift(view)
    if fail_on is None:
        return OK
    if view["status"] != "ready":
        # A job that must not pass on drift must not pass on "not known" either.
        return fail(Failed(f"there is no severity to judge by: {view['message']}"))
    worse = Severity(view["severity"]).rank >= Severity(fail_on.upper()).rank
    return DRIFT if worse else OK


def _drift(settings: Settings, url: str | None, monitor: str | None) -> dict[str, Any]:
    if url:
        return call(settings, "GET", url, "/drift" + (f"?monitor={quote(monitor)}" if monitor else ""))
    with stores(settings) as (history, log):
        return dict(msgspec.to_builtins(drift_view(history, log, log.totals(), monitor)))


@contextmanager
def stores(settings: Settings) -> Iterator[tuple[History, Log]]:
    """History and log, opened to read. Raises Failed where there are none, and where they break."""
    folder = settings.data_dir
    try:
        if not settings.database.url and not (folder / FILE).exists():
            raise Failed(f"No history in {folder}: start `driftium serve` first, or name a folder with --data-dir.")
        with opened(settings) as found:
            yield found
    except (OSError, SQLAlchemyError) as error:
        if settings.database.url and isinstance(error, SQLAlchemyError):
            raise Failed(fault_of(error).message) from None
        reason = str(error).partition("\n")[0]
        raise Failed(f"the data folder {folder} cannot be read: {reason}; run driftium doctor") from None


def _print_drift(view: dict[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    colour = {"LOW": "green", "MEDIUM": "yellow", "HIGH": "red", "CRITICAL": "red bold"}
    if view["severity"]:
        word = f"[{colour[view['severity']]}]{view['severity']}[/]" + (" (provisional)" if view["provisional"] else "")
        console.print(f"{view['monitor']}: {word}, health {view['health_index']:.0f} of 100")
    console.print(view["message"])
    if not view["detectors"]:
        return
    if view["verdict_message"]:
        console.print(f"{view['verdict']}: {view['verdict_message']}")
    if begun := view["changed_at"]:
        console.print(
            f"Since {begun['at']} ({begun['level']:.0%} interval {begun['earliest']} to {begun['latest']}), "
            f"{begun['samples_ago']} answers ago."
        )
    table = Table("detector", "samples", "statistic", "alarm line", "ratio", "", box=None, pad_edge=False)
    for one in view["detectors"]:
        table.add_row(
            one["name"],
            f"{one['samples']} of {one['window']}",
            *(_number(one[name]) for name in ("statistic", "threshold", "ratio")),
            one["detail"],
        )
    console.print(table)
    counted = view["coverage"]
    console.print(
        f"baseline of {view['baseline_size']} answers; {counted['scored']} of {counted['seen']} exchanges scored, "
        f"{view['lag_exchanges']} waiting"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def list_baselines(settings: Settings, url: str | None, monitor: str | None, *, as_json: bool) -> int:
    try:
        if url:
            query = f"?monitor={quote(monitor)}" if monitor else ""
            rows = call(settings, "GET", url, "/baseline" + query)["baselines"]
        else:
            with stores(settings) as (history, _):
                active = {row.baseline_id for row in history.monitors()}
                rows = [
                    {**msgspec.structs.asdict(row), "created_at": iso(row.created_at), "active": row.id in active}
                    for row in history.baselines(monitor)
                ]
    except Failed as error:
        return fail(error)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return OK
    if not rows:
        print("No baseline yet. Send some answers through the proxy, then: driftium baseline set")
        return OK
    table = Table("", "id", "monitor", "made", "answers", "thresholds", "note", box=None, pad_edge=False)
    for row in rows:
        state = "calibrated" if row["calibration"] else "provisional"
        table.add_row(
            "*" if row["active"] else "",
            row["id"],
            row["monitor"],
            row["created_at"],
            str(row["size"]),
            state,
            row["note"],
        )
    Console(highlight=False, soft_wrap=True).print(table)
    return OK


def post_baseline(settings: Settings, url: str | None, path: str, body: dict[str, Any] | None) -> int:
    """Make or activate a baseline at a running Driftium."""
    here = url or f"http://{settings.server.host}:{settings.server.port}"
    given = {name: value for name, value in body.items() if value not in (None, "")} if body is not None else None
    try:
        told = call(settings, "POST", here, path, given)
    except Failed as error:
        return fail(error)
    print(f"{told['message']} id {told['baseline_id']}")
    return OK


def fail(error: Failed) -> int:
    print(f"error: {error}", file=sys.stderr)
    return ERROR
