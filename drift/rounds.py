"""What comparing two rounds of a canary gives, as frozen records. Needs no numpy.

A *canary* is a fixed set of prompts that is asked again and again. A *round* asks each of them some times. The first
rounds are the *reference*.
"""

import msgspec


class MovedPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """How far the answers to one prompt have moved."""

    prompt: int
    """Its place among the canary's prompts."""
    distance: float
    """Mean cosine distance of the round's answers to the reference's, 0 to 2."""
    usual: float
    """What chance alone would make of it."""


class MovedFeature(msgspec.Struct, frozen=True, kw_only=True):
    """A behaviour of the answers that differs beyond chance."""

    name: str
    """A field of drift.features.Behaviour; of words with the word: "finish_reason: length"."""
    before: float
    """Mean over prompts, of the reference; shares are 0 to 1."""
    after: float
    p_adjusted: float
    """Westfall-Young over all features."""


class CanaryComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One round against the reference, prompt by prompt."""

    p_value: float
    """Of the hypothesis that each prompt's rounds are answered by the same model; 1 where all answers are identical."""
    statistic: float
    """Minus the logarithm of the smallest p-value of its parts."""
    prompts: int
    """How many were answered on both sides."""
    reference_answers: int
    answers: int
    distance: float
    """Mean over prompts of the cosine distance of the round's answers to the reference's, 0 to 2."""
    usual: float
    """What chance alone would make of it: the same of the reference's rounds among themselves, or the mean of that and
    of the round's own answers, where that is less."""
    effect: float
    """distance less usual: how much further than chance the answers have moved. May be negative."""
    identical: bool
    """Whether each prompt's answers are the very ones of the reference."""
    differs: bool
    """Whether p is at most alpha and something moved far enough to matter."""
    moved: tuple[MovedPrompt, ...] = ()
    """The prompts whose answers moved most, the furthest first."""
    features: tuple[MovedFeature, ...] = ()
    """Behaviours that moved, the surest first."""
