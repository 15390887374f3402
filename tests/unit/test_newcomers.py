"""New people among the users are told from the usual coming and going; conversations tell nothing."""

import numpy as np
import pytest

from drift.evidence import Newcomers
from drift.newcomers import newcomers
from drift.records import CONVERSATION
from proxy.population import sample_of
from tests.unit.captured import asked
from tests.unit.samples import samples_of, sphere

RNG = np.random.default_rng(1)


def asked_by(names):
    """Samples of these sessions, in this order."""
    vectors = sphere(RNG, len(names))
    return samples_of(vectors, vectors, sessions=names)


def among(people, count, name="u"):
    return [f"{name}{one}" for one in RNG.integers(people, size=count)]


def test_the_same_people_bring_no_newcomers():
    found = newcomers(asked_by(among(40, 400)), asked_by(among(40, 100)))
    assert found == Newcomers(expected_share=0.0, window_share=0.0)


def test_other_people_in_half_of_the_window_are_half_newcomers():
    window = among(40, 50) + among(40, 50, name="other")
    found = newcomers(asked_by(among(40, 400)), asked_by(window))
    assert found == Newcomers(expected_share=0.0, window_share=0.5)


def test_who_comes_new_all_the_time_is_expected():
    """One in four exchanges is of somebody who was never there: in the baseline, and now."""
    names = [f"once{place}" if place % 4 == 0 else f"u{place % 40}" for place in range(500)]
    found = newcomers(asked_by(names[:400]), asked_by(names[400:]))
    assert found == Newcomers(expected_share=0.25, window_share=0.25)


def test_conversations_say_nothing():
    """Each session lasts three exchanges and never comes again."""
    names = [f"talk{place // 3}" for place in range(500)]
    assert newcomers(asked_by(names[:400]), asked_by(names[400:])) is None


def test_sessions_that_nobody_named_are_left_out():
    """Another system prompt makes other conversations of the same people."""
    talks = [f"{CONVERSATION}{name}" for name in among(10, 400)]
    others = [f"{CONVERSATION}other {name}" for name in among(10, 100)]
    assert newcomers(asked_by(talks), asked_by(others)) is None
    assert newcomers(asked_by(among(10, 400)), asked_by(others)) is None
    found = newcomers(asked_by(among(10, 400)), asked_by(among(10, 60) + others[:40]))
    assert found == Newcomers(expected_share=0.0, window_share=0.0)


@pytest.mark.parametrize("side", ["baseline", "window"])
def test_where_most_name_no_session_nothing_is_said(side):
    few = [name if place % 3 == 0 else None for place, name in enumerate(among(10, 200))]
    many = among(10, 200)
    sides = (few, many) if side == "baseline" else (many, few)
    assert newcomers(*map(asked_by, sides)) is None


def test_those_without_a_session_are_left_out():
    window = ["u1"] * 30 + ["new"] * 30 + [None] * 40
    found = newcomers(asked_by(among(10, 400)), asked_by(window))
    assert found
    assert found.window_share == 0.5


@pytest.mark.parametrize(("before", "now"), [(30, 100), (400, 9), (0, 0)])
def test_few_samples_say_nothing(before, now):
    assert newcomers(asked_by(["u1"] * before), asked_by(["u2"] * now)) is None


def test_a_name_is_digested_and_that_nobody_gave_it_stays_to_be_read():
    talk = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "a"}]
    derived, named = (sampled({"messages": talk} | more) for more in ({}, {"user": "ada"}))
    assert derived.startswith(CONVERSATION)
    assert not named.startswith(CONVERSATION)
    assert "ada" not in named


def sampled(request):
    """The session of the sample that an exchange becomes."""
    (vector,) = sphere(RNG, 1)
    return sample_of(asked(request), response=vector, prompt=vector, digests={}, details={}).session
