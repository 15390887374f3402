"""How a canary stands: from its rounds to the words that people read."""

from collections.abc import Sequence
from typing import Literal

import sqlalchemy as sa

from drift.rca.records import CanarySaid
from proxy.findings import Status
from proxy.stores.canaries import Plan, Round, read_plan, read_rounds

State = Literal["not_asked", "reference", "same", "suspected", "changed"]
"""reference: the first rounds are being asked; suspected: the last round differs, and another one has to confirm it."""

_SENTENCES: dict[State, str] = {
    "not_asked": "No round was asked yet.",
    "reference": "The first rounds, with which later ones are compared, are being asked.",
}
_ROUNDS_READ = 50


def state_of(rounds: Sequence[Round], standing: Plan) -> tuple[State, Round | None]:
    """How a canary stands, and the compared round that says so; rounds are the newest first."""
    own = [one for one in rounds if one.number >= standing.reference_from]
    compared = next((one for one in own if one.status == "compared"), None)
    if compared is None:
        return ("reference" if own else "not_asked"), None
    if compared.changed:
        return "changed", compared
    found = compared.body.comparison
    return ("suspected" if found and found.differs else "same"), compared


def message_of(rounds: Sequence[Round], standing: Plan) -> str:
    """What the last compared round says, and what went wrong since."""
    state, compared = state_of(rounds, standing)
    said = [compared.message if compared else _SENTENCES[state]]
    last = rounds[0] if rounds else None
    if last and last.status == "incomplete" and last is not compared:
        said.append(f"The last round is incomplete: {last.message}")
    if last and last.status == "reference" and not compared:
        said = [last.message]
    if standing.problem:
        said.append(standing.problem)
    return " ".join(said)


def canary_status(engine: sa.Engine, canary: str) -> tuple[Status, str]:
    """The status of a canary's own monitor, in the words that monitors have."""
    standing, rounds = read_plan(engine, canary), read_rounds(engine, canary, limit=_ROUNDS_READ)
    state, _ = state_of(rounds, standing)
    status: Status = "ready" if state in ("same", "suspected", "changed") else "waiting_for_telemetry"
    return status, f"A canary, compared round by round (GET /canaries/{canary}). {message_of(rounds, standing)}"


def said_of(rounds: Sequence[Round]) -> CanarySaid | None:
    """What the last compared round says as evidence; None where there is none. Rounds are the newest first."""
    compared = [one for one in rounds if one.status == "compared"]
    last = compared[0] if compared else None
    # What differed from an earlier reference is another matter.
    compared = [one for one in compared if last and one.body.reference_at == last.body.reference_at]
    found = last.body.comparison if last else None
    if last is None or found is None:
        return None
    since: float | None = None
    for one in compared:
        if not (one.body.comparison and one.body.comparison.differs):
            break
        since = one.at
    return CanarySaid(
        name=last.canary,
        model=last.body.model,
        changed=last.changed,
        at=last.at,
        reference_at=last.body.reference_at or last.at,
        since=since if last.changed else None,
        prompts=found.prompts,
        p_value=found.p_value,
        distance=found.distance,
        usual=found.usual,
    )
