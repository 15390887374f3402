"""Every default of the science, each with its reason."""

import msgspec

from drift.records import Severity

_SMALLEST_WINDOW = 4
"""10 baseline answers and 4 new ones can be split in C(14, 4) = 1,001 ways: below that no 99.9 % point exists."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How drift is judged. Windows and run lengths are counted in scored responses."""

    windows: tuple[int, ...] = (50, 200)
    """The short one finds a swapped model within its length, the long one a change in a tenth of the traffic."""
    expected_run_length: int = 10_000
    """Responses per false alarm: one in some days of modest traffic."""
    minimum_window_samples: int = 10
    """A growing window is scored from here on; fewer answers say more about themselves than about the model."""
    provisional_from: int = 10
    """Baseline size below which a severity would be a guess."""
    calibrated_from: int = 100
    """Baseline size below which resampling it does not stand for the traffic behind it."""
    max_baseline: int = 2_000
    """Beyond this the baseline's own noise is a tenth of a window of 200's, and each response costs more."""
    largest_session: float = 0.2
    """Share of a baseline or window beyond which one session's name cannot mean one person: then it is not masked."""
    severity_bounds: tuple[float, float, float] = (1.0, 2.0, 4.0)
    """Ratios at which MEDIUM, HIGH and CRITICAL begin; 1 is the alarm line."""
    release: float = 0.8
    """A severity falls when the ratio is under this share of its bound, so that noise at the line does not flap."""
    recompute_every: int = 1_000
    """Responses between two exact summations of the moving sums."""
    permutations: int = 999
    """For a p-value asked for on demand: its smallest value is 1/1,000."""
    provisional_level: float = 0.999
    """Quantile of the permutation null that a completed window must reach before the thresholds are calibrated."""
    provisional_permutations: int = 9_999
    """Ten null values lie beyond the 99.9 % point, so that the point itself is steady."""
    waiting_permutations: int = 999
    """The same while a large baseline waits for its calibration: exact too, noisier, and a tenth of the time."""
    calibration_paths: int = 1_200
    """Simulated streams that fit the thresholds; with half as many, fresh ones ran a sixth shorter than the fit."""
    validation_paths: int = 400
    """Further streams that only measure the run length reached: 8 % standard error."""
    recent: int = 1_000
    """Samples since the baseline in which the beginning of a change is looked for: the scan is quadratic in them."""
    explain_every: int = 50
    """Samples between two looks at the evidence: a look costs as much as embedding ten to twenty answers."""
    witnesses: int = 20
    """How many samples, or pairs, a person is shown."""

    def window_sizes(self, n: int) -> tuple[int, ...]:
        """The windows that a baseline of n samples can judge, ascending, equal ones merged.

        The shortest is at most n/4, so that a small baseline gives a first answer soon; longer ones at most 4n/5:
        beyond, the baseline's own noise outweighs the window's.
        """
        shortest, *longer = sorted(self.windows)
        sizes = [min(shortest, n // 4), *(min(size, n * 4 // 5) for size in longer)]
        return tuple(sorted({max(_SMALLEST_WINDOW, size) for size in sizes}))

    def minimum_samples(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """From how many samples on each window is scored, for window sizes in ascending order.

        Up to the size of the next smaller window a larger one holds the same samples, and would only judge them
        by its own, lower line: three false alarms in the first window instead of one.
        """
        before = (self.minimum_window_samples, *sizes[:-1])
        return tuple(min(size, fewest) for size, fewest in zip(sizes, before, strict=True))

    def severity(self, ratio: float, previous: Severity | None = None) -> Severity:
        """The severity of a ratio that follows a previous severity: it rises at once and falls with hysteresis."""
        rank = sum(ratio >= bound for bound in self.severity_bounds)
        held = 0 if previous is None else previous.rank
        while held > rank and ratio < self.release * self.severity_bounds[held - 1]:
            held -= 1
        return list(Severity)[max(rank, held)]


class VerdictPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How users' changes are told from the model's."""

    alpha: float = 0.05
    """Level of the tests, Holm over all of them: asked now and then, not at each answer."""
    draws: int = 499
    """Permutations and redraws: a p of .05 has a standard error of a hundredth."""
    least_samples: int = 30
    """On either side; below it the overlap could not reach its own bound."""
    least_overlap: float = 30.0
    """Effective samples with a counterpart on the other side; with fewer, like cannot be compared with like."""
    paired_from: float = 0.5
    """Share of the window whose prompts are in the baseline, from which on they are compared prompt by prompt."""
    least_pairs: int = 10
    """Repeated prompts: 2^10 exchanges of labels give a smallest p of about .002."""
    unsuspected: float = 0.2
    """Unadjusted p of the prompts above which a difference of the responses alone is the model's."""
    components: int = 50
    """Principal components of the prompts: the rest is noise to a regression on some hundred samples."""
    clip: float = 0.02
    """Bounds of a propensity: beyond them a single sample would outweigh fifty."""
    neighbours: float = 5.0
    """Samples of the other side expected among the nearest, of which one must be there: e^-5 are lost by chance."""
    echo: float = 0.99
    """Mean cosine of prompts and answers from which on answers repeat their prompts, and nothing else is left."""
    least_sessions: int = 20
    """Fewer sessions leave no small p when whole sessions are permuted."""


class SincePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How the beginning of a change is dated."""

    level: float = 0.9
    """Of the interval."""
    least_after: int = 10
    """Samples after the change: as few as a window is scored with."""
    alpha: float = 0.05
    """Only a guard, since an alarm was raised already: a change that is no better than chance is not dated."""
    permutations: int = 99
    """Enough for that guard."""
    resamples: int = 199
    """Twenty of them lie beyond the interval's level."""
    block: int = 5
    """Consecutive samples resampled together: alike answers come in runs. With 1, intervals of runs cover .55."""


class TopicsPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How prompts are sorted into topics."""

    fewest: int = 5
    most: int = 40
    """More than a person reads."""
    smallest_share: float = 0.01
    """A lesser topic expects under two prompts in a window of 200."""
    smallest: int = 5
    """Prompts of a topic, or of a group of new ones."""
    near_level: float = 0.975
    """Share of the baseline's prompts with another within reach: at .99 new topics are found half as often."""
    group_level: float = 0.9
    """How close new prompts must be to be one topic: the mean leaves pieces, .975 takes in others."""
    common_topics: float = 0.3
    """A word spread over more of the topics than this tells none of them apart."""
    level: float = 0.05
    """Benjamini-Hochberg level at which a topic has moved."""
    words: int = 6
    examples: int = 3
    """What a person reads at a glance."""


class TablePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How columns are compared: those of tables, and the behaviour of answers."""

    p_threshold: float = 0.05
    """Benjamini-Hochberg level over the columns."""
    effect_threshold: float = 0.1
    """KS distance or Cramer's V below which a difference does not matter, however certain."""
    draws: int = 1_999
    """Of the conditional Monte Carlo test: its smallest p is 1/2,000."""
    expected_at_least: float = 5.0
    """Expected count below which the chi-square distribution does not hold. Source: Cochran (1954)."""
    max_categories: int = 100
    """Beyond it rare values are tested as one: each further one costs power, and a line in the report."""
    exact_ties_up_to: int = 10_000
    """Rows up to which ties get an exact p: a tenth of a second."""


class CausePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When something speaks for a cause, and when two causes are both at work. Shares are of the window's exchanges."""

    least: float = 0.03
    """Share below which nothing is called a cause."""
    least_length: float = 0.15
    """KS distance of lengths and layout from which they are one: between two weeks of the same traffic .1 is common."""
    least_topics: float = 0.1
    """Share of the prompts that topics must have gained together."""
    slower: float = 2.0
    """Factor from which latency is trouble: less comes and goes with load."""
    least_seconds: float = 0.25
    """Seconds by which answers must come later at least: what is fast doubles by chance."""
    least_slower: float = 0.25
    """KS distance of seconds from which it is: a few slow answers double a mean."""
    least_failed: float = 0.05
    """Rise of the share of exchanges without an answer."""
    failed_sigmas: float = 3.0
    """Standard errors from which that rise is no chance: it is looked at again and again."""
    least_repeated: float = 0.03
    """Rise of the mean repetition."""
    repeated_sigmas: float = 3.0
    """Standard errors from which that rise is no chance; lengths of loops are far from normal."""
    loop: float = 0.8
    """Repetition of an answer that is caught in a loop."""
    least_newcomers: float = 0.25
    """Rise of the share of exchanges of users who were not there before."""
    least_template: float = 0.3
    """Rise of the share of prompts with the same words around them."""
    inferred: float = 0.2
    """Strength at least of what a test has found and no share measures."""
    canary: float = 0.5
    """Strength at least of a model that a canary saw change: it answers everything, however little that shows."""
    certain: float = 0.0001
    """Adjusted p of a behaviour feature that counts below the alarm line too: it is looked at some dozen times."""
    beside: float = 0.5
    """Share of the strongest cause's strength from which another one on the same side stands beside it."""
    across: float = 0.25
    """The same for users on one side and model on the other: their strengths are not of one scale."""
    nearly: float = 0.8
    """Share of a stronger symptom's strength from which a weaker one can be behind it."""
    alike: float = 0.9
    """Share of a change of length from which a change of layout is not a part of it."""
    longer: float = 1.25
    """Factor by which answers must be longer to explain that they take longer."""
    most: float = 0.5
    """Share of new users that is told of though answers and prompts stayed as they were."""
    least_beside: float = 0.1
    """Strength from which a cause makes another one mixed."""
    dominant: float = 1.3
    """Factor by which behaviour outweighs the vectors where the form of the answers changed, and not what they say."""
    contract: float = 0.5
    """Share of JSON in the baseline's answers from which other programs must be reading them."""
    follows: float = 0.15
    """By how much the form of the answers may move beyond the users' change and still follow from it."""
    doubted: float = 0.3
    """What remains of a strength that the verdict speaks against."""


class CanaryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a canary's rounds differ."""

    alpha: float = 0.01
    """Of one round; two in a row make a change."""
    permutations: int = 1_999
    """Twenty of them lie beyond that level."""
    least_effect: float = 0.01
    """Cosine distance beyond chance below which a difference does not matter, however certain."""
    feature_level: float = 0.05
    """Westfall-Young level of the behaviours that are named, once the round differs."""
    fewest_prompts: int = 8
    """With fewer even quite other answers seldom reach alpha: one round's p did in 3 of 12 with 5, in 11 with 8."""
    least_answered: float = 0.8
    """Share of a round's requests: with fewer the prompts that failed may be the very ones that changed."""
    shown: int = 10
    """Prompts and behaviours that a person is shown."""


CANARY = CanaryPolicy()

VERDICT, SINCE, TOPICS, TABLE = VerdictPolicy(), SincePolicy(), TopicsPolicy(), TablePolicy()
"""What the functions of those names take when they are told nothing else."""

CAUSE = CausePolicy()


def health_index(ratio: float) -> float:
    """100 / (1 + ratio^2), in percent: 100 without drift, 50 at the alarm line, 20 at HIGH, 6 at CRITICAL."""
    return 100.0 / (1.0 + ratio * ratio)
