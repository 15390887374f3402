"""The rules of symptoms: what an answer's behaviour, or the way it came, speaks for.

A strength is about the share of the window's exchanges that the cause accounts for, 0 to 1: the rise of a share, or
the Kolmogorov-Smirnov distance of a number (lengths, seconds), which is the least share that must have changed.
"""

import math
from collections.abc import Iterable

from drift.policy import CAUSE
from drift.rca.facts import altered, setting_id
from drift.rca.reading import Reading, clients, failed, merged
from drift.rca.records import Cause, Fact, Statement, Suspect
from drift.rca.settings import limit_settings, lowered
from drift.tabular.words import amount, listed, percentage, quoted

LAYOUT = {"code_share": "code", "list_share": "lists", "markdown_share": "markdown"}

Facts = dict[str, Fact]


def suspect(cause: Cause, strength: float, text: str, cites: Iterable[str], facts: Facts) -> Suspect:
    """Cites of the ids only those that are there; the severity is."""
    ids = tuple(dict.fromkeys(one for one in cites if one in facts)) or ("severity",)
    return Suspect(cause=cause, strength=min(1.0, strength), statement=Statement(text=text, evidence=ids))


def refusals(reading: Reading, facts: Facts) -> Suspect | None:
    """More answers decline, or fewer do."""
    before, after = reading.shares("refusal", "true")
    if not reading.feature("refusal") or abs(after - before) < CAUSE.least:
        return None
    more = "decline what was asked" if after > before else "decline, fewer than before"
    text = f"{percentage(after)} of the answers {more}, where {percentage(before)} did in the baseline."
    return suspect(Cause.REFUSALS, abs(after - before), text, ["feature:refusal"], facts)


def language_switch(reading: Reading, facts: Facts) -> Suspect | None:
    """Answers gained a language that the prompts did not gain."""
    answers, prompts = reading.gains("language"), reading.gains("prompt_language")
    moved = {label: rise - max(0.0, prompts.get(label, 0.0)) for label, rise in answers.items()}
    label = max(moved, key=lambda one: moved[one], default="")
    if not label or moved[label] < CAUSE.least:
        return None
    before, after = reading.shares("language", label)
    text = (
        f"{percentage(after)} of the answers are in {quoted(label)}, where {percentage(before)} were; the prompts did "
        "not change their language so far."
    )
    return suspect(Cause.LANGUAGE_SWITCH, moved[label], text, ["feature:language", "feature:prompt_language"], facts)


def truncation(reading: Reading, facts: Facts) -> Suspect | None:
    """More answers end at their token limit, or fewer; or the limit was lowered and answers are shorter."""
    before, after = reading.shares("truncated", "true")
    moved = abs(after - before) if reading.feature("truncated") else 0.0
    limit = reading.setting(*limit_settings(reading))
    lengths = reading.location("response_characters")
    shorter = reading.effect("response_characters") if lengths and lengths[1] < lengths[0] else 0.0
    if moved < CAUSE.least and not (limit and lowered(limit) and shorter >= CAUSE.least_length):
        return None
    said = [altered(limit)] if limit else []
    if moved:
        said.append(f"{percentage(after)} of the answers end at their token limit, where {percentage(before)} did")
    cites = ["feature:truncated", *([setting_id(limit.what)] if limit else []), "feature:response_characters"]
    return suspect(Cause.TRUNCATION, max(moved, shorter if limit else 0.0), f"{'. '.join(said)}.", cites, facts)


def degenerate_output(reading: Reading, facts: Facts) -> Suspect | None:
    """Answers repeat themselves, or say nothing at all."""
    found = reading.location("repetition")
    loops = _looping(reading)
    before, after, cites = _empty(reading)
    if max(loops, after - before) < CAUSE.least:
        return None
    if loops >= after - before and found:
        text = (
            f"Answers repeat themselves: on average {percentage(found[1])} of their phrases were said before in the "
            f"same answer, where {percentage(found[0])} were."
        )
        return suspect(Cause.DEGENERATE_OUTPUT, loops, text, ["feature:repetition"], facts)
    text = f"{percentage(after)} of the answers are empty, where {percentage(before)} were."
    return suspect(Cause.DEGENERATE_OUTPUT, after - before, text, cites, facts)


def _looping(reading: Reading) -> float:
    """About the share of answers caught in loops: the rise of the mean repetition over the repetition of a loop.

    Means are compared, since a few loops among many answers move no quantile; answers too short to repeat themselves
    have no repetition.
    """
    column, found = reading.measured("repetition"), reading.location("repetition")
    spread = reading.location("repetition", "std")
    if column is None or found is None or spread is None or found[1] - found[0] < CAUSE.least_repeated:
        return 0.0
    counts = (
        column.reference_rows * (1.0 - column.reference_missing),
        column.current_rows * (1.0 - column.current_missing),
    )
    error = math.sqrt(sum(std * std / max(count, 1.0) for std, count in zip(spread, counts, strict=True)))
    if found[1] - found[0] < CAUSE.repeated_sigmas * error:
        return 0.0
    return min(1.0, (found[1] - found[0]) / CAUSE.loop) * (1.0 - column.current_missing)


def _empty(reading: Reading) -> tuple[float, float, list[str]]:
    """Share of empty answers before and now at least, and what shows it: counts, or the quartiles of the lengths."""
    before, after = reading.empties()
    calls = max(0.0, reading.gains("tool_call").get("true", 0.0))
    shares = [0.0, 0.0]
    for share, figure in ((0.25, "q25"), (0.5, "median"), (0.75, "q75")):
        lengths = reading.location("response_characters", figure)
        for side, length in enumerate(lengths or ()):
            shares[side] = share if length == 0 else shares[side]
    # A call in the place of an answer has no text, and is none the worse for it.
    if shares[1] - calls > max(after, shares[0]):
        return shares[0], shares[1] - calls, ["feature:response_characters"]
    return before, after, ["outcomes"]


def format_break(reading: Reading, facts: Facts) -> Suspect | None:
    """JSON, tool calls, code, lists or markdown came or went."""
    found: dict[str, tuple[float, str]] = {}
    for name, what in (
        ("json_valid", "valid JSON where JSON was asked for"),
        ("json", "JSON"),
        ("tool_call", "calls of tools"),
    ):
        before, after = reading.shares(name, "true")
        if reading.feature(name) and abs(after - before) >= CAUSE.least:
            change = f"{percentage(after)} of the answers are {what}, where {percentage(before)} were"
            found[name] = abs(after - before), change
    for name, what in LAYOUT.items():
        means = reading.location(name)
        # Code around JSON stops the programs that read it, in however few answers.
        wraps = name == "code_share" and reading.shares("json", "true")[0] >= CAUSE.contract
        if means and reading.effect(name) >= (CAUSE.least if wraps else CAUSE.least_length):
            change = f"{percentage(means[1])} of the answers' text is {what}, where {percentage(means[0])} was"
            found[name] = reading.effect(name), change
    if not found:
        return None
    ranked = sorted(found, key=lambda name: -found[name][0])
    text = "; ".join(found[name][1] for name in ranked[:2]) + "."
    return suspect(Cause.FORMAT_BREAK, found[ranked[0]][0], text, [f"feature:{name}" for name in ranked], facts)


def verbosity(reading: Reading, facts: Facts) -> Suspect | None:
    """Answers became longer or shorter."""
    means, effect = reading.location("response_characters", "median"), reading.effect("response_characters")
    if not means or effect < CAUSE.least_length:
        return None
    word = "longer" if means[1] > means[0] else "shorter"
    text = f"Answers are {word}: {amount(means[1])} characters in the median, where they had {amount(means[0])}."
    return suspect(Cause.VERBOSITY, effect, text, ["feature:response_characters", "feature:output_tokens"], facts)


def provider_trouble(reading: Reading, facts: Facts) -> Suspect | None:
    """Requests fail or are refused, or answers come late."""
    outcomes = reading.evidence.outcomes
    for (before, after), wanted, what in (
        (reading.failures(), _servers, "ended without an answer"),
        (reading.refused(), clients, "were refused as wrong requests"),
    ):
        if outcomes and after - before >= CAUSE.least_failed:
            results = [f"{count} {name.replace('_', ' ')}" for name, count in merged(outcomes.window, wanted)[:3]]
            text = f"{percentage(after)} of the exchanges {what} ({listed(results)}), where {percentage(before)} did."
            if wanted is clients:
                text = text.replace("did.", "were.")
            return suspect(Cause.PROVIDER_TROUBLE, after - before, text, ["outcomes", *_slow_ids(reading)], facts)
    slow = slower(reading)
    if not slow:
        return None
    name, (then, now) = max(slow.items(), key=lambda one: reading.effect(one[0]))
    what = "The first chunk comes after" if name == "first_chunk_seconds" else "Answers take"
    text = f"{what} {amount(now)} s in the median, where it was {amount(then)} s."
    return suspect(Cause.PROVIDER_TROUBLE, reading.effect(name), text, _slow_ids(reading), facts)


def _servers(result: str) -> bool:
    return failed(result) and not clients(result)


def slower(reading: Reading) -> dict[str, tuple[float, float]]:
    """Which times doubled, beyond what longer answers explain: medians before and now.

    The speed in tokens is left out: of short answers the time before the first token is most.
    """
    found = {}
    lengths = reading.location("response_characters") or (1.0, 1.0)
    longer = lengths[1] / lengths[0] if lengths[0] > 0 else 1.0
    longer = longer if longer >= CAUSE.longer else 1.0
    whole = reading.location("duration_seconds", "median")
    for name in ("first_chunk_seconds", "duration_seconds"):
        medians = reading.location(name, "median")
        if not medians or reading.effect(name) < CAUSE.least_slower or min(medians) <= 0:
            continue
        # An answer that is not streamed comes in one chunk, at its end.
        by_length = name == "duration_seconds" or (whole is not None and medians[1] >= CAUSE.nearly * whole[1])
        least = CAUSE.slower * (longer if by_length else 1.0)
        if medians[1] >= least * medians[0] and medians[1] - medians[0] >= CAUSE.least_seconds:
            found[name] = medians
    return found


def _slow_ids(reading: Reading) -> list[str]:
    return [f"feature:{name}" for name in slower(reading)]
