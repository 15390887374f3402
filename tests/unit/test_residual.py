import numpy as np
import pytest

from drift.semantic.calibration import u_centred
from drift.semantic.mmd import median_distance, mmd2, null_deviation, rbf
from drift.semantic.permutation import permutation_test
from drift.semantic.residual import fit_ridge
from tests.unit.samples import unit


def fitted(prompts, responses, penalty):
    """(intercept, weights) of a ridge regression, from its normal equations: the oracle."""
    x, y = prompts - prompts.mean(axis=0), responses - responses.mean(axis=0)
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    return responses.mean(axis=0) - prompts.mean(axis=0) @ weights, weights


def left_out_residuals(prompts, responses, penalty):
    """Each row's residual by a map that was fitted without the row."""
    found = []
    for row in range(len(prompts)):
        rest = np.delete(np.arange(len(prompts)), row)
        intercept, weights = fitted(prompts[rest], responses[rest], penalty)
        found.append(responses[row] - intercept - prompts[row] @ weights)
    return np.array(found)


def exchanges(rng, count, *, asked=0.0, said=0.0, dimension=8, noise=0.5):
    """Answers that are a linear map of their prompts and noise."""
    prompts = rng.normal(size=(count, dimension))
    prompts[:, 0] += asked
    responses = prompts @ np.random.default_rng(99).normal(size=(dimension, dimension)) / dimension**0.5
    responses += noise * rng.normal(size=responses.shape)
    responses[:, 1] += said
    return prompts, responses


def deviations(baseline, window):
    """mmd2 in units of its standard deviation without drift."""
    bandwidth = median_distance(baseline)
    scale = u_centred(rbf(baseline, baseline, bandwidth))[1]
    return mmd2(baseline, window, bandwidth=bandwidth) / (scale * null_deviation(len(window), len(baseline)))


@pytest.mark.parametrize("dimension", [5, 40])
def test_left_out_residuals_are_those_of_fits_without_each_row(dimension):
    """30 fits of 29 rows each, with more and with fewer samples than dimensions; and no penalty leaves smaller ones."""
    prompts, responses = exchanges(np.random.default_rng(0), 30, dimension=dimension)
    _, left_out = fit_ridge(prompts, responses)
    values = np.linalg.eigvalsh(np.cov(prompts.T, bias=True) * 30)
    mean_variance = values[values > 1e-9 * values.max()].mean()
    tried = [left_out_residuals(prompts, responses, mean_variance * 10.0**power) for power in np.arange(-3, 2.5, 0.5)]
    best = min(tried, key=lambda residuals: float(np.square(residuals).mean()))
    assert left_out == pytest.approx(best, abs=1e-5)


def test_the_map_is_the_regression_of_all_rows():
    """Without noise the smallest penalty fits best, and later answers have next to no residual."""
    rng = np.random.default_rng(1)
    prompts, responses = exchanges(rng, 200, noise=0.0)
    ridge, _ = fit_ridge(prompts, responses)
    intercept, weights = fitted(prompts, responses, 1e-3 * np.trace(np.cov(prompts.T, bias=True) * 200) / 8)
    later = exchanges(rng, 20, noise=0.0)
    expected = later[1] - intercept - later[0] @ weights
    assert ridge.residuals(*later) == pytest.approx(expected, abs=1e-5)
    assert np.abs(ridge.residuals(*later)).max() < 0.02


def test_one_answer_has_the_residual_that_it_has_among_others():
    rng = np.random.default_rng(2)
    ridge, _ = fit_ridge(*exchanges(rng, 60))
    prompts, responses = exchanges(rng, 10)
    together = ridge.residuals(prompts, responses)
    assert together.dtype == np.float32
    for prompt, response, residual in zip(prompts, responses, together, strict=True):
        assert ridge.residuals(prompt, response) == pytest.approx(residual, abs=1e-6)


def test_other_prompts_move_the_responses_and_not_the_residuals():
    """The same model, asked elsewhere, 20 baselines: responses leave their null every time, residuals hardly."""
    rng = np.random.default_rng(3)
    of_responses, of_residuals = [], []
    for _ in range(20):
        baseline, window = exchanges(rng, 300), exchanges(rng, 80, asked=1.5)
        ridge, residuals = fit_ridge(*baseline)
        of_responses.append(deviations(baseline[1], window[1]))
        of_residuals.append(deviations(residuals, ridge.residuals(*window)))
    # The map has an error of its own, which grows with the distance from the prompts that it was fitted on.
    assert np.median(of_residuals) < 1 < max(of_residuals) < 5
    assert min(of_responses) > 8


def test_another_model_moves_the_residuals_more_than_the_responses():
    """Noise a tenth of what prompts spread: without the prompts' spread a small shift stands out."""
    rng = np.random.default_rng(4)
    baseline, window = exchanges(rng, 300, noise=0.1), exchanges(rng, 80, noise=0.1, said=0.2)
    ridge, residuals = fit_ridge(*baseline)
    assert deviations(residuals, ridge.residuals(*window)) > 20 > 4 > deviations(baseline[1], window[1])


def test_residuals_of_the_baseline_are_comparable_with_those_of_later_answers():
    """Rejections at .05 stay within their binomial bound; residuals of rows in their own fit are too short."""
    rng = np.random.default_rng(5)
    rejected = in_sample = 0
    for _ in range(60):
        (prompts, responses), window = exchanges(rng, 60, dimension=20), exchanges(rng, 30, dimension=20)
        ridge, residuals = fit_ridge(prompts, responses)
        for own in (False, True):
            before = ridge.residuals(prompts, responses) if own else residuals
            p_value = permutation_test(
                before, ridge.residuals(*window), bandwidth=median_distance(before), permutations=99, rng=rng
            ).p_value
            if own:
                in_sample += p_value <= 0.05
            else:
                rejected += p_value <= 0.05
    # P(more than 8 of 60 at .05) = .3 %.
    assert rejected <= 8
    assert in_sample > 20


def test_sessions_are_left_out_whole():
    """Near-duplicates of an answer would know it: brute force, three rows at a time."""
    rng = np.random.default_rng(7)
    sides = exchanges(rng, 10, dimension=4)
    prompts, responses = (np.repeat(side, 3, axis=0) + 0.1 * rng.normal(size=(30, 4)) for side in sides)
    sessions = np.concatenate([np.repeat(np.arange(8), 3), -1 - np.arange(6)])
    _, left_out = fit_ridge(prompts, responses, sessions)
    spread = np.trace(np.cov(prompts.T, bias=True) * 30) / 4

    def without_session(penalty):
        found = np.empty_like(responses)
        for session in np.unique(sessions):
            own = sessions == session
            intercept, weights = fitted(prompts[~own], responses[~own], penalty)
            found[own] = responses[own] - intercept - prompts[own] @ weights
        return found

    tried = [without_session(spread * 10.0**power) for power in np.arange(-3, 2.5, 0.5)]
    best = min(tried, key=lambda residuals: float(np.square(residuals).mean()))
    assert left_out == pytest.approx(best, abs=1e-5)
    one_by_one = fit_ridge(prompts, responses)[1]
    assert np.square(left_out[:24]).mean() > 1.5 * np.square(one_by_one[:24]).mean()


def test_equal_prompts_explain_nothing():
    """Responses less their mean; those of the baseline less the mean of the others."""
    rng = np.random.default_rng(6)
    responses = unit(rng.normal(size=(40, 6)))
    prompts = np.repeat(unit(rng.normal(size=(1, 6))), 40, axis=0)
    ridge, left_out = fit_ridge(prompts, responses)
    others = (responses.sum(axis=0) - responses) / 39
    assert left_out == pytest.approx(responses - others, abs=1e-5)
    later = unit(rng.normal(size=(5, 6)))
    assert ridge.residuals(prompts[:5], later) == pytest.approx(later - responses.mean(axis=0), abs=1e-5)


def test_two_samples_are_enough_for_residuals():
    ridge, left_out = fit_ridge(np.eye(3, dtype=np.float32)[:2], np.eye(3, dtype=np.float32)[1:])
    assert left_out == pytest.approx(np.array([[0, 1, -1], [0, -1, 1]]))
    assert np.isfinite(ridge.residuals(np.ones(3), np.ones(3))).all()
