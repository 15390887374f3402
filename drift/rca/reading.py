"""The evidence as rules ask about it: which share rose, how far a number moved, how many exchanges failed."""

import math
from collections.abc import Callable, Mapping

from drift.evidence import Alteration, Attribution, Evidence, PopulationTest, Verdict
from drift.features import ALARMED
from drift.policy import CAUSE, TABLE
from drift.records import Severity
from drift.tabular.result import ColumnResult

ANSWERED = ("scored", "sampled_out", "erased", "client_closed", "too_large")
"""Results that say nothing against the provider: a client that leaves does so of its own accord, and what is too large
to score has passed all the same."""

_PROVIDERS = ("401", "402", "403", "404", "408", "425", "429")
"""Refusals for which a request can hardly be blamed: keys, models that are gone, limits."""

EMPTY = "empty"
"""A complete answer that says nothing: the model's doing."""


class Reading:
    """One evidence record, by name."""

    def __init__(self, evidence: Evidence):
        self.evidence = evidence
        self._columns = {column.name: column for column in evidence.features}
        self.settings = {one.what: one for one in evidence.alterations}

    @property
    def drifted(self) -> bool:
        """Whether the drift's severity is above LOW."""
        severity = self.evidence.severity
        return severity is not None and severity is not Severity.LOW

    @property
    def moved(self) -> bool:
        """Whether the severity is above LOW, or one feature of the answers moved beyond doubt.

        A small baseline's severity follows the vectors alone, and few changed answers drown among the others.
        """
        certain = (
            column.p_adjusted is not None and column.p_adjusted <= CAUSE.certain and column.drifted
            for column in self.evidence.features
            if column.name in ALARMED
        )
        return self.drifted or any(certain)

    @property
    def verdict(self) -> Verdict | None:
        attribution: Attribution | None = self.evidence.attribution
        return attribution.verdict if attribution else None

    def rejected(self, name: str) -> bool:
        """Whether the test of prompts, responses or conditional (responses given prompts) found a difference."""
        found = self.test(name)
        return found is not None and found.rejected

    def test(self, name: str) -> PopulationTest | None:
        attribution = self.evidence.attribution
        return next((one for one in attribution.tests if one.name == name), None) if attribution else None

    def measured(self, name: str) -> ColumnResult | None:
        """A behaviour feature, whether it differs or not."""
        return self._columns.get(name)

    def feature(self, name: str) -> ColumnResult | None:
        """A behaviour feature that differs beyond chance, None when it does not, or was not measured."""
        column = self._columns.get(name)
        if column is None or column.p_adjusted is None or column.p_adjusted > TABLE.p_threshold:
            return None
        return column

    def effect(self, name: str) -> float:
        """The effect of a feature that differs, 0 when it does not."""
        column = self.feature(name)
        return column.effect or 0.0 if column else 0.0

    def gains(self, name: str) -> dict[str, float]:
        """By how much the share of each label rose in a feature that differs; falls are negative."""
        column = self.feature(name)
        return {share.label: share.current - share.reference for share in column.shares} if column else {}

    def shares(self, name: str, label: str) -> tuple[float, float]:
        """Baseline's and window's share of a label, 0 where it does not occur."""
        column = self._columns.get(name)
        for share in column.shares if column else ():
            if share.label == label:
                return share.reference, share.current
        return 0.0, 0.0

    def location(self, name: str, figure: str = "mean") -> tuple[float, float] | None:
        """A number of a numeric feature before and now: mean, median, q25, q75."""
        column = self._columns.get(name)
        if column is None:
            return None
        before, after = column.figures.get(f"reference_{figure}"), column.figures.get(f"current_{figure}")
        return None if before is None or after is None else (before, after)

    def setting(self, *names: str) -> Alteration | None:
        """The one of these settings that gained most, None when none was altered."""
        found = [self.settings[name] for name in names if name in self.settings]
        return max(found, key=gain, default=None)

    def ratio(self, *statistics: str) -> float:
        """The largest ratio to the alarm line of the detectors of these statistics: mmd, residual_mmd, behaviour ..."""
        own = [one.ratio or 0.0 for one in self.evidence.detectors if one.name.rpartition("_")[0] in statistics]
        return max(own, default=0.0)

    def failures(self) -> tuple[float, float]:
        """Share of the exchanges that failed, in the baseline's time and in the window's; 0, 0 when that is chance."""
        return self.ended(lambda result: failed(result) and not clients(result))

    def refused(self) -> tuple[float, float]:
        """The same of requests that were refused as wrong."""
        return self.ended(clients)

    def empties(self) -> tuple[float, float]:
        """The same of complete answers without a word."""
        return self.ended(lambda result: result == EMPTY)

    def ended(self, counts: Callable[[str], bool]) -> tuple[float, float]:
        """Shares of exchanges whose result `counts` is true of, baseline and window; 0, 0 when the rise is chance."""
        outcomes = self.evidence.outcomes
        if outcomes is None:
            return 0.0, 0.0
        sides = []
        for side in (outcomes.baseline, outcomes.window):
            sides.append((sum(count for result, count in side.items() if counts(result)), sum(side.values())))
        (before, n), (after, m) = sides
        if not n or not m or after / m - before / n <= 0:
            return 0.0, 0.0
        return (before / n, after / m) if _rise(before, n, after, m) >= CAUSE.failed_sigmas else (0.0, 0.0)


def failed(result: str) -> bool:
    """Whether an exchange with this result had no answer."""
    return result not in (*ANSWERED, EMPTY)


def clients(result: str) -> bool:
    """Whether the request was refused as wrong: "http_error 400" and its like."""
    status = result.partition("http_error ")[2]
    return status.startswith("4") and status not in _PROVIDERS


def gain(one: Alteration) -> float:
    """By how much the new value's share rose, 0 to 1."""
    return max(0.0, one.window_share - one.baseline_share)


def merged(counts: Mapping[str, int], wanted: Callable[[str], bool]) -> list[tuple[str, int]]:
    """The wanted results, the commonest first."""
    found = [(result, count) for result, count in counts.items() if wanted(result) and count]
    return sorted(found, key=lambda one: (-one[1], one[0]))


def _rise(before: int, n: int, after: int, m: int) -> float:
    """How many standard errors apart two shares are. Source: Anscombe (1948), the arcsine transformation."""
    first, second = (math.asin(math.sqrt((k + 0.375) / (size + 0.75))) for k, size in ((before, n), (after, m)))
    return 2 * (second - first) * math.sqrt(n * m / (n + m))
