"""What a batch changes: exchanges counted, answers observed, reports made. The same on one machine and on several."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from drift.records import Exchange, Outcome
from drift.samples import Sample
from proxy.batch import Batch
from proxy.names import OTHER
from proxy.population import Population
from proxy.reporting import Reporting
from proxy.results import told_apart, why_not
from proxy.settings import Settings
from proxy.stores.endings import SCORED
from proxy.stores.ledger import Changes
from proxy.stores.log import Entry
from proxy.stores.vectors import Vectors

Rings = Mapping[str, Sequence[tuple[int, Sample]]]
"""{monitor: samples with their places in its ring}"""


class Observing:
    """Counts each entry under one result, and shows the answers to their monitors in the log's order."""

    def __init__(self, settings: Settings, vectors: Vectors, reporting: Reporting, encoder: str):
        self._keep_text = settings.privacy.store_text
        self._max_models = settings.metrics.max_series
        self._ring = settings.drift.recent_samples
        self._vectors = vectors
        self._reporting = reporting
        self._encoder = encoder
        self.tokens: dict[str, tuple[int, int]] = {}
        """{model: (input, output)}"""

    def observe(
        self,
        batch: Batch,
        samples: Mapping[str, Sample],
        monitor_of: Callable[[Entry, bool], Population],
        changes: Changes,
    ) -> Rings:
        """Add to the changes what a batch brings; returns what is to be put into the vector store before they are
        committed.

        `samples` are the batch's by exchange id; `monitor_of` is asked of each entry with whether it is an answer.
        """
        touched: dict[str, Population] = {}
        answers: dict[str, list[tuple[Exchange, Sample]]] = {}
        for entry in batch.entries:
            exchange, sample = batch.exchanges.get(entry.id), samples.get(entry.id)
            unread = exchange is None and entry.outcome == Outcome.COMPLETE
            population = monitor_of(entry, sample is not None or unread)
            touched[population.name] = population
            if exchange is not None and sample is not None:
                answers.setdefault(population.name, []).append((exchange, sample))
                population.endings.add(SCORED)
            else:
                result = why_not(entry, exchange, batch.erased)
                population.counts[result] += 1
                population.endings.add(told_apart(result, batch.captures.get(entry.seq)))
        rings = {name: self._score(touched[name], some, changes) for name, some in answers.items()}
        for population in touched.values():
            self._reporting.report_due(population, changes)
            changes.monitors.append(population.written())
            changes.endings.append((population.name, "", population.endings.runs))
        return rings

    def put(self, rings: Rings) -> None:
        """Write vectors. Before the commit: their ids follow from their places, so a batch read again writes the same
        points.
        """
        self._vectors.put_windows(rings)

    def _score(
        self, population: Population, answers: Sequence[tuple[Exchange, Sample]], changes: Changes
    ) -> list[tuple[int, Sample]]:
        """Observe a monitor's samples, in their order; returns them with their places in its ring."""
        placed = []
        for (exchange, sample), (row, before, severity_changed) in zip(
            answers, population.score(answers, keep_text=self._keep_text), strict=True
        ):
            self._count_tokens(exchange)
            text = msgspec.structs.replace(row.text, encoder=self._encoder)
            changes.samples.append((population.name, msgspec.structs.replace(row, text=text)))
            answered_by = population.row.response_model
            marked = {name for name, _, _ in changes.annotations}
            if before and answered_by != before and population.name not in marked:
                mark = f"Answers come from {answered_by} instead of {before}."
                changes.annotations.append((population.name, "model", mark))
            if severity_changed:
                self._reporting.report(population, changes)
            placed.append((row.number % self._ring, sample))
        return placed

    def _count_tokens(self, exchange: Exchange) -> None:
        model = exchange.model
        if model not in self.tokens and len(self.tokens) >= self._max_models:
            model = OTHER
        given, made = self.tokens.get(model, (0, 0))
        self.tokens[model] = given + (exchange.input_tokens or 0), made + (exchange.output_tokens or 0)
