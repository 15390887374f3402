import shutil
import subprocess
import sys

import numpy as np
import pytest

from drift import embedder
from drift.embedder import Embedder, find_weights
from drift.errors import EmbedderUnavailable


@pytest.fixture(scope="module")
def weights():
    return find_weights()


@pytest.fixture(scope="module")
def minilm(weights):
    return Embedder(weights, device="cpu", threads=1)


def test_vectors_are_unit_float32_in_the_order_of_the_texts(minilm):
    """Long and short texts are batched apart, and come back in place."""
    texts = ["Is it raining?", "word " * 400, "Reset my password.", "", "It rains."]
    vectors = minilm.embed(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    for text, vector in zip(texts, vectors, strict=True):
        assert minilm.embed([text])[0] == pytest.approx(vector, abs=1e-5)
    rain, _, password, _, rains = vectors
    assert rain @ rains > rain @ password + 0.3


def test_every_blank_text_has_the_same_vector(minilm):
    empty, blank = minilm.embed(["", " \n "])
    assert np.array_equal(empty, blank)


def test_no_texts_are_no_vectors(minilm):
    assert minilm.embed([]).shape == (0, 384)


def test_the_identity_names_weights_and_precision_and_no_device(minilm):
    assert minilm.encoder == "all-MiniLM-L6-v2/53aa51172d14/fp32"


def test_a_given_folder_comes_first_and_other_weights_say_so(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.safetensors").write_bytes(b"other weights")
    found = find_weights(str(tmp_path / "mine"))
    assert (found.found, found.name) == ("path", "mine")
    assert found.sha256 != embedder.WEIGHTS_SHA256


def test_a_given_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(EmbedderUnavailable, match=r"embedder\.path"):
        find_weights(str(tmp_path))


def cached(cache_dir, content):
    """A hub cache that holds these files under one revision."""
    repository = cache_dir / "models--sentence-transformers--all-MiniLM-L6-v2"
    snapshot = repository / "snapshots" / "abc"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    shutil.copytree(content, snapshot)
    return snapshot


def test_the_local_cache_is_used_when_no_package_is_installed(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(embedder, "PACKAGE", "no_such_package")
    snapshot = cached(tmp_path, weights.folder)
    found = find_weights(cache_dir=str(tmp_path))
    assert found.found == "cache"
    assert found.folder == snapshot


def test_cached_weights_that_are_not_the_model_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(embedder, "PACKAGE", "no_such_package")
    content = tmp_path / "content"
    content.mkdir()
    (content / "model.safetensors").write_bytes(b"tampered")
    (content / "modules.json").write_text("[]")
    cached(tmp_path / "cache", content)
    with pytest.raises(EmbedderUnavailable, match="sha256"):
        find_weights(cache_dir=str(tmp_path / "cache"))


def test_without_weights_and_downloads_the_error_names_every_place(tmp_path, monkeypatch):
    monkeypatch.setattr(embedder, "PACKAGE", "no_such_package")
    with pytest.raises(EmbedderUnavailable) as refused:
        find_weights(cache_dir=str(tmp_path))
    for place in ("package", "cache", "embedder.path", "download"):
        assert place in str(refused.value)


def test_weights_that_do_not_load_are_an_error_to_act_on(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(EmbedderUnavailable, match="do not load"):
        Embedder(find_weights(str(tmp_path)), device="cpu")


def test_a_precision_that_does_not_exist_is_refused(weights):
    with pytest.raises(ValueError, match="bf16"):
        Embedder(weights, precision="int4")


def test_importing_the_module_does_not_import_torch():
    """Seconds of start and hundreds of megabytes that only the worker should pay."""
    code = "import sys, drift.embedder, drift.monitor; sys.exit('torch' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
