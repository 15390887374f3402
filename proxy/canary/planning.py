"""When a canary asks next, and what a day of it costs."""

import time
from collections.abc import Sequence
from hashlib import blake2s

import msgspec

from proxy.canary.settings import DAY, Canary, Messages
from proxy.stores.canaries import Plan, Round

RETRY_SECONDS = 600.0
"""After a round with too few answers: soon, and not so soon that it would hurry a server that is down."""


def digest_of(canary: Canary, asked: Sequence[Messages]) -> str:
    """Of what is asked and how: rounds that differ in it cannot be compared.

    Of the model the name that is set, also where it is none: that the server has another default is a change to find.
    """
    parts = (
        canary.model,
        msgspec.to_builtins(asked),
        canary.max_tokens,
        canary.temperature,
        canary.seed,
        canary.repeats,
    )
    return blake2s(msgspec.json.encode(parts), digest_size=8).hexdigest()


def wants_more(canary: Canary, rounds: Sequence[Round], plan: Plan, digest: str) -> bool:
    """Whether the next round follows at once: the reference is incomplete, or a difference has to be confirmed."""
    last = rounds[0]
    if last.status in ("asking", "waiting", "incomplete"):
        return False
    own = [one for one in rounds if one.number >= plan.reference_from and one.body.digest == digest]
    if sum(one.status in ("reference", "compared") for one in own) < canary.reference_rounds:
        return True
    compared = last.body.comparison
    return last.status == "compared" and compared is not None and compared.differs != last.changed


def next_time(
    canary: Canary, rounds: Sequence[Round], plan: Plan, digest: str, *, now: float, regular: float | None
) -> float | None:
    """When the next round begins; rounds are the newest first. None where a cron line cannot be read.

    `regular` is the time that the cron line says after the last round.
    """
    if not rounds or (plan.asked_at is not None and plan.asked_at > rounds[0].at):
        return now
    last = rounds[0]
    if wants_more(canary, rounds, plan, digest):
        return now
    due = regular if canary.cron else last.at + canary.every_seconds
    if last.status == "incomplete":
        return min(due or now + DAY, last.at + min(canary.every_seconds, RETRY_SECONDS))
    return due


def midnight(now: float) -> float:
    """When the UTC day began."""
    return now // DAY * DAY


def too_many(canary: Canary, prompts: int, used: int) -> str:
    """Why a round may not be asked today, "" where it may."""
    wanted = prompts * canary.repeats
    if used + wanted <= canary.max_requests_per_day:
        return ""
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return (
        f"A round of {wanted} requests would pass max_requests_per_day = {canary.max_requests_per_day} ({used} were "
        f"asked on {day}, UTC): it waits until tomorrow. Raise the bound, or ask less."
    )
