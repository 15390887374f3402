"""All monitors in the worker's memory: taken up after a restart, found for an exchange, calibrated in slices."""

import time
from collections.abc import Generator, Iterable, Iterator

import msgspec
import numpy as np
import structlog

from drift.baseline import make_baseline
from drift.policy import Policy
from drift.records import Report
from drift.samples import Sample
from drift.semantic.calibration import Calibration, calibrate
from proxy.naming import Naming
from proxy.population import Population
from proxy.settings import Settings
from proxy.stores.canaries import PREFIX
from proxy.stores.endings import Endings, read_baseline, read_endings
from proxy.stores.history import History, MonitorRow, Text
from proxy.stores.log import Entry
from proxy.stores.vectors import BASELINE, WINDOW, Vectors
from proxy.views import is_current

log = structlog.get_logger()


class Unusable(Exception):
    """A baseline that cannot be compared with; the message says why and what to do."""


class Populations:
    """The monitors by name. `problems` holds those whose baseline could not be loaded, with what to do."""

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        history: History,
        vectors: Vectors,
        encoder: str,
        rows: Iterable[MonitorRow] | None = None,
    ):
        """Takes up these monitors; without `rows` all that there are."""
        self.policy = policy
        self._history = history
        self._vectors = vectors
        self._encoder = encoder
        self._ring = settings.drift.recent_samples
        self._naming = Naming(settings)
        self._by_name: dict[str, Population] = {}
        self._calibrations: dict[str, Generator[float, None, Calibration]] = {}
        self.progress: dict[str, float] = {}
        """{monitor: share of its calibration that is done}"""
        self.problems: dict[str, str] = {}
        for row in history.monitors() if rows is None else rows:
            self.take(row)

    def __iter__(self) -> Iterator[Population]:
        return iter(self._by_name.values())

    def get(self, name: str | None) -> Population | None:
        """The monitor of that name, or the busiest of the users'."""
        if name is not None:
            return self._by_name.get(name)
        users = (one for one in self if not one.name.startswith(PREFIX))
        return max(users, key=lambda p: (p.row.received, p.counts.total()), default=None)

    def take(self, row: MonitorRow) -> None:
        """Take up a monitor as the history knows it, with its baseline and window: nothing is embedded again."""
        population = Population(row, self.policy, read_endings(self._history.engine, row.name))
        self._by_name[row.name] = population
        if row.baseline_id:
            try:
                self.watch(population, row.baseline_id)
            except Unusable as error:
                log.error("a baseline cannot be used", monitor=row.name, error=str(error))
                self.problems[row.name] = str(error)

    def of(self, entry: Entry, *, answered: bool) -> Population:
        """The monitor of an entry."""
        return self.named(self._naming.of(entry, self._by_name, answered=answered), entry.model)

    def named(self, name: str, model: str) -> Population:
        """The monitor of that name, a new one where there is none."""
        if name not in self._by_name:
            self._by_name[name] = Population(new_row(name, model), self.policy, Endings())
        return self._by_name[name]

    def forget(self, name: str) -> None:
        """Let go of a monitor; what comes under its name begins a new one."""
        if population := self._by_name.pop(name, None):
            self.unwatch(population)

    def watch(self, population: Population, baseline_id: str) -> None:
        """Load a baseline and the window behind it, from the vector store and the history. Raises Unusable."""
        row = self._history.baseline(baseline_id)
        if row is None:
            raise Unusable(f"Baseline {baseline_id} is not in the history any more: make a new one.")
        if row.encoder != self._encoder:
            raise Unusable(
                f"Baseline {row.id} of {row.monitor} was made with the encoder {row.encoder}, the worker has "
                f"{self._encoder}: go back to that encoder in [embedder], or make a new baseline."
            )
        try:
            samples = self._vectors.get(BASELINE, row.id, range(row.size))
        except KeyError:
            raise Unusable(f"The vectors of baseline {row.id} are not in the vector store: make a new one.") from None
        texts = {one.exchange_id: one.text for one in self._history.baseline_samples(row.id, limit=row.size)}
        baseline = make_baseline(
            id=row.id,
            encoder=row.encoder,
            created_at=row.created_at,
            samples=[_whole(sample, texts) for sample in samples],
            calibration=row.thresholds,
            largest_session=self.policy.largest_session,
        )
        report = self._history.latest(population.name)
        if report and not is_current(report, population.row):
            report = None
        endings = read_baseline(self._history.engine, population.name, row.id)
        population.watch(baseline, texts, endings, report)
        self.problems.pop(population.name, None)
        self._restore_window(population, report)
        self._start_calibration(population)

    def unwatch(self, population: Population) -> None:
        """Compare with no baseline any more."""
        population.unwatch()
        for known in (self._calibrations, self.progress, self.problems):
            known.pop(population.name, None)

    def _restore_window(self, population: Population, report: Report | None) -> None:
        assert population.monitor
        observed = population.row.observed
        # Two full windows before the report, and what came after it.
        since = observed - report.observed if report else 0
        keep = min(observed, 2 * max(self.policy.windows) + since, self._ring)
        if keep < 1:
            return
        # Erased ones are missing: none from before the baseline may take their places.
        oldest = population.row.received - observed
        rows = self._history.samples(population.name, limit=keep, since=oldest)[::-1]
        # Another encoder may have been at work meanwhile.
        rows = [one for one in rows if one.text.is_of(self._encoder)]
        texts = {one.exchange_id: one.text for one in rows}
        try:
            samples = self._vectors.get(WINDOW, population.name, [one.number % self._ring for one in rows])
            # A place may hold what a worker wrote that did not know yet that the monitor had another owner.
            window = [_whole(sample, texts) for sample in samples if sample.exchange_id in texts]
        except KeyError:
            log.warning("the window's vectors are gone; it fills anew", monitor=population.name)
            population.row = msgspec.structs.replace(population.row, observed=0, baseline_at=time.time())
            assert population.baseline
            population.watch(population.baseline, population.baseline_texts, population.baseline_endings, None)
            return
        population.monitor.restore(window, observed)
        population.texts = texts
        population.forget()

    def recent(self, population: Population) -> list[Sample]:
        """The samples since the baseline, the oldest first, as far back as they are kept and looked at."""
        assert population.monitor
        window = list(population.monitor.detectors.recent)
        row = population.row
        wanted = min(row.observed, self.policy.recent, self._ring) - len(window)
        if wanted < 1:
            return window
        known = {sample.exchange_id for sample in window}
        rows = self._history.samples(row.name, limit=wanted + len(window), since=row.received - row.observed)
        older = [one for one in reversed(rows) if one.exchange_id not in known and one.text.is_of(self._encoder)]
        texts = {one.exchange_id: one.text for one in older}
        try:
            samples = self._vectors.get(WINDOW, row.name, [one.number % self._ring for one in older])
        except KeyError:
            return window
        # A place that the present batch has taken holds another sample already.
        return [_whole(sample, texts) for sample in samples if sample.exchange_id in texts] + window

    def _start_calibration(self, population: Population) -> None:
        assert population.monitor
        self._calibrations.pop(population.name, None)
        self.progress.pop(population.name, None)
        if population.monitor.needs_calibration:
            self._calibrations[population.name] = self._calibration(population)
            self.progress[population.name] = 0.0

    def _calibration(self, population: Population) -> Generator[float, None, Calibration]:
        """Runs nothing, and holds no kernel, until it is its turn."""
        baseline = population.baseline
        assert baseline
        sizes = self.policy.window_sizes(len(baseline))
        return (
            yield from calibrate(
                baseline.sources(),
                windows=sizes,
                expected_run_length=self.policy.expected_run_length,
                # Seeded by the baseline: calibrated again after a restart it has the same thresholds.
                rng=np.random.default_rng(int(baseline.id[:8], 16)),
                minimum_samples=self.policy.minimum_samples(sizes),
                fitting_paths=self.policy.calibration_paths,
                validation_paths=self.policy.validation_paths,
            )
        )

    @property
    def calibrating(self) -> bool:
        return bool(self._calibrations)

    def calibrate_some(self) -> tuple[Population, Calibration] | None:
        """One slice, some 50 ms, of the calibration whose turn it is; what it found when it is done, already in use."""
        if not self._calibrations:
            return None
        name, slices = next(iter(self._calibrations.items()))
        population = self._by_name[name]
        assert population.baseline
        assert population.monitor
        try:
            self.progress[name] = population.monitor.calibration_progress = next(slices)
            return None
        except StopIteration as done:
            del self._calibrations[name], self.progress[name]
            population.baseline = population.baseline.with_calibration(done.value)
            population.monitor.set_calibration(done.value)
            return population, done.value


def new_row(name: str, model: str) -> MonitorRow:
    """A monitor of which nothing has been seen."""
    return MonitorRow(
        name=name,
        created_at=time.time(),
        last_scored_at=None,
        model=model,
        response_model="",
        received=0,
        observed=0,
    )


def _whole(sample: Sample, texts: dict[str, Text]) -> Sample:
    """A sample from the vector store with what the history knows of it."""
    text = texts.get(sample.exchange_id)
    if text is None:
        return sample
    return msgspec.structs.replace(sample, features=text.features, session=text.session, settings=text.settings)
