"""On onnxruntime the encoder is the same one, and needs no torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drift import onnx_export
from drift.embedder import Embedder, find_weights
from drift.errors import EmbedderUnavailable
from drift.onnx_embedder import OnnxEmbedder
from drift.onnx_export import export, folder_of, is_exported
from proxy import embedding
from proxy.settings import Data, Settings
from proxy.settings import Embedder as Wanted

pytest.importorskip("onnxruntime")

TEXTS = ["Is it raining?", "word " * 400, "Reset my password.", "", "naïve 日本語 \x00", "  It rains.\n"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx")


@pytest.fixture(scope="module")
def exported(cache: Path) -> Path:
    folder = folder_of(cache, find_weights(), "fp32")
    export(find_weights(), folder, "fp32")
    return folder


@pytest.fixture(scope="module")
def onnx(exported: Path) -> OnnxEmbedder:
    return OnnxEmbedder(exported, "name", threads=1, batch_size=4)


@pytest.fixture(scope="module")
def torch() -> Embedder:
    return Embedder(find_weights(), device="cpu", threads=1)


def test_its_vectors_are_torch_s_up_to_rounding(
    onnx: OnnxEmbedder, torch: Embedder, answers: dict[str, list[tuple[str, str]]]
):
    """Of real answers, of texts longer than is read, and of empty ones."""
    texts = TEXTS + [response for pairs in answers.values() for _, response in pairs[:3]]
    vectors = onnx.embed(texts)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-6)
    assert (vectors * torch.embed(texts)).sum(axis=1).min() > 0.99999
    assert (onnx.dimension, onnx.max_tokens) == (torch.dimension, torch.max_tokens)


def test_onnxruntime_reports_nothing_to_its_maker(exported: Path, tmp_path: Path):
    """Its telemetry leaves a device id and a file of what is to be sent, but not where it sees that it runs in CI."""
    code = (
        f"from drift.onnx_embedder import OnnxEmbedder; OnnxEmbedder(__import__('pathlib').Path({str(exported)!r}), '')"
    )
    env = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=env, cwd=Path(__file__).parents[2])
    assert list(tmp_path.iterdir()) == []


def test_no_texts_are_no_vectors(onnx: OnnxEmbedder):
    assert onnx.embed([]).shape == (0, 384)


def test_the_beginning_of_a_text_has_the_vector_of_the_whole(onnx: OnnxEmbedder, torch: Embedder):
    long = ["unbelievableness, " * 300, "日本語の文章。" * 200, "word"]
    assert [onnx.beginning(text) for text in long] == [torch.beginning(text) for text in long]
    assert len(onnx.beginning(long[0])) < len(long[0])
    cut = onnx.embed([onnx.beginning(text) for text in long])
    assert (cut * onnx.embed(long)).sum(axis=1) == pytest.approx(np.ones(3), abs=1e-6)


def test_embedding_does_not_import_torch(exported: Path):
    code = (
        "import sys; from pathlib import Path; from drift.onnx_embedder import OnnxEmbedder;"
        f"OnnxEmbedder(Path({str(exported)!r}), 'x', threads=1).embed(['a']); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_whoever_exports_second_uses_what_is_there(exported: Path):
    """Workers that start together each write a folder of their own, and one of them is kept."""
    part = exported.parent / "another"
    part.mkdir()
    (part / "about.json").touch()
    onnx_export._put(part, exported)
    assert is_exported(exported)
    assert (exported / "model.onnx").stat().st_size > 80e6


def test_an_export_that_is_another_model_is_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(onnx_export.AGREEMENT, "int8", 1.1)
    folder = folder_of(cache, find_weights(), "int8")
    with pytest.raises(ValueError, match=r"agrees with torch's by 0\.9\d+ only"):
        export(find_weights(), folder, "int8")
    assert not folder.exists()
    assert not list(cache.glob("part-*"))


def settings(tmp_path: Path, **wanted: object) -> Settings:
    return Settings(data=Data(dir=str(tmp_path)), embedder=Wanted(**wanted))


def test_onnxruntime_is_chosen_by_itself_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch):
    choices = [{}, {"device": "cpu"}, {"backend": "torch"}, {"precision": "bf16"}, {"device": "cuda"}]
    for gpu, chosen in ((False, [1, 1, 0, 0, 0]), (True, [0, 1, 0, 0, 0])):
        monkeypatch.setattr(embedding, "may_have_gpu", lambda gpu=gpu: gpu)
        assert [embedding.takes_onnx(Wanted(**one)) for one in choices] == [bool(one) for one in chosen]
    assert embedding.takes_onnx(Wanted(backend="onnx"))
    assert embedding.takes_onnx(Wanted(precision="int8"))


def test_the_identity_is_that_of_torch(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Baselines stay valid when the extra is installed."""
    monkeypatch.setattr(embedding, "_cache", lambda _: exported.parent)
    monkeypatch.setattr(embedding, "may_have_gpu", lambda: False)
    found = embedding.local_embedder(settings(tmp_path))
    assert isinstance(found, OnnxEmbedder)
    assert found.encoder == "all-MiniLM-L6-v2/53aa51172d14/fp32"


def test_an_export_that_fails_leaves_torch_to_embed_unless_onnx_is_demanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "cache").write_text("a file, where a folder is to be")
    monkeypatch.setattr(embedding, "_cache", lambda _: tmp_path / "cache")
    monkeypatch.setattr(embedding, "may_have_gpu", lambda: False)
    assert isinstance(embedding.local_embedder(settings(tmp_path)), Embedder)
    with pytest.raises(EmbedderUnavailable, match=r'could not be written as ONNX.*embedder.backend = "torch"'):
        embedding.local_embedder(settings(tmp_path, backend="onnx"))


def test_a_damaged_model_says_which_folder_to_delete(exported: Path, tmp_path: Path):
    for name in ("about.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"half")
    with pytest.raises(EmbedderUnavailable, match=f"{tmp_path}.*delete that folder"):
        OnnxEmbedder(tmp_path, "x")
