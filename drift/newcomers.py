"""Are there people among the users who were not there before?"""

from collections.abc import Sequence

from drift.evidence import Newcomers
from drift.records import CONVERSATION
from drift.samples import Sample

LEAST = 10
"""Samples with a session that a share is taken of: one in ten is the finest that fewer could tell."""

RECURRING = 0.5
"""Where more of the baseline's own last part is new, sessions are conversations, and new ones say nothing."""

NAMED = 0.5
"""Share of the samples that must name a session, on either side."""


def newcomers(baseline: Sequence[Sample], window: Sequence[Sample]) -> Newcomers | None:
    """The share of the window's samples whose session the baseline does not know, beside what is usual.

    Both sides are ordered, the oldest first. What is usual is the same share in the last quarter of the baseline,
    against the three quarters before it. Samples that name no session are left out: where one was made of the
    conversation's first messages, another system prompt would look like other people. None where too few samples name
    a session, and where the baseline's own sessions hardly recur.
    """
    split = len(baseline) * 3 // 4
    if len(_names(baseline)) < NAMED * len(baseline) or len(_names(window)) < NAMED * len(window):
        return None
    expected = _new(baseline[:split], baseline[split:])
    found = _new(baseline, window)
    if expected is None or found is None or expected > RECURRING:
        return None
    return Newcomers(expected_share=expected, window_share=found)


def _new(before: Sequence[Sample], after: Sequence[Sample]) -> float | None:
    known, named = set(_names(before)), _names(after)
    if len(named) < LEAST:
        return None
    return sum(session not in known for session in named) / len(named)


def _names(samples: Sequence[Sample]) -> list[str]:
    return [one.session for one in samples if one.session is not None and not one.session.startswith(CONVERSATION)]
