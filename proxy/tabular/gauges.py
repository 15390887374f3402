"""The metrics of the last run of each named dataset."""

from collections.abc import Callable, Iterator

import msgspec
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from proxy.tabular.records import Run

MAX_FEATURES = 50
_MAX_LABEL = 120


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """What a dataset's gauges say, kept apart from its report, which may be large."""

    drifted: int
    effects: tuple[tuple[str, float], ...]
    """(feature, effect): those with the largest."""


def gauges_of(run: Run) -> Gauges:
    """A run's gauges."""
    effects: dict[str, float] = {}
    for row in sorted(run.display_rows, key=lambda row: -(row.effect or 0.0)):
        if row.effect is not None:
            # Two names that are cut to the same label would be one series given twice, which fails the whole scrape.
            effects.setdefault(_label(row.name), row.effect)
    return Gauges(drifted=run.summary.drifted, effects=tuple(effects.items())[:MAX_FEATURES])


class TabularCollector(Collector):
    """Reads, when it is scraped, (dataset, unix seconds of its last run, gauges) of each."""

    def __init__(self, read: Callable[[], list[tuple[str, float, Gauges]]]):
        self._read = read

    def describe(self) -> list[Metric]:
        # Without it the registry would scrape once at registration.
        return []

    def collect(self) -> Iterator[Metric]:
        drifted = GaugeMetricFamily(
            "driftium_tabular_drifted_features",
            "Columns that have drifted in a dataset's last run.",
            labels=["dataset"],
        )
        last = GaugeMetricFamily(
            "driftium_tabular_last_success_timestamp_seconds", "When a dataset was last compared.", labels=["dataset"]
        )
        effects = GaugeMetricFamily(
            "driftium_tabular_feature_effect",
            "How much a column differs: KS distance or Cramer's V, 0 to 1; the largest of each dataset.",
            labels=["dataset", "feature"],
        )
        try:
            found = self._read()
        except (SQLAlchemyError, msgspec.MsgspecError):
            # driftium_stores_up tells of it; the rest of the scrape must not fail with it.
            return
        for dataset, at, gauges in found:
            drifted.add_metric([dataset], gauges.drifted)
            last.add_metric([dataset], at)
            for feature, effect in gauges.effects:
                effects.add_metric([dataset, feature], effect)
        yield from (drifted, last, effects)


def _label(name: str) -> str:
    """A column's name as a label: some characters end a line to some readers of the text format."""
    return "".join(c if c.isprintable() else "?" for c in name[:_MAX_LABEL])
