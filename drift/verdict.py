"""Did the users change, or did the model? Three tests and the word that follows from them.

- prompts: do both sides ask alike?
- responses: do both sides answer alike?
- conditional: do both sides answer the same prompts alike?

Users have changed when the prompts test rejects, the model when the conditional one does. Two cases are not so plain:

- *The prompts test rejects and hardly anything overlaps.* What the old model would have answered to the new prompts
  is then nowhere in the data, so the conditional test decides nothing and the verdict is insufficient_overlap.
- *Only the responses test rejects.* Responses differ because prompts do or because the model does, and prompts show
  no difference: the model has changed. Said only when the prompts are not even suspect (their unadjusted p-value is
  above `unsuspected`), as a test that just fails to reject is no proof that nothing moved.

When the same prompts are on both sides (canaries, regression suites), they are paired (semantic/paired.py).
"""

import numpy as np

from drift.errors import TooFewSamples
from drift.evidence import Attribution, PopulationTest, Verdict
from drift.policy import VERDICT
from drift.samples import Codes
from drift.semantic.conditional import conditional_test
from drift.semantic.mmd import Doubles, Floats, median_distance
from drift.semantic.paired import paired_test, repeated_prompts
from drift.semantic.permutation import permutation_test


def attribute(
    baseline_prompts: Floats,
    baseline_responses: Floats,
    window_prompts: Floats,
    window_responses: Floats,
    *,
    rng: np.random.Generator,
    alpha: float = VERDICT.alpha,
    baseline_features: Doubles | None = None,
    window_features: Doubles | None = None,
    baseline_sessions: Codes | None = None,
    window_sessions: Codes | None = None,
    permutations: int = VERDICT.draws,
    redraws: int = VERDICT.draws,
    least_samples: int = VERDICT.least_samples,
    least_overlap: float = VERDICT.least_overlap,
    paired_from: float = VERDICT.paired_from,
    least_pairs: int = VERDICT.least_pairs,
    unsuspected: float = VERDICT.unsuspected,
) -> Attribution:
    """Say whether prompts, model, both or neither changed between a baseline and a window.

    Prompts and responses are unit vectors, (n, d) and (m, d), row by row of one exchange. Features (n, f) and (m, f)
    are numbers about the answers (log lengths, shares, flags as 0 and 1), raw, NaN where there is none: they join the
    conditional test, as verbosity does not show in vectors. Session codes (n,) and (m,) mark what was asked in one
    conversation, a negative one being a session of its own. Tests are at level alpha, Holm over all of them.

    Below least_samples on either side the verdict is insufficient_data, below an effective size of least_overlap
    with changed prompts insufficient_overlap. Tests are paired when at least the share paired_from of the window's
    samples has its prompt in the baseline, and at least least_pairs prompts are on both sides; sessions then play
    no part, as labels never leave their prompt.
    """
    n, m = len(baseline_responses), len(window_responses)

    def insufficient(reason: str) -> Attribution:
        return Attribution(
            verdict=Verdict.INSUFFICIENT_DATA, message=reason, alpha=alpha, baseline_samples=n, window_samples=m
        )

    if min(n, m) < least_samples:
        side = "baseline" if n < m else "window"
        return insufficient(
            f"{min(n, m)} exchanges in the {side}: {least_samples} on either side are needed to tell "
            "whether users or model changed."
        )
    baseline_groups, window_groups = repeated_prompts(baseline_prompts, window_prompts)
    repeated = np.isin(window_groups, baseline_groups)
    paired = bool(repeated.mean() >= paired_from and len(np.unique(window_groups[repeated])) >= least_pairs)

    def unconditional(baseline: Floats, window: Floats) -> tuple[float, float]:
        """Statistic and p-value of the test that ignores what was asked, or answered."""
        test = permutation_test(
            baseline,
            window,
            bandwidth=median_distance(baseline),
            permutations=permutations,
            rng=rng,
            baseline_sessions=None if paired else baseline_sessions,
            window_sessions=None if paired else window_sessions,
        )
        return test.statistic, test.p_value

    try:
        results = {"prompts": unconditional(baseline_prompts, window_prompts)}
        if paired:
            pairs = paired_test(
                baseline_responses,
                window_responses,
                baseline_groups,
                window_groups,
                permutations=permutations,
                rng=rng,
                baseline_features=baseline_features,
                window_features=window_features,
            )
            results["conditional"] = pairs.statistic, pairs.p_value
            effective = float(pairs.baseline_samples), float(pairs.window_samples)
        else:
            results["responses"] = unconditional(baseline_responses, window_responses)
        if not paired and _echoes(baseline_prompts, baseline_responses) and _echoes(window_prompts, window_responses):
            # Prompts decide the answers wholly, and what they leave over is rounding.
            results["conditional"], effective = (0.0, 1.0), (float(n), float(m))
        elif not paired:
            conditional = conditional_test(
                baseline_prompts,
                baseline_responses,
                window_prompts,
                window_responses,
                rng=rng,
                baseline_features=baseline_features,
                window_features=window_features,
                baseline_sessions=baseline_sessions,
                window_sessions=window_sessions,
                redraws=redraws,
            )
            results["conditional"] = conditional.statistic, conditional.p_value
            effective = conditional.effective_baseline, conditional.effective_window
    except TooFewSamples as error:
        # Enough exchanges, of too few sessions.
        return insufficient(f"{error}.")
    tests = holm(results, alpha)
    verdict = decide(tests, overlapping=paired or min(effective) >= least_overlap, unsuspected=unsuspected)
    return Attribution(
        verdict=verdict,
        message=_sentence(verdict, tests, n, m, effective, paired),
        tests=tests,
        alpha=alpha,
        baseline_samples=n,
        window_samples=m,
        effective_baseline=effective[0],
        effective_window=effective[1],
        paired=paired,
    )


def _echoes(prompts: Floats, responses: Floats) -> bool:
    """Whether answers repeat their prompts."""
    return bool(np.einsum("ij,ij->i", prompts, responses).mean() > VERDICT.echo)


def holm(results: dict[str, tuple[float, float]], alpha: float) -> tuple[PopulationTest, ...]:
    """Tests with p-values adjusted over all of them, from name -> (statistic, p_value), in the same order.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    adjusted: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(results, key=lambda name: results[name][1])):
        largest = max(largest, min(1.0, (len(results) - rank) * results[name][1]))
        adjusted[name] = largest
    return tuple(
        PopulationTest(
            name=name,
            statistic=statistic,
            p_value=p_value,
            p_adjusted=adjusted[name],
            rejected=adjusted[name] <= alpha,
        )
        for name, (statistic, p_value) in results.items()
    )


def decide(
    tests: tuple[PopulationTest, ...], *, overlapping: bool, unsuspected: float = VERDICT.unsuspected
) -> Verdict:
    """The verdict that follows from the tests, as this module's docstring says."""
    by_name = {test.name: test for test in tests}
    prompts, conditional, responses = by_name["prompts"], by_name["conditional"], by_name.get("responses")
    if prompts.rejected and not overlapping:
        return Verdict.INSUFFICIENT_OVERLAP
    if prompts.rejected:
        return Verdict.BOTH if conditional.rejected else Verdict.PROMPTS_CHANGED
    if conditional.rejected and overlapping:
        return Verdict.MODEL_CHANGED
    if responses is not None and responses.rejected and prompts.p_value > unsuspected:
        return Verdict.MODEL_CHANGED
    return Verdict.NO_CHANGE


_SENTENCES = {
    Verdict.NO_CHANGE: "Neither the prompts nor the answers to them changed measurably",
    Verdict.PROMPTS_CHANGED: "The users ask differently, and the model answers like prompts as before",
    Verdict.MODEL_CHANGED: "The model answers like prompts differently, and the users ask as before",
    Verdict.BOTH: "The users ask differently, and the model answers like prompts differently too",
    Verdict.INSUFFICIENT_OVERLAP: "The users ask differently, and too few prompts have a counterpart on the other side "
    "to tell whether the model changed as well",
}


def _sentence(
    verdict: Verdict,
    tests: tuple[PopulationTest, ...],
    n: int,
    m: int,
    effective: tuple[float, float],
    paired: bool,
) -> str:
    names = {"prompts": "prompts", "responses": "responses", "conditional": "responses given prompts"}
    p_values = ", ".join(f"{names[test.name]} p = {test.p_adjusted:.3f}" for test in tests)
    compared = (
        f"{effective[0]:.0f} baseline and {effective[1]:.0f} window answers to the same prompts, paired"
        if paired
        else f"{n} baseline and {m} window exchanges, of which {effective[0]:.0f} and {effective[1]:.0f} are comparable"
    )
    said = _SENTENCES[verdict]
    if verdict is Verdict.NO_CHANGE and any(test.rejected for test in tests):
        said = "The answers differ, and the data do not yet tell whether users or model changed"
    return f"{said} ({p_values} after Holm; {compared})."
