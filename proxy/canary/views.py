"""Canaries as people read them: what they ask, what that costs, and what their rounds say."""

import time

import msgspec
import sqlalchemy as sa

from drift.rounds import MovedFeature
from drift.tabular.words import clipped
from proxy.canary.planning import midnight
from proxy.canary.settings import Canary, Messages, messages_of
from proxy.canary.standing import State, message_of, state_of
from proxy.moments import iso
from proxy.section import ConfigError
from proxy.stores.canaries import Plan, Round, Status, read_plan, read_rounds, requests_since

ROUNDS_SHOWN = 20
_PROMPT_CHARACTERS = 200


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a canary asks for; tokens are those of the last complete round, in and out."""

    requests_per_round: int
    requests_per_day: float | None
    """On the schedule; None where a cron line says when. Rounds that confirm a difference come on top."""
    max_requests_per_day: int
    """The bound; a round that would pass it waits until the next day (UTC)."""
    requests_today: int
    tokens_per_round: int | None
    tokens_per_day: float | None


class PromptView(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt whose answers moved."""

    prompt: str
    """The last thing that it asks; from the settings, clipped."""
    distance: float
    """Mean cosine distance of the round's answers to the reference's."""
    usual: float
    """The same of the reference's rounds among themselves."""


class RoundView(msgspec.Struct, frozen=True, kw_only=True):
    """One round."""

    number: int
    timestamp: str | None
    status: Status
    message: str
    requests: int
    answers: int
    tokens: int
    seconds: float
    model: str
    response_models: tuple[str, ...]
    p_value: float | None
    effect: float | None
    """How much further than chance the answers are from the reference's, cosine distance."""
    distance: float | None
    usual: float | None
    differs: bool
    """By itself: p is at most .01, and something moved far enough to matter."""
    changed: bool
    """Two rounds in a row differ."""
    failures: dict[str, int]
    moved: tuple[PromptView, ...] = ()
    features: tuple[MovedFeature, ...] = ()


class CanaryView(msgspec.Struct, frozen=True, kw_only=True):
    """A canary, with its last rounds."""

    name: str
    monitor: str
    """Its own, of which nobody is to make a baseline."""
    state: State
    changed: bool
    message: str
    problem: str
    """Why no round is asked, with what to do; "" where nothing is wrong."""
    asking: bool
    """Whether a round is under way."""
    model: str
    """As it was asked last."""
    prompts: int
    repeats: int
    every_seconds: float | None
    cron: str
    cost: Cost
    next_at: str | None
    reference_at: str | None
    """When the first round of the reference began."""
    reference_rounds: int
    monitors: tuple[str, ...]
    """Whose evidence it is; empty: monitors of the same model."""
    rounds: tuple[RoundView, ...]
    """The newest first."""


def canary_view(engine: sa.Engine, canary: Canary, *, rounds_shown: int = ROUNDS_SHOWN) -> CanaryView:
    """One canary as it stands now."""
    standing = read_plan(engine, canary.name)
    rounds = read_rounds(engine, canary.name, limit=max(rounds_shown, ROUNDS_SHOWN))
    try:
        asked, problem = messages_of(canary), standing.problem
    except ConfigError as error:
        asked, problem = [], str(error)
    state, compared = state_of(rounds, standing)
    last = rounds[0] if rounds else None
    reference = next((one for one in reversed(rounds) if one.number >= standing.reference_from), None)
    begun = compared.body.reference_at if compared else reference.at if reference else None
    return CanaryView(
        name=canary.name,
        monitor=canary.monitor,
        state=state,
        changed=state == "changed",
        message=message_of(rounds, standing),
        problem=problem,
        asking=bool(last and last.status in ("asking", "waiting")),
        model=(last.body.model if last else "") or canary.model,
        prompts=len(asked),
        repeats=canary.repeats,
        every_seconds=None if canary.cron else canary.every_seconds,
        cron=canary.cron,
        cost=_cost(engine, canary, rounds, len(asked)),
        next_at=iso(_next(standing, last)),
        reference_at=iso(begun),
        reference_rounds=canary.reference_rounds,
        monitors=canary.monitors,
        rounds=tuple(_round(one, asked) for one in rounds[:rounds_shown]),
    )


def _next(standing: Plan, last: Round | None) -> float | None:
    """When it asks next, as far as its scheduler has said so since the last round."""
    if standing.asked_at is not None and (last is None or standing.asked_at > last.at):
        return standing.asked_at
    return standing.next_at if last is None or (standing.next_at or 0.0) > last.at else None


def _cost(engine: sa.Engine, canary: Canary, rounds: list[Round], prompts: int) -> Cost:
    requests, per_day = prompts * canary.repeats, canary.rounds_per_day
    complete = next((one for one in rounds if one.status in ("reference", "compared", "waiting")), None)
    return Cost(
        requests_per_round=requests,
        requests_per_day=None if per_day is None else round(requests * per_day, 1),
        max_requests_per_day=canary.max_requests_per_day,
        requests_today=requests_since(engine, canary.name, midnight(time.time())),
        tokens_per_round=complete.tokens if complete else None,
        tokens_per_day=round(complete.tokens * per_day, 1) if complete and per_day else None,
    )


def _round(one: Round, asked: list[Messages]) -> RoundView:
    found = one.body.comparison
    return RoundView(
        number=one.number,
        timestamp=iso(one.at),
        status=one.status,
        message=one.message,
        requests=one.requests,
        answers=one.answers,
        tokens=one.tokens,
        seconds=one.body.seconds,
        model=one.body.model,
        response_models=one.body.response_models,
        p_value=one.p_value,
        effect=one.effect,
        distance=found.distance if found else None,
        usual=found.usual if found else None,
        differs=bool(found and found.differs),
        changed=one.changed,
        failures=one.body.failures,
        moved=tuple(
            PromptView(prompt=_text(asked, moved.prompt), distance=moved.distance, usual=moved.usual)
            for moved in (found.moved if found and found.differs else ())
        ),
        features=found.features if found else (),
    )


def _text(asked: list[Messages], place: int) -> str:
    """What a prompt asks; of prompts that are no longer set only the number is known."""
    if place >= len(asked):
        return f"prompt {place + 1}"
    return clipped(next(one.content for one in reversed(asked[place]) if one.role == "user"), _PROMPT_CHARACTERS)
