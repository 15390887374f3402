"""Vectors of two encoders are never compared, and what cannot be embedded just now is embedded later."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from drift.errors import EmbedderUnavailable
from drift.samples import Matrix
from proxy.settings import Settings
from tests.integration.test_scoring import Bench
from tests.scripted import completion
from tests.unit.embedded_texts import unit


class Hashed:
    """An encoder of that name, whose vectors are another name's turned round; or none while it is away."""

    dimension = 16

    def __init__(self, encoder: str):
        self.encoder, self.away = encoder, False

    def embed(self, texts: Sequence[str]) -> Matrix:
        if self.away:
            raise EmbedderUnavailable("away")
        return unit([self.encoder + text for text in texts]).astype(np.float32)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, Hashed("one"), Settings())
    yield bench
    bench.close()


def scored(bench: Bench, count: int) -> list[str]:
    names = [bench.add(body=completion(f"answer {i}", "m")) for i in range(count)]
    bench.score()
    return names


def with_encoder(bench: Bench, name: str) -> None:
    bench._embedder = Hashed(name)
    bench.restart()


def test_a_new_baseline_holds_only_answers_that_this_encoder_embedded(bench: Bench):
    old = scored(bench, 5)
    with_encoder(bench, "two")
    scored(bench, 4)
    assert bench.ask("baseline")["baseline_size"] == 4
    refused = bench.ask("baseline", exchange_ids=old[:2])
    assert refused["status"] == 409
    assert "are of the encoder one, and the worker's is two" in refused["error"]


def test_back_at_the_first_encoder_the_window_has_none_of_the_other_s_answers(bench: Bench):
    scored(bench, 5)
    bench.ask("baseline")
    first = scored(bench, 3)
    with_encoder(bench, "two")
    assert "made with the encoder one, the worker has two" in bench.scorer.state("ready").error
    scored(bench, 2)
    with_encoder(bench, "one")
    assert not bench.scorer.state("ready").error
    monitor = bench.scorer._populations.get("m").monitor
    assert monitor
    seen = [sample.exchange_id for sample in monitor.detectors.recent]
    assert seen
    assert set(seen) <= set(first)


def test_while_nothing_can_be_embedded_nothing_is_read(bench: Bench):
    """The log's cursor stays; everything is scored once afterwards."""
    scored(bench, 2)
    bench._embedder.away = True
    scored(bench, 3)
    assert bench.history.monitors()[0].counts == {"scored": 2}
    assert bench.scorer.state("ready").embedder_away
    bench._embedder.away = False
    bench.score()
    assert bench.history.monitors()[0].counts == {"scored": 5}
    assert not bench.scorer.state("ready").embedder_away
