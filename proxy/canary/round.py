"""One round of a canary: every prompt asked some times, one after the other, then handed to the worker."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import sqlalchemy as sa
import structlog

from drift.policy import CANARY
from proxy.canary.asking import Asker
from proxy.canary.planning import digest_of
from proxy.canary.settings import Canary, Messages
from proxy.settings import Settings
from proxy.stores.canaries import Asked, Body, Round, write_round
from proxy.stores.counters import count
from proxy.stores.history import History
from proxy.stores.log import Log

log = structlog.get_logger()

MOST_FAILURES = 5
"""In a row: a server that is down is not asked all of it."""
LOGGED_SECONDS = 10.0
_COUNTER = "canary_requests"


def ask_round(
    canary: Canary,
    asked: Sequence[Messages],
    number: int,
    *,
    settings: Settings,
    history: History,
    exchange_log: Log,
    stopping: Callable[[], bool],
) -> Round:
    """Ask a round and leave the worker the command to compare it. Returns it as far as it is known then."""
    began, planned = time.time(), len(asked) * canary.repeats
    body = Body(digest=digest_of(canary, asked), model=canary.model, prompts=len(asked), monitors=canary.monitors)
    # Counted in full from the beginning: a scheduler that is killed here must not ask more in a day than it may.
    one = Round(canary=canary.name, number=number, at=began, status="asking", requests=planned, body=body)
    write_round(history.engine, one)
    with Asker(canary, settings, exchange_log) as asker:
        model = asker.find_model()
        answered, failures, tokens = _ask(canary, asked, asker, stopping) if model else ([], Counter(), (0, 0))
        if not model:
            failures["no model is known: set model, or upstream.default_model"] += 1
        elif not asker.direct and answered and not _logged(exchange_log, answered[-1].exchange_id):
            failures[f"the Driftium at {asker.through} writes to another data folder"] += len(answered)
            answered = []
    done = len(answered) + sum(failures.values()) if model else 0
    _count(history.engine, canary.name, len(answered), done - len(answered))
    enough = len(answered) >= CANARY.least_answered * planned
    body = msgspec.structs.replace(
        body,
        model=model,
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        failures=dict(failures.most_common(5)),
        seconds=time.time() - began,
        asked=tuple(answered),
        message="Asked; the worker compares it." if enough else _too_few(len(answered), planned, failures),
    )
    one = msgspec.structs.replace(
        one,
        status="waiting" if enough else "incomplete",
        requests=done,
        answers=len(answered),
        tokens=sum(tokens),
        body=body,
    )
    write_round(history.engine, one)
    if enough:
        asking = {"canary": canary.name, "number": number, "head": exchange_log.head()}
        history.ask("canary", asking | {"reference_rounds": canary.reference_rounds})
    else:
        log.warning("a canary's round is incomplete", canary=canary.name, round=number, message=body.message)
    history.tell("canary", {"canary": canary.name, "round": number, "status": one.status})
    return one


def _ask(
    canary: Canary, asked: Sequence[Messages], asker: Asker, stopping: Callable[[], bool]
) -> tuple[list[Asked], Counter[str], tuple[int, int]]:
    """The answers, what went wrong how often, and the tokens in and out."""
    answered: list[Asked] = []
    failures: Counter[str] = Counter()
    given = made = in_a_row = 0
    # All prompts once, then all again: what lasts a minute is in few repeats of each rather than in all of one.
    for repeat in range(canary.repeats):
        for prompt, messages in enumerate(asked):
            if stopping():
                failures["Driftium was stopped"] += 1
                return answered, failures, (given, made)
            reply = asker.ask(messages, repeat)
            given, made = given + reply.input_tokens, made + reply.output_tokens
            if reply.failure:
                failures[reply.failure] += 1
                in_a_row += 1
                if in_a_row == MOST_FAILURES:
                    return answered, failures, (given, made)
            else:
                in_a_row = 0
                answered.append(Asked(prompt=prompt, exchange_id=reply.exchange_id))
    return answered, failures, (given, made)


def _logged(exchange_log: Log, exchange_id: str) -> bool:
    """Whether an exchange is in the log, to which the tap writes a moment later."""
    deadline = time.monotonic() + LOGGED_SECONDS
    while exchange_log.entry(exchange_id) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _too_few(answered: int, planned: int, failures: Counter[str]) -> str:
    why = failures.most_common(1)
    said = f" ({why[0][0]})" if why else ""
    return f"{answered} of {planned} requests were answered{said}: too few, so nothing was compared."


def _count(engine: sa.Engine, canary: str, answered: int, failed: int) -> None:
    for result, number in (("answered", answered), ("failed", failed)):
        if number:
            count(engine, _COUNTER, {"canary": canary, "result": result}, number)


def count_skipped(engine: sa.Engine, canary: str, requests: int) -> None:
    """Requests that were due, and not made since they would have passed the day's bound."""
    count(engine, _COUNTER, {"canary": canary, "result": "skipped"}, requests)
