"""Where an answer falls among its monitor's baseline: the worker's part, which has the vectors."""

import numpy as np

from drift.baseline import Baseline
from drift.samples import Sample
from drift.semantic.placement import distance_to_centroid, histogram, nearest, own_distances, percentile
from proxy.place import Bin, Neighbour, Place, not_scored
from proxy.population import Population
from proxy.populations import Populations
from proxy.results import read_exchange, why_not
from proxy.stores.history import History, SampleRow, Text
from proxy.stores.log import Log
from proxy.stores.samples import find_sample
from proxy.stores.vectors import WINDOW, Vectors


class Placing:
    """Finds an exchange's vectors, and compares them with those of the active baseline."""

    def __init__(self, history: History, exchange_log: Log, vectors: Vectors, populations: Populations, kept: int):
        self._history = history
        self._log = exchange_log
        self._vectors = vectors
        self._populations = populations
        self._kept = kept

    def place(self, exchange_id: str, neighbours: int) -> Place:
        """Where the answer falls, or why it cannot be said."""
        if found := find_sample(self._history.engine, exchange_id):
            name, row = found
            population = self._populations.get(name)
            return self._kept_one(exchange_id, population, row, neighbours)
        for population in self._populations:
            baseline = population.baseline
            if baseline and exchange_id in baseline.exchange_ids:
                sample = baseline.samples[baseline.exchange_ids.index(exchange_id)]
                text = population.baseline_texts.get(exchange_id, Text())
                return _placed(population, baseline, sample, text, neighbours)
        return not_scored(exchange_id, self._result(exchange_id), self._kept)

    def _kept_one(self, exchange_id: str, population: Population | None, row: SampleRow, neighbours: int) -> Place:
        assert population  # The worker has every monitor that the history has.
        if population.baseline is None:
            problem = self._populations.problems.get(population.name)
            return Place(
                status="waiting_for_baseline",
                message=problem or f"{population.name} has no baseline yet: make one with POST /baseline.",
                exchange_id=exchange_id,
                monitor=population.name,
                prompt=row.text.prompt,
                response=row.text.response,
            )
        try:
            (sample,) = self._vectors.get(WINDOW, population.name, [row.number % self._kept])
        except KeyError:
            return not_scored(exchange_id, "", self._kept)
        if sample.exchange_id != exchange_id:
            return not_scored(exchange_id, "", self._kept)
        return _placed(population, population.baseline, sample, row.text, neighbours)

    def _result(self, exchange_id: str) -> str:
        entry = self._log.entry(exchange_id)
        if entry is None:
            return ""
        exchange = read_exchange(self._log.captures([entry.seq]).get(entry.seq))
        return why_not(entry, exchange, set())


def _placed(population: Population, baseline: Baseline, sample: Sample, text: Text, neighbours: int) -> Place:
    # One of the baseline's own is compared with the others, as each of them was.
    others = [place for place, known in enumerate(baseline.exchange_ids) if known != sample.exchange_id]
    answers = baseline.responses.vectors[others]
    distance = distance_to_centroid(sample.response, answers)
    own = own_distances(baseline.responses.vectors)
    share = percentile(sample.response, answers)
    near = [(others[i], cosine) for i, cosine in nearest(sample.response, answers, neighbours)]
    return Place(
        status="ready",
        message=f"{share:.0%} of the {len(others)} baseline answers are nearer to their centroid than this one; "
        "those as near count half.",
        exchange_id=sample.exchange_id,
        monitor=population.name,
        prompt=text.prompt,
        response=text.response,
        distance=distance,
        percentile=share,
        histogram=tuple(Bin(start=low, end=high, share=share) for low, high, share in histogram(own)),
        neighbours=tuple(_neighbour(population, baseline.samples[place], sample, cosine) for place, cosine in near),
    )


def _neighbour(population: Population, one: Sample, sample: Sample, cosine: float) -> Neighbour:
    text = population.baseline_texts.get(one.exchange_id, Text())
    return Neighbour(
        exchange_id=one.exchange_id,
        prompt=text.prompt,
        response=text.response,
        similarity=cosine,
        prompt_similarity=float(np.clip(one.prompt @ sample.prompt, -1, 1)),
    )
