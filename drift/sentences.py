"""What a report says in words."""

from drift.detectors import Moved
from drift.features import BOOLEAN
from drift.records import DetectorScore, Severity

_FINDINGS = {
    Severity.LOW: "No drift: nothing to do.",
    Severity.MEDIUM: "{what} begun to drift: compare the witnesses with the baseline.",
    Severity.HIGH: "{what} drifted: look at the witnesses and at what changed upstream.",
    Severity.CRITICAL: "{what} left the baseline: find the change, or make a new baseline.",
}
"""What each severity means, and what to do next."""

_SUBJECTS = {
    "mmd": "What the answers say has",
    "residual_mmd": "How answers follow from their prompts has",
    "alignment": "How well the answers fit their prompts has",
    "behaviour": "The answers' form ({detail}) has",
}


def finding(severity: Severity, worst: DetectorScore) -> str:
    """The report's sentence: what moved, and what to do."""
    subject = _SUBJECTS[worst.name.rpartition("_")[0]].format(detail=worst.detail or "length or format")
    return _FINDINGS[severity].format(what=subject)


def moved_sentence(moved: Moved) -> str:
    """ "refusal: 0% -> 22%"."""
    question, shares = moved.question, (moved.baseline_share, moved.window_share)
    name = question.feature.replace("_", " ")
    if question.feature in BOOLEAN and (question.another or question.level is False):
        # "No refusal" and "neither refusal nor none", where the baseline has none, are said as one.
        asked = name
        shares = shares if question.another else (1 - shares[0], 1 - shares[1])
    elif question.edge is not None:
        asked = f"{name} up to {question.edge:.4g}"
    elif question.another:
        asked = f"another {name}"
    elif isinstance(question.level, bool) or question.level is None:
        asked = name if question.level else f"no {name}"
    else:
        asked = f"{name} {question.level}"
    return f"{asked}: {shares[0]:.0%} -> {shares[1]:.0%}"


def missing_sentence(missing: int, missing_from: str) -> str:
    """How many samples are wanting, and of what."""
    if missing_from == "sessions":
        return "These answers come from too few users or conversations to judge: send those of others."
    answers = "answer" if missing == 1 else "answers"
    if missing_from == "baseline":
        return f"The baseline is {missing} {answers} short of a severity: make a new one from more traffic."
    return f"{missing} more {answers} until the first score."
