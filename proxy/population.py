"""One monitor in the worker: its counts, its baseline and window, and what has to be written about it."""

import math
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2s
from itertools import repeat
from zlib import crc32

import msgspec
import numpy as np

from drift.baseline import Baseline
from drift.evidence import Evidence, Outcomes
from drift.explain import baseline_topics, explain
from drift.features import behaviour
from drift.monitor import Monitor
from drift.policy import Policy
from drift.records import CONVERSATION, Exchange, Report
from drift.samples import Sample, Vector
from drift.semantic.topics import TopicModel
from proxy.ollama_models import FROM_OLLAMA, Details
from proxy.stores.endings import Endings
from proxy.stores.history import MonitorRow, Pair, SampleRow, Text


class Population:
    """A monitor as the worker holds it in memory; `row` is what the history knows of it."""

    def __init__(self, row: MonitorRow, policy: Policy, endings: Endings):
        self._policy = policy
        self.row = row
        self.endings = endings
        self.counts: Counter[str] = Counter(row.counts)
        self.monitor: Monitor | None = None
        self.baseline: Baseline | None = None
        self.last_report_at = 0.0
        """Unix seconds; the next is of the same moment at the earliest."""
        self.reported = -math.inf
        """When that was, by a clock that only goes forward."""
        self.unreported = False
        self.texts: dict[str, Text] = {}
        """Of the largest window, by exchange id."""
        self.baseline_texts: dict[str, Text] = {}
        self.baseline_endings: dict[str, int] | None = None
        """How exchanges ended while those of the baseline passed; None where nobody counted."""
        self.evidence: Evidence | None = None
        """What was last found out about the active baseline."""
        self.explained_at = 0
        """How many samples had been observed then."""
        self._topics: TopicModel | None = None

    @property
    def name(self) -> str:
        return self.row.name

    def watch(
        self, baseline: Baseline, texts: dict[str, Text], endings: dict[str, int] | None, report: Report | None
    ) -> None:
        """Compare what follows with this baseline, whose texts these are by exchange id.

        `endings` says how exchanges ended when it was made; `report` is where an earlier comparison with it stood.
        """
        self.unwatch()
        self.baseline = baseline
        self.baseline_texts = texts
        self.baseline_endings = endings
        self.monitor = Monitor(self.name, baseline, self._policy, report)
        if report:
            self.last_report_at = max(self.last_report_at, report.at)

    def unwatch(self) -> None:
        """Compare what follows with nothing."""
        self.baseline = self.monitor = self.baseline_endings = self.evidence = self._topics = None
        self.baseline_texts, self.texts = {}, {}
        self.explained_at = 0
        self.unreported = False

    def score(
        self, answers: Sequence[tuple[Exchange, Sample]], *, keep_text: bool
    ) -> Iterator[tuple[SampleRow, str, bool]]:
        """Take in samples, one at each step: what to keep of it, the model that answered before it, and whether the
        severity changed.
        """
        changes = self.monitor.observe_all([sample for _, sample in answers]) if self.monitor else repeat(False)
        for exchange, sample in answers:
            before = self.row.response_model
            row = SampleRow(
                number=self.row.received,
                exchange_id=exchange.id,
                at=exchange.at,
                text=text_of(exchange, sample, keep_text),
            )
            self.counts["scored"] += 1
            self.row = msgspec.structs.replace(
                self.row,
                received=self.row.received + 1,
                observed=self.row.observed + (self.monitor is not None),
                # Not the exchange's own time: one of a collected log may be a year old.
                last_scored_at=time.time(),
                model=exchange.model,
                response_model=exchange.response_model or before,
            )
            if self.monitor is not None:
                self.texts[exchange.id] = row.text
                self.unreported = True
            yield row, before, next(changes)
        self.forget()

    def forget(self) -> None:
        """Keep the texts of the largest window only."""
        if self.monitor is not None:
            recent = [sample.exchange_id for sample in self.monitor.detectors.recent]
            self.texts = {name: self.texts[name] for name in recent if name in self.texts}

    def report(self, at: float) -> Report:
        assert self.monitor
        # Nor before what came before it, where the clock was set back: it would pass for an older one.
        at = max(at, self.last_report_at, self.row.baseline_at or 0.0)
        self.last_report_at = at
        self.unreported = False
        return self.monitor.report(at)

    @property
    def asked_for(self) -> bool:
        """Whether the evidence is of the last exchange and holds a verdict."""
        seen, monitor = self.evidence, self.monitor
        now = monitor.detectors.observed if monitor else -1
        fresh = seen is not None and self.explained_at == now and seen.seen == self.counts.total()
        return fresh and seen is not None and seen.attribution is not None

    @property
    def outcomes(self) -> Outcomes | None:
        """How exchanges ended while the baseline's passed, and since the window's oldest, or since the baseline was set
        while there is none; None if uncounted.
        """
        if self.monitor is None or not self.baseline_endings:
            return None
        scored = len(self.monitor.detectors.recent)
        window = self.endings.back_to(scored) if scored else self.endings.unscored()
        return Outcomes(baseline=self.baseline_endings, window=window) if window else None

    def explain(self, report: Report, recent: Sequence[Sample], *, asked: bool) -> Evidence:
        """The evidence for a report just made. recent: the samples since the baseline, as far back as they are kept."""
        assert self.monitor
        assert self.baseline
        kept = any(text.prompt for text in self.baseline_texts.values())
        if self._topics is None:
            prompts = [self.baseline_texts[one].prompt for one in self.baseline.exchange_ids] if kept else None
            self._topics = baseline_topics(self.baseline, prompts)
        found = explain(
            self.monitor,
            report,
            id=uuid.uuid4().hex,
            recent=recent,
            topics=self._topics,
            texts=_prompts(self.texts) if kept else None,
            baseline_texts=_prompts(self.baseline_texts) if kept else None,
            outcomes=self.outcomes,
            asked=asked,
            # Seeded by what is looked at: asked again it says the same.
            rng=np.random.default_rng([crc32(self.baseline.id.encode()), report.observed]),
        )
        self.evidence = msgspec.structs.replace(found, seen=self.counts.total())
        self.explained_at = report.observed
        return self.evidence

    def pairs(self, evidence: Evidence) -> list[Pair]:
        """The evidence's witnesses with the texts of both sides."""
        found = []
        for pair in evidence.pairs:
            now = self.texts.get(pair.exchange_id, Text())
            then = self.baseline_texts.get(pair.baseline_exchange_id, Text())
            found.append(
                Pair(
                    exchange_id=pair.exchange_id,
                    baseline_exchange_id=pair.baseline_exchange_id,
                    prompt=now.prompt,
                    baseline_prompt=then.prompt,
                    baseline=then.response,
                    current=now.response,
                    witness=pair.witness,
                    prompt_similarity=pair.prompt_similarity,
                )
            )
        return found

    def written(self) -> MonitorRow:
        """What the history is to know."""
        self.row = msgspec.structs.replace(self.row, counts=dict(self.counts))
        return self.row


def _prompts(texts: dict[str, Text]) -> dict[str, str]:
    return {name: text.prompt for name, text in texts.items()}


def said(exchange: Exchange) -> str:
    """What an answer says: its text, else the calls it makes."""
    return exchange.response or "\n".join(exchange.tool_calls)


def digest_of(model: str, digests: dict[str, str]) -> str:
    """The digest behind a model's name, as Ollama resolves it; empty when it is not known."""
    return digests.get(model) or digests.get(f"{model}:latest", "")


def details_of(model: str, details: Mapping[str, Details]) -> Details:
    """What else Ollama tells of a model; empty when it is not known."""
    return details.get(model) or details.get(f"{model}:latest", {})


def sample_of(
    exchange: Exchange,
    *,
    response: Vector,
    prompt: Vector,
    digests: dict[str, str],
    details: Mapping[str, Details],
) -> Sample:
    """What the statistics see of an exchange."""
    settings = {name: str(value) for name, value in exchange.sampling.items()}
    settings |= {"model": exchange.model, "response_model": exchange.response_model}
    if digest := digest_of(exchange.model, digests):
        settings["digest"] = digest
        told = details_of(exchange.model, details)
        settings |= {name: told[name] for name in FROM_OLLAMA if name in told}
    if exchange.system:
        settings["system"] = _digest(exchange.system)
    return Sample(
        exchange_id=exchange.id,
        at=exchange.at,
        response=response,
        prompt=prompt,
        features=behaviour(exchange),
        session=_session(exchange.session) if exchange.session else None,
        settings=settings,
    )


def text_of(exchange: Exchange, sample: Sample, keep: bool) -> Text:
    """What is kept of an exchange; without its texts unless `keep`."""
    return Text(
        prompt=exchange.prompt if keep else "",
        response=said(exchange) if keep else "",
        model=exchange.model,
        finish_reason=exchange.finish_reason,
        output_tokens=exchange.output_tokens,
        duration_seconds=exchange.duration_seconds,
        source=exchange.source,
        session=sample.session,
        features=sample.features,
        settings=dict(sample.settings),
    )


def _session(name: str) -> str:
    """A digest, since the name may be a person's; what says that nobody named it stays in front."""
    return f"{CONVERSATION if name.startswith(CONVERSATION) else ''}{_digest(name)}"


def _digest(text: str) -> str:
    return blake2s(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
