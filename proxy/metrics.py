"""What the web process counts itself, on a registry that is passed in. What the worker counts is in collector.py."""

import platform
from functools import partial
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from drift.records import Outcome
from proxy.tape import TAPPED, Tape

REQUEST_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
OVERHEAD_SECONDS = (0.0001, 0.0002, 0.0003, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.03, 0.1, 0.3, 1.0)

EXEMPLAR_SECONDS = 1.0

RCA_RESULTS = ("model", "rules", "failed")

OTHER = "other"
"""The label of endpoints that are not tapped, and of names past the cap."""


class LabelCap:
    """Keeps a label whose values clients choose to the first `limit` of them; later ones are OTHER."""

    def __init__(self, limit: int):
        self._limit = limit
        self._known: set[str] = set()

    def label(self, value: str, *, successful: bool) -> str:
        """The label of a value. Only a successful answer makes a value known: failures can name anything."""
        if not value:
            return ""
        if value not in self._known:
            if not successful or len(self._known) >= self._limit:
                return OTHER
            self._known.add(value)
        return value


class Metrics:
    """Request metrics. Observed off the request path, except the gauge of requests in flight."""

    def __init__(self, registry: CollectorRegistry, max_series: int):
        self._models = LabelCap(max_series)
        build = Info("driftium_build", "Version of Driftium and of Python.", registry=registry)
        build.info({"version": version("driftium"), "python_version": platform.python_version()})
        self._requests = Counter(
            "driftium_requests",
            "Requests of the data plane.",
            ["endpoint", "model", "stream", "code", "outcome"],
            registry=registry,
        )
        self._duration = Histogram(
            "driftium_request_duration_seconds",
            "From the request's first byte to the answer's last.",
            ["endpoint", "model", "stream"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._first_chunk = Histogram(
            "driftium_time_to_first_chunk_seconds",
            "From the request's first byte to the first byte of the answer's body.",
            ["model"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._overhead = Histogram(
            "driftium_overhead_seconds",
            "From a request's first byte to its answer's last, less the waiting for the upstream or the client.",
            ["endpoint"],
            buckets=OVERHEAD_SECONDS,
            registry=registry,
        )
        inflight = Gauge(
            "driftium_inflight_requests", "Requests that are being answered.", ["endpoint"], registry=registry
        )
        self._rca_runs = Counter(
            "driftium_rca_runs",
            "Root cause analyses, by whose words were taken: model, rules, or failed for none at all.",
            ["result"],
            registry=registry,
        )
        self._rca_duration = Histogram(
            "driftium_rca_duration_seconds",
            "Root cause analyses, from the evidence to the report.",
            ["result"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        for result in RCA_RESULTS:
            self._rca_runs.labels(result)
            self._rca_duration.labels(result)
        # Counted without a lock or a look-up of labels, since it is the one count on the request path.
        self._inflight = dict.fromkeys((*TAPPED.values(), OTHER), 0)
        for name in self._inflight:
            inflight.labels(name).set_function(partial(self._inflight.__getitem__, name))
        self._series: dict[tuple[str, ...], _Series] = {}

    def started(self, tape: Tape) -> None:
        self._inflight[tape.endpoint or OTHER] += 1

    def finished(self, tape: Tape) -> None:
        self._inflight[tape.endpoint or OTHER] -= 1

    def observe(self, tape: Tape, model: str = "", *, logged: bool = False) -> None:
        """Count a finished exchange; `model` is what its request names, "" when that was not read. Only one that is
        `logged` is named as an exemplar: of others there is nothing to look up.
        """
        successful = tape.outcome in (Outcome.COMPLETE, Outcome.CLIENT_CLOSED) and 200 <= tape.status < 300
        model = self._models.label(model, successful=successful)
        stream = "true" if tape.response_type.startswith(("text/event-stream", "application/x-ndjson")) else "false"
        key = (tape.endpoint or OTHER, model, stream, str(tape.status), tape.outcome)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = self._look_up(*key)
        # An exemplar costs as much as all the counting; one a second is as many as anybody looks at.
        due = logged and tape.ended - series.exemplar_at >= EXEMPLAR_SECONDS
        exemplar = {"exchange_id": tape.id} if due else None
        if exemplar:
            series.exemplar_at = tape.ended
        total = tape.ended - tape.started
        series.requests.inc(exemplar=exemplar)
        series.duration.observe(total, exemplar=exemplar)
        if tape.first_chunk:
            series.first_chunk.observe(tape.first_chunk - tape.started, exemplar=exemplar)
        series.overhead.observe(max(0.0, total - tape.upstream_seconds - tape.client_seconds), exemplar=exemplar)

    def investigated(self, result: str, seconds: float) -> None:
        """Count a root cause analysis: model, rules or failed."""
        self._rca_runs.labels(result).inc()
        self._rca_duration.labels(result).observe(seconds)

    def _look_up(self, where: str, model: str, stream: str, status: str, outcome: str) -> "_Series":
        return _Series(
            self._requests.labels(where, model, stream, status, outcome),
            self._duration.labels(where, model, stream),
            self._first_chunk.labels(model),
            self._overhead.labels(where),
        )


class _Series:
    """The series that exchanges of one kind count in. Kept, since finding them costs more than counting."""

    def __init__(self, requests: Counter, duration: Histogram, first_chunk: Histogram, overhead: Histogram):
        self.requests = requests
        self.duration = duration
        self.first_chunk = first_chunk
        self.overhead = overhead
        self.exemplar_at = -EXEMPLAR_SECONDS
