"""A new baseline before it is made: of what it would be, and what speaks against it."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from drift.policy import Policy
from proxy.candidates import Choice, candidates
from proxy.findings import Status
from proxy.moments import iso
from proxy.sample_view import SampleView, sample_view
from proxy.settings import Settings
from proxy.stores.history import History, MonitorRow, SampleRow
from proxy.views import counted, status_of

MOST_EXAMPLES = 5
MOST_NAMED = 3
_POLICY = Policy()


class Replaced(msgspec.Struct, frozen=True, kw_only=True):
    """The active baseline, which a new one takes the place of."""

    id: str
    size: int
    created_at: str | None
    note: str


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where answers came from."""

    proxy: int = 0
    playground: int = 0
    collected: int = 0
    """From logs."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a new baseline would be made of."""

    status: Status
    message: str
    monitor: str | None
    size: int = 0
    start: str | None = msgspec.field(default=None, name="from")
    """When the oldest of the answers passed."""
    end: str | None = msgspec.field(default=None, name="to")
    models: dict[str, int] = {}
    """{model: answers}, those with most first."""
    sources: Sources = Sources()
    sessions: int | None = None
    """How many sessions the answers are of; None where none of them names one."""
    advice: str = ""
    """Of a baseline of these: how much it could say, and what speaks against it."""
    examples: list[SampleView] = []
    """At most five, the newest first."""
    replaces: Replaced | None = None


def preview_of(settings: Settings, history: History, row: MonitorRow, *, last: int | None, waiting: int) -> Preview:
    """What POST /baseline would take now of a monitor; `waiting` exchanges, of all monitors, are not scored yet."""
    drift = settings.drift
    rows = candidates(history, row, Choice(last=last), kept=drift.recent_samples, most=drift.max_baseline)
    size = len(rows)
    models = Counter(one.text.model for one in rows)
    playground = sum(one.text.source == "playground" for one in rows)
    collected = sum(one.text.source.startswith("ingest:") for one in rows)
    sessions = {one.text.session for one in rows if one.text.session}
    status, _ = status_of(history, row)
    active = history.baseline(row.baseline_id) if row.baseline_id else None
    return Preview(
        status=status,
        message=_message(row.name, rows, waiting),
        monitor=row.name,
        size=size,
        start=iso(min((one.at for one in rows), default=None)),
        end=iso(max((one.at for one in rows), default=None)),
        models=dict(models.most_common()),
        sources=Sources(proxy=size - playground - collected, playground=playground, collected=collected),
        sessions=len(sessions) if sessions else None,
        advice=" ".join(_advice(size, models, playground, len(sessions))),
        examples=[sample_view(one) for one in rows[::-1][:MOST_EXAMPLES]],
        replaces=Replaced(id=active.id, size=active.size, created_at=iso(active.created_at), note=active.note)
        if active
        else None,
    )


def too_few(monitor: str, size: int) -> str:
    return f"{counted(size)} of {monitor} to choose from; a baseline needs 2: send more."


def _message(monitor: str, rows: Sequence[SampleRow], waiting: int) -> str:
    if len(rows) < 2:
        said = too_few(monitor, len(rows))
    else:
        said = f"The baseline of {monitor} would be {counted(len(rows))}, of {iso(rows[0].at)} to {iso(rows[-1].at)}."
    if not waiting:
        return said
    wait = "1 exchange of all monitors waits" if waiting == 1 else f"{waiting} exchanges of all monitors wait"
    return f"{said} {wait} to be scored first."


def _advice(size: int, models: Counter[str], playground: int, sessions: int) -> list[str]:
    """One sentence for each thing to know, the weightiest first."""
    said = []
    if size < _POLICY.provisional_from:
        said.append(
            f"Below {_POLICY.provisional_from} answers there is no severity: "
            f"send {_POLICY.provisional_from - size} more first."
        )
    elif size < _POLICY.calibrated_from:
        said.append(
            f"Below {_POLICY.calibrated_from} answers severities stay provisional: "
            f"send {_POLICY.calibrated_from - size} more for calibrated alarm lines."
        )
    if len(models) > 1:
        named = ", ".join(f"{count} of {name}" for name, count in models.most_common(MOST_NAMED))
        others = f" and {len(models) - MOST_NAMED} more" if len(models) > MOST_NAMED else ""
        said.append(
            f"They come from {len(models)} models ({named}{others}): other shares of them will look like drift."
        )
    if playground:
        said.append(f"{counted(playground)} came from the playground, and not from your users.")
    if sessions == 1 and size > 1:
        said.append("All that name a session are of one: answers to other people may look like drift.")
    return said or ["Enough answers for calibrated alarm lines."]
