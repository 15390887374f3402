"""An encoder behind a server keeps one identity, or says that it is another one."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from drift.errors import EmbedderUnavailable, EncoderChanged
from drift.samples import Matrix
from proxy.embedding_served import PROBES, ServedEncoder
from proxy.embedding_server import BLANK
from proxy.settings import Embedder
from proxy.stores.encoders import Encoders
from proxy.stores.history import History, open_history
from proxy.stores.opening import Stores
from tests.scripted import Upstream
from tests.unit.embedded_texts import REFUSED, Served, agree, good, sent, unit

GONE = sent({}, "503 Service Unavailable")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = open_history(tmp_path)
    yield history
    history.close()


class Scene:
    """A server that the test can change or send away, the history, and a clock."""

    def __init__(self, served: Served, history: History):
        self.away, self.suffix, self.now = False, "", 0.0
        served(self._respond)
        self.served, self.history = served, history

    def _respond(self, texts: list[str], number: int) -> bytes:
        return GONE if self.away else good([text + self.suffix for text in texts])

    def encoder(self, local: "Here | None" = None, **settings: object) -> ServedEncoder:
        wanted = Embedder(url=self.served.server.url, **({"model": "m", "fallback_seconds": 60.0} | settings))
        return ServedEncoder(wanted, Encoders(self.history.engine), local, clock=lambda: self.now)

    def opened(self, local: "Here | None" = None, **settings: object) -> ServedEncoder:
        encoder = self.encoder(local, **settings)
        encoder.open()
        return encoder


class Here:
    """A local model that reads 100 characters, with the vectors that the scripted server has, or with others."""

    encoder, dimension, max_tokens = "here/1/fp32", 16, 256

    def __init__(self, suffix: str = ""):
        self._suffix = suffix

    def embed(self, texts: list[str]) -> Matrix:
        return unit([text + self._suffix for text in texts]).astype(np.float32)

    def beginning(self, text: str) -> str:
        return text[:100]


@pytest.fixture
def scene(upstream: Callable[..., Upstream], history: History, monkeypatch: pytest.MonkeyPatch) -> Scene:
    for name in ("FIRST_WAIT_SECONDS", "LONGEST_PAUSE_SECONDS"):
        monkeypatch.setattr(f"proxy.embedding_requests.{name}", 0.001)
    return Scene(Served(upstream), history)


def test_the_identity_is_the_same_for_every_worker_and_after_every_start(scene: Scene):
    assert scene.opened().encoder == "url:m/16/2000c/1"
    assert scene.opened().encoder == "url:m/16/2000c/1"


def test_another_name_cut_or_dimension_is_another_encoder(scene: Scene):
    names = {scene.opened().encoder, scene.opened(model="n").encoder, scene.opened(max_characters=500).encoder}
    assert len(names) == 3


def test_other_vectors_under_the_same_name_are_another_generation(scene: Scene):
    """And the first ones again are the first: their baselines can be used again."""
    encoder = scene.opened()
    scene.suffix = "!"
    with pytest.raises(EncoderChanged, match="another model under the name m"):
        encoder.embed(["a"])
    assert scene.opened().encoder == "url:m/16/2000c/2"
    scene.suffix = ""
    assert scene.opened().encoder == "url:m/16/2000c/1"


def test_a_server_that_comes_back_with_another_model_is_noticed_before_it_embeds(scene: Scene):
    encoder = scene.opened()
    scene.away = True
    with pytest.raises(EmbedderUnavailable):
        encoder.embed(["a"])
    scene.away, scene.suffix = False, "!"
    with pytest.raises(EncoderChanged, match=r"is url:m/16/2000c/2 now, and was url:m/16/2000c/1"):
        embed_when_back(encoder, ["a"])


def embed_when_back(encoder: ServedEncoder, texts: list[str]) -> Matrix:
    """The pause before the next attempt is a millisecond or so."""
    while True:
        try:
            return encoder.embed(texts)
        except EmbedderUnavailable:
            continue


def test_workers_that_start_together_agree_on_the_generation(stores: Stores):
    """Each of two has other vectors, and both think that theirs are the first."""
    barrier, found = threading.Barrier(4), []

    def one(vectors: Matrix) -> None:
        barrier.wait()
        found.append(
            (float(vectors[0, 0]), Encoders(stores.history.engine).generation("m", "1c", vectors, same=0.999, at=0))
        )

    rows = [np.eye(3, dtype=np.float32), -np.eye(3, dtype=np.float32)] * 2
    threads = [threading.Thread(target=one, args=(vectors,)) for vectors in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(sign, generation.encoder) for sign, generation in found}) == 2
    assert {generation.number for _, generation in found} == {1, 2}


def test_rounding_is_no_change(history: History):
    rng = np.random.default_rng(7)
    vectors = unit([str(x) for x in range(8)]).astype(np.float32)
    near = vectors + rng.normal(scale=0.004, size=vectors.shape).astype(np.float32)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    encoders = Encoders(history.engine)
    assert encoders.generation("m", "1c", vectors, same=0.999, at=0).number == 1
    assert encoders.generation("m", "1c", near, same=0.999, at=0).number == 1


def test_texts_are_cut_and_blank_ones_have_a_vector(scene: Scene):
    texts = ["", " \n", "x" * 5000, "half \ud800 a pair"]
    agree(scene.opened().embed(texts), [BLANK, BLANK, "x" * 2000, "half ? a pair"])


def test_the_local_model_takes_over_once_the_server_has_been_away_long_enough(scene: Scene):
    encoder = scene.opened(Here())
    scene.away = True
    with pytest.raises(EmbedderUnavailable):
        encoder.embed(["a"])
    assert "away" not in encoder.note
    scene.now = 59.0
    with pytest.raises(EmbedderUnavailable):
        encoder.embed(["a"])
    scene.now = 60.0
    agree(encoder.embed(["a", "b" * 500]), ["a", "b" * 100])
    assert encoder.note.endswith("is away; here/1/fp32 here embeds in its place.")
    scene.away = False
    while encoder.note:
        agree(encoder.embed(["a"]), ["a"])
    assert encoder.encoder == "url:m/16/256t/1"


def test_a_local_model_with_other_vectors_never_takes_over(scene: Scene):
    encoder = scene.opened(Here("!"), fallback_seconds=0.0)
    scene.away = True
    with pytest.raises(EmbedderUnavailable):
        encoder.embed(["a"])


def test_the_local_model_takes_over_at_the_start_where_the_server_was_known(scene: Scene):
    """By the vectors that the server gave to the probes when it was last there."""
    scene.away = True
    with pytest.raises(EmbedderUnavailable):
        scene.opened(Here(), fallback_seconds=0.0)
    scene.away = False
    scene.opened(Here())
    scene.away = True
    with pytest.raises(EmbedderUnavailable):
        scene.opened(Here("!"), fallback_seconds=0.0)
    encoder = scene.opened(Here(), fallback_seconds=0.0)
    assert encoder.encoder == "url:m/16/256t/1"
    agree(encoder.embed(["a"]), ["a"])


def test_the_probes_tell_how_much_of_a_text_is_read():
    """The longest is longer than the 512 tokens that most embedding models read."""
    assert max(len(probe.split()) for probe in PROBES) > 512


def test_a_server_that_refuses_long_texts_has_an_identity_too(upstream: Callable[..., Upstream], history: History):
    served = Served(upstream)
    served(lambda texts, n: good(texts) if max(map(len, texts)) < 900 else REFUSED)
    wanted = Embedder(url=served.server.url, model="m")
    encoder = ServedEncoder(wanted, Encoders(history.engine))
    encoder.open()
    agree(encoder.embed(["y" * 1500]), ["y" * 750])
