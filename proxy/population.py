"""One monitor in the worker: its counts, its baseline and window, and what has to be written about it."""

from collections import Counter

import msgspec
import numpy as np

from drift.baseline import Baseline
from drift.monitor import Monitor
from drift.policy import Policy
from drift.records import Exchange, Report
from drift.samples import Sample
from proxy.stores.history import MonitorRow, Pair, SampleRow, Text
from proxy.stores.vectors import prompts


class Population:
    """A monitor as the worker holds it in memory; `row` is what the history knows of it."""

    def __init__(self, row: MonitorRow, policy: Policy):
        self._policy = policy
        self.row = row
        self.counts: Counter[str] = Counter(row.counts)
        self.monitor: Monitor | None = None
        self.baseline: Baseline | None = None
        self.last_report_at = 0.0
        self.unreported = False
        self.recent: dict[str, tuple[SampleRow, Sample]] = {}
        """The largest window by exchange id, oldest first: what a report shows of it."""

    @property
    def name(self) -> str:
        return self.row.name

    def watch(self, baseline: Baseline, report: Report | None) -> None:
        """Compare what follows with this baseline; `report` is where an earlier comparison with it stood."""
        self.baseline = baseline
        self.monitor = Monitor(self.name, baseline, self._policy, report)
        self.recent.clear()
        self.unreported = False

    def score(self, exchange: Exchange, sample: Sample, text: Text) -> tuple[SampleRow, bool]:
        """Take in a sample. Returns what to keep of it, and whether the severity changed."""
        row = SampleRow(number=self.row.received, exchange_id=exchange.id, at=exchange.at, text=text)
        self.row = msgspec.structs.replace(
            self.row,
            received=self.row.received + 1,
            last_scored_at=exchange.at,
            model=exchange.model,
            response_model=exchange.response_model or self.row.response_model,
        )
        if self.monitor is None:
            return row, False
        self.row = msgspec.structs.replace(self.row, observed=self.row.observed + 1)
        self.remember(row, sample)
        self.unreported = True
        return row, self.monitor.observe(sample)

    def remember(self, row: SampleRow, sample: Sample) -> None:
        self.recent[row.exchange_id] = row, sample
        while len(self.recent) > max(self._policy.windows):
            del self.recent[next(iter(self.recent))]

    def report(self, at: float) -> Report:
        assert self.monitor
        self.last_report_at = at
        self.unreported = False
        return self.monitor.report(at)

    def pairs(self, texts: dict[str, Text]) -> list[Pair]:
        """The window's largest witnesses, each with the baseline exchange whose prompt is nearest.

        `texts` are the baseline's. One matrix product on the baseline that is in memory
        anyway: the vector store would need a query for each.
        """
        assert self.monitor
        assert self.baseline
        if len(self.recent) < 2:
            return []
        found = [w for w in self.monitor.witnesses(self._policy.witnesses) if w.exchange_id in self.recent]
        similarity = prompts([self.recent[w.exchange_id][1] for w in found]) @ self.baseline.prompts.T
        pairs = []
        for witness, row in zip(found, similarity, strict=True):
            nearest = int(np.argmax(row))
            other = self.baseline.exchange_ids[nearest]
            now, then = self.recent[witness.exchange_id][0].text, texts.get(other, Text())
            pairs.append(
                Pair(
                    exchange_id=witness.exchange_id,
                    baseline_exchange_id=other,
                    prompt=now.prompt,
                    baseline_prompt=then.prompt,
                    baseline=then.response,
                    current=now.response,
                    witness=witness.phi,
                    prompt_similarity=float(row[nearest]),
                )
            )
        return pairs

    def written(self) -> MonitorRow:
        """What the history is to know."""
        self.row = msgspec.structs.replace(self.row, counts=dict(self.counts))
        return self.row
