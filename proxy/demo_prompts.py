"""What the demo asks: everyday questions of one kind, shuffled once, so that each stage is a random share of them."""

import random

_FORMS = (
    "What do I need for {}?",
    "Why do people enjoy {}?",
    "Give me one good tip for {}.",
    "What is a common mistake in {}?",
    "How do I get started with {}?",
)

_PURSUITS = (
    "baking bread",
    "growing tomatoes",
    "learning the piano",
    "hiking in the mountains",
    "keeping a diary",
    "riding a bicycle to work",
    "brewing coffee",
    "painting a room",
    "training a puppy",
    "playing chess",
    "taking photographs",
    "running a marathon",
    "learning Spanish",
    "saving money",
    "sewing curtains",
    "fishing in a lake",
    "watching birds",
    "planning a trip by train",
    "writing a short story",
    "repairing an old chair",
    "cooking soup",
    "swimming in the sea",
    "moving to a new city",
    "organising a birthday party",
)

_SEED = 7

SYSTEM = "You are a helpful assistant."
CHANGED_SYSTEM = f"{SYSTEM} Answer in French."


def questions() -> list[str]:
    """All of them, 120, in a random order that is the same on every run."""
    every = [form.format(pursuit) for pursuit in _PURSUITS for form in _FORMS]
    random.Random(_SEED).shuffle(every)
    return every
