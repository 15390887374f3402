"""How everything that is watched is now: drift from the history, the rest from the running server's own health."""

from collections.abc import Collection, Mapping
from typing import Any

import httpx
import msgspec
from sqlalchemy.exc import SQLAlchemyError

from drift.records import Report
from proxy.client import bearer
from proxy.moments import iso
from proxy.notify.records import CRITICAL, HIGH, WELL, Fact, Figure, Memory
from proxy.notify.settings import Kind
from proxy.settings import Settings
from proxy.stores.canaries import PREFIX, latest_rounds
from proxy.stores.history import History, MonitorRow
from proxy.stores.log import Log
from proxy.views import is_current

HEALTH_SECONDS = 5.0
OF_THE_SERVER: Collection[Kind] = ("worker", "upstream", "tap")
UNREADABLE = (SQLAlchemyError, msgspec.MsgspecError)
"""What a damaged history raises: of what else is wrong people are told all the same."""
LOADING_SECONDS = 600.0
"""A model that is fetched on a slow line takes minutes; longer than this is trouble."""
MOST_REASON = 300

WORKER_DOWN = {
    "off": "No worker runs: answers pass and are logged, and none is scored.",
    "restarting": "The worker has ended and is started again: answers pass and are logged, and none is scored.",
    "stalled": "The worker has not moved for a while although answers wait: they pass and are logged, and none is "
    "scored.",
    "failed": "The worker cannot work: answers pass and are logged, and none is scored.",
}


def own_address(settings: Settings) -> str:
    """Where this machine reaches the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.server.host, settings.server.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.server.port}"


def ask_health(settings: Settings) -> dict[str, Any] | None:
    """/api/health, None where the server does not tell."""
    try:
        # Plain HTTP on this machine; to load authorities for it costs more than all the rest of a look.
        answer = httpx.get(
            own_address(settings) + "/api/health",
            headers=bearer(settings),
            timeout=HEALTH_SECONDS,
            verify=False,
            trust_env=False,
        )
        return msgspec.json.decode(answer.content, type=dict[str, Any]) if answer.status_code == 200 else None
    except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError):
        return None


def drift_facts(history: History) -> list[Fact]:
    """One for each monitor that has a severity."""
    facts = []
    for row in history.monitors():
        report = history.latest(row.name)
        if report and report.severity and is_current(report, row) and not row.name.startswith(PREFIX):
            facts.append(_drift(row, report))
    return facts


def _drift(row: MonitorRow, report: Report) -> Fact:
    assert report.severity
    figures: dict[str, Figure] = {
        "severity": report.severity.value,
        "provisional": report.provisional,
        "health_index": _rounded(report.health_index, 1),
        "ratio": _rounded(report.ratio, 2),
        "detector": report.detector,
        "baseline_samples": report.baseline_samples,
        "window_samples": report.window_samples,
        "scored_at": iso(report.at),
    }
    epoch = f"{row.baseline_id} {row.baseline_at}"
    return Fact(kind="severity", subject=row.name, level=report.severity.rank, epoch=epoch, figures=figures)


def canary_facts(history: History, names: Collection[str]) -> list[Fact]:
    """One for each configured canary that was compared."""
    return [
        Fact(
            kind="canary",
            subject=last.canary,
            level=HIGH if last.changed else WELL,
            # Somebody made a later round the reference: what is compared with it is another matter.
            epoch=str(last.body.reference_at),
            reason="The same questions are answered otherwise than in the reference rounds." if last.changed else "",
            figures={
                "model": last.body.model,
                "p_value": last.p_value,
                "effect": _rounded(last.effect, 3),
                "answers": last.answers,
                "asked_at": iso(last.at),
            },
        )
        for last in latest_rounds(history.engine)
        if last.canary in names
    ]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def server_facts(health: Mapping[str, Any], memory: Memory) -> list[Fact]:
    """What the server says of its worker, its upstream and its tap."""
    storage, tap = health.get("storage") or {}, health.get("tap") or {}
    found = [_upstream(health.get("upstream") or {})]
    if storage.get("status") == "failing":
        # How the worker is stands in the history, which cannot be read: nothing is known of it.
        return [*found, tap_fact({**tap, "status": "failing", "message": storage.get("message")}, memory)]
    return [*found, tap_fact(tap, memory), _worker(health.get("worker") or {})]


def _worker(worker: Mapping[str, Any]) -> Fact:
    status = str(worker.get("status", ""))
    figures: dict[str, Figure] = {"status": status, "restarts": int(worker.get("restarts") or 0)}
    if status in WORKER_DOWN:
        said = _said(worker) if status == "failed" else ""
        reason = WORKER_DOWN[status] + (f" It says: {said}" if said else "")
        return Fact(kind="worker", level=HIGH, reason=reason, figures=figures)
    if status in ("loading", "starting"):
        late = float(worker.get("stage_seconds") or 0.0) > LOADING_SECONDS
        reason = "The worker has been loading for more than ten minutes: no answer is scored."
        return Fact(kind="worker", level=HIGH if late else WELL, uneasy=True, reason=reason, figures=figures)
    return Fact(kind="worker", level=WELL, figures=figures)


def _said(part: Mapping[str, Any]) -> str:
    return " ".join(str(part.get("message") or "").split())[:MOST_REASON]


def _upstream(upstream: Mapping[str, Any]) -> Fact:
    down = upstream.get("status") == "down"
    return Fact(
        kind="upstream",
        level=CRITICAL if down else WELL,
        reason="The model server does not answer: requests get 502." if down else "",
        figures={"status": "down" if down else "up"},
    )


def tap_fact(tap: Mapping[str, Any], memory: Memory) -> Fact:
    """Whether the tap has let exchanges go since the last look, or cannot write any."""
    dropped, failing = int(tap.get("dropped") or 0), tap.get("status") == "failing"
    rose = dropped - memory.dropped if memory.dropped is not None else 0
    figures: dict[str, Figure] = {"dropped": dropped, "dropped_now": max(0, rose), "pending": tap.get("pending")}
    reason = ""
    if rose > 0:
        reason = "Exchanges passed to their clients and were not logged: they will never be scored."
    elif failing:
        reason = "The data folder cannot be used: exchanges wait in memory, and are let go when that is full."
    if failing and (said := _said(tap)):
        reason += f" It says: {said}"
    return Fact(kind="tap", level=HIGH if rose > 0 or failing else WELL, reason=reason, figures=figures)


def look(
    settings: Settings, history: History, exchange_log: Log, memory: Memory
) -> tuple[list[Fact], Collection[Kind], Memory]:
    """(facts, kinds that could not be looked at, what to remember)."""
    facts: list[Fact] = []
    unknown: list[Kind] = []
    try:
        facts += drift_facts(history) + canary_facts(history, [one.name for one in settings.canary])
    except UNREADABLE:
        unknown = ["severity", "canary"]
    health = ask_health(settings)
    if health:
        facts += server_facts(health, memory)
        dropped = int((health.get("tap") or {}).get("dropped") or 0)
    else:
        dropped = _dropped(exchange_log, memory)
        if memory.dropped is not None and dropped > memory.dropped:
            # Else it is not known whether the log can be written.
            facts.append(tap_fact({"dropped": dropped}, memory))
    told = {fact.kind for fact in facts}
    unknown += [kind for kind in OF_THE_SERVER if kind not in told]
    return facts, unknown, msgspec.structs.replace(memory, dropped=dropped)


def _dropped(exchange_log: Log, memory: Memory) -> int:
    """As the log knows it, or as it was known last: the log's count follows the server's with a delay."""
    try:
        return max(exchange_log.totals().get("dropped", 0), memory.dropped or 0)
    except SQLAlchemyError:
        return memory.dropped or 0
