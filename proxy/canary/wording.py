"""What a canary's rounds say, in sentences."""

from drift.policy import CANARY
from drift.rca.said import FEATURES
from drift.rounds import CanaryComparison, MovedFeature

_MOST_FEATURES = 3


def reference_message(number: int, of: int) -> str:
    """Of a round that is part of the reference."""
    if number < of:
        return f"Round {number} of {of} of the reference; the next follows at once."
    return f"The reference is complete with this round, the {_nth(number)}; the next one is compared with it."


def compared_message(found: CanaryComparison, changed: bool) -> str:
    """Of a compared round; `changed` says how the canary stands with it."""
    if found.identical:
        said = f"All answers to the {found.prompts} prompts are the very ones of the reference (p = 1)"
    else:
        said = f"{_headline(found, changed)} ({_figures(found)})"
    moved = [_feature(one) for one in found.features[:_MOST_FEATURES]] if found.differs else []
    return f"{said}{'; ' if moved else ''}{', '.join(moved)}."


def _headline(found: CanaryComparison, changed: bool) -> str:
    if found.differs and changed:
        return "The model has changed: two rounds in a row answer the same prompts otherwise than the reference"
    if found.differs:
        return "This round answers the same prompts otherwise than the reference; another follows at once, to make sure"
    if changed and found.p_value > CANARY.alpha:
        return "This round is like the reference again; another follows at once, to make sure"
    if found.p_value <= CANARY.alpha:
        return "The answers have moved beyond chance, and too little to matter"
    return "The same prompts are answered as in the reference"


def _figures(found: CanaryComparison) -> str:
    return (
        f"p = {found.p_value:.3g}; answers are {found.distance:.2f} from the reference's, where {found.usual:.2f} is "
        "usual"
    )


def _feature(one: MovedFeature) -> str:
    name, _, word = one.name.partition(": ")
    what, unit = FEATURES.get(name, (name.replace("_", " "), ""))
    if unit == "characters":
        return f"{_lowered(what)} {one.before:.0f} -> {one.after:.0f} characters"
    label = f"{_lowered(what)}{f' {word}' if word else ''}"
    return f"{label} {one.before:.0%} -> {one.after:.0%}"


def _lowered(text: str) -> str:
    return text[0].lower() + text[1:]


def _nth(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
