"""A real llama.cpp embeds, goes away, comes back, and comes back with another model."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from drift.embedder import Embedder, find_weights
from proxy.embedding_served import ServedEncoder
from proxy.settings import Embedder as Wanted
from proxy.stores.encoders import Encoders
from proxy.stores.history import open_history
from tests.conftest import Driftium, wait_until
from tests.embedding_server import EmbeddingServer
from tests.scripted import Script, Upstream, replay

pytest.importorskip("xllamacpp")
pytest.importorskip("gguf")


@pytest.fixture
def llama() -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as server:
        yield server


def test_llama_cpp_has_the_local_model_s_vectors_and_the_local_model_stands_in(
    llama: EmbeddingServer, answers: dict[str, list[tuple[str, str]]], tmp_path: Path
):
    """Of real answers, long ones too; killed, llama.cpp is not missed."""
    texts = [text for pairs in answers.values() for pair in pairs[:2] for text in pair]
    texts += ["", "long " * 600, "日本語のとても長い文章です。" * 60]
    local = Embedder(find_weights(), device="cpu", threads=1, batch_size=8)
    history = open_history(tmp_path)
    try:
        wanted = Wanted(url=llama.url, fallback="local", fallback_seconds=0.0)
        encoder = ServedEncoder(wanted, Encoders(history.engine), local)
        encoder.open()
        assert encoder.encoder == "url:all-minilm/384/256t/1"
        served = encoder.embed(texts)
        llama.kill()
        here = encoder.embed(texts)
        assert "embeds in its place" in encoder.note
        assert (served * here).sum(axis=1).min() > 0.999
        assert np.array_equal(here[-2:], local.embed(texts[-2:]))
    finally:
        history.close()


def test_the_worker_waits_while_the_server_is_away_and_sees_another_model(
    llama: EmbeddingServer,
    answers: dict[str, list[tuple[str, str]]],
    upstream: Callable[[Script], Upstream],
    driftium: Callable[..., Driftium],
):
    pairs = [pair for pairs in answers.values() for pair in pairs][:30]
    model = upstream(replay(dict(pairs)))
    llama.kill()
    env = {"DRIFTIUM_EMBEDDER__URL": llama.url, "DRIFTIUM_WORKER__BATCH": "8"}
    proxy = driftium(model.url, env=env)

    def told() -> tuple[str, str]:
        found = proxy.get("/api/health")["embedder"]
        return found["status"], found.get("message", "")

    def gauge() -> float:
        found = re.search(r"^driftium_embedder_ready (\S+)", proxy.client.get("/metrics").text, re.M)
        assert found
        return float(found[1])

    def waits() -> bool:
        status, message = told()
        return status == "not ready" and llama.url in message

    # It is away when the worker starts.
    wait_until(waits, what="the health names the server")
    assert gauge() == 0
    for prompt, _ in pairs[:10]:
        proxy.chat(prompt)
    llama.start()
    proxy.wait_until_scored(10)
    wait_until(lambda: told() == ("ready", "") and gauge() == 1, what="the embedder is ready")
    proxy.client.post("/baseline", json={"monitor": "replay"})
    wait_until(lambda: proxy.get("/drift", monitor="replay")["baseline_id"], what="the baseline is made")
    worker = proxy.get("/api/health")["worker"]

    # It goes while the worker works.
    llama.kill()
    for prompt, _ in pairs[10:20]:
        assert proxy.chat(prompt).status_code == 200
    wait_until(waits, what="the health names the server")
    assert gauge() == 0
    llama.start()
    proxy.wait_until_scored(20)
    after = proxy.get("/api/health")["worker"]
    assert (after["pid"], after["restarts"]) == (worker["pid"], worker["restarts"])

    # It comes back with other weights under the same name.
    llama.kill()
    with EmbeddingServer(port=llama.port, quantised=True):
        for prompt, _ in pairs[20:]:
            proxy.chat(prompt)
        wait_until(
            lambda: (
                "url:all-minilm/384/2000c/1, the worker has url:all-minilm/384/2000c/2"
                in proxy.get("/api/health")["worker"].get("message", "")
            ),
            what="the health says that the baseline is of another encoder",
        )
        proxy.wait_until_scored(30)
    assert "url:all-minilm/384/2000c/2 now" in proxy.stderr.read_text() or "another model" in proxy.stderr.read_text()
