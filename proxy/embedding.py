"""The encoder that the settings ask for: a model in this process, on torch or onnxruntime, or a server's."""

import importlib.util
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
import structlog

from drift.embedder import Embedder, Weights, find_weights, identity
from drift.errors import EmbedderUnavailable
from drift.onnx_embedder import OnnxEmbedder
from drift.onnx_export import export, folder_of, is_exported
from drift.samples import Matrix
from proxy import logs
from proxy.embedding_served import Local, ServedEncoder
from proxy.settings import Embedder as Wanted
from proxy.settings import Settings
from proxy.stores.encoders import Encoders

log = structlog.get_logger()

RETRY_SECONDS = 2.0


class TextEncoder(Protocol):
    """Texts to unit vectors of one identity.

    `embed` gives float32 of shape (len(texts), dimension), in the texts' order. It raises EmbedderUnavailable while
    nothing can be embedded, which may be over soon, and EncoderChanged when its vectors are others from now on.
    """

    @property
    def encoder(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Matrix: ...


def make_embedder(
    settings: Settings, engine: sa.Engine, *, stop: threading.Event, say: Callable[[str], None]
) -> TextEncoder | None:
    """The encoder, once there is one; None when told to stop before.

    `engine` is the history's, which knows a server's encoders. While the server is away `say` is told why, every
    other second. Raises EmbedderUnavailable when waiting would not help.
    """
    wanted = settings.embedder
    if not wanted.url:
        return local_embedder(settings)
    served = ServedEncoder(wanted, Encoders(engine), local_embedder(settings) if wanted.fallback else None)
    while True:
        try:
            served.open()
            return served
        except EmbedderUnavailable as error:
            say(str(error))
        if stop.wait(RETRY_SECONDS):
            return None


def note_of(embedder: object) -> str:
    """What people should know of how it embeds now."""
    return str(getattr(embedder, "note", ""))


def local_embedder(settings: Settings) -> Local:
    """The model in this process. Raises EmbedderUnavailable."""
    wanted = settings.embedder
    if not sys.stderr.isatty():
        logs.speak_plainly()
    weights = find_weights(wanted.path or None, allow_download=wanted.allow_hub)
    # Threads that wait for a core which others use make each step wait: 5 to 20 times slower on a busy machine.
    threads = wanted.threads or max(1, (os.cpu_count() or 2) // 2)
    if takes_onnx(wanted):
        demanded = wanted.backend == "onnx" or wanted.precision == "int8"
        try:
            return _onnx(settings, weights, threads)
        except EmbedderUnavailable as error:
            if demanded:
                raise
            log.warning("torch embeds in place of onnxruntime", error=str(error))
    device = "cpu" if wanted.device == "auto" and not may_have_gpu() else wanted.device
    return Embedder(weights, device=device, precision=wanted.precision, batch_size=wanted.batch_size, threads=threads)


def takes_onnx(wanted: Wanted) -> bool:
    """Whether onnxruntime embeds: where it is asked for, and by itself where it is installed and there is no GPU."""
    if wanted.backend == "onnx" or wanted.precision == "int8":
        return True
    if wanted.backend == "torch" or wanted.precision == "bf16" or importlib.util.find_spec("onnxruntime") is None:
        return False
    return wanted.device == "cpu" or (wanted.device == "auto" and not may_have_gpu())


def may_have_gpu() -> bool:
    """Whether torch is to be asked for a GPU, which takes seconds: not where there cannot be one."""
    if version("torch").endswith("+cpu"):
        return False
    devices = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
    if sys.platform == "linux" and not any(Path(device).exists() for device in devices):
        return False
    import torch

    return bool(torch.cuda.is_available())


def _onnx(settings: Settings, weights: Weights, threads: int) -> OnnxEmbedder:
    if importlib.util.find_spec("onnxruntime") is None:
        raise EmbedderUnavailable("the ONNX backend is not installed: pip install 'driftium[onnx]'")
    precision = settings.embedder.precision
    folder = folder_of(_cache(settings), weights, precision)
    if not is_exported(folder):
        log.info("the model is written as ONNX, once", folder=str(folder))
        # In a process of its own: torch would stay in this one.
        try:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as child:
                child.submit(export, weights, folder, precision).result()
        except Exception as error:  # torch, onnx and onnxruntime have exceptions of many kinds; each means the same
            raise EmbedderUnavailable(
                f"the model could not be written as ONNX into {folder.parent} ({_line(error)}); "
                'embedder.backend = "torch" does without'
            ) from error
    return OnnxEmbedder(folder, identity(weights, precision), batch_size=settings.embedder.batch_size, threads=threads)


def _cache(settings: Settings) -> Path:
    """The user's cache, which several data folders share; the data folder where there is none to write in."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "driftium" / "onnx"
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return settings.data_dir / "onnx"
    return cache if os.access(cache, os.W_OK) else settings.data_dir / "onnx"


def _line(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:300]
