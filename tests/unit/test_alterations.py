import numpy as np
from scipy.stats import binomtest

from drift.alterations import UNSET, alterations
from tests.unit.samples import samples_of


def sided(settings, start=0):
    vectors = np.ones((len(settings), 2), dtype=np.float32)
    return samples_of(vectors, vectors, start=start, settings=settings)


def models(*names):
    return [{"response_model": name} for name in names]


def test_a_new_model_is_found_with_its_first_time():
    found = alterations(sided(models(*["a-0301"] * 40)), sided(models(*["a-0301"] * 6, *["a-0613"] * 14), start=100))
    (alteration,) = found
    assert (alteration.what, alteration.before, alteration.after) == ("response_model", "a-0301", "a-0613")
    assert (alteration.baseline_share, alteration.window_share, alteration.at) == (0.0, 0.7, 106.0)


def test_the_same_settings_are_no_alteration():
    assert alterations(sided(models("a", "b") * 20), sided(models("a", "b") * 10)) == ()


def test_seeds_that_differ_with_each_request_are_no_alteration():
    before = sided([{"seed": str(place)} for place in range(40)])
    assert alterations(before, sided([{"seed": str(place)} for place in range(100, 120)])) == ()


def test_a_few_requests_with_another_value_are_no_alteration():
    """Less than a tenth of the window."""
    before, after = sided(models(*["a"] * 40)), sided(models(*["a"] * 28, "b", "b"))
    assert alterations(before, after) == ()
    assert [one.after for one in alterations(before, after, least=0.05, level=1.0)] == ["b"]


def test_what_was_not_set_has_a_value_too():
    """A temperature that is set from now on, and a token limit that no longer is."""
    before = sided([{"max_tokens": "256"}] * 30)
    after = sided([{"max_tokens": "256"}] * 3 + [{"temperature": "0.2"}] * 7, start=50)
    found = {one.what: one for one in alterations(before, after)}
    assert set(found) == {"max_tokens", "temperature"}
    assert (found["temperature"].before, found["temperature"].after, found["temperature"].at) == (UNSET, "0.2", 53.0)
    assert (found["max_tokens"].before, found["max_tokens"].after) == ("256", UNSET)
    assert found["max_tokens"].window_share == 0.7


def test_the_largest_gain_comes_first():
    before = sided([{"model": "a", "top_p": "1"}] * 20)
    after = sided([{"model": "b", "top_p": "1"}] * 12 + [{"model": "b", "top_p": "0.5"}] * 8)
    assert [one.what for one in alterations(before, after)] == ["model", "top_p"]


def test_a_mix_that_shifts_names_what_lost_and_what_gained():
    """Of two models the commoner one takes the rest of the traffic: it replaced the other, and not itself."""
    (found,) = alterations(sided(models(*["a"] * 24, *["b"] * 16)), sided(models(*["a"] * 40)))
    assert (found.before, found.after) == ("b", "a")
    assert (found.baseline_share, found.window_share) == (0.6, 1.0)


def test_chance_is_no_alteration():
    """A setting that half of the requests have, on both sides: found in at most one window in twenty."""
    rng = np.random.default_rng(1)

    def mixed(count):
        return sided(models(*np.where(rng.random(count) < 0.5, "a", "b").tolist()))

    found = sum(bool(alterations(mixed(100), mixed(25))) for _ in range(200))
    assert binomtest(found, 200, 0.05, alternative="greater").pvalue > 0.001


def test_a_model_that_was_not_known_before_is_no_alteration():
    """Nor are samples whose settings nobody recorded."""
    after = sided(models(*["a"] * 20))
    assert alterations(sided([{}] * 20), after) == ()
    assert alterations(sided([{"top_p": "1"}] * 20), sided([{"top_p": "1", "digest": "d"}] * 20)) == ()


def test_no_settings_no_alterations():
    assert alterations(sided([{}] * 5), sided([{}] * 5)) == ()
