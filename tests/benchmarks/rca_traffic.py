"""Exchanges as the proxy logs them, and the worker that scores them: real stores, only the vectors are kept."""

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import numpy as np

from drift.policy import Policy
from drift.rca.records import Brief
from drift.records import Outcome
from drift.samples import Matrix
from proxy.capture import Capture, encode
from proxy.commands import Commands
from proxy.populations import Populations
from proxy.rca.brief import brief_of
from proxy.scoring import Scorer
from proxy.settings import Data, Privacy, Settings, Worker
from proxy.stores.history import open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import Entry, open_log
from proxy.stores.runs import Runs
from proxy.stores.vectors import Vectors
from tests.benchmarks.embeddings import embedded
from tests.benchmarks.rca_sources import Base, Rng, Turn

MONITOR = "service"
_BEGAN = 1.75e9
_SECONDS = 10.0
"""Between two exchanges."""
_ERRORS = 0.01
"""Share of requests that fail at the best of times."""


class KeptEmbedder:
    """Stands where the worker's embedder stands; vectors come from the cache folder, or go there."""

    dimension = 384
    encoder = "all-MiniLM-L6-v2/kept"

    def __init__(self, cache: Path):
        self._cache = cache

    def embed(self, texts: Sequence[str]) -> Matrix:
        return embedded(texts, self._cache)


class Service:
    """A worker on a folder, and a log to fill."""

    def __init__(self, folder: Path, cache: Path, *, keep_text: bool):
        worker = Worker(batch=64, max_lag_seconds=1e6)  # Nothing is sampled out, however slowly texts are embedded.
        settings = Settings(data=Data(dir=str(folder)), worker=worker, privacy=Privacy(store_text=keep_text))
        self._cache = cache
        embedder: Any = KeptEmbedder(cache)
        self._log = open_log(folder)
        self._history = open_history(folder)
        self._vectors = Vectors(settings.qdrant, folder, embedder.dimension)
        self._ledger = Ledger(self._history, settings.history, settings.drift.recent_samples)
        kept = settings.tabular.keep_reports
        self._runs = Runs(self._history.engine, keep=kept, max_datasets=settings.metrics.max_series)
        # Evidence is wanted at the end alone.
        policy = Policy(explain_every=1_000_000)
        self._populations = Populations(settings, policy, self._history, self._vectors, embedder.encoder)
        stores = self._history, self._ledger, self._log, self._vectors
        self._scorer = Scorer(settings, *stores, embedder, self._populations)
        self._commands = Commands(settings, *stores, self._populations, self._scorer, embedder.encoder)
        self.sent = self._log.head()

    def ask(self, kind: str, **arguments: Any) -> dict[str, Any]:
        choices = {"monitor": None, "last": None, "since": None, "exchange_ids": None, "note": "", "head": 0}
        asked = self._history.ask(kind, choices | arguments)
        self._commands.answer_all()
        answer = self._history.answer(asked)
        assert answer
        assert "error" not in answer, answer
        return answer

    def score(self, turns: Sequence[Turn], rng: Rng) -> None:
        """Log the exchanges, with failed requests among them as always, and score them."""
        embedded([turn.response for turn in turns] + [turn.prompt for turn in turns], self._cache)
        entries = []
        for turn in turns:
            if rng.random() < _ERRORS:
                entries.append(self._entry(msgspec.structs.replace(turn, status=503), rng))
            entries.append(self._entry(turn, rng))
        self._log.append(entries, {"logged": self.sent})
        while self._scorer.score_batch():
            pass

    def _entry(self, turn: Turn, rng: Rng) -> Entry:
        self.sent += 1
        at = _BEGAN + _SECONDS * self.sent + float(rng.uniform(0, _SECONDS))
        # As the proxy makes them, in the order of time; but the same each time.
        name = f"{int(at * 1000):012x}7{crc32(turn.prompt.encode()):08x}{self.sent:011x}"
        made = capture(turn, name, at, rng)
        return Entry(id=name, at=at, monitor=MONITOR, model=turn.model, outcome=made.outcome, capture=encode(made))

    def calibrate(self, kept: Path) -> None:
        """Give the baseline its thresholds, from the file, or made now and kept there."""
        (row,) = self._history.baselines()
        if not kept.exists():
            done = None
            while done is None:
                done = self._populations.calibrate_some()
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(msgspec.json.encode(done[1]))
        self._ledger.commit(Changes(calibrations={row.id: kept.read_text()}))

    def brief(self) -> Brief:
        """What an investigation of now starts from."""
        self.ask("score", id="")
        evidence = self._history.evidence(MONITOR)
        assert evidence
        return brief_of(self._history, self._runs, evidence, until=math.inf)

    def close(self) -> None:
        self._vectors.close()
        self._log.close()
        self._history.close()


def prepare(base: Base, folder: Path, cache: Path, *, keep_text: bool) -> None:
    """Leave a worker's folder behind, with the service's baseline and its thresholds."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    service = Service(folder, cache, keep_text=keep_text)
    if base.digest:
        service.ask("digests", digests={base.baseline[0].model: base.digest})
    service.score(base.baseline, np.random.default_rng(crc32(base.name.encode())))
    key = hashlib.sha256(msgspec.json.encode((base, Policy())))
    service.ask("baseline", id=key.hexdigest()[:32])
    service.calibrate(cache / "rca" / f"{base.name}-{key.hexdigest()[:16]}.json")
    service.close()


def run(
    prepared: Path,
    folder: Path,
    cache: Path,
    *,
    before: Sequence[Turn],
    after: Sequence[Turn],
    digest: str,
    rng: Rng,
    keep_text: bool,
) -> Brief:
    """Score exchanges before and after a change, in a copy of a prepared folder."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(prepared, folder)
    service = Service(folder, cache, keep_text=keep_text)
    try:
        if before:
            service.score(before, rng)
        if digest:
            service.ask("digests", digests={after[0].model: digest})
        service.score(after, rng)
        return service.brief()
    finally:
        service.close()


def capture(turn: Turn, name: str, at: float, rng: Rng) -> Capture:
    """An exchange as it passed: usage and times that go with its length."""
    messages = [{"role": "system", "content": turn.system}] if turn.system else []
    messages.append({"role": "user", "content": turn.prompt})
    request: dict[str, Any] = {"model": turn.model, "messages": messages} | turn.sampling
    if turn.user:
        request["user"] = turn.user
    stream = turn.stream or turn.cut
    if stream:
        request["stream"] = True
    tokens = round(len(turn.response) / 4.2) + 1
    first = 0.35 * float(rng.lognormal(0, 0.35)) * turn.slower
    seconds = first + tokens / 60 * float(rng.lognormal(0, 0.25)) * turn.slower
    usage = {"prompt_tokens": sum(len(one["content"]) for one in messages) // 4 + 8, "completion_tokens": tokens}
    outcome = Outcome.COMPLETE
    if turn.status >= 400:
        problem = {429: "Rate limit reached.", 500: "Internal server error.", 503: "The server is overloaded."}
        body = json.dumps({"error": {"message": problem[turn.status], "type": "server_error"}}).encode()
        outcome, stream, seconds = Outcome.HTTP_ERROR, False, first
    elif stream:
        body = _events(turn, usage)
        if turn.cut:
            body = body[: int(len(body) * rng.uniform(0.2, 0.8))]
            outcome = Outcome.TRUNCATED if rng.random() < 0.5 else Outcome.UPSTREAM_ERROR
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": turn.response}, "finish_reason": turn.finish}
        body = json.dumps({"model": turn.answered_by, "choices": [choice], "usage": usage}).encode()
    return Capture(
        id=name,
        at=at,
        endpoint="chat/completions",
        monitor=MONITOR,
        status=turn.status,
        request_type="application/json",
        request=json.dumps(request).encode(),
        response_type="text/event-stream" if stream else "application/json",
        response=body,
        duration_seconds=seconds,
        first_chunk_seconds=first if stream else seconds,
        upstream_seconds=first,
        outcome=outcome,
        error="upstream closed the connection" if outcome is Outcome.UPSTREAM_ERROR else "",
    )


def _events(turn: Turn, usage: dict[str, int]) -> bytes:
    """Server-sent events of some forty characters each."""
    parts = [turn.response[start : start + 40] for start in range(0, len(turn.response), 40)]
    choices: list[Any] = [{"index": 0, "delta": {"content": part}, "finish_reason": None} for part in parts]
    choices.append({"index": 0, "delta": {}, "finish_reason": turn.finish})
    bodies: list[dict[str, Any]] = [{"model": turn.answered_by, "choices": [choice]} for choice in choices]
    bodies += [{"model": turn.answered_by, "choices": [], "usage": usage}]
    return b"".join(b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies) + b"data: [DONE]\n\n"
